//! The permission of a plugin, which decides from any thread whether the plugin goes on and what it may do.
//!
//! A permission exists before anything is decided about its plugin, and before any of the plugin's code runs, so that
//! what is taken away while the plugin compiles or starts reaches it. At that time, the permission allows nothing.
//!
//! A permission is withdrawn when the plugin's key or file is revoked, or when the trust in its signer ends or is taken
//! away. What the plugin may do changes when the user grants or revokes a capability, and when a grant expires.

mod deciding;
mod listed;
mod restore;
mod secrets;
mod withdrawal;

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
use conductor_signing::{PluginName, VerifyError};
use jiff::Timestamp;

use deciding::Deciding;
use listed::Listed;
pub use restore::RestoreError;
use secrets::DeclaredSecrets;
pub use secrets::SecretError;
pub(crate) use secrets::put_secret;

/// The permission of a plugin that is being loaded or was loaded: through it, code that does not call the plugin can
/// decide about it.
#[derive(Clone)]
pub struct Permission(Arc<Shared>);

/// Identifies a permission: each load of a plugin has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PermissionId(u64);

struct Shared {
    id: PermissionId,
    name: PluginName,
    judge: Arc<Judge>,
    limits: Limits,
    session: Arc<Session>,
    switch: Arc<Switch>,
    /// Replaced once, when a plugin without a manifest has declared its capabilities.
    approvals: RwLock<Arc<Approvals>>,
    /// Held while a thread decides, and writes its decision down.
    decided: Mutex<Decided>,
    /// The last decision, for threads that look while another thread decides.
    shown: RwLock<Arc<Decided>>,
    withdrawn: Mutex<Option<VerifyError>>,
    /// Capabilities that are being denied. Each is denied from the start of its denial on, even if a decision that
    /// began earlier grants it.
    denying: Mutex<Vec<Capability>>,
    /// The secrets that the plugin declares.
    secrets: DeclaredSecrets,
}

