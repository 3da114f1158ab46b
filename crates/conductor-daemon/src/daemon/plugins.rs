//! The plugins of one run and their threads.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use conductor_core::{Host, Limits};
use conductor_signing::Companion;
use conductor_signing::escape::terminal;

use super::file_state::FileState;
use super::{RunError, descriptors, join};
use crate::calls::CallLog;
use crate::config::{Config, PluginConfig};
use crate::dispatch::{PluginTotals, Published, Queue, Roster, Runner, StartedPlugin, Tally};
use crate::mapping::Mappings;
use crate::refusal;
use crate::stop::Stop;
use crate::trust;

/// Longest wait for plugins to load before the inputs start without those that are late.
const START_WAIT: Duration = Duration::from_secs(30);

/// How often the end of a plugin is looked for.
const LOOK_WHILE_ENDING: Duration = Duration::from_millis(5);

/// How often a wait for plugins looks whether the daemon was told to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The plugins that there are now, and the threads of those that are being replaced.
#[derive(Default)]
pub(super) struct Plugins {
    hosted: Vec<Hosted>,
    retiring: Vec<Retiring>,
}

/// A plugin of the configuration.
struct Hosted {
    config: PluginConfig,
    /// The module and its companions as they were before they were read.
    files: Vec<Option<FileState>>,
    queue: Arc<Queue>,
    published: Arc<Published>,
    /// None for one that is disabled.
    thread: Option<JoinHandle<PluginTotals>>,
}

/// A plugin that is to end.
struct Retiring {
    alias: Arc<str>,
    queue: Arc<Queue>,
    thread: JoinHandle<PluginTotals>,
}

/// What starting a plugin takes beside its configuration.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) host: &'a Arc<Host>,
    pub(super) roster: &'a Roster,
    pub(super) mappings: &'a Mappings,
    pub(super) calls: &'a CallLog,
    pub(super) stop: &'a Stop,
}

/// The plugins as they are to be: those that are to start have started.
pub(super) struct Renewal {
    /// In the order of the configuration: the place of one that goes on, or a new one.
    next: Vec<Result<usize, Hosted>>,
}

/// What a renewal did, by alias. Plugins that are disabled are in none of the lists.
#[derive(Debug, Default)]
pub(super) struct Renewed {
    pub(super) started: Vec<String>,
    pub(super) stopped: Vec<String>,
    pub(super) untouched: Vec<String>,
}

impl Hosted {
    fn new(config: &PluginConfig, limits: &Limits, roster: &Roster) -> Self {
        let limits = config.limits.apply(*limits);
        let record = roster.record(&config.alias);
        let queue = Arc::new(Queue::new(&limits, Arc::clone(&record)));
        let published = Published::new(Arc::clone(&config.alias), Arc::clone(&queue), record);
        let published = Arc::new(published.with_limits(limits));
        if !config.enabled {
            published.disabled();
        }
        Self { config: config.clone(), files: files(config), queue, published, thread: None }
    }

    /// Starts its thread, unless it is disabled.
    fn start(
        &mut self,
        around: Surroundings<'_>,
        started: &Sender<StartedPlugin>,
    ) -> Result<bool, io::Error> {
        if !self.config.enabled {
            return Ok(false);
        }
        around.roster.expect(&self.published);
        let runner = Runner {
            host: Arc::clone(around.host),
            config: self.config.clone(),
            mappings: around.mappings.clone(),
            queue: Arc::clone(&self.queue),
            published: Arc::clone(&self.published),
            calls: around.calls.clone(),
        };
        let started = started.clone();
        let started = move |plugin| {
            announce(&plugin);
            // The receiver is gone once the daemon no longer waits for plugins.
            let _ = started.send(plugin);
        };
        let thread = Builder::new().name(self.config.alias.to_string()).spawn(move || runner.run(started));
        self.thread = Some(thread?);
        Ok(true)
    }

    /// Refuses further events; those that wait are worked on.
    fn retire(self) -> Option<Retiring> {
        self.queue.close();
        let Self { config, queue, thread, .. } = self;
        thread.map(|thread| Retiring { alias: config.alias, queue, thread })
    }
}

