//! The record of every use and every denial of a capability.

use std::fmt;

use conductor_abi::{Capability, Status};
use tracing::{info, warn};

use crate::capability::Refusal;

/// Writes one event to the `tracing` target `conductor::audit`: a warning for a denial, information for everything
/// else. `result` is the length of the answer, or why there is none; `unrecorded` counts
/// the events before this one that came too fast to be written.
pub(super) fn record(
    plugin: &str,
    capability: Capability,
    operation: &'static str,
    request: &dyn fmt::Display,
    result: Result<usize, &Refusal>,
    unrecorded: u64,
) {
    match result {
        Ok(bytes) => {
            info!(target: "conductor::audit", plugin, %capability, operation, %request, bytes, unrecorded, "used");
        }
        Err(Refusal { status: Status::Denied, reason, .. }) => {
            warn!(target: "conductor::audit", plugin, %capability, operation, %request, reason, unrecorded, "denied");
        }
        Err(Refusal { status, reason, .. }) => {
            info!(target: "conductor::audit", plugin, %capability, operation, %request, ?status, reason, unrecorded, "failed");
        }
    }
}
