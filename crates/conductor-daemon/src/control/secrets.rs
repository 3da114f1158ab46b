//! Secrets that the user enters for plugins, in the words of the control protocol.
//!
//! Keeping and forgetting a secret may wait for the user, whom the Secret Service asks to unlock a collection. So each is
//! done on a thread of its own, and nobody but the client that asked for it waits. That a plugin has no use of a secret
//! any more is decided before that.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::Builder;

use conductor_core::SecretError;
use conductor_core::secret::{
    Declared, KeptIn, SecretHost, SecretId, SecretPlace, SecretStore, SecretView, check_text,
};
use conductor_secrets::KeepError;
use conductor_secrets::vault::{PROMPT_PATIENCE, Vault};
use conductor_signing::SecretText;
use conductor_signing::escape::terminal;
use conductor_signing::keeper::Keeper;

use super::change::Turn;
use super::describe::trust_in_words;
use super::excerpt::excerpt;
use super::message::{PluginSecrets, Refusal, RefusalCause, Response, SecretStatus, SecretsStatus};
use super::shown::{self, Asking};
use crate::dispatch::Loaded;

/// The secrets of a loaded plugin, and what the user decides by.
pub(super) fn all(loaded: &Loaded) -> Response {
    Response::PluginSecrets(Box::new(PluginSecrets {
        name: loaded.info.name.to_string(),
        trust: Some(excerpt(&trust_in_words(loaded))),
        bound_to: Some(loaded.permission.holder().to_string()),
        secrets: of(loaded),
        why: None,
        hint: None,
    }))
}

/// The secrets that a plugin declares.
pub(super) fn of(loaded: &Loaded) -> Vec<SecretStatus> {
    let asking = Asking::of(loaded);
    loaded.permission.secrets().iter().map(|view| status(&asking, view)).collect()
}

/// Where secrets are kept.
pub(super) fn places(config_dir: &Path, vault: &Vault) -> SecretsStatus {
    match SecretStore::load(&Keeper::of(config_dir)) {
        Ok(store) => {
            let count = |place| store.all().iter().filter(|stored| stored.kept_in == place).count() as u64;
            let in_file = count(KeptIn::File);
            let file = (in_file > 0).then(|| vault.file().path().to_owned());
            SecretsStatus { in_secret_service: count(KeptIn::SecretService), in_file, file, error: None }
        }
        Err(error) => SecretsStatus { error: Some(error.to_string()), ..SecretsStatus::default() },
    }
}

/// A decision about one secret of a loaded plugin.
pub(super) struct About<'a> {
    pub(super) alias: &'a str,
    pub(super) loaded: Loaded,
    pub(super) secret: &'a str,
}

impl About<'_> {
    /// Keeps a secret, if what the user was shown about it is still so.
    pub(super) fn set(
        self,
        shown: &str,
        text: SecretText,
        vault: &Arc<Vault>,
        turn: Turn,
    ) -> Result<Receiver<Response>, Refusal> {
        let hosts = self.shown_hosts(shown)?;
        check_text(&text).map_err(|error| not_decided(error.to_string(), None))?;
        self.loaded.permission.check_secret(self.secret, &hosts).map_err(|error| in_words(&error))?;
        let (vault, name, loaded) = (Arc::clone(vault), self.secret.to_owned(), self.loaded);
        let alias = self.alias.to_owned();
        on_a_thread(move || {
            let _turn = turn;
            let decide = |place: SecretPlace| loaded.permission.keep_secret(&name, &hosts, place);
            keep(&vault, (alias.as_str(), loaded.info.name.as_str(), name.as_str()), &text, decide)?;
            answer(&loaded, &name)
        })
    }

    /// Confirms the hosts that the user was shown, for a secret that was entered before.
    pub(super) fn confirm(self, shown: &str) -> Result<Response, Refusal> {
        let hosts = self.shown_hosts(shown)?;
        self.loaded.permission.confirm_secret(self.secret, &hosts).map_err(|error| in_words(&error))?;
        tracing::info!(
            plugin = self.alias,
            "the hosts of the secret {} were confirmed",
            terminal(self.secret)
        );
        answer(&self.loaded, self.secret)
    }

    /// Takes a secret away at once, and then deletes it where it is kept.
    pub(super) fn remove(self, vault: &Arc<Vault>, turn: Turn) -> Result<Receiver<Response>, Refusal> {
        let place = self.loaded.permission.remove_secret(self.secret).map_err(|error| in_words(&error))?;
        tracing::info!(plugin = self.alias, "the secret {} was taken away", terminal(self.secret));
        let (vault, name, loaded) = (Arc::clone(vault), self.secret.to_owned(), self.loaded);
        on_a_thread(move || {
            let _turn = turn;
            vault.forget(&place, PROMPT_PATIENCE).map_err(|error| still_kept(&error))?;
            answer(&loaded, &name)
        })
    }

    /// The hosts of the secret, if everything about it is as it was shown.
    fn shown_hosts(&self, shown: &str) -> Result<Vec<SecretHost>, Refusal> {
        let asking = Asking::of(&self.loaded);
        let views = self.loaded.permission.secrets();
        let view = views.iter().find(|view| view.declared.name == self.secret);
        let view = view.ok_or_else(|| undeclared(self.secret))?;
        as_shown(&asking, self.alias, &view.declared, shown)
    }
}

