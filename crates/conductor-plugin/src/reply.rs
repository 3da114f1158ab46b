//! The reply of a running action.

use conductor_abi::{Op, Status};
use serde::Serialize;

use crate::{HostError, host};

/// Sends a reply, as JSON, before the action returns. A later reply replaces an earlier one.
///
/// Actions usually return their reply. This function is for actions that reply and then fail. A value that serialises
/// to `null` is not sent, and leaves an earlier reply in place.
///
/// # Errors
///
/// Fails with [`Status::Invalid`] if the value cannot be written as JSON. A reply larger than the host allows ends
/// the call.
pub fn reply(value: &impl Serialize) -> Result<(), HostError> {
    let json = serde_json::to_vec(value).map_err(|error| {
        HostError::new(Status::Invalid, format!("reply cannot be written as JSON: {error}"))
    })?;
    if json == b"null" { Ok(()) } else { host::call(Op::Reply, &json).map(drop) }
}
