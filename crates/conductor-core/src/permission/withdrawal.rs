//! Whether the plugin may run at all: the permission is withdrawn when the plugin would be refused, and given back.

use conductor_broker::audit::{AuditEvent, AuditText};
use conductor_policy::grant::{ApprovalError, Decided, JudgeError};
use conductor_signing::{TrustStore, VerifyError};
use jiff::Timestamp;

use super::{Permission, RestoreError};
use crate::error::LoadError;

impl Permission {
    /// Decides again whether the plugin may run, by the present trust store. A revocation that comes after this finds
    /// the permission, so no revocation is missed.
    pub(crate) fn check_anew(&self) -> Result<(), LoadError> {
        if let Some(directory) = &self.0.judge.directory {
            let trust = TrustStore::load(directory).map_err(|source| LoadError::Trust { source })?;
            self.check(&trust);
        }
        self.still_stands()
    }

    /// Fails if the permission was withdrawn.
    pub(crate) fn still_stands(&self) -> Result<(), LoadError> {
        self.withdrawn().clone().map_or(Ok(()), |source| Err(LoadError::Verify { source }))
    }

    /// Judges the plugin again by a trust store, and withdraws the permission if the plugin is refused. Facts about the
    /// plugin's name that later loads have shown, such as a higher version, do not end a running plugin. If somebody
    /// vouches for the plugin more or less than before, its grants are decided again at once.
    ///
    /// Returns the reason, if this call withdrew the permission.
    pub fn check(&self, trust: &TrustStore) -> Option<VerifyError> {
        let refusal = self.withdraw_if_refused(trust);
        if refusal.is_none() {
            self.follow(trust);
        }
        refusal
    }

    /// The next time at which the passing of time alone changes how the plugin's files are judged, for example because
    /// its signature expires.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.judge.next_change(now)
    }

    /// The first half of [`Permission::check`]: withdraws the permission if the plugin is refused, without waiting for
    /// any thread that decides.
    pub fn withdraw_if_refused(&self, trust: &TrustStore) -> Option<VerifyError> {
        if self.withdrawn().is_some() {
            return None;
        }
        let refusal = self.0.judge.by(trust).err()?;
        self.withdraw(refusal.clone());
        Some(refusal)
    }

    /// The second half of [`Permission::check`]: if somebody vouches for the plugin more or less than before, decides
    /// again what it may do.
    pub fn follow(&self, trust: &TrustStore) {
        // The permission of a refused plugin is withdrawn elsewhere.
        let Ok(vouched) = self.0.judge.by(trust) else { return };
        let mut decided = self.decided();
        // If nothing was decided yet, the first decision will use the present trust.
        if decided.is_decided && decided.vouched.as_ref() != Some(&vouched) {
            match self.approvals().decide_for(vouched) {
                Ok(next) => *decided = next,
                Err(error) => {
                    // Without a new decision, nothing is granted.
                    tracing::error!(plugin = %self.plugin_name(), "grants cannot be read: {error}");
                    *decided = Decided::nothing();
                }
            }
            if let Err(error) = self.record_wider(&mut decided.grants) {
                tracing::error!(plugin = %self.plugin_name(), "{error}");
            }
            self.apply(&decided.grants);
            drop(decided);
            self.follow_secrets();
        }
    }

    /// Ends the call that is under way, takes every capability away, and refuses further calls.
    fn withdraw(&self, cause: VerifyError) {
        let text = AuditText::of(&cause);
        let mut withdrawn = self.withdrawn();
        if withdrawn.is_some() {
            return;
        }
        *withdrawn = Some(cause);
        self.0.session.withdraw();
        self.0.switch.turn_off();
        drop(withdrawn);
        // The record is written after the lock is released, so that only the withdrawing thread waits for it.
        self.0.session.audit().rare(|| AuditEvent::PluginWithdrawn { cause: text });
    }

    /// Why the permission was withdrawn, if it was.
    #[must_use]
    pub fn withdrawn_for(&self) -> Option<VerifyError> {
        self.withdrawn().clone()
    }

    /// Gives the permission back if the plugin would be let in now, with the present grants. Does nothing if the
    /// permission was not withdrawn.
    ///
    /// # Errors
    ///
    /// Says why the plugin would not be let in, or why its grants cannot be decided.
    pub fn restore(&self) -> Result<(), RestoreError> {
        if self.withdrawn().is_none() {
            return Ok(());
        }
        self.follow_secrets();
        let mut decided = self.decided();
        *decided = match self.approvals().decide() {
            Ok(next) => next,
            Err(ApprovalError::Judge(JudgeError::Refused(cause))) => return Err(cause.into()),
            Err(ApprovalError::Judge(JudgeError::Trust(cause))) => return Err(cause.into()),
            Err(error) => return Err(error.into()),
        };
        let mut withdrawn = self.withdrawn();
        if withdrawn.take().is_some() {
            self.0.switch.turn_on();
            self.0.session.change_files(false);
            self.0.session.restore(decided.grants.clone());
            drop(withdrawn);
            self.0.session.audit().rare(|| AuditEvent::PluginResumed);
        }
        Ok(())
    }
}
