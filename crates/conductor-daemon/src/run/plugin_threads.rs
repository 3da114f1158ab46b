//! The plugins of one run and their threads.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use conductor_core::{FileState, GivenSettings, Host, Limits, LoadError};
use conductor_signing::escape::terminal;
use conductor_signing::{Companion, Digest};
use conductor_surface::stop::Stop;

use super::settings::NewSettings;
use super::{RunError, descriptors, join};
use crate::calls::CallLog;
use crate::config::{Config, PluginConfig};
use crate::dispatch::{KnownPlugin, Panic, PluginTotals, Queue, Roster, Runner, StartedPlugin, Tally};
use crate::mapping::Mappings;
use crate::words::load_error;
use crate::words::trust;

/// Longest wait for plugins to load. Then the inputs start without the plugins that are late.
const START_WAIT: Duration = Duration::from_secs(30);

/// Longest wait for the files of plugins to be read. Stops a file system that does not answer from holding up the
/// inputs, other plugins and the user's changes.
const READ_WAIT: Duration = Duration::from_secs(2);

/// Longest wait for the states of plugins' files.
const STATE_WAIT: Duration = Duration::from_secs(1);

/// Time between two looks whether a plugin has ended.
const LOOK_WHILE_ENDING: Duration = Duration::from_millis(5);

/// Time between two looks whether the daemon was told to stop, during a wait for plugins.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The current plugins, and the threads of plugins that were replaced and have not ended.
#[derive(Default)]
pub(super) struct Plugins {
    hosted: Vec<Hosted>,
    retiring: Vec<Retiring>,
}

/// The states of a plugin's module and its companions at one moment; nothing if their file system did not answer.
type Files = Option<Vec<Option<FileState>>>;

/// A plugin of the configuration.
struct Hosted {
    config: PluginConfig,
    /// The states of the module and its companions before they were read; nothing if the file system did not answer in
    /// time.
    files: Files,
    queue: Arc<Queue>,
    known: Arc<KnownPlugin>,
    /// None for a plugin that is disabled.
    thread: Option<JoinHandle<PluginTotals>>,
}

/// A plugin that is to end.
struct Retiring {
    alias: Arc<str>,
    queue: Arc<Queue>,
    thread: JoinHandle<PluginTotals>,
}

/// What it takes to start a plugin, beside the plugin's configuration.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) host: &'a Arc<Host>,
    pub(super) roster: &'a Roster,
    pub(super) mappings: &'a Mappings,
    pub(super) calls: &'a CallLog,
    pub(super) panic: &'a Arc<Panic>,
    pub(super) stop: &'a Stop,
}

/// The plugins after a change. Those that are to start have started.
pub(super) struct Renewal {
    /// In the order of the configuration: a plugin that goes on, or a new plugin.
    next: Vec<Result<GoesOn, Hosted>>,
}

/// A plugin that goes on.
struct GoesOn {
    /// Its place among the plugins before the renewal.
    place: usize,
    settings: NewSettings,
}

/// What a renewal did, by alias. No list has plugins that are disabled.
#[derive(Debug, Default)]
pub(super) struct Renewed {
    pub(super) started: Vec<String>,
    /// Not loaded until the user approves of what they are.
    pub(super) waiting: Vec<String>,
    /// Refused as before the renewal.
    pub(super) refused: Vec<String>,
    pub(super) stopped: Vec<String>,
    pub(super) untouched: Vec<String>,
}

