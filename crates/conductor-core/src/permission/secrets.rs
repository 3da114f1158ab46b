//! The user's secrets that the plugin may have used.

use std::sync::{Mutex, MutexGuard, PoisonError};

use conductor_broker::audit::{AuditEvent, AuditText};
use conductor_policy::grant::store::Subject;
use conductor_policy::grant::{ApprovalError, JudgeError};
use conductor_policy::secret::{
    Declared, HeldSecrets, SecretHost, SecretPlace, SecretStore, SecretStoreError, SecretView, StoredSecret,
    Whose,
};
use conductor_signing::escape::terminal;
use conductor_signing::keeper::Keeper;

use super::{Listed, Permission};

/// What a plugin declares of secrets.
#[derive(Default)]
pub(super) struct DeclaredSecrets {
    /// What it declares. Held while a thread decides about them.
    declared: Mutex<Vec<Declared>>,
    /// Secrets that are being removed, or whose removal could not be written down. Held while what the plugin may have
    /// used is put in place, and never while a file is read or written.
    withheld: Mutex<Vec<String>>,
}

/// Why a decision about a secret has no effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The plugin declares no secret of this name.
    #[error("the plugin declares no secret `{}`", terminal(name))]
    NotDeclared {
        /// The name.
        name: String,
    },
    /// The user has not entered the secret.
    #[error("the secret `{}` was not entered", terminal(name))]
    NotEntered {
        /// The name.
        name: String,
    },
    /// The hosts are no longer those that the user was shown.
    #[error("the hosts of the secret `{}` are no longer what was shown", terminal(name))]
    OtherHosts {
        /// The name.
        name: String,
    },
    /// The host of plugins keeps no decisions.
    #[error("this host keeps no decisions, so it keeps no secrets either")]
    NotKept,
    /// Nobody can say who vouches for the plugin, so nobody knows whose the secret would be.
    #[error("{0}")]
    Judge(JudgeError),
    /// The decisions cannot be read or written.
    #[error("{0}")]
    Store(#[from] SecretStoreError),
    /// Nothing is given while the audit log cannot be written.
    #[error("{0}")]
    NotAudited(ApprovalError),
}

impl SecretError {
    /// What the user can do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        if let Self::Store(error) = self { error.hint() } else { None }
    }
}

impl Permission {
    /// Notes the secrets that the plugin declares, and which of them the user entered.
    pub(crate) fn declares_secrets(&self, declared: Vec<Declared>) {
        *self.declared_secrets() = declared;
        self.follow_secrets();
    }

    /// The secrets that the plugin declares, with what the user entered.
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretView> {
        self.0.session.secrets().all().to_vec()
    }

    /// Decides again which secrets the plugin may have used. It may have used none while that cannot be decided.
    pub(super) fn follow_secrets(&self) {
        let declared = self.declared_secrets();
        if declared.is_empty() {
            return;
        }
        if let Err(error) = self.decide_secrets(&declared) {
            self.0.session.set_secrets(HeldSecrets::none(&declared));
            tracing::error!(
                plugin = %self.plugin_name(),
                "its secrets are not used until this is mended: {}",
                terminal(&error.to_string())
            );
        }
    }

    fn decide_secrets(&self, declared: &[Declared]) -> Result<(), SecretError> {
        let mut held = match self.subject() {
            Ok((keeper, subject)) => HeldSecrets::of(declared, &subject, &SecretStore::load(&keeper)?),
            // Such a plugin has nothing of the user's.
            Err(SecretError::NotKept | SecretError::Judge(JudgeError::Refused(_))) => {
                HeldSecrets::none(declared)
            }
            Err(error) => return Err(error),
        };
        let withheld = self.withheld_secrets();
        withheld.iter().for_each(|name| held.withhold(name));
        self.0.session.set_secrets(held);
        Ok(())
    }

    /// Fails unless a secret is declared with exactly these hosts, in this order.
    ///
    /// # Errors
    ///
    /// Says what is otherwise.
    pub fn check_secret(&self, name: &str, hosts: &[SecretHost]) -> Result<(), SecretError> {
        let all = self.declared_secrets();
        let declared = all.iter().find(|declared| declared.name == name);
        let declared = declared.ok_or_else(|| SecretError::NotDeclared { name: name.to_owned() })?;
        if declared.hosts != hosts {
            return Err(SecretError::OtherHosts { name: name.to_owned() });
        }
        drop(all);
        if self.0.session.audit().is_failing() {
            return Err(SecretError::NotAudited(ApprovalError::NotAudited));
        }
        self.subject().map(drop)
    }

    /// Notes that the user entered a secret, which is kept at `place`, for exactly these hosts. Returns where an earlier one
    /// is kept, which nobody needs any more.
    ///
    /// # Errors
    ///
    /// Says why the decision has no effect; nothing is changed then.
    pub fn keep_secret(
        &self,
        name: &str,
        hosts: &[SecretHost],
        place: SecretPlace,
    ) -> Result<Option<SecretPlace>, SecretError> {
        self.check_secret(name, hosts)?;
        let before = self.put_secret(name, hosts, place)?;
        Ok(before.map(|before| before.place()))
    }

