//! Changing a running daemon: what stays the same in a new configuration goes on, the rest is swapped, or nothing is.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::Builder;
use std::time::{Duration, Instant};

use conductor_signing::PluginFiles;
use conductor_signing::escape::terminal;
use conductor_signing::keeper::System;
use conductor_surface::output::MidiPorts;

use super::input_threads::jack_inputs;
use super::plugin_files::{self, refused};
use super::plugin_threads::{Anew, Renewed, Surroundings};
use super::{Daemon, open_outputs};
use crate::config::rewrite::Writer;
use crate::config::{self, Config};
use crate::control::{self, Change, Changed, Place, Refusal, RefusalCause, Reloaded, Response};
use crate::dispatch::{Phase, unfit_mappings};
use crate::plugin_store::{self, PluginStore, StoreError};

/// How many calls of a new version it takes until the version before is deleted.
const TRIAL_CALLS: u64 = 100;

/// Longest wait for a plugin whose files are to be deleted.
const END_WAIT: Duration = Duration::from_secs(10);

/// Longest wait for what is done with files that a plugin's user named or a plugin wrote.
const FILES_WAIT: Duration = Duration::from_secs(10);

/// Does something with files on a thread that is left behind where their file system does not answer, so that other changes and
/// the end of the daemon do not wait for it.
fn unless_it_takes_for_ever<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let (done, waiting) = channel();
    // Who waits may have given up.
    let thread = Builder::new().name("files".into()).spawn(move || drop(done.send(work())));
    thread.map_err(|error| refused(format!("cannot start a thread: {error}")))?;
    let late = |_| refused(format!("the file system has not answered for {} s", FILES_WAIT.as_secs()));
    waiting.recv_timeout(FILES_WAIT).map_err(late)?
}

/// A store that cannot be changed.
fn in_words(error: StoreError) -> Refusal {
    refused(error.to_string())
}

