//! Installing, updating and removing a plugin: its files in the plugin store, its entry in the configuration, its thread.

use std::time::{Duration, Instant};

use conductor_signing::PluginFiles;
use conductor_signing::escape::terminal;
use conductor_signing::keeper::System;

use super::Daemon;
use super::change::unless_it_takes_for_ever;
use super::plugin_files::{self, refused};
use super::plugin_threads::Anew;
use crate::config;
use crate::control::{Changed, Refusal, RefusalCause, Reloaded, Response};
use crate::dispatch::Phase;
use crate::plugin_store::{self, PluginStore, StoreError};

/// How many calls of a new version it takes until the version before is deleted.
const TRIAL_CALLS: u64 = 100;

/// Longest wait for a plugin whose files are to be deleted.
const END_WAIT: Duration = Duration::from_secs(10);

/// A store that cannot be changed.
fn in_words(error: StoreError) -> Refusal {
    refused(error.to_string())
}

impl Daemon<'_> {
    /// Takes a plugin and its files away, and what it wrote if so told. Refused while another plugin uses any of them.
    pub(super) fn remove(&mut self, plugin: &str, with_data: bool) -> Changed {
        let name = self.roster.find(plugin).and_then(|known| match known.snapshot().phase {
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
    pub(super) fn install(&mut self, plugin: &str, files: &PluginFiles) -> Result<Reloaded, Refusal> {
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
        let calls = self.roster.find(plugin).map_or(0, |known| known.snapshot().calls);
        self.trials.insert(plugin.to_owned(), calls);
    }

    /// Deletes the versions before of plugins that have done well since.
    pub(super) fn end_trials(&mut self) {
        let root = self.places.paths.plugins_dir();
        let store = PluginStore::new(&root, &System);
        for known in self.roster.all().iter() {
            let (alias, snapshot) = (known.alias(), known.snapshot());
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
}
