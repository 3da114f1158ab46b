//! The audit: what plugins did, what they were refused, and what became of them.
//!
//! A host that was told so with [`Host::audited`](crate::Host::audited) hands every record to one [`AuditSink`];
//! [`AuditLog`] is the one that appends them to a file. What plugins do with their capabilities is beside that an event
//! of the `tracing` target `conductor::audit`, whether there is a sink or not.

mod chain;
mod checkpoint;
mod file;
mod plugin;
mod record;
mod verify;

pub use chain::Head;
pub use checkpoint::Checkpoint;
pub use file::{AuditError, AuditLog, MAX_LOG_BYTES};
pub(crate) use plugin::PluginAudit;
pub use plugin::{MAX_RECORDS_AT_ONCE, RECORDS_PER_MINUTE};
pub use record::{AuditEvent, AuditRecord, AuditText, MAX_TEXT_BYTES, RECORD_VERSION};
pub use verify::{Fault, Verification, verify};

/// Takes records from every plugin's thread, at the moment at which they happen.
pub trait AuditSink: Send + Sync {
    /// Takes one record. It is called between a plugin and what it asked for, so it must not wait for long, and it has
    /// nobody to report a failure to: it keeps count of them itself.
    fn record(&self, record: &AuditRecord);

    /// Whether the last record could not be kept. Nothing of high risk is done then, and nothing is granted.
    fn is_failing(&self) -> bool {
        false
    }
}