/// The module of a plugin and its companions as they are now.
fn files(config: &PluginConfig) -> Vec<Option<FileState>> {
    let companions = Companion::ALL.into_iter().map(|companion| FileState::of(&companion.path(&config.path)));
    std::iter::once(FileState::of(&config.path)).chain(companions).collect()
}

impl Plugins {
    pub(super) fn new(config: &Config, roster: &Roster) -> Self {
        let limits = config.wasm.limits();
        let hosted = config.plugins.iter().map(|plugin| Hosted::new(plugin, &limits, roster)).collect();
        Self { hosted, retiring: Vec::new() }
    }

    /// What is known about each plugin.
    pub(super) fn published(&self) -> Vec<Arc<Published>> {
        self.hosted.iter().map(|plugin| Arc::clone(&plugin.published)).collect()
    }

    /// Where events for each plugin go.
    pub(super) fn queues(&self) -> HashMap<Arc<str>, Arc<Queue>> {
        let queues = self.hosted.iter();
        queues.map(|plugin| (Arc::clone(&plugin.config.alias), Arc::clone(&plugin.queue))).collect()
    }

    /// Loads all plugins at the same time and waits until each of them is loaded or refused.
    pub(super) fn start(&mut self, around: Surroundings<'_>) -> Result<(), RunError> {
        let enabled = self.hosted.iter().filter(|plugin| plugin.config.enabled).count();
        if let Err(lacking) = descriptors::suffice_for(enabled) {
            tracing::warn!("{lacking}");
        }
        let (started, waiting) = channel();
        let mut count = 0;
        for plugin in &mut self.hosted {
            count +=
                usize::from(plugin.start(around, &started).map_err(|source| RunError::Thread { source })?);
        }
        drop(started);
        let refused = wait_for(&waiting, count, around.stop).len();
        if refused > 0 && refused == count { Err(RunError::NoPlugin) } else { Ok(()) }
    }

    /// Starts the plugins of another configuration, but for those that go on as they are: whose configuration and files are
    /// the same, and which were not refused. If one that is to start is
    /// refused, or it is not known in time whether it is, none is started.
    pub(super) fn renew(
        &mut self,
        config: &Config,
        around: Surroundings<'_>,
        all_anew: bool,
    ) -> Result<Renewal, Vec<String>> {
        let limits = config.wasm.limits();
        let (started, waiting) = channel();
        let (mut next, mut count, mut failed) = (Vec::new(), 0, Vec::new());
        let goes_on =
            |plugin: &PluginConfig| self.hosted.iter().position(|old| !all_anew && old.goes_on_as(plugin));
        let places: Vec<Option<usize>> = config.plugins.iter().map(goes_on).collect();
        let is_new = |(plugin, place): &(&PluginConfig, &Option<usize>)| plugin.enabled && place.is_none();
        let starts = config.plugins.iter().zip(&places).filter(is_new).count();
        descriptors::suffice_for(starts).map_err(|lacking| vec![lacking])?;
        for (plugin, place) in config.plugins.iter().zip(places) {
            if let Some(place) = place {
                next.push(Ok(place));
                continue;
            }
            let mut new = Hosted::new(plugin, &limits, around.roster);
            match new.start(around, &started) {
                Ok(starts) => count += usize::from(starts),
                Err(error) => failed.push(format!("`{}` cannot be started: {error}", plugin.alias)),
            }
            next.push(Err(new));
        }
        drop(started);
        failed.extend(wait_for(&waiting, count, around.stop));
        // Of what still loads nobody knows whether it will run.
        let new = next.iter().filter_map(|plugin| plugin.as_ref().err());
        let unknown = new.filter(|new| new.config.enabled && new.published.is_loading());
        let why = if around.stop.is_stopped() { "the daemon is stopping" } else { "it takes too long" };
        failed.extend(unknown.map(|new| {
            format!("`{}`: whether it can be loaded is not known, because {why}", new.config.alias)
        }));
        if failed.is_empty() {
            return Ok(Renewal { next });
        }
        let new = next.into_iter().filter_map(Result::err);
        self.retiring.extend(new.filter_map(Hosted::retire));
        Err(failed)
    }

