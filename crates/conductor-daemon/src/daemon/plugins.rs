//! The plugins of one run and their threads.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use conductor_core::Host;
use conductor_signing::escape::terminal;

use super::{RunError, join};
use crate::calls::CallLog;
use crate::config::Config;
use crate::dispatch::{PluginTotals, Published, Queue, Runner, StartedPlugin, Tally};
use crate::refusal;
use crate::stop::Stop;
use crate::trust;

/// Longest wait for plugins to load before the inputs start without those that are late.
const START_WAIT: Duration = Duration::from_secs(30);

/// How often a wait for plugins looks whether the daemon was told to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A queue for every plugin and, once started, a thread for it.
pub(super) struct Plugins {
    queues: HashMap<Arc<str>, Arc<Queue>>,
    published: Vec<Arc<Published>>,
    threads: Vec<(Arc<str>, JoinHandle<PluginTotals>)>,
}

impl Plugins {
    pub(super) fn new(config: &Config) -> Self {
        let queues: HashMap<Arc<str>, Arc<Queue>> = config
            .plugins
            .iter()
            .map(|plugin| {
                let limits = plugin.limits.apply(config.wasm.limits());
                (Arc::clone(&plugin.alias), Arc::new(Queue::new(limits.max_queued_events)))
            })
            .collect();
        let published =
            queues.iter().map(|(alias, queue)| Published::new(Arc::clone(alias), Arc::clone(queue)));
        let mut published: Vec<_> = published.map(Arc::new).collect();
        published.sort_by(|a, b| a.alias().cmp(b.alias()));
        Self { queues, published, threads: Vec::new() }
    }

    /// What is known about each plugin, by alias.
    pub(super) fn published(&self) -> &[Arc<Published>] {
        &self.published
    }

    pub(super) const fn queues(&self) -> &HashMap<Arc<str>, Arc<Queue>> {
        &self.queues
    }

    /// Loads all plugins at the same time and waits until each of them is loaded or refused.
    pub(super) fn start(
        &mut self,
        host: &Arc<Host>,
        config: &Config,
        calls: Option<&CallLog>,
        stop: &Stop,
    ) -> Result<(), RunError> {
        let (started, waiting) = channel();
        for plugin in &config.plugins {
            let Some(queue) = self.queues.get(&plugin.alias) else { continue };
            let published = self.published.iter().find(|published| published.alias() == &*plugin.alias);
            let Some(published) = published else { continue };
            let runner = Runner {
                host: Arc::clone(host),
                config: plugin.clone(),
                mappings: config.mappings.clone(),
                queue: Arc::clone(queue),
                published: Arc::clone(published),
                calls: calls.cloned(),
            };
            let started = started.clone();
            let started = move |plugin| {
                announce(&plugin);
                // The receiver is gone once the daemon no longer waits for plugins.
                let _ = started.send(plugin);
            };
            let thread = Builder::new().name(plugin.alias.to_string()).spawn(move || runner.run(started));
            let thread = thread.map_err(|source| RunError::Thread { source })?;
            self.threads.push((Arc::clone(&plugin.alias), thread));
        }
        drop(started);
        let refused = wait_for(&waiting, config.plugins.len(), stop);
        if refused > 0 && refused == config.plugins.len() { Err(RunError::NoPlugin) } else { Ok(()) }
    }

    /// Whether no plugin has anything left to do.
    pub(super) fn are_idle(&self) -> bool {
        let now = Instant::now();
        self.queues.values().all(|queue| queue.wait_idle(now))
    }

    /// Lets every plugin work off what it has, at most until `deadline`.
    pub(super) fn finish(self, deadline: Instant) -> Vec<PluginTotals> {
        self.queues.values().for_each(|queue| queue.close());
        let totals = self.threads.into_iter().filter_map(|(alias, thread)| {
            let mut totals = join(thread, deadline, &format!("the plugin `{alias}`"))?;
            if let Some(queue) = self.queues.get(&alias) {
                let Tally { coalesced, refused } = queue.tally();
                totals.tally.coalesced += coalesced;
                totals.tally.refused += refused;
            }
            summarize(&totals);
            Some(totals)
        });
        totals.collect()
    }
}

fn summarize(totals: &PluginTotals) {
    let PluginTotals { alias, calls, failures, busy, tally: Tally { coalesced, refused }, .. } = totals;
    let plugin = &**alias;
    if totals.was_refused {
        tracing::warn!(plugin, refused, "plugin was refused");
        return;
    }
    let busy_ms = u64::try_from(busy.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(plugin, calls, failures, busy_ms, coalesced, refused, "plugin done");
}

/// Waits until it is known what became of each plugin; returns how many were refused.
fn wait_for(waiting: &Receiver<StartedPlugin>, count: usize, stop: &Stop) -> usize {
    let deadline = Instant::now() + START_WAIT;
    let mut refused = 0;
    let mut known = 0;
    while known < count && Instant::now() < deadline && !stop.is_stopped() {
        match waiting.recv_timeout(LOOK_EVERY) {
            Ok(plugin) => {
                known += 1;
                refused += usize::from(plugin.loaded.is_err());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if known < count && !stop.is_stopped() {
        tracing::warn!("{} plugins are still loading; the inputs start without them", count - known);
    }
    refused
}

/// Says what became of a plugin, however late.
fn announce(plugin: &StartedPlugin) {
    let alias = &*plugin.alias;
    match &plugin.loaded {
        Ok(info) => {
            let name = &info.name;
            let trust = terminal(&trust::in_words(&info.trust)).to_string();
            let version = terminal(info.version.as_deref().unwrap_or("-")).to_string();
            tracing::info!(plugin = alias, %name, version, flavour = %info.flavour, trust, "plugin loaded");
            for decided in &info.capabilities {
                tracing::info!(plugin = alias, "{}", terminal(&decided.to_string()));
            }
        }
        Err(error) => {
            let hint = refusal::hint(error).map(|hint| format!("; {hint}")).unwrap_or_default();
            tracing::error!(
                plugin = alias,
                "refused: {}{}",
                terminal(&refusal::describe(error)),
                terminal(&hint)
            );
        }
    }
}
