//! Taking back, while a plugin runs, the permission under which it was loaded: its key or file was revoked, the trust in
//! its signer ended or was taken away.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conductor_signing::{PluginFile, PluginName, TrustError, TrustStore, VerificationPolicy, VerifyError};

use crate::audit::{AuditEvent, AuditText};
use crate::broker::Session;
use crate::grant::Grants;
use crate::runtime::Interrupt;

/// A loaded plugin, as far as somebody else than the one who calls it may decide whether it goes on.
#[derive(Clone)]
pub struct Permission(Arc<Shared>);

struct Shared {
    name: PluginName,
    file: PluginFile,
    policy: VerificationPolicy,
    trust_dir: Option<PathBuf>,
    session: Arc<Session>,
    interrupt: Arc<dyn Interrupt>,
    withdrawn: Mutex<Option<Withdrawn>>,
}

/// What was taken back, and why.
struct Withdrawn {
    cause: VerifyError,
    grants: Arc<Grants>,
}

impl Permission {
    pub(crate) fn new(
        name: PluginName,
        file: PluginFile,
        policy: VerificationPolicy,
        trust_dir: Option<PathBuf>,
        session: Arc<Session>,
        interrupt: Arc<dyn Interrupt>,
    ) -> Self {
        let withdrawn = Mutex::default();
        Self(Arc::new(Shared { name, file, policy, trust_dir, session, interrupt, withdrawn }))
    }

    /// The plugin's name.
    #[must_use]
    pub fn plugin_name(&self) -> &PluginName {
        &self.0.name
    }

    /// Process identifier of the plugin's worker, while it has one.
    #[must_use]
    pub fn worker_pid(&self) -> Option<u32> {
        self.0.interrupt.worker_pid()
    }

    /// Decides about the plugin again, as when it was loaded, and withdraws the permission if it is refused now. What a later
    /// load has shown of the plugin's name, such as a higher version, is not held against one that runs.
    ///
    /// Returns why the permission was withdrawn by this, if it was.
    pub fn check(&self, trust: &TrustStore) -> Option<VerifyError> {
        if self.withdrawn().is_some() {
            return None;
        }
        let decision = self.0.file.judge(&self.0.policy, trust);
        let refusal = decision.refusal().filter(|refusal| refusal.ends_what_runs())?.clone();
        self.withdraw(refusal.clone());
        Some(refusal)
    }

    /// Ends the call that is under way, takes every capability away, and lets no further call in.
    fn withdraw(&self, cause: VerifyError) {
        {
            let mut withdrawn = self.withdrawn();
            if withdrawn.is_some() {
                return;
            }
            let text = AuditText::of(&cause);
            *withdrawn = Some(Withdrawn { cause, grants: self.0.session.grants() });
            self.0.session.audit().rare(|| AuditEvent::PluginWithdrawn { cause: text });
        }
        self.0.session.withdraw();
        self.0.interrupt.interrupt();
    }

    /// Why the plugin may not go on, if it may not.
    #[must_use]
    pub fn withdrawn_for(&self) -> Option<VerifyError> {
        self.withdrawn().as_ref().map(|withdrawn| withdrawn.cause.clone())
    }

    /// Gives the permission back if the plugin would be let in now. Does nothing if it was not withdrawn.
    ///
    /// # Errors
    ///
    /// Says why it would not.
    pub fn restore(&self) -> Result<(), RestoreError> {
        if self.withdrawn().is_none() {
            return Ok(());
        }
        let trust = match &self.0.trust_dir {
            Some(directory) => TrustStore::load(directory)?,
            None => TrustStore::default(),
        };
        let decision = self.0.file.judge(&self.0.policy, &trust);
        if let Some(refusal) = decision.refusal().filter(|refusal| refusal.ends_what_runs()) {
            return Err(refusal.clone().into());
        }
        if let Some(Withdrawn { grants, .. }) = self.withdrawn().take() {
            self.0.interrupt.allow();
            self.0.session.restore(Arc::unwrap_or_clone(grants));
            self.0.session.audit().rare(|| AuditEvent::PluginResumed);
        }
        Ok(())
    }

    fn withdrawn(&self) -> MutexGuard<'_, Option<Withdrawn>> {
        self.0.withdrawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permission").field("plugin", &self.0.name).finish_non_exhaustive()
    }
}

/// Why a withdrawn permission was not given back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The plugin would be refused.
    #[error(transparent)]
    Refused(#[from] VerifyError),
    /// The trust store cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
}