    /// Puts a renewal in place; events must go to the new queues before.
    pub(super) fn put_in_place(&mut self, renewal: Renewal) -> Renewed {
        let mut old: Vec<Option<Hosted>> = std::mem::take(&mut self.hosted).into_iter().map(Some).collect();
        let mut renewed = Renewed::default();
        for plugin in renewal.next {
            let (list, plugin) = match plugin {
                Ok(place) => (&mut renewed.untouched, old.get_mut(place).and_then(Option::take)),
                Err(new) => (&mut renewed.started, Some(new)),
            };
            if let Some(plugin) = plugin {
                if plugin.config.enabled {
                    list.push(plugin.config.alias.to_string());
                }
                self.hosted.push(plugin);
            }
        }
        for plugin in old.into_iter().flatten() {
            if plugin.config.enabled {
                renewed.stopped.push(plugin.config.alias.to_string());
            }
            let alias = &plugin.config.alias;
            let is_replaced = self.hosted.iter().any(|new| new.config.alias == *alias && new.config.enabled);
            if !is_replaced {
                // The user wants it to end, not to go on for a while.
                plugin.queue.abandon();
            }
            self.retiring.extend(plugin.retire());
        }
        renewed
    }

    /// Waits until those that are being replaced have ended, at most until `deadline`.
    pub(super) fn wait_for_retiring(&self, deadline: Instant) {
        while Instant::now() < deadline && !self.retiring.iter().all(|old| old.thread.is_finished()) {
            thread::sleep(LOOK_WHILE_ENDING);
        }
    }

    /// Whether no plugin has anything left to do.
    pub(super) fn are_idle(&self) -> bool {
        let now = Instant::now();
        let queues = self.hosted.iter().map(|plugin| &plugin.queue);
        queues.chain(self.retiring.iter().map(|plugin| &plugin.queue)).all(|queue| queue.wait_idle(now))
    }

    /// Lets every plugin work off what it has, at most until `deadline`.
    pub(super) fn finish(mut self, deadline: Instant) -> Vec<PluginTotals> {
        self.retiring.extend(self.hosted.into_iter().filter_map(Hosted::retire));
        let totals = self.retiring.into_iter().filter_map(|Retiring { alias, queue, thread }| {
            let mut totals = join(thread, deadline, &format!("the plugin `{alias}`"))?;
            let Tally { coalesced, refused } = queue.tally();
            totals.tally.coalesced += coalesced;
            totals.tally.refused += refused;
            summarize(&totals);
            Some(totals)
        });
        totals.collect()
    }
}

impl Hosted {
    /// Whether it can go on under this configuration.
    fn goes_on_as(&self, config: &PluginConfig) -> bool {
        self.config == *config && self.files == files(config) && !self.published.is_refused()
    }
}

impl Renewal {
    /// Where events for each plugin are to go.
    pub(super) fn queues(&self, now: &Plugins) -> HashMap<Arc<str>, Arc<Queue>> {
        let next = self.next.iter().filter_map(|plugin| match plugin {
            Ok(place) => now.hosted.get(*place),
            Err(new) => Some(new),
        });
        next.map(|plugin| (Arc::clone(&plugin.config.alias), Arc::clone(&plugin.queue))).collect()
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

/// Waits until it is known what became of each plugin; returns which were refused and why.
fn wait_for(waiting: &Receiver<StartedPlugin>, count: usize, stop: &Stop) -> Vec<String> {
    let deadline = Instant::now() + START_WAIT;
    let mut refused = Vec::new();
    let mut known = 0;
    while known < count && Instant::now() < deadline && !stop.is_stopped() {
        match waiting.recv_timeout(LOOK_EVERY) {
            Ok(StartedPlugin { alias, loaded }) => {
                known += 1;
                refused.extend(loaded.err().map(|error| format!("`{alias}`: {}", refusal::describe(&error))));
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
