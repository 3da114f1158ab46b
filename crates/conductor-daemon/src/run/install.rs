//! Installs and updates a plugin: its files in the plugin store, its entry in the configuration, its thread.

use conductor_signing::PluginFiles;
use conductor_signing::escape::terminal;
use conductor_signing::keeper::System;

use super::Daemon;
use super::plugin_files::refused;
use super::plugin_threads::Anew;
use crate::config;
use crate::control::{Refusal, Reloaded};
use crate::dispatch::Phase;
use crate::plugin_store::{self, PluginStore, StoreError};

/// How many calls a new version must make before the previous version is deleted.
const TRIAL_CALLS: u64 = 100;

/// The refusal for a store that cannot be changed.
pub(super) fn in_words(error: StoreError) -> Refusal {
    refused(error.to_string())
}

impl Daemon<'_> {
    /// Puts a plugin into the store and runs it. If that fails, the previous version goes on and stays the current one.
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

    /// Installs another version of a plugin that the configuration names. The configuration is not changed.
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
            // A version is there already, so another configuration names the plugin.
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

    /// Starts to count the calls of a new version.
    fn begin_trial(&mut self, plugin: &str) {
        let calls = self.roster.find(plugin).map_or(0, |known| known.snapshot().calls);
        self.trials.insert(plugin.to_owned(), calls);
    }

    /// Deletes the previous version of each plugin whose new version has worked well.
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
