//! What a loaded plugin may have used of the user's secrets at one moment.

use conductor_abi::SecretSpec;
use conductor_signing::UtcTime;
use url::Host;

use super::{SecretHost, SecretHostError, SecretPlace, SecretStore};
use crate::grant::store::Subject;

/// A secret that a plugin declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Why the plugin needs it, in the plugin's words.
    pub reason: Option<String>,
    /// Hosts that the plugin would send it to.
    pub hosts: Vec<SecretHost>,
}

/// The secrets that one plugin may have used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldSecrets(Vec<SecretView>);

/// What is known about one secret of a plugin. The secret itself is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretView {
    /// What the plugin declares.
    pub declared: Declared,
    /// What the user confirmed, if the user entered the secret.
    pub entered: Option<Entered>,
}

/// A secret that the user entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Hosts that the user confirmed.
    pub hosts: Vec<SecretHost>,
    /// Where it is kept.
    pub place: SecretPlace,
    /// When the user entered it.
    pub set_at: UtcTime,
}

/// Whether a secret may go to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretUse<'s> {
    /// It may.
    Allowed(&'s SecretPlace),
    /// The plugin declares no secret of this name.
    Undeclared,
    /// The user entered none.
    NotEntered,
    /// The plugin declares the host, and the user has not confirmed it.
    Unconfirmed,
    /// The host is none of the secret's.
    OtherHost,
}

impl Declared {
    /// Reads what a manifest declares.
    ///
    /// # Errors
    ///
    /// Fails if a host is none.
    pub fn read(specs: &[SecretSpec]) -> Result<Vec<Self>, SecretHostError> {
        let read = specs.iter().map(|SecretSpec { name, reason, hosts }| {
            let hosts = hosts.iter().map(|host| host.parse()).collect::<Result<_, _>>()?;
            Ok(Self { name: name.clone(), reason: reason.clone(), hosts })
        });
        read.collect()
    }
}

impl HeldSecrets {
    /// The secrets of a plugin, from what it declares and what the user entered for it.
    #[must_use]
    pub fn of(declared: &[Declared], subject: &Subject, store: &SecretStore) -> Self {
        let views = declared.iter().map(|declared| {
            let entered = store.find(subject, &declared.name).map(|stored| Entered {
                hosts: stored.hosts.clone(),
                place: SecretPlace { kept_in: stored.kept_in, id: stored.id.clone() },
                set_at: stored.set_at.clone(),
            });
            SecretView { declared: declared.clone(), entered }
        });
        Self(views.collect())
    }

    /// As if the user had entered none of them.
    #[must_use]
    pub fn none(declared: &[Declared]) -> Self {
        let views = declared.iter().cloned();
        Self(views.map(|declared| SecretView { declared, entered: None }).collect())
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[SecretView] {
        &self.0
    }

    /// Forgets what the user entered under a name.
    pub fn withhold(&mut self, name: &str) {
        for view in self.0.iter_mut().filter(|view| view.declared.name == name) {
            view.entered = None;
        }
    }

    /// Whether the secret of this name may go to a host.
    #[must_use]
    pub fn use_of(&self, name: &str, host: &Host<String>, port: u16) -> SecretUse<'_> {
        let Some(view) = self.0.iter().find(|view| view.declared.name == name) else {
            return SecretUse::Undeclared;
        };
        let is_one_of = |hosts: &[SecretHost]| hosts.iter().any(|one| one.is(host, port));
        match &view.entered {
            _ if !is_one_of(&view.declared.hosts) => SecretUse::OtherHost,
            None => SecretUse::NotEntered,
            Some(entered) if is_one_of(&entered.hosts) => SecretUse::Allowed(&entered.place),
            Some(_) => SecretUse::Unconfirmed,
        }
    }
}

impl SecretView {
    /// Hosts that the plugin declares and that the user has not confirmed, once the secret is entered.
    #[must_use]
    pub fn waiting(&self) -> Vec<&SecretHost> {
        let Some(entered) = &self.entered else { return Vec::new() };
        self.declared.hosts.iter().filter(|host| !entered.hosts.contains(host)).collect()
    }
}