/// The hosts of a secret, if everything about it is as it was shown.
pub(super) fn as_shown(
    asking: &Asking,
    alias: &str,
    declared: &Declared,
    shown: &str,
) -> Result<Vec<SecretHost>, Refusal> {
    if asking.secret(declared) == shown {
        return Ok(declared.hosts.clone());
    }
    let name = terminal(&declared.name);
    let message = format!("what `{alias}` says of the secret `{name}` is no longer what was shown");
    Err(shown::is_other(message, format!("look at it again: conductorctl plugin secret list {alias}")))
}

/// Keeps a secret of a plugin (alias, own name, name of the secret), and has `decide` write down where. What `decide` says
/// that nobody needs any more is forgotten, and so is the secret if the decision has no effect.
pub(super) fn keep(
    vault: &Vault,
    (alias, plugin, secret): (&str, &str, &str),
    text: &SecretText,
    decide: impl FnOnce(SecretPlace) -> Result<Option<SecretPlace>, SecretError>,
) -> Result<(), Refusal> {
    let id = new_id()?;
    let label = format!("{secret} for the plugin {plugin} (Conductor)");
    let kept_in = vault
        .keep(&id, &label, text, PROMPT_PATIENCE)
        .map_err(|error| not_decided(error.to_string(), error.hint()))?;
    let place = SecretPlace { kept_in, id };
    match decide(place.clone()) {
        Ok(before) => before.iter().for_each(|before| forget(vault, before)),
        Err(error) => {
            forget(vault, &place);
            return Err(in_words(&error));
        }
    }
    tracing::info!(plugin = alias, "the secret {} was entered, and is kept in: {kept_in}", terminal(secret));
    Ok(())
}

pub(super) fn status(asking: &Asking, view: &SecretView) -> SecretStatus {
    let texts = |hosts: &[SecretHost]| hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let entered = view.entered.as_ref();
    SecretStatus {
        id: asking.secret(&view.declared),
        name: view.declared.name.clone(),
        reason: view.declared.reason.as_deref().map(excerpt),
        hosts: texts(&view.declared.hosts),
        confirmed: entered.map(|entered| texts(&entered.hosts)).unwrap_or_default(),
        waiting: view.waiting().iter().map(ToString::to_string).collect(),
        kept_in: entered.map(|entered| entered.place.kept_in.to_string()),
        set_at: entered.map(|entered| entered.set_at.to_string()),
    }
}

fn answer(loaded: &Loaded, name: &str) -> Result<Response, Refusal> {
    let secret = of(loaded).into_iter().find(|secret| secret.name == name);
    let secret = secret.ok_or_else(|| undeclared(name))?;
    Ok(Response::PluginSecret(Box::new(secret)))
}

fn forget(vault: &Vault, place: &SecretPlace) {
    if let Err(error) = vault.forget(place, PROMPT_PATIENCE) {
        let error = error.to_string();
        tracing::warn!(
            "a secret that nobody needs any more is still kept as {}: {}",
            place.id,
            terminal(&error)
        );
    }
}

pub(super) fn on_a_thread(
    work: impl FnOnce() -> Result<Response, Refusal> + Send + 'static,
) -> Result<Receiver<Response>, Refusal> {
    let (reply, answer) = channel();
    let thread = Builder::new().name("secret".to_owned()).spawn(move || {
        // The client may have stopped waiting.
        let _ = reply.send(work().unwrap_or_else(Response::Refused));
    });
    thread.map_err(|error| not_decided(format!("cannot start a thread: {error}"), None))?;
    Ok(answer)
}

fn new_id() -> Result<SecretId, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| not_decided(format!("there are no random numbers: {error}"), None))?;
    Ok(SecretId::from_random(bytes))
}

/// The refusal for a secret that the plugin does not declare.
pub(super) fn undeclared(name: &str) -> Refusal {
    in_words(&SecretError::NotDeclared { name: name.to_owned() })
}

/// The refusal for a secret that was taken away and is still kept.
pub(super) fn still_kept(error: &KeepError) -> Refusal {
    let message = format!("the plugin has no use of it any more, but it is still kept: {error}");
    not_decided(message, error.hint())
}

pub(super) fn in_words(error: &SecretError) -> Refusal {
    let refusal = not_decided(error.to_string(), error.hint());
    if let SecretError::OtherHosts { .. } = error {
        return Refusal { cause: RefusalCause::NotAsShown, ..refusal };
    }
    refusal
}

pub(super) fn not_decided(message: String, hint: Option<String>) -> Refusal {
    Refusal { hint, ..Refusal::new(RefusalCause::NotChanged, message) }
}
