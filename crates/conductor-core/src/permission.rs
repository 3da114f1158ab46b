//! What decides, from any thread, about a plugin: whether it goes on, and what it may do.
//!
//! A plugin's permission exists before anything is decided about the plugin, and before anything of it runs: what is taken away
//! while the plugin compiles or starts reaches it there. It holds as little then as a plugin may have, nothing.
//!
//! Its permission is withdrawn when its key or file is revoked, or when the trust in its signer ends or is taken away. What
//! it may do changes when the user grants or revokes a capability, and when a grant ends with time.

mod deciding;
mod listed;
mod restore;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use conductor_abi::{Capability, CapabilityRequest};
use conductor_broker::Session;
use conductor_broker::audit::{AuditEvent, AuditText};
use conductor_broker::capability::filesystem::{DataAccess, data_quota};
use conductor_call::{DataQuota, Limits};
use conductor_engine::Switch;
use conductor_policy::grant::store::{DenialKept, Holder, StoredGrant};
use conductor_policy::grant::{
    ApprovalError, Approvals, Approved, CapabilityDecision, Decided, GrantDuration, GrantSpec, Grants, Judge,
    JudgeError, Once, Requested, Vouched,
};
use conductor_policy::scope::Scope;
use conductor_signing::{PluginName, TrustStore, VerifyError};
use jiff::Timestamp;

use crate::error::LoadError;

use deciding::Deciding;
use listed::Listed;
pub use restore::RestoreError;

/// A plugin that is being loaded or was, as far as somebody else than the one who calls it may decide about it.
#[derive(Clone)]
pub struct Permission(Arc<Shared>);

/// Which permission it is: each load of a plugin has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PermissionId(u64);

struct Shared {
    id: PermissionId,
    name: PluginName,
    judge: Arc<Judge>,
    limits: Limits,
    session: Arc<Session>,
    switch: Arc<Switch>,
    /// Replaced once, when a plugin without a manifest has said what it declares.
    approvals: RwLock<Arc<Approvals>>,
    /// Held while somebody decides, and writes down what was decided.
    decided: Mutex<Decided>,
    /// What was decided last, for whoever looks meanwhile.
    shown: RwLock<Arc<Decided>>,
    withdrawn: Mutex<Option<VerifyError>>,
    /// Capabilities that are being denied: each is denied from when that begins, whatever somebody decides who began before.
    denying: Mutex<Vec<Capability>>,
}

/// What a permission is made of.
pub(crate) struct Parts {
    pub(crate) limits: Limits,
    pub(crate) session: Arc<Session>,
    pub(crate) switch: Arc<Switch>,
    pub(crate) approvals: Approvals,
}