/// The parts of a new permission.
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
            secrets: DeclaredSecrets::default(),
        }))
    }

    /// The identity of the permission.
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

    /// Process identifier of a worker of the plugin that was told to end and does not die. Until it dies, no process of
    /// the plugin is started.
    #[must_use]
    pub fn ending_pid(&self) -> Option<u32> {
        self.0.switch.ending()
    }

    /// Records what the plugin declares, and decides for the first time what it may do.
    pub(crate) fn declares(
        &self,
        requests: Vec<CapabilityRequest>,
        version: Option<String>,
    ) -> Result<Grants, ApprovalError> {
        let mut decided = self.decided();
        let approvals = Arc::new(Approvals { requests, version, ..Approvals::clone(&self.approvals()) });
        *self.0.approvals.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&approvals);
        // Trust and decisions are read once for everything below. A thread that takes something away meanwhile decides
        // again afterwards.
        let vouched = self.vouched()?;
        let (subject, store) = (approvals.subject(&vouched), approvals.store()?);
        approvals.remember(&subject, &store)?;
        let narrowed = store.unnamed(&subject);
        // If recording failed, the next load tells the user again.
        if self.tell_narrowed(&narrowed) && !narrowed.is_empty() {
            approvals.narrow(&subject)?;
        }
        *decided = approvals.decide_for(vouched)?;
        self.apply(&decided.grants);
        Ok(decided.grants.clone())
    }

    /// Logs and records which of the user's decisions now grant less than when they were made; returns whether
    /// recording works.
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

    /// The present decision about each capability.
    #[must_use]
    pub fn capabilities(&self) -> Vec<CapabilityDecision> {
        self.0.session.grants().decisions().to_vec()
    }

    /// The capabilities that the plugin asks for.
    #[must_use]
    pub fn requested(&self) -> Vec<Requested> {
        self.shown().requested.clone()
    }

    /// The capabilities that the plugin asks for and about which nobody has decided yet.
    #[must_use]
    pub fn pending(&self) -> Vec<Requested> {
        self.shown().requested.iter().filter(|requested| requested.is_pending).cloned().collect()
    }

    /// How far somebody vouches for the plugin, by the present trust store.
    ///
    /// # Errors
    ///
    /// Fails if the plugin would be refused, or the trust store cannot be used.
    pub fn vouched(&self) -> Result<Vouched, JudgeError> {
        self.0.judge.now()
    }

    /// The holder to whom the user's grants to the plugin are bound at present. If nobody vouches for the plugin any
    /// more, the holder to whom they were bound last.
    #[must_use]
    pub fn holder(&self) -> Holder {
        let approvals = self.approvals();
        match self.vouched().ok().or_else(|| self.shown().vouched.clone()) {
            Some(vouched) => approvals.subject(&vouched).holder(),
            None => Holder::File(approvals.digest),
        }
    }

    /// The user's grants that hold at present, without those of the configuration.
    #[must_use]
    pub fn approved(&self) -> Vec<StoredGrant> {
        self.shown().stored.clone()
    }

    /// Grants everything that the plugin declares of a capability, or one scope of it, in place of the earlier decision
    /// about the capability. `name` is the plugin's own name as the user typed it, which is needed for a high risk.
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
        // A grant that cannot be decided now would have no effect now, and an unexpected one later.
        let next = match approvals.decide() {
            Ok(next) => next,
            Err(error) => {
                approvals.undo(before)?;
                return Err(error);
            }
        };
        // A grant must be recorded when it is made; if it cannot be recorded, it is undone.
        if audit.certain(AuditEvent::CapabilityGranted { capability, scopes, lasts }).is_err() {
            approvals.undo(before)?;
            return Err(ApprovalError::NotAudited);
        }
        *decided = next;
        self.apply(&decided.grants);
        Ok(approval.approved)
    }

    /// Denies a capability, at once for operations under way and for all later ones, whatever the plugin is doing.
    ///
    /// # Errors
    ///
    /// Fails if the denial cannot be written down; it then holds until the host ends, or until the capability is
    /// granted.
    pub fn deny(&self, capability: Capability) -> Result<(), ApprovalError> {
        // The denial takes effect before this thread waits for another that may be writing to a slow disk.
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

    /// Takes a capability away while the returned value lives, without waiting for any thread.
    fn denies(&self, capability: Capability) -> Denying<'_> {
        self.denying().push(capability);
        let denying = Denying { permission: self, capability };
        self.change_grants(Grants::clone);
        denying
    }

    /// Takes away what the files of decisions no longer grant, without waiting for any thread that decides. The caller
    /// then calls [`Permission::refresh`], which grants and records what the files grant now.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read; nothing is changed then.
    pub fn take_away(&self) -> Result<(), ApprovalError> {
        self.follow_secrets();
        let next = match self.approvals().decide() {
            Ok(next) => next.grants,
            Err(ApprovalError::Judge(JudgeError::Refused(_))) => Grants::none(),
            Err(error) => return Err(error),
        };
        self.change_grants(|before| narrower(next, before));
        Ok(())
    }

    /// Decides about every capability again, from the present decisions in files and in memory. If nobody vouches for
    /// the plugin any more, it may do nothing from now on; [`Permission::check`] ends it.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read; then only grants that have expired since are taken away.
    pub fn refresh(&self) -> Result<(), ApprovalError> {
        self.follow_secrets();
        let (mut decided, approvals) = (self.decided(), self.approvals());
        approvals.keep_unkept();
        let (next, result) = match approvals.decide() {
            Ok(next) => (next, Ok(())),
            Err(ApprovalError::Judge(JudgeError::Refused(_))) => (Decided::nothing(), Ok(())),
            Err(error) => {
                // Nobody can say now who vouches for the plugin, so nothing is added.
                let mut next = approvals.decide_by_known(decided.vouched.clone())?;
                next.grants = narrower(next.grants, &self.0.session.grants());
                (next, Err(error))
            }
        };
        *decided = next;
        let recorded = self.record_wider(&mut decided.grants);
        self.apply(&decided.grants);
        result.and(recorded)
    }

    /// Records grants that are new, and takes out grants that cannot be recorded.
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

    /// Whether a grant has expired by `now`, so that [`Permission::refresh`] is due.
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
        // An earlier call that was cut short may have left deeds.
        let has_ended = self.0.session.end_deeds();
        // Another plugin that was loaded from the same file may have used the grant first.
        if !self.0.session.take_files_for_call() || has_ended {
            self.decide_again();
        }
    }

    /// Ends the grants for once that were used in a call, after the call.
    pub(crate) fn call_ended(&self) {
        if self.0.session.end_deeds() {
            self.decide_again();
        }
    }

    fn decide_again(&self) {
        if let Err(error) = self.refresh() {
            // Without a new decision, nothing is granted.
            tracing::error!(plugin = %self.plugin_name(), "grants cannot be read: {error}");
            self.apply(&Grants::none());
        }
    }

    /// Gives the plugin these grants, unless its permission is withdrawn.
    fn apply(&self, grants: &Grants) {
        self.change_grants(|_| grants.clone());
    }

    fn leave_out_denied(&self, grants: &mut Grants) {
        for capability in self.denying().iter() {
            grants.revoke(*capability);
        }
    }

    /// As [`Permission::apply`], for grants that are computed from the present ones. While the lock is held, nothing is
    /// written to disk.
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

    /// Lets the plugin be called again after files were taken away. Returns whether it may be called at all.
    pub(crate) fn files_are_as_granted(&self) -> bool {
        let withdrawn = self.withdrawn();
        if withdrawn.is_none() {
            self.0.switch.turn_on();
        }
        withdrawn.is_none()
    }

    fn approvals(&self) -> Arc<Approvals> {
        Arc::clone(&self.0.approvals.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// This lock is taken before that of [`Permission::withdrawn`], where a thread needs both.
    fn decided(&self) -> Deciding<'_> {
        let decided = self.0.decided.lock().unwrap_or_else(PoisonError::into_inner);
        Deciding { decided, shown: &self.0.shown }
    }

    /// The last decision, without waiting for a thread that decides.
    fn shown(&self) -> Arc<Decided> {
        Arc::clone(&self.0.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// This lock is taken after that of [`Permission::withdrawn`], where a thread needs both.
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

/// Of these grants, no more than there was before.
fn narrower(mut grants: Grants, before: &Grants) -> Grants {
    for (capability, _) in grants.wider_than(before) {
        grants.hold_back(capability, before);
    }
    grants
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
