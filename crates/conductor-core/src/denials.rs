//! Denying capabilities to plugins by name, whether they are loaded or not.

use std::sync::Arc;

use conductor_abi::Capability;
use conductor_broker::audit::{AuditEvent, AuditRecord, AuditSink};
use conductor_policy::grant::store::DenialKept;
use conductor_policy::grant::{ApprovalError, SessionGrants, UnkeptDenial};
use conductor_signing::PluginName;
use conductor_signing::keeper::Keeper;

/// The denials of a host and of the hosts that take its place, for code that decides about plugins that are not loaded.
#[derive(Clone)]
pub struct Denials {
    pub(crate) session: SessionGrants,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) audit: Option<Arc<dyn AuditSink>>,
}

impl Denials {
    /// Denies a capability to every plugin of a name that is loaded from now on. Loaded plugins learn of the denial
    /// through [`Permission::refresh`](crate::Permission::refresh).
    ///
    /// # Errors
    ///
    /// Fails if the denial cannot be written down; it then holds until the host ends, or until the capability is
    /// granted.
    pub fn deny(&self, plugin: &PluginName, capability: Capability) -> Result<DenialKept, ApprovalError> {
        if let Some(audit) = &self.audit {
            let event = AuditEvent::CapabilityRevoked { capability };
            // A denial needs no record; if a record is lost, the sink reports it.
            let _ = audit.record(&AuditRecord::now(Some(plugin.as_str()), event));
        }
        self.session.deny(self.keeper.as_ref(), plugin, capability)
    }

    /// The denials that could not be written down so far. They hold until the host ends, and the user should know that.
    #[must_use]
    pub fn unkept(&self) -> Vec<UnkeptDenial> {
        self.session.unkept()
    }
}
