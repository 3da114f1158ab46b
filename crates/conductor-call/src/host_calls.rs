//! What a plugin asks its host for while it runs, and what it is answered.

use std::time::Instant;

use conductor_abi::Status;

use crate::limits::Limit;

/// The answer to one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How the operation ended.
    pub status: Status,
    /// The answer's bytes; a UTF-8 message where the status is not [`Status::Ok`].
    pub bytes: Vec<u8>,
    /// Fuel to charge the plugin for.
    pub fuel: u64,
    /// The limit that refused, if one did.
    pub refused_by: Option<Limit>,
}

/// Who answers what a plugin asks its host for: the broker itself, or in a worker process the way to it.
pub trait HostCalls: Send + Sync {
    /// Carries out one operation, or says why not. The request is the guest's, unparsed.
    fn call(&self, op: u32, request: &[u8], deadline: Instant) -> Answer;

    /// Whether the plugin's code is to end: looked at every few milliseconds while it runs.
    fn has_ended_it(&self) -> bool {
        false
    }
}

/// What carries out the host calls of one plugin for as long as it is loaded, whichever process its code runs in.
pub trait HostSession: HostCalls {
    /// As [`HostCalls::call`]; what is done for the call also ends with who asked for it.
    fn call_for(&self, caller: &dyn Caller, op: u32, request: &[u8], deadline: Instant) -> Answer;

    /// Ends everything that the plugin keeps open: the instance that knew the numbers is gone.
    fn end_handles(&self);
}

/// Who waits for the answer to a host call: the worker that asked, or the plugin's code in this process.
pub trait Caller {
    /// Whether nobody waits any more, so that what is done for the call is to end.
    fn is_gone(&self) -> bool;
}