    /// Notes that the user confirmed these hosts for a secret that was entered before.
    ///
    /// # Errors
    ///
    /// As [`Permission::keep_secret`].
    pub fn confirm_secret(&self, name: &str, hosts: &[SecretHost]) -> Result<(), SecretError> {
        self.check_secret(name, hosts)?;
        let (keeper, subject) = self.subject()?;
        let store = SecretStore::load(&keeper)?;
        let stored = store.find(&subject, name);
        let stored = stored.ok_or_else(|| SecretError::NotEntered { name: name.to_owned() })?;
        self.put_secret(name, hosts, stored.place()).map(drop)
    }

    fn put_secret(
        &self,
        name: &str,
        hosts: &[SecretHost],
        place: SecretPlace,
    ) -> Result<Option<StoredSecret>, SecretError> {
        let (keeper, subject) = self.subject()?;
        let stored = StoredSecret::now(&keeper, &subject, name, hosts, place);
        let audit = self.0.session.audit();
        let before = put_secret(&keeper, &subject, stored, |event| audit.certain(event).is_ok())?;
        self.withheld_secrets().retain(|withheld| withheld != name);
        self.follow_secrets();
        Ok(before)
    }

    /// Takes a secret away, at once and from requests under way, and returns where it is kept.
    ///
    /// # Errors
    ///
    /// Fails if the removal cannot be written down; the plugin has no use of the secret all the same until the host ends.
    pub fn remove_secret(&self, name: &str) -> Result<SecretPlace, SecretError> {
        {
            // This waits for no thread that reads or writes a file.
            let mut withheld = self.withheld_secrets();
            withheld.push(name.to_owned());
            let mut held = HeldSecrets::clone(&self.0.session.secrets());
            held.withhold(name);
            self.0.session.set_secrets(held);
        }
        let removed = self.subject().and_then(|(keeper, subject)| {
            self.0.session.audit().rare(|| AuditEvent::SecretRemoved { secret: AuditText::of(&name) });
            Ok(SecretStore::remove(&keeper, &subject, name)?)
        })?;
        self.withheld_secrets().retain(|withheld| withheld != name);
        self.follow_secrets();
        let removed = removed.ok_or_else(|| SecretError::NotEntered { name: name.to_owned() })?;
        Ok(removed.place())
    }

    /// Whose secrets the plugin's are, for taking them away or telling of them: by the present trust store or, if nobody
    /// vouches for the plugin any more, as they were bound last.
    #[must_use]
    pub fn whose_secrets(&self) -> Whose {
        let (approvals, vouched) = (self.approvals(), self.vouched().ok());
        let vouched = vouched.or_else(|| self.shown().vouched.clone());
        Whose::Judged(match vouched {
            Some(vouched) => approvals.subject(&vouched),
            None => Subject { name: approvals.name.clone(), publisher: None, digest: approvals.digest },
        })
    }

    /// Takes all secrets away that the user entered for the plugin, also those that it does not declare any more, at once
    /// and from requests under way. Returns what was decided about them. For a plugin that is removed for good.
    ///
    /// # Errors
    ///
    /// Fails if the removal cannot be written down; the plugin has no use of the secrets all the same.
    pub fn remove_secrets(&self) -> Result<Vec<StoredSecret>, SecretError> {
        self.0.session.set_secrets(HeldSecrets::none(&self.declared_secrets()));
        let keeper = self.approvals().keeper.clone().ok_or(SecretError::NotKept)?;
        let removed = SecretStore::remove_of(&keeper, &self.whose_secrets(), |_| true)?;
        for StoredSecret { name, .. } in &removed {
            self.0.session.audit().rare(|| AuditEvent::SecretRemoved { secret: AuditText::of(name) });
        }
        Ok(removed)
    }

    /// Whose secrets they are, by the present trust store, and where decisions about them are kept.
    fn subject(&self) -> Result<(Keeper, Subject), SecretError> {
        let approvals = self.approvals();
        let keeper = approvals.keeper.clone().ok_or(SecretError::NotKept)?;
        let vouched = self.vouched().map_err(SecretError::Judge)?;
        Ok((keeper, approvals.subject(&vouched)))
    }

    fn declared_secrets(&self) -> MutexGuard<'_, Vec<Declared>> {
        self.0.secrets.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This lock is taken after that of [`Permission::declared_secrets`], where a thread needs both.
    fn withheld_secrets(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.secrets.withheld.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores what the user decided about a secret, and returns what there was before. The decision is taken back where
/// `record` says that it is not on record.
pub(crate) fn put_secret(
    keeper: &Keeper,
    subject: &Subject,
    stored: StoredSecret,
    record: impl FnOnce(AuditEvent) -> bool,
) -> Result<Option<StoredSecret>, SecretError> {
    let name = stored.name.clone();
    let (secret, hosts) = (AuditText::of(&name), AuditText::of(&Listed(&stored.hosts)));
    let before = SecretStore::put(keeper, subject, stored)?;
    if record(AuditEvent::SecretEntered { secret, hosts }) {
        return Ok(before);
    }
    match before {
        Some(before) => drop(SecretStore::put(keeper, subject, before)?),
        None => drop(SecretStore::remove(keeper, subject, &name)?),
    }
    Err(SecretError::NotAudited(ApprovalError::NotAudited))
}