impl Permission {
    /// The permission of a plugin that may do nothing yet.
    pub(crate) fn new(parts: Parts) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Parts { limits, session, switch, approvals } = parts;
        Self(Arc::new(Shared {
            id: PermissionId(NEXT.fetch_add(1, Ordering::Relaxed)),
            name: approvals.name.clone(),
            judge: Arc::clone(&approvals.judge),
            limits,
            session,
            switch,
            approvals: RwLock::new(Arc::new(approvals)),
            decided: Mutex::default(),
            shown: RwLock::default(),
            withdrawn: Mutex::default(),
            denying: Mutex::default(),
        }))
    }

    /// Which permission it is.
    #[must_use]
    pub fn id(&self) -> PermissionId {
        self.0.id
    }

    /// The plugin's name.
    #[must_use]
    pub fn plugin_name(&self) -> &PluginName {
        &self.0.name
    }

    /// Process identifier of the plugin's worker, while it has one.
    #[must_use]
    pub fn worker_pid(&self) -> Option<u32> {
        self.0.switch.pid()
    }

    /// Process identifier of a worker of the plugin that was ended and does not die. Until it does, nothing of the plugin is
    /// started.
    #[must_use]
    pub fn ending_pid(&self) -> Option<u32> {
        self.0.switch.ending()
    }

    /// Takes note of what the plugin declares, and decides what it may do for the first time.
    pub(crate) fn declares(
        &self,
        requests: Vec<CapabilityRequest>,
        version: Option<String>,
    ) -> Result<Grants, ApprovalError> {
        let mut decided = self.decided();
        let approvals = Arc::new(Approvals { requests, version, ..Approvals::clone(&self.approvals()) });
        *self.0.approvals.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&approvals);
        // Judged and read once for all that follows: whoever takes something away meanwhile decides again afterwards.
        let vouched = self.vouched()?;
        let (subject, store) = (approvals.subject(&vouched), approvals.store()?);
        approvals.remember(&subject, &store)?;
        let narrowed = store.unnamed(&subject);
        // What was not recorded is told again.
        if self.tell_narrowed(&narrowed) && !narrowed.is_empty() {
            approvals.narrow(&subject)?;
        }
        *decided = approvals.decide_for(vouched)?;
        self.apply(&decided.grants);
        Ok(decided.grants.clone())
    }

    /// Tells and records, once, which of the user's decisions grant less than when they were made; says whether that was recorded.
    fn tell_narrowed(&self, narrowed: &[GrantSpec]) -> bool {
        let audit = self.0.session.audit();
        for spec in narrowed {
            tracing::warn!(
                plugin = self.plugin_name().as_str(),
                "the grant `{spec}` names no host, and now means ports 80 and 443 only; grant `Network=*:*` for every port"
            );
            let (capability, scopes) = (spec.capability(), AuditText::of(spec));
            audit.rare(|| AuditEvent::GrantNarrowed { capability, scopes });
        }
        !audit.is_failing()
    }

    /// Decides again whether the plugin may run, by the trust store as it is now. Whatever is taken away later finds this
    /// permission, so that nothing falls in between.
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

    /// What is decided about each capability now.
    #[must_use]
    pub fn capabilities(&self) -> Vec<CapabilityDecision> {
        self.0.session.grants().decisions().to_vec()
    }

    /// What the plugin asks for.
    #[must_use]
    pub fn requested(&self) -> Vec<Requested> {
        self.shown().requested.clone()
    }

    /// What the plugin asks for and nobody has decided yet.
    #[must_use]
    pub fn pending(&self) -> Vec<Requested> {
        self.shown().requested.iter().filter(|requested| requested.is_pending).cloned().collect()
    }

    /// How far somebody vouches for the plugin now, by the trust store as it is now.
    ///
    /// # Errors
    ///
    /// Fails if the plugin would be refused, or the trust store cannot be used.
    pub fn vouched(&self) -> Result<Vouched, JudgeError> {
        self.0.judge.now()
    }

    /// Whom the user's grants to the plugin are bound to now; of a plugin for which nobody vouches any more, to whom they were
    /// bound last.
    #[must_use]
    pub fn holder(&self) -> Holder {
        let approvals = self.approvals();
        match self.vouched().ok().or_else(|| self.shown().vouched.clone()) {
            Some(vouched) => approvals.subject(&vouched).holder(),
            None => Holder::File(approvals.digest),
        }
    }

    /// The user's grants that hold now, other than those of the configuration.
    #[must_use]
    pub fn approved(&self) -> Vec<StoredGrant> {
        self.shown().stored.clone()
    }

    /// Grants what the plugin declares of a capability, or one scope of it, instead of what was decided about that
    /// capability before. `name` is the plugin's own name as the user typed it, which a high risk needs.
    ///
    /// # Errors
    ///
    /// Says why the user's decision has no effect; nothing is changed then.
    pub fn approve(
        &self,
        capability: Capability,
        scope: Option<&Scope>,
        duration: &GrantDuration,
        name: Option<&str>,
    ) -> Result<Approved, ApprovalError> {
        let (mut decided, approvals) = (self.decided(), self.approvals());
        let approval = approvals.prepare(capability, scope, duration, name)?;
        let (scopes, lasts) = (AuditText::of(&Listed(&approval.approved.granted)), AuditText::of(duration));
        let audit = self.0.session.audit();
        if audit.is_failing() {
            return Err(ApprovalError::NotAudited);
        }
        let before = approvals.commit(&approval)?;
        // What is granted is recorded when it is, and is not where that cannot be recorded.
        if audit.certain(AuditEvent::CapabilityGranted { capability, scopes, lasts }).is_err() {
            approvals.undo(before)?;
            return Err(ApprovalError::NotAudited);
        }
        *decided = approvals.decide()?;
        self.apply(&decided.grants);
        Ok(approval.approved)
    }

    /// Denies a capability, from the next operation on and from those under way, whatever the plugin is doing.
    ///
    /// # Errors
    ///
    /// Fails if the denial cannot be kept; it holds until the host ends then, or until the capability is granted.
    pub fn deny(&self, capability: Capability) -> Result<(), ApprovalError> {
        // It takes effect before anybody is waited for who may be writing to a disk that is slow.
        let denying = self.denies(capability);
        let (mut decided, approvals) = (self.decided(), self.approvals());
        self.0.session.audit().rare(|| AuditEvent::CapabilityRevoked { capability });
        let vouched = decided.vouched.clone().or_else(|| self.vouched().ok());
        let kept = approvals.deny(capability);
        *decided = match approvals.decide() {
            Ok(next) => next,
            Err(ApprovalError::Judge(JudgeError::Refused(_))) => Decided::nothing(),
            Err(_) => approvals.decide_by_known(vouched)?,
        };
        drop(denying);
        self.apply(&decided.grants);
        match kept? {
            DenialKept::InFile => {}
            DenialKept::InJournal { cause } => tracing::warn!(
                plugin = %self.plugin_name(),
                "the denial of {capability} stands in the journal of denials until it can be put into grants.toml: {cause}"
            ),
        }
        Ok(())
    }

    /// Takes a capability away for as long as the returned value lives, and waits for nobody.
    fn denies(&self, capability: Capability) -> Denying<'_> {
        self.denying().push(capability);
        let denying = Denying { permission: self, capability };
        self.change_grants(Grants::clone);
        denying
    }

    /// Takes away what the files no longer grant, and waits for nobody who decides; [`Permission::refresh`] is to follow, which
    /// grants what they grant now and records it.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read; everything stays as it was then.
    pub fn take_away(&self) -> Result<(), ApprovalError> {
        let next = match self.approvals().decide() {
            Ok(next) => next.grants,
            Err(ApprovalError::Judge(JudgeError::Refused(_))) => Grants::none(),
            Err(error) => return Err(error),
        };
        self.change_grants(|before| {
            let mut narrower = next;
            for (capability, _) in narrower.wider_than(before) {
                narrower.hold_back(capability, before);
            }
            narrower
        });
        Ok(())
    }

    /// Decides about every capability again, from what is on disk and in memory now. Where nobody vouches for the plugin any
    /// more, it may do nothing from now on; [`Permission::check`] ends it.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read; everything stays as it was then, but for what has ended since.
    pub fn refresh(&self) -> Result<(), ApprovalError> {
        let (mut decided, approvals) = (self.decided(), self.approvals());
        approvals.keep_unkept();
        let (next, result) = match approvals.decide() {
            Ok(next) => (next, Ok(())),
            Err(ApprovalError::Judge(JudgeError::Refused(_))) => (Decided::nothing(), Ok(())),
            Err(error) => (approvals.decide_by_known(decided.vouched.clone())?, Err(error)),
        };
        *decided = next;
        let recorded = self.record_wider(&mut decided.grants);
        self.apply(&decided.grants);
        result.and(recorded)
    }

    /// Records what is granted now and was not before, and takes out what cannot be recorded.
    fn record_wider(&self, grants: &mut Grants) -> Result<(), ApprovalError> {
        self.leave_out_denied(grants);
        if self.withdrawn().is_some() {
            return Ok(());
        }
        let before = self.0.session.grants();
        let audit = self.0.session.audit();
        let mut result = Ok(());
        for (capability, scopes) in grants.wider_than(&before) {
            let event = AuditEvent::CapabilityGranted {
                capability,
                scopes: AuditText::of(&Listed(&scopes)),
                lasts: AuditText::of(&"as the user's decisions say"),
            };
            if audit.certain(event).is_err() {
                grants.hold_back(capability, &before);
                result = Err(ApprovalError::NotAudited);
            }
        }
        result
    }

    /// Whether a grant has ended by `now`, so that it is time for [`Permission::refresh`].
    #[must_use]
    pub fn has_ended_grants(&self, now: Timestamp) -> bool {
        let decided = self.shown();
        decided.next_end.is_some_and(|end| end <= now) || decided.once.iter().any(Once::is_over)
    }

    /// Whether something is granted for once.
    pub(crate) fn has_grants_for_once(&self) -> bool {
        !self.shown().once.is_empty()
    }

    /// Takes files that are granted for once for the call that is about to begin.
    pub(crate) fn call_begins(&self) {
        // A call that did not come to its end may have left some.
        let has_ended = self.0.session.end_deeds();
        // Another plugin of the same file may have been faster.
        if !self.0.session.take_files_for_call() || has_ended {
            self.decide_again();
        }
    }

    /// Ends the grants for once that were used in a call, after it.
    pub(crate) fn call_ended(&self) {
        if self.0.session.end_deeds() {
            self.decide_again();
        }
    }

    fn decide_again(&self) {
        if let Err(error) = self.refresh() {
            // What cannot be decided anew is not granted either.
            tracing::error!(plugin = %self.plugin_name(), "grants cannot be read: {error}");
            self.apply(&Grants::none());
        }
    }

    /// Makes the plugin see and reach what these grants say, unless its permission is withdrawn.
    fn apply(&self, grants: &Grants) {
        self.change_grants(|_| grants.clone());
    }

    fn leave_out_denied(&self, grants: &mut Grants) {
        for capability in self.denying().iter() {
            grants.revoke(*capability);
        }
    }

    /// As [`Permission::apply`], of grants that follow from those that hold now. Whoever holds the lock of this writes nothing.
    fn change_grants(&self, change: impl FnOnce(&Grants) -> Grants) {
        let withdrawn = self.withdrawn();
        if withdrawn.is_some() {
            return;
        }
        let Shared { session, limits, .. } = &*self.0;
        let before = session.grants();
        let mut grants = change(&before);
        self.leave_out_denied(&mut grants);
        session.set_grants(grants);
        let files = |grants: &Grants| (DataAccess::of(grants), data_quota(grants, DataQuota::most(limits)));
        let (old, new) = (files(&before), files(&session.grants()));
        if old == new {
            return;
        }
        let revoked = match (old.0, new.0) {
            (DataAccess::ReadOnly, DataAccess::None)
            | (DataAccess::ReadWrite, DataAccess::None | DataAccess::ReadOnly) => true,
            (DataAccess::ReadWrite, DataAccess::ReadWrite) => {
                new.1.bytes < old.1.bytes || new.1.files < old.1.files
            }
            (DataAccess::None, _) | (DataAccess::ReadOnly, DataAccess::ReadOnly | DataAccess::ReadWrite) => {
                false
            }
        };
        session.change_files(revoked);
        if revoked {
            self.0.switch.turn_off();
        }
    }

    /// Lets the plugin be called again after files were taken away. Returns whether it still may be called at all.
    pub(crate) fn files_are_as_granted(&self) -> bool {
        let withdrawn = self.withdrawn();
        if withdrawn.is_none() {
            self.0.switch.turn_on();
        }
        withdrawn.is_none()
    }

    /// Judges the plugin again by a trust store, and withdraws the permission if it is refused now. What a later load has shown
    /// of the plugin's name, such as a higher version, is not held against one that runs. Where somebody vouches for it less
    /// far than before, or further, what it may do follows at once.
    ///
    /// Returns why the permission was withdrawn by this, if it was.
    pub fn check(&self, trust: &TrustStore) -> Option<VerifyError> {
        let refusal = self.withdraw_if_refused(trust);
        if refusal.is_none() {
            self.follow(trust);
        }
        refusal
    }

    /// When time alone changes next how the plugin's files are judged, such as because its signature ends.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.judge.next_change(now)
    }

    /// The first half of [`Permission::check`], which waits for nobody who decides: withdraws the permission if the plugin is
    /// refused now.
    pub fn withdraw_if_refused(&self, trust: &TrustStore) -> Option<VerifyError> {
        if self.withdrawn().is_some() {
            return None;
        }
        let refusal = self.0.judge.by(trust).err()?;
        self.withdraw(refusal.clone());
        Some(refusal)
    }

    /// The second half of [`Permission::check`]: where somebody vouches for the plugin less far than before, or further, decides
    /// what it may do.
    pub fn follow(&self, trust: &TrustStore) {
        // What is refused is not followed, but withdrawn.
        let Ok(vouched) = self.0.judge.by(trust) else { return };
        let mut decided = self.decided();
        // What was not decided yet is judged when it is.
        if decided.is_decided && decided.vouched.as_ref() != Some(&vouched) {
            match self.approvals().decide_for(vouched) {
                Ok(next) => *decided = next,
                Err(error) => {
                    // What cannot be decided anew is not granted either.
                    tracing::error!(plugin = %self.plugin_name(), "grants cannot be read: {error}");
                    *decided = Decided::nothing();
                }
            }
            if let Err(error) = self.record_wider(&mut decided.grants) {
                tracing::error!(plugin = %self.plugin_name(), "{error}");
            }
            self.apply(&decided.grants);
        }
    }

    /// Ends the call that is under way, takes every capability away, and lets no further call in.
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
        // Nobody waits for what is written down but who withdrew it.
        self.0.session.audit().rare(|| AuditEvent::PluginWithdrawn { cause: text });
    }

    /// Why the plugin may not go on, if it may not.
    #[must_use]
    pub fn withdrawn_for(&self) -> Option<VerifyError> {
        self.withdrawn().clone()
    }

    /// Gives the permission back if the plugin would be let in now, with what it is granted now. Does nothing if it was not
    /// withdrawn.
    ///
    /// # Errors
    ///
    /// Says why it would not.
    pub fn restore(&self) -> Result<(), RestoreError> {
        if self.withdrawn().is_none() {
            return Ok(());
        }
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

    fn approvals(&self) -> Arc<Approvals> {
        Arc::clone(&self.0.approvals.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Locked before [`Permission::withdrawn`] where both are.
    fn decided(&self) -> Deciding<'_> {
        let decided = self.0.decided.lock().unwrap_or_else(PoisonError::into_inner);
        Deciding { decided, shown: &self.0.shown }
    }

    /// What was decided last, without waiting for who is deciding.
    fn shown(&self) -> Arc<Decided> {
        Arc::clone(&self.0.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Locked after [`Permission::withdrawn`] where both are.
    fn denying(&self) -> MutexGuard<'_, Vec<Capability>> {
        self.0.denying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn withdrawn(&self) -> MutexGuard<'_, Option<VerifyError>> {
        self.0.withdrawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permission").field("plugin", self.plugin_name()).finish_non_exhaustive()
    }
}

/// A denial that is being written down; see [`Permission::deny`].
struct Denying<'p> {
    permission: &'p Permission,
    capability: Capability,
}

impl Drop for Denying<'_> {
    fn drop(&mut self) {
        let mut denying = self.permission.denying();
        if let Some(place) = denying.iter().position(|capability| *capability == self.capability) {
            denying.swap_remove(place);
        }
    }
}
