//! Taking capabilities away from plugins by their names, whatever has become of the plugins.

use std::sync::Arc;

use conductor_abi::Capability;
use conductor_broker::audit::{AuditEvent, AuditRecord, AuditSink};
use conductor_policy::grant::store::DenialKept;
use conductor_policy::grant::{ApprovalError, SessionGrants, UnkeptDenial};
use conductor_signing::PluginName;
use conductor_signing::keeper::Keeper;

/// Denials of a host and of those in its place, for whoever decides about plugins that are not loaded.
#[derive(Clone)]
pub struct Denials {
    pub(crate) session: SessionGrants,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) audit: Option<Arc<dyn AuditSink>>,
}

impl Denials {
    /// Denies a capability to every plugin of a name that is loaded from now on. Those that are loaded learn of it by
    /// [`Permission::refresh`](crate::Permission::refresh).
    ///
    /// # Errors
    ///
    /// Fails if the denial cannot be kept; it holds until the host ends then, or until the capability is granted.
    pub fn deny(&self, plugin: &PluginName, capability: Capability) -> Result<DenialKept, ApprovalError> {
        if let Some(audit) = &self.audit {
            let event = AuditEvent::CapabilityRevoked { capability };
            // What is taken away needs no record; the sink tells of records that it lost.
            let _ = audit.record(&AuditRecord::now(Some(plugin.as_str()), event));
        }
        self.session.deny(self.keeper.as_ref(), plugin, capability)
    }

    /// Denials that could not be written, as they are now: they hold until the host ends, and the user is to know.
    #[must_use]
    pub fn unkept(&self) -> Vec<UnkeptDenial> {
        self.session.unkept()
    }
}