impl Daemon<'_> {
    /// Makes a change. Where it is refused, everything goes on as it was.
    pub(super) fn change(&mut self, change: Change) -> Changed {
        // What was accepted holds, whether the plugin then starts or not.
        let stays = match &change {
            Change::Accept { .. } => "",
            Change::Preview { .. }
            | Change::Reload
            | Change::Switch { .. }
            | Change::Install { .. }
            | Change::Remove { .. } => "everything goes on as it was: ",
        };
        let changed = self.make(change);
        if let Err(refusal) = &changed {
            tracing::error!("{stays}{}", terminal(&refusal.message));
        }
        changed
    }

    fn make(&mut self, change: Change) -> Changed {
        match change {
            Change::Preview { plugin, path } => {
                let place = self.place_of(&plugin)?;
                let preview = unless_it_takes_for_ever(move || control::preview(&place, &path))?;
                Ok(Response::PluginPreview(Box::new(preview)))
            }
            Change::Reload => {
                plugin_files::adopt(self.read_config()?, self.places);
                self.reload(Anew::Changed, None).map(Response::Reload)
            }
            Change::Switch { plugin, enabled } => {
                let edit = |text: &str| config::edit::switch(text, &plugin, enabled);
                let anew = if enabled { Anew::Changed } else { Anew::Configured };
                self.edit(anew, edit).map(Response::PluginSwitch)
            }
            Change::Install { plugin, path, shown } => {
                let place = self.place_of(&plugin)?;
                let read = move || {
                    let preview = control::previewed(&place, &path, &shown)?;
                    let max_module_bytes = place.host.config().limits().max_module_bytes;
                    plugin_files::read(&place.alias, &path, Some(preview.digest.as_str()), max_module_bytes)
                };
                let files = unless_it_takes_for_ever(read)?;
                self.install(&plugin, &files).map(Response::PluginInstall)
            }
            Change::Remove { plugin, with_data } => self.remove(&plugin, with_data),
            Change::Accept { plugin, shown } => self.accept(&plugin, &shown),
        }
    }

    /// Where a plugin would come if it were installed.
    fn place_of(&self, plugin: &str) -> Result<Place, Refusal> {
        let host = self.host.clone().ok_or_else(|| refused("the daemon is not ready yet".to_owned()))?;
        let configured = self.config.plugins.iter().find(|configured| *configured.alias == *plugin);
        let granted = configured.map(|configured| configured.granted.clone()).unwrap_or_default();
        Ok(Place { alias: plugin.to_owned(), host, granted, before: self.roster.find(plugin) })
    }

    fn remove(&mut self, plugin: &str, with_data: bool) -> Changed {
        let name = self.roster.find(plugin).and_then(|published| match published.snapshot().phase {
            Phase::Loaded(loaded) => Some(loaded.info.name.clone()),
            Phase::Loading | Phase::Disabled | Phase::Refused { .. } | Phase::Waiting { .. } => None,
        });
        if with_data && name.is_none() {
            let message = format!(
                "whose data that is is not known while `{plugin}` is not loaded; enable it, or remove it without"
            );
            return Err(Refusal::new(RefusalCause::NotLoaded, message));
        }
        let config = self.read_config()?;
        let paths = &self.places.paths;
        plugin_files::check_files_unshared(&config, paths, plugin)?;
        if let (true, Some(name)) = (with_data, &name) {
            plugin_files::check_data_unshared(&config, &self.roster, plugin, name)?;
        }
        let root = paths.plugins_dir();
        let flat = root.join(format!("{plugin}.wasm"));
        let is_flat = config.plugins.iter().any(|other| *other.alias == *plugin && other.path == flat);
        let store = PluginStore::new(&root, &System);
        let lock = store.lock().map_err(in_words)?;
        let is_stored = store.current(plugin).map_or(true, |version| version.is_some());
        if is_stored {
            store.begin_change(plugin).map_err(in_words)?;
        }
        let removal = |text: &str| config::edit::remove(text, plugin);
        let reloaded = self.edit(Anew::Configured, removal).inspect_err(|_| {
            if let Err(error) = store.end_change(plugin) {
                tracing::warn!("{error}");
            }
        })?;
        self.plugins.wait_for_retiring(Instant::now() + END_WAIT);
        let not_deleted = |error: StoreError| refused(format!("the plugin is removed, but {error}"));
        store.delete(plugin).map_err(not_deleted)?;
        if is_flat {
            plugin_store::delete_flat(&flat).map_err(not_deleted)?;
        }
        drop(lock);
        if let (true, Some(name)) = (with_data, name) {
            let paths = self.places.paths.clone();
            unless_it_takes_for_ever(move || plugin_files::delete_data(&paths, &name))?;
        }
        Ok(Response::PluginRemove(reloaded))
    }

    /// Puts a plugin into the store and runs it. Where that fails, the version of before goes on and stays the current one.
    fn install(&mut self, plugin: &str, files: &PluginFiles) -> Result<Reloaded, Refusal> {
        let root = self.places.paths.plugins_dir();
        let store = PluginStore::new(&root, &System);
        let text = config::read_text(&self.places.config_file).map_err(|error| refused(error.to_string()))?;
        let is_named = config::edit::is_stored(&text, plugin).map_err(refused)?;
        let _lock = store.lock().map_err(in_words)?;
        let result = if is_named {
            self.update(store, plugin, files)
        } else {
            self.install_first(store, plugin, files)
        };
        if result.is_err()
            && let Err(error) = store.drop_versions(plugin)
        {
            tracing::warn!("{error}");
        }
        result
    }

    /// Installs another version of a plugin that the configuration names, which is not touched.
    fn update(
        &mut self,
        store: PluginStore<'_>,
        plugin: &str,
        files: &PluginFiles,
    ) -> Result<Reloaded, Refusal> {
        let version = store.put(plugin, files).map_err(in_words)?;
        let reloaded = self.reload(Anew::Changed, Some((plugin, &store.module(plugin, &version))))?;
        if let Err(error) = store.take(plugin, &version) {
            if let Err(refusal) = self.reload(Anew::Changed, None) {
                tracing::error!("{}", terminal(&refusal.message));
            }
            return Err(in_words(error));
        }
        let flat = self.places.paths.plugins_dir().join(format!("{plugin}.wasm"));
        if !self.config.plugins.iter().any(|other| other.path == flat)
            && let Err(error) = plugin_store::delete_flat(&flat)
        {
            tracing::warn!("{error}");
        }
        self.begin_trial(plugin);
        Ok(reloaded)
    }

    /// Installs a plugin that the configuration does not name yet.
    fn install_first(
        &mut self,
        store: PluginStore<'_>,
        plugin: &str,
        files: &PluginFiles,
    ) -> Result<Reloaded, Refusal> {
        let before = store.current(plugin).map_err(in_words)?;
        store.begin_change(plugin).map_err(in_words)?;
        let taken = store.put(plugin, files).and_then(|version| store.take(plugin, &version));
        let result = taken
            .map_err(in_words)
            .and_then(|()| self.edit(Anew::Changed, |text| config::edit::add(text, plugin)));
        let settled = match (&result, before) {
            (Ok(_), _) => Ok(()),
            // Another configuration names it.
            (Err(_), Some(before)) => store.take(plugin, &before),
            (Err(_), None) => store.delete(plugin),
        };
        if let Err(error) = settled.and_then(|()| store.end_change(plugin)) {
            tracing::warn!("{error}");
        }
        if result.is_ok() {
            self.begin_trial(plugin);
        }
        result
    }

    /// Counts the calls of a version from now on.
    fn begin_trial(&mut self, plugin: &str) {
        let calls = self.roster.find(plugin).map_or(0, |published| published.snapshot().calls);
        self.trials.insert(plugin.to_owned(), calls);
    }

    /// Deletes the versions before of plugins that have done well since.
    pub(super) fn end_trials(&mut self) {
        let root = self.places.paths.plugins_dir();
        let store = PluginStore::new(&root, &System);
        for published in self.roster.all().iter() {
            let (alias, snapshot) = (published.alias(), published.snapshot());
            let calls = snapshot.calls.saturating_sub(self.trials.get(alias).copied().unwrap_or_default());
            if calls < TRIAL_CALLS
                || !matches!(snapshot.phase, Phase::Loaded(_))
                || !store.has_previous(alias)
            {
                continue;
            }
            if let Err(error) = store.lock().and_then(|_lock| store.drop_previous(alias)) {
                tracing::warn!("{error}");
            }
        }
    }

    /// Changes the file and runs what it says then; the old text comes back if that is refused, unless somebody has saved another
    /// meanwhile.
    fn edit(
        &mut self,
        anew: Anew<'_>,
        edit: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Reloaded, Refusal> {
        let writer = Writer::new(&self.places.config_file, &self.places.paths);
        let rewritten = writer.rewrite(edit).map_err(refused)?;
        self.reload(anew, None).inspect_err(|_refusal| match rewritten.take_back() {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("the configuration was saved by somebody else meanwhile, and stays as it is")
            }
            Err(error) => tracing::error!("the configuration could not be put back: {error}"),
        })
    }

    /// What the file says now. One that is missing says nothing where nothing was configured before; otherwise it is gone by
    /// mistake, or only for a moment.
    fn read_config(&self) -> Result<Config, Refusal> {
        let load = if self.config.does_nothing() { Config::load_or_default } else { Config::load };
        load(&self.places.config_file, &self.places.paths).map_err(|error| refused(error.to_string()))
    }

    /// Runs what the file says now, and of one plugin, if so told, the module at a path. `anew` says which plugins are started for
    /// that, where the host is the same.
    fn reload(&mut self, anew: Anew<'_>, candidate: Option<(&str, &Path)>) -> Result<Reloaded, Refusal> {
        let mut config = self.read_config()?;
        if let Some((alias, module)) = candidate {
            let plugin = config.plugins.iter_mut().find(|plugin| *plugin.alias == *alias);
            let plugin =
                plugin.ok_or_else(|| refused(format!("the configuration names `{alias}` no more")))?;
            module.clone_into(&mut plugin.path);
        }
        let is_other_host = config.wasm != self.config.wasm || config.networks != self.config.networks;
        let host = match &self.host {
            Some(host) if !is_other_host => Arc::clone(host),
            _ => self.new_host(&config).map_err(|error| refused(error.to_string()))?,
        };
        let around = Surroundings {
            host: &host,
            roster: &self.roster,
            mappings: &config.mappings,
            calls: &self.calls,
            stop: self.stop,
        };
        let anew = if is_other_host { Anew::All } else { anew };
        let renewal = self
            .plugins
            .renew(&config, around, anew)
            .map_err(|refusals| refused(format!("refused: {}", refusals.join("; "))))?;

        // Nothing below can be refused.
        if config.ui != self.config.ui {
            tracing::warn!("`[ui]` has changed, which takes effect when the daemon is started again");
        }
        self.renew_outputs(&config);
        self.router.replace(config.mappings.clone(), &renewal.queues(&self.plugins));
        let renewed = self.plugins.put_in_place(renewal);
        self.roster.set(self.plugins.published());
        self.taps.set(&config.inputs);
        self.inputs.renew(&config.inputs, &self.ports.get());
        self.host = Some(host);
        self.config = config;
        self.check_untouched(&renewed);
        let Renewed { started, waiting, refused, stopped, untouched } = renewed;
        tracing::info!(
            started = started.len(),
            waiting = waiting.len(),
            refused = refused.len(),
            stopped = stopped.len(),
            untouched = untouched.len(),
            "configuration reloaded"
        );
        Ok(Reloaded { started, waiting, refused, stopped, untouched })
    }

    /// Opens the outputs anew if they, or the inputs that share a JACK client with them, have changed.
    fn renew_outputs(&mut self, config: &Config) {
        let is_same_jack = jack_inputs(&config.inputs).eq(jack_inputs(&self.config.inputs));
        if config.outputs == self.config.outputs && is_same_jack {
            return;
        }
        self.inputs.finish_jack(Instant::now() + END_WAIT);
        let ports = Arc::new(MidiPorts::new(&config.outputs, self.inputs.jack_ports(&config.inputs)));
        self.ports.set(Arc::clone(&ports));
        // A running daemon does not end for want of an output that it could not start without.
        if let Err(error) = open_outputs(&config.outputs, &ports) {
            tracing::error!("{error}");
        }
    }

    /// Says which mappings name actions that plugins lack which were not loaded anew.
    fn check_untouched(&self, renewed: &Renewed) {
        for alias in &renewed.untouched {
            let Some(plugin) = self.roster.find(alias) else { continue };
            if let Phase::Loaded(loaded) = plugin.snapshot().phase {
                unfit_mappings(&self.config.mappings, alias, &loaded.info);
            }
        }
    }
}
