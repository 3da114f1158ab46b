//! The audit: what plugins did, what they were refused, and what became of them.
//!
//! A host that was told so hands every record to one [`AuditSink`];
//! [`AuditLog`] is the one that appends them to a file. What plugins do with their capabilities is beside that an event
//! of the `tracing` target `conductor::audit`, whether there is a sink or not.

mod budget;
mod chain;
mod checkpoint;
mod error;
mod log;
mod paths;
mod plugin;
mod record;
mod request;
mod synced;
mod verify;

pub use budget::{
    HIGH_RISK_RECORDS_AT_ONCE, HIGH_RISK_RECORDS_PER_MINUTE, MAX_RECORDS_AT_ONCE, RECORDS_PER_MINUTE,
};
pub use chain::Head;
pub use checkpoint::Checkpoint;
pub use error::AuditError;
pub use log::{AuditLog, MAX_LOG_BYTES};
pub use plugin::PluginAudit;
pub(crate) use plugin::{Asked, Ticket, Unrecordable};
pub use record::{AuditEvent, AuditRecord, AuditText, MAX_TEXT_BYTES, RECORD_VERSION};
pub use request::{AuditKey, RequestCode};
pub use verify::{Fault, Verification, verify};

/// Takes records from every plugin's thread, at the moment at which they happen.
pub trait AuditSink: Send + Sync {
    /// Takes one record. It is called between a plugin and what it asked for, so it must not wait for long.
    ///
    /// # Errors
    ///
    /// Fails if the record is lost. Nothing of high risk is done that is not recorded.
    fn record(&self, record: &AuditRecord) -> Result<(), NotRecorded>;

    /// The key under which records tell requests apart. It stays the same for as long as the sink is there.
    fn key(&self) -> &AuditKey;

    /// Whether the last record could not be kept. Nothing of high risk is done then, and nothing is granted.
    fn is_failing(&self) -> bool {
        false
    }
}

/// A record is lost; whoever lost it keeps count and has said why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct NotRecorded;
