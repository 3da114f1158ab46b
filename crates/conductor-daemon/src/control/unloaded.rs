//! Secrets of plugins that are not loaded, in the words of the control protocol.
//!
//! What such a plugin declares is read from its file, if the file would be let in. Otherwise only what the user entered is
//! known, for the plugin that the alias is bound to: it can be listed and removed.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError, RwLock};

use conductor_core::secret::{SecretHost, SecretPlace, StoredSecret, check_text};
use conductor_core::{Host, PluginOptions, UnloadedPlugin, UnloadedSecrets};
use conductor_secrets::Vault;
use conductor_secrets::vault::PROMPT_PATIENCE;
use conductor_signing::SecretText;
use conductor_signing::escape::terminal;

use super::change::Turn;
use super::excerpt::excerpt;
use super::message::{PluginSecrets, Refusal, RefusalCause, Response, SecretStatus};
use super::secrets::{self, in_words, keep, not_decided, on_a_thread};
use super::shown::Asking;
use crate::config::PluginConfig;
use crate::words::{load_error, trust};

/// The plugins of the configuration, and the host that loads them.
#[derive(Default)]
pub(crate) struct Installed(RwLock<Option<Now>>);

struct Now {
    host: Arc<Host>,
    plugins: Vec<PluginConfig>,
}

/// Where to look for a plugin that is not loaded.
pub(super) struct Lookup {
    alias: String,
    host: Arc<Host>,
    /// None for a plugin that was removed.
    plugin: Option<PluginConfig>,
}

/// What is asked about the secrets of a plugin.
pub(super) enum Asked {
    List,
    Set { secret: String, shown: String, value: SecretText },
    Confirm { secret: String, shown: String },
    Remove { secret: String },
}

