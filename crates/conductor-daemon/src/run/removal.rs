//! Removes a plugin: its entry in the configuration, its thread, its files, and what goes with them.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use conductor_core::binding::{Alias, Bindings};
use conductor_core::grant::store::GrantStore;
use conductor_core::secret::{SecretStore, StoredSecret, Whose};
use conductor_secrets::Vault;
use conductor_secrets::vault::PROMPT_PATIENCE;
use conductor_signing::escape::terminal;
use conductor_signing::keeper::{Keeper, System};

use super::Daemon;
use super::change::unless_it_takes_for_ever;
use super::install::in_words;
use super::plugin_files::{self, refused};
use super::plugin_threads::Anew;
use crate::config;
use crate::control::{Changed, Refusal, RefusalCause, Removed, Response};
use crate::dispatch::{Loaded, Phase};
use crate::plugin_store::{self, PluginStore, StoreError};

/// Longest wait for a plugin whose files are to be deleted.
const END_WAIT: Duration = Duration::from_secs(10);

/// Longest wait for the places in which secrets are kept. The user may be asked to unlock them, which goes on for longer.
const SECRETS_WAIT: Duration = Duration::from_secs(10);

impl Daemon<'_> {
    /// Removes a plugin with its files, and its data and secrets if `with_data` is set. Refused while another plugin uses
    /// any of them.
    pub(super) fn remove(&mut self, plugin: &str, with_data: bool) -> Changed {
        let loaded = self.roster.find(plugin).and_then(|known| match known.snapshot().phase {
            Phase::Loaded(loaded) => Some(loaded),
            Phase::Loading | Phase::Disabled { .. } | Phase::Refused { .. } | Phase::Waiting { .. } => None,
        });
        let with_data = match (with_data, &loaded) {
            (false, _) => None,
            (true, Some(loaded)) => Some(loaded.clone()),
            (true, None) => {
                let message = format!(
                    "whose data that is is not known while `{plugin}` is not loaded; enable it, or remove it without"
                );
                return Err(Refusal::new(RefusalCause::NotLoaded, message));
            }
        };
        let config = self.read_config()?;
        plugin_files::check_files_unshared(&config, &self.places.paths, plugin)?;
        if let Some(loaded) = &with_data {
            plugin_files::check_data_unshared(&config, &self.roster, plugin, &loaded.info.name)?;
        }
        let mut removed = self.remove_files(plugin, &config)?;
        if let Some(loaded) = with_data {
            let secrets = delete_secrets(Vault::new(self.places.paths.secrets_file()), &loaded);
            let (paths, name) = (self.places.paths.clone(), loaded.info.name.clone());
            unless_it_takes_for_ever(move || plugin_files::delete_data(&paths, &name))?;
            removed.secrets_deleted = secrets?;
        }
        self.note_kept(plugin, loaded.as_ref(), &mut removed);
        Ok(Response::PluginRemove(removed))
    }

    /// Takes the plugin out of the configuration, and deletes its files in the store.
    fn remove_files(&mut self, plugin: &str, config: &config::Config) -> Result<Removed, Refusal> {
        let root = self.places.paths.plugins_dir();
        let flat = root.join(format!("{plugin}.wasm"));
        let is_flat = config.plugins.iter().any(|other| *other.alias == *plugin && other.path == flat);
        let store = PluginStore::new(&root, &System);
        let _lock = store.lock().map_err(in_words)?;
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
        Ok(Removed { reloaded, ..Removed::default() })
    }

    /// Notes what the user decided about a plugin that was removed, which stays for the next plugin of its name and
    /// publisher.
    fn note_kept(&self, plugin: &str, loaded: Option<&Loaded>, removed: &mut Removed) {
        let keeper = Keeper::of(self.places.paths.config_dir());
        let whose = match loaded {
            Some(loaded) => Some(loaded.permission.whose_secrets()),
            None => bound(&keeper, plugin),
        };
        let Some(whose) = whose else { return };
        match SecretStore::load(&keeper) {
            Ok(store) => removed.secrets_kept = store.of(&whose).map(|stored| stored.name.clone()).collect(),
            Err(error) => {
                tracing::warn!("which secrets are kept is not known: {}", terminal(&error.to_string()));
            }
        }
        match GrantStore::load(&keeper) {
            Ok(store) => {
                let of_plugin =
                    store.grants().iter().filter(|stored| whose.is(&stored.plugin, &stored.holder));
                removed.grants_kept = of_plugin.map(|stored| stored.grant.to_string()).collect();
            }
            Err(error) => {
                tracing::warn!("which grants are kept is not known: {}", terminal(&error.to_string()));
            }
        }
    }
}

/// The plugin that an alias is bound to, if that is known.
fn bound(keeper: &Keeper, plugin: &str) -> Option<Whose> {
    let (alias, bindings) = (plugin.parse::<Alias>().ok()?, Bindings::load(keeper));
    let bindings = bindings
        .inspect_err(|error| {
            tracing::warn!("what is kept is not known: {}", terminal(&error.to_string()));
        })
        .ok()?;
    bindings.of(&alias).map(|bound| Whose::Bound(bound.clone()))
}

/// Deletes the secrets of a plugin that was removed, and returns their names. That it has no use of them any more is
/// written down before.
fn delete_secrets(vault: Vault, loaded: &Loaded) -> Result<Vec<String>, Refusal> {
    let removed = loaded.permission.remove_secrets();
    let removed = removed.map_err(|error| {
        let hint = error.hint();
        Refusal { hint, ..refused(format!("the plugin is removed, but its secrets are still kept: {error}")) }
    })?;
    let names: Vec<String> = removed.iter().map(|stored| stored.name.clone()).collect();
    if names.is_empty() {
        return Ok(names);
    }
    let still_kept = |why: &str| {
        let names = names.join(", ");
        let message = format!(
            "the plugin is removed and has no use of its secrets ({}) any more, but they are still kept: {why}",
            terminal(&names)
        );
        refused(message)
    };
    let (done, deleted) = channel();
    let delete = move || {
        let forget = |stored: &StoredSecret| vault.forget(&stored.place(), PROMPT_PATIENCE);
        // Each is tried, and the first failure is told. The receiver may have given up.
        let failed = removed.iter().filter_map(|stored| forget(stored).err()).reduce(|first, _| first);
        let _ = done.send(failed);
    };
    let thread = Builder::new().name("secret".to_owned()).spawn(delete);
    thread.map_err(|error| still_kept(&format!("cannot start a thread: {error}")))?;
    match deleted.recv_timeout(SECRETS_WAIT) {
        Ok(None) => Ok(names),
        Ok(Some(error)) => Err(Refusal { hint: error.hint(), ..still_kept(&error.to_string()) }),
        Err(RecvTimeoutError::Timeout) => Err(still_kept("the Secret Service waits for you to unlock it")),
        Err(RecvTimeoutError::Disconnected) => {
            Err(still_kept("deleting them ended with a bug in this program"))
        }
    }
}