/// Which plugins are started anew.
#[derive(Clone, Copy)]
pub(super) enum Anew<'a> {
    /// Plugins whose configuration or files have changed, and plugins that were refused or wait.
    Changed,
    /// Plugins whose configuration has changed. A change that takes something away is not refused because of other
    /// plugins' files.
    Configured,
    /// All.
    All,
    /// Plugins whose configuration has changed, as at the start of the daemon: a plugin that is refused or late keeps no
    /// other from being put in place.
    AtStart,
    /// A plugin of which the user has accepted that it is another one than before. It is put in place even if it is
    /// refused.
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
        if !config.runs() {
            known.disabled(config.enabled);
        }
        Self { config: config.clone(), files: None, queue, known, thread: None }
    }

    /// Starts the plugin's thread, unless the plugin is disabled. `said` is the change that was logged before.
    fn start(
        &mut self,
        around: Surroundings<'_>,
        started: &Sender<StartedPlugin>,
        accepted: Option<Digest>,
        said: Option<Digest>,
    ) -> Result<bool, io::Error> {
        if !self.config.runs() {
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
            panic: Arc::clone(around.panic),
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

    /// The plugin with other settings.
    fn with_settings(mut self, settings: NewSettings) -> Self {
        settings.put(&self.known, &mut self.config);
        self
    }

    /// Refuses further events. Events that wait are still handled.
    fn retire(self) -> Option<Retiring> {
        self.queue.close();
        let Self { config, queue, thread, .. } = self;
        thread.map(|thread| Retiring { alias: config.alias, queue, thread })
    }
}

/// The states of plugins' files now, in the order of the plugins.
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

    /// The queue of each plugin, by alias.
    pub(super) fn queues(&self) -> HashMap<Arc<str>, Arc<Queue>> {
        let queues = self.hosted.iter();
        queues.map(|plugin| (Arc::clone(&plugin.config.alias), Arc::clone(&plugin.queue))).collect()
    }

    /// Loads all plugins at the same time and waits until each of them is loaded or refused. Returns whether any plugin
    /// may run; `true` if none is enabled.
    pub(super) fn start(&mut self, around: Surroundings<'_>) -> Result<bool, RunError> {
        let enabled = self.hosted.iter().filter(|plugin| plugin.config.runs()).count();
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
        let required = self.hosted.iter().filter(|plugin| plugin.config.required && plugin.config.runs());
        for plugin in required {
            if let Some(why) = plugin.known.why_not_loaded()
                && !around.stop.is_stopped()
            {
                return Err(RunError::RequiredPlugin { name: Arc::clone(&plugin.config.alias), why });
            }
        }
        Ok(refused == 0 || refused < count)
    }

    /// Loads refused plugins again whose files have changed since or, if `any` is set, all refused plugins. Returns
    /// whether there are any; their outcome is known later.
    pub(super) fn try_again(&mut self, config: &Config, around: Surroundings<'_>, any: bool) -> bool {
        let refused = |plugin: &&mut Hosted| plugin.config.runs() && plugin.known.is_refused();
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
            // The outcome is not waited for.
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

    /// Starts the plugins of another configuration, except for those that go on. A plugin goes on if its configuration
    /// and files are the same, and if it neither was refused nor waits for approval. If a plugin is refused, or its
    /// outcome is not known in time, no plugin is replaced.
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
                Anew::Configured | Anew::AtStart => old.config.is_same_but_settings(plugin),
                Anew::All => false,
                Anew::Accepted { alias, .. } => *plugin.alias != *alias && plugin.alias == old.config.alias,
            })
        };
        let places: Vec<Option<usize>> = config.plugins.iter().zip(&files).map(goes_on).collect();
        let is_new = |(plugin, place): &(&PluginConfig, &Option<usize>)| plugin.runs() && place.is_none();
        let starts = config.plugins.iter().zip(&places).filter(is_new).count();
        descriptors::suffice_for(starts).map_err(|lacking| vec![lacking])?;
        for ((plugin, place), files) in config.plugins.iter().zip(places).zip(files) {
            if let Some((place, old)) = place.and_then(|place| Some((place, self.hosted.get(place)?))) {
                match NewSettings::of(&old.known, &plugin.settings) {
                    Ok(settings) => next.push(Ok(GoesOn { place, settings })),
                    Err(why) => failed.push(why),
                }
                continue;
            }
            let mut new = Hosted::new(plugin, &limits, around.roster);
            new.files = files;
            let accepted = match anew {
                Anew::Accepted { change, .. } => Some(change),
                Anew::Changed | Anew::Configured | Anew::All | Anew::AtStart => None,
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
        // A plugin that was refused before and is refused again does not stop the change. The refusal was logged.
        let before = |alias: &str| self.hosted.iter().find(|old| *old.config.alias == *alias);
        let is_as_before = |alias: &str| {
            let now = config.plugins.iter().find(|plugin| *plugin.alias == *alias);
            before(alias).is_some_and(|old| old.known.is_refused() && Some(&old.config) == now)
        };
        let refused = wait_for(&waiting, awaited, around.stop).into_iter();
        let refused = refused.filter(|(alias, _)| !is_as_before(alias));
        match anew {
            Anew::Accepted { .. } | Anew::AtStart => {}
            Anew::Changed | Anew::Configured | Anew::All => {
                failed.extend(refused.map(|(alias, why)| format!("`{alias}`: {why}")));
            }
        }
        // The outcome of a plugin that is still being loaded is unknown.
        let new = next.iter().filter_map(|plugin| plugin.as_ref().err());
        let is_start = matches!(anew, Anew::AtStart);
        let unknown = new.filter(|new| !is_start && new.config.runs() && new.known.is_loading());
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

    /// Puts a renewal in place. Events must go to the new queues before that.
    pub(super) fn put_in_place(&mut self, renewal: Renewal) -> Renewed {
        let mut old: Vec<Option<Hosted>> = std::mem::take(&mut self.hosted).into_iter().map(Some).collect();
        let mut renewed = Renewed::default();
        for plugin in renewal.next {
            let (list, plugin) = match plugin {
                Ok(GoesOn { place, settings }) => {
                    let plugin = old.get_mut(place).and_then(Option::take);
                    (&mut renewed.untouched, plugin.map(|plugin| plugin.with_settings(settings)))
                }
                Err(new) if new.known.waits_for().is_some() => (&mut renewed.waiting, Some(new)),
                Err(new) if new.known.is_refused() => (&mut renewed.refused, Some(new)),
                Err(new) => (&mut renewed.started, Some(new)),
            };
            if let Some(plugin) = plugin {
                if plugin.config.runs() {
                    list.push(plugin.config.alias.to_string());
                }
                self.hosted.push(plugin);
            }
        }
        for plugin in old.into_iter().flatten() {
            if plugin.config.runs() {
                renewed.stopped.push(plugin.config.alias.to_string());
            }
            let alias = &plugin.config.alias;
            let is_replaced = self.hosted.iter().any(|new| new.config.alias == *alias && new.config.runs());
            if !is_replaced {
                // The user wants the plugin to end now, so its waiting events are not handled.
                plugin.queue.abandon();
            }
            self.retiring.extend(plugin.retire());
        }
        renewed
    }

    /// Waits until the replaced plugins have ended, but not longer than until `deadline`.
    pub(super) fn wait_for_retiring(&self, deadline: Instant) {
        while Instant::now() < deadline && !self.retiring.iter().all(|old| old.thread.is_finished()) {
            thread::sleep(LOOK_WHILE_ENDING);
        }
    }

    /// Gives a plugin other settings, from its next call on.
    pub(super) fn set_settings(&mut self, alias: &str, given: &GivenSettings) -> Result<(), String> {
        let plugin = self.hosted.iter_mut().find(|plugin| *plugin.config.alias == *alias);
        let plugin = plugin.ok_or_else(|| format!("there is no plugin `{alias}`"))?;
        let settings = NewSettings::of(&plugin.known, given)?;
        settings.put(&plugin.known, &mut plugin.config);
        Ok(())
    }

    /// Whether no plugin has anything left to do.
    pub(super) fn are_idle(&self) -> bool {
        let now = Instant::now();
        let queues = self.hosted.iter().map(|plugin| &plugin.queue);
        queues.chain(self.retiring.iter().map(|plugin| &plugin.queue)).all(|queue| queue.wait_idle(now))
    }

    /// Lets every plugin handle its waiting events, but not longer than until `deadline`.
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
    /// Whether the plugin can go on under this configuration, with its files as they are now. If their file system does
    /// not answer, the plugin goes on, because it could not be read anew either.
    fn goes_on_as(&self, config: &PluginConfig, files: &Files) -> bool {
        let has_changed = files.is_some() && self.files != *files;
        self.config.is_same_but_settings(config) && !has_changed && !self.known.has_to_be_tried()
    }
}

impl Renewal {
    /// The queue of each plugin once the renewal is in place, by alias.
    pub(super) fn queues(&self, now: &Plugins) -> HashMap<Arc<str>, Arc<Queue>> {
        let next = self.next.iter().filter_map(|plugin| match plugin {
            Ok(GoesOn { place, .. }) => now.hosted.get(*place),
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

/// Waits until the outcome of each plugin is known. Returns which plugins were refused, and why. A plugin whose files
/// are not read in time is not waited for.
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
                    // The outcome is known: the plugin waits for the user's approval.
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

/// Logs the outcome of a plugin, however late. A change that was `said` before is not logged again.
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
            // The thread that reads for ever keeps its sender.
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
