//! The plugins of one run and their threads.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use conductor_core::{FileState, Host, Limits, LoadError};
use conductor_signing::escape::terminal;
use conductor_signing::{Companion, Digest};
use conductor_surface::stop::Stop;

use super::{RunError, descriptors, join};
use crate::calls::CallLog;
use crate::config::{Config, PluginConfig};
use crate::dispatch::{KnownPlugin, PluginTotals, Queue, Roster, Runner, StartedPlugin, Tally};
use crate::mapping::Mappings;
use crate::words::load_error;
use crate::words::trust;

/// Longest wait for plugins to load before the inputs start without those that are late.
const START_WAIT: Duration = Duration::from_secs(30);

/// Longest wait for the files of plugins to be read. Stops a file system that does not answer from holding up the inputs, other
/// plugins, and what the user wants changed.
const READ_WAIT: Duration = Duration::from_secs(2);

/// Longest wait for what the file systems of plugins say about their files.
const STATE_WAIT: Duration = Duration::from_secs(1);

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

/// The module of a plugin and its signature as they are at some time; nothing where their file system does not say.
type Files = Option<Vec<Option<FileState>>>;

/// A plugin of the configuration.
struct Hosted {
    config: PluginConfig,
    /// The module and its companions as they were before they were read; nothing where that was not said in time.
    files: Files,
    queue: Arc<Queue>,
    known: Arc<KnownPlugin>,
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
    /// Not loaded until the user says that they are meant.
    pub(super) waiting: Vec<String>,
    /// Refused as before.
    pub(super) refused: Vec<String>,
    pub(super) stopped: Vec<String>,
    pub(super) untouched: Vec<String>,
}

/// Which plugins are started anew.
#[derive(Clone, Copy)]
pub(super) enum Anew<'a> {
    /// Those whose configuration or files have changed, and those that were refused or wait.
    Changed,
    /// Those whose configuration has changed: whoever takes something away is not refused because of what other plugins are.
    Configured,
    /// All.
    All,
    /// One, of which the user has accepted that it is another plugin than before. It takes its place whatever becomes of it.
    Accepted {
        /// The user's name for it.
        alias: &'a str,
        /// What was accepted.
        change: Digest,
    },
}

impl Hosted {
    fn new(config: &PluginConfig, limits: &Limits, roster: &Roster) -> Self {
        let limits = config.limits.apply(*limits);
        let counters = roster.counters_of(&config.alias);
        let queue = Arc::new(Queue::new(&limits, Arc::clone(&counters)));
        let known = KnownPlugin::new(Arc::clone(&config.alias), Arc::clone(&queue), counters);
        let known = Arc::new(known.with_limits(limits));
        if !config.enabled {
            known.disabled();
        }
        Self { config: config.clone(), files: None, queue, known, thread: None }
    }