impl Installed {
    /// Notes which plugins there are now, and which host loads them.
    pub(crate) fn set(&self, host: &Arc<Host>, plugins: &[PluginConfig]) {
        let now = Now { host: Arc::clone(host), plugins: plugins.to_vec() };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Forgets the host, which ends.
    pub(crate) fn forget(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Where to look for the plugin with this alias; none before the daemon is ready.
    pub(super) fn find(&self, alias: &str) -> Option<Lookup> {
        let now = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Now { host, plugins } = now.as_ref()?;
        let plugin = plugins.iter().find(|plugin| *plugin.alias == *alias).cloned();
        Some(Lookup { alias: alias.to_owned(), host: Arc::clone(host), plugin })
    }
}

impl Lookup {
    /// Answers on a thread of its own. `otherwise` is the answer if nothing is known of the plugin.
    pub(super) fn answer(
        self,
        asked: Asked,
        otherwise: Refusal,
        vault: &Arc<Vault>,
        turn: Turn,
    ) -> Result<Receiver<Response>, Refusal> {
        let vault = Arc::clone(vault);
        on_a_thread(move || {
            let _turn = turn;
            let about = About { secrets: self.secrets(&otherwise)?, alias: self.alias, otherwise, vault };
            match asked {
                Asked::List => about.list(),
                Asked::Set { secret, shown, value } => about.set(&secret, &shown, &value),
                Asked::Confirm { secret, shown } => about.confirm(&secret, &shown),
                Asked::Remove { secret } => about.remove(&secret),
            }
        })
    }

    fn secrets(&self, otherwise: &Refusal) -> Result<UnloadedSecrets, Refusal> {
        let limits = self.host.config().limits();
        let options = match &self.plugin {
            Some(plugin) => plugin.options(plugin.limits.apply(limits)),
            None => PluginOptions { alias: self.alias.parse().ok(), ..PluginOptions::default() },
        };
        let path = self.plugin.as_ref().map(|plugin| plugin.path.as_path());
        let secrets = self.host.unloaded_secrets(path, &options).map_err(|error| {
            let why = excerpt(&load_error::describe(&error));
            let message = format!("which secrets `{}` has is not known: {why}", self.alias);
            Refusal { hint: load_error::hint(&error), ..Refusal::new(RefusalCause::NotLoaded, message) }
        })?;
        secrets.ok_or_else(|| otherwise.clone())
    }
}

/// The secrets of one plugin.
struct About {
    alias: String,
    secrets: UnloadedSecrets,
    /// The answer where the plugin's file is needed and there is none.
    otherwise: Refusal,
    vault: Arc<Vault>,
}

impl About {
    fn list(&self) -> Result<Response, Refusal> {
        let file = self.secrets.file();
        let (why, hint) = match &file {
            Ok(_) => (None, None),
            Err(None) => (Some(self.otherwise.message.clone()), self.otherwise.hint.clone()),
            Err(Some(error)) => (Some(excerpt(&load_error::describe(error))), load_error::hint(error)),
        };
        let file = file.ok();
        Ok(Response::PluginSecrets(Box::new(PluginSecrets {
            name: self.secrets.plugin_name().to_string(),
            trust: file.map(|plugin| excerpt(&trust::in_words(&plugin.trust))),
            bound_to: file.map(UnloadedPlugin::bound_to),
            secrets: self.all().map_err(|error| in_words(&error))?,
            why,
            hint,
        })))
    }

    fn set(&self, secret: &str, shown: &str, value: &SecretText) -> Result<Response, Refusal> {
        let hosts = self.shown_hosts(secret, shown)?;
        check_text(value).map_err(|error| not_decided(error.to_string(), None))?;
        self.secrets.check(secret, &hosts).map_err(|error| in_words(&error))?;
        let decide = |place: SecretPlace| self.secrets.keep(secret, &hosts, place);
        keep(&self.vault, (self.alias.as_str(), self.secrets.plugin_name().as_str(), secret), value, decide)?;
        self.one(secret)
    }

    fn confirm(&self, secret: &str, shown: &str) -> Result<Response, Refusal> {
        let hosts = self.shown_hosts(secret, shown)?;
        self.secrets.confirm(secret, &hosts).map_err(|error| in_words(&error))?;
        tracing::info!(plugin = self.alias, "the hosts of the secret {} were confirmed", terminal(secret));
        self.one(secret)
    }

    fn remove(&self, secret: &str) -> Result<Response, Refusal> {
        let removed = self.secrets.remove(secret).map_err(|error| in_words(&error))?;
        tracing::info!(plugin = self.alias, "the secret {} was taken away", terminal(secret));
        let mut failed = None;
        for stored in &removed {
            failed = self.vault.forget(&stored.place(), PROMPT_PATIENCE).err().or(failed);
        }
        if let Some(error) = failed {
            return Err(secrets::still_kept(&error));
        }
        let gone =
            || removed.first().map(|stored| SecretStatus { kept_in: None, set_at: None, ..entered(stored) });
        let declared =
            self.all().map_err(|error| in_words(&error))?.into_iter().find(|one| one.name == secret);
        let status = declared.or_else(gone);
        Ok(Response::PluginSecret(Box::new(status.ok_or_else(|| self.otherwise.clone())?)))
    }

    /// Every secret that the plugin declares or, where that is not known, that the user entered.
    fn all(&self) -> Result<Vec<SecretStatus>, conductor_core::SecretError> {
        match self.secrets.file() {
            Ok(plugin) => {
                let (asking, views) = (Asking::of_unloaded(plugin), self.secrets.declared()?);
                Ok(views.iter().map(|view| secrets::status(&asking, view)).collect())
            }
            Err(_) => Ok(self.secrets.entered()?.iter().map(entered).collect()),
        }
    }

    fn one(&self, secret: &str) -> Result<Response, Refusal> {
        let all = self.all().map_err(|error| in_words(&error))?;
        let one = all.into_iter().find(|one| one.name == secret);
        Ok(Response::PluginSecret(Box::new(one.ok_or_else(|| secrets::undeclared(secret))?)))
    }

    /// The hosts of a secret, if everything about it is as it was shown.
    fn shown_hosts(&self, secret: &str, shown: &str) -> Result<Vec<SecretHost>, Refusal> {
        let plugin = self.secrets.file().map_err(|why| {
            let Some(error) = why else { return self.otherwise.clone() };
            let why = excerpt(&load_error::describe(error));
            let message = format!("what `{}` declares is not known: {why}", self.alias);
            Refusal { hint: load_error::hint(error), ..Refusal::new(RefusalCause::NotLoaded, message) }
        })?;
        let views = self.secrets.declared().map_err(|error| in_words(&error))?;
        let view = views.iter().find(|view| view.declared.name == secret);
        let view = view.ok_or_else(|| secrets::undeclared(secret))?;
        secrets::as_shown(&Asking::of_unloaded(plugin), &self.alias, &view.declared, shown)
    }
}

/// A secret that the user entered, where it is not known what the plugin declares.
fn entered(stored: &StoredSecret) -> SecretStatus {
    let hosts: Vec<String> = stored.hosts.iter().map(ToString::to_string).collect();
    SecretStatus {
        id: String::new(),
        name: stored.name.clone(),
        reason: None,
        hosts: hosts.clone(),
        confirmed: hosts,
        waiting: Vec::new(),
        kept_in: Some(stored.kept_in.to_string()),
        set_at: Some(stored.set_at.to_string()),
    }
}