    /// Starts its thread, unless it is disabled. `said` is the change that the user was already told of.
    fn start(
        &mut self,
        around: Surroundings<'_>,
        started: &Sender<StartedPlugin>,
        accepted: Option<Digest>,
        said: Option<Digest>,
    ) -> Result<bool, io::Error> {
        if !self.config.enabled {
            return Ok(false);
        }
        around.roster.expect(&self.known);
        let runner = Runner {
            host: Arc::clone(around.host),
            config: self.config.clone(),
            mappings: around.mappings.clone(),
            queue: Arc::clone(&self.queue),
            known: Arc::clone(&self.known),
            calls: around.calls.clone(),
            accepted,
        };
        let started = started.clone();
        let started = move |plugin| {
            announce(&plugin, said);
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

/// The files of plugins as they are now, in the order of the plugins.
fn files_of<'p>(host: &Host, plugins: impl Iterator<Item = &'p PluginConfig>) -> Vec<Files> {
    let paths = |plugin: &PluginConfig| {
        let companions = Companion::ALL.into_iter().map(|companion| companion.path(&plugin.path));
        std::iter::once(plugin.path.to_path_buf()).chain(companions).collect()
    };
    host.file_states(&plugins.map(paths).collect::<Vec<_>>(), STATE_WAIT)
}

impl Plugins {
    pub(super) fn new(config: &Config, roster: &Roster) -> Self {
        let limits = config.wasm.limits();
        let hosted = config.plugins.iter().map(|plugin| Hosted::new(plugin, &limits, roster)).collect();
        Self { hosted, retiring: Vec::new() }
    }

    /// What is known about each plugin.
    pub(super) fn known(&self) -> Vec<Arc<KnownPlugin>> {
        self.hosted.iter().map(|plugin| Arc::clone(&plugin.known)).collect()
    }

    /// Where events for each plugin go.
    pub(super) fn queues(&self) -> HashMap<Arc<str>, Arc<Queue>> {
        let queues = self.hosted.iter();
        queues.map(|plugin| (Arc::clone(&plugin.config.alias), Arc::clone(&plugin.queue))).collect()
    }

    /// Loads all plugins at the same time and waits until each of them is loaded or refused. Says whether any may run, or none
    /// was wanted.
    pub(super) fn start(&mut self, around: Surroundings<'_>) -> Result<bool, RunError> {
        let enabled = self.hosted.iter().filter(|plugin| plugin.config.enabled).count();
        if let Err(lacking) = descriptors::suffice_for(enabled) {
            tracing::warn!("{lacking}");
        }
        let (started, waiting) = channel();
        let mut awaited = Vec::new();
        let files = files_of(around.host, self.hosted.iter().map(|plugin| &plugin.config));
        for (plugin, files) in self.hosted.iter_mut().zip(files) {
            plugin.files = files;
            if plugin.start(around, &started, None, None).map_err(|source| RunError::Thread { source })? {
                awaited.push(Arc::clone(&plugin.known));
            }
        }
        drop(started);
        let count = awaited.len();
        let refused = wait_for(&waiting, awaited, around.stop).len();
        let required = self.hosted.iter().filter(|plugin| plugin.config.required && plugin.config.enabled);
        for plugin in required {
            if let Some(why) = plugin.known.why_not_loaded()
                && !around.stop.is_stopped()
            {
                return Err(RunError::RequiredPlugin { name: Arc::clone(&plugin.config.alias), why });
            }
        }
        Ok(refused == 0 || refused < count)
    }

    /// Loads plugins that were refused again if their files have changed since, or if something else has that may let any of
    /// them in. Says whether it does; what comes of it can be asked for.
    pub(super) fn try_again(&mut self, config: &Config, around: Surroundings<'_>, any: bool) -> bool {
        let refused = |plugin: &&mut Hosted| plugin.config.enabled && plugin.known.is_refused();
        let refused: Vec<&mut Hosted> = self.hosted.iter_mut().filter(refused).collect();
        if refused.is_empty() {
            return false;
        }
        let (limits, mut does) = (config.wasm.limits(), false);
        let files = files_of(around.host, refused.iter().map(|plugin| &plugin.config));
        for (old, files) in refused.into_iter().zip(files) {
            if !any && (files.is_none() || files == old.files) {
                continue;
            }
            let mut new = Hosted::new(&old.config, &limits, around.roster);
            new.files = files;
            // Nobody waits for it.
            let (started, _) = channel();
            if let Err(error) = new.start(around, &started, None, None) {
                tracing::error!(plugin = &*new.config.alias, "cannot be tried again: {error}");
                continue;
            }
            does = true;
            self.retiring.extend(std::mem::replace(old, new).retire());
        }
        does
    }

    /// Starts the plugins of another configuration, but for those that go on as they are: whose configuration and files are
    /// the same, and which were not refused. If one that is to start is
    /// refused, or it is not known in time whether it is, none is started.
    pub(super) fn renew(
        &mut self,
        config: &Config,
        around: Surroundings<'_>,
        anew: Anew<'_>,
    ) -> Result<Renewal, Vec<String>> {
        let limits = config.wasm.limits();
        let (started, waiting) = channel();
        let (mut next, mut awaited, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        let files = files_of(around.host, config.plugins.iter());
        let goes_on = |(plugin, files): (&PluginConfig, &Files)| {
            self.hosted.iter().position(|old| match anew {
                Anew::Changed => old.goes_on_as(plugin, files),
                Anew::Configured => old.config == *plugin,
                Anew::All => false,
                Anew::Accepted { alias, .. } => *plugin.alias != *alias && plugin.alias == old.config.alias,
            })
        };
        let places: Vec<Option<usize>> = config.plugins.iter().zip(&files).map(goes_on).collect();
        let is_new = |(plugin, place): &(&PluginConfig, &Option<usize>)| plugin.enabled && place.is_none();
        let starts = config.plugins.iter().zip(&places).filter(is_new).count();
        descriptors::suffice_for(starts).map_err(|lacking| vec![lacking])?;
        for ((plugin, place), files) in config.plugins.iter().zip(places).zip(files) {
            if let Some(place) = place {
                next.push(Ok(place));
                continue;
            }
            let mut new = Hosted::new(plugin, &limits, around.roster);
            new.files = files;
            let accepted = match anew {
                Anew::Accepted { change, .. } => Some(change),
                Anew::Changed | Anew::Configured | Anew::All => None,
            };
            let before = self.hosted.iter().find(|old| old.config.alias == plugin.alias);
            let said = before.and_then(|old| old.known.waits_for()).map(|change| change.shown());
            match new.start(around, &started, accepted, said) {
                Ok(true) => awaited.push(Arc::clone(&new.known)),
                Ok(false) => {}
                Err(error) => failed.push(format!("`{}` cannot be started: {error}", plugin.alias)),
            }
            next.push(Err(new));
        }
        drop(started);
        // What was refused before and is again holds nobody up; that it is was said.
        let before = |alias: &str| self.hosted.iter().find(|old| *old.config.alias == *alias);
        let is_as_before = |alias: &str| {
            let now = config.plugins.iter().find(|plugin| *plugin.alias == *alias);
            before(alias).is_some_and(|old| old.known.is_refused() && Some(&old.config) == now)
        };
        let refused = wait_for(&waiting, awaited, around.stop).into_iter();
        let refused = refused.filter(|(alias, _)| !is_as_before(alias));
        match anew {
            Anew::Accepted { .. } => {}
            Anew::Changed | Anew::Configured | Anew::All => {
                failed.extend(refused.map(|(alias, why)| format!("`{alias}`: {why}")));
            }
        }
        // Of what still loads nobody knows whether it will run.
        let new = next.iter().filter_map(|plugin| plugin.as_ref().err());
        let unknown = new.filter(|new| new.config.enabled && new.known.is_loading());
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
                Err(new) if new.known.waits_for().is_some() => (&mut renewed.waiting, Some(new)),
                Err(new) if new.known.is_refused() => (&mut renewed.refused, Some(new)),
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
    /// Whether it can go on under this configuration, with its files as they are now. One whose file system does not say how
    /// they are cannot be read anew either.
    fn goes_on_as(&self, config: &PluginConfig, files: &Files) -> bool {
        let has_changed = files.is_some() && self.files != *files;
        self.config == *config && !has_changed && !self.known.has_to_be_tried()
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

/// Waits until it is known what became of each plugin; returns which were refused and why. Those whose files are not read in
/// time are not waited for.
fn wait_for(
    waiting: &Receiver<StartedPlugin>,
    mut awaited: Vec<Arc<KnownPlugin>>,
    stop: &Stop,
) -> Vec<(Arc<str>, String)> {
    let begun = Instant::now();
    let mut refused = Vec::new();
    let is_awaited = |plugin: &KnownPlugin| {
        let patience = if plugin.is_read() { START_WAIT } else { READ_WAIT };
        begun.elapsed() < patience
    };
    while awaited.iter().any(|plugin| is_awaited(plugin)) && !stop.is_stopped() {
        match waiting.recv_timeout(LOOK_EVERY) {
            Ok(StartedPlugin { alias, loaded }) => {
                awaited.retain(|plugin| *plugin.alias() != *alias);
                match loaded {
                    // It is known what becomes of it: nothing, until the user says something.
                    Ok(_) | Err(LoadError::Waits { .. }) => {}
                    Err(error) => refused.push((alias, load_error::describe(&error))),
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if !awaited.is_empty() && !stop.is_stopped() {
        let aliases: Vec<_> = awaited.iter().map(|plugin| plugin.alias()).collect();
        tracing::warn!("still loading, and not waited for any longer: {}", aliases.join(", "));
    }
    refused
}

/// Says what became of a plugin, however late, but for a change that was `said` before.
fn announce(plugin: &StartedPlugin, said: Option<Digest>) {
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
        Err(LoadError::Waits { change }) if said == Some(change.shown()) => {}
        Err(error @ LoadError::Waits { .. }) => tracing::warn!(
            plugin = alias,
            "not loaded: {}; to look at it and decide: conductorctl plugin accept {alias}",
            terminal(&load_error::describe(error))
        ),
        Err(error) => {
            let hint = load_error::hint(error).map(|hint| format!("; {hint}")).unwrap_or_default();
            tracing::error!(
                plugin = alias,
                "refused: {}{}",
                terminal(&load_error::describe(error)),
                terminal(&hint)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use conductor_core::LoadError;

    use super::*;
    use crate::dispatch::Counters;

    fn known(alias: &str) -> Arc<KnownPlugin> {
        let counters = Arc::new(Counters::default());
        let queue = Arc::new(Queue::new(&Limits::default(), Arc::clone(&counters)));
        Arc::new(KnownPlugin::new(alias.into(), queue, counters))
    }

    #[test]
    fn a_plugin_whose_files_are_not_read_is_waited_for_no_longer_than_reading_may_take() {
        let (started, waiting) = channel();
        let (mute, read) = (known("mute"), known("read"));
        read.read();
        let refused = StartedPlugin { alias: "read".into(), loaded: Err(LoadError::NotAPlugin) };
        let late = thread::spawn(move || {
            thread::sleep(READ_WAIT + LOOK_EVERY);
            started.send(refused).expect("waited for");
            // The mute one holds its end for as long as it reads.
            thread::sleep(START_WAIT);
            drop(started);
        });
        let begun = Instant::now();
        let refused = wait_for(&waiting, vec![mute, read], &Stop::new().expect("a pipe"));
        assert_eq!(refused.len(), 1, "what is read is waited for: {refused:?}");
        assert!(begun.elapsed() < START_WAIT, "the mute one is not");
        drop(waiting);
        drop(late);
    }
}
