//! What a plugin asks its host for while it runs, and what the host answers.

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
    /// The limit by which the operation was refused, if it was refused by a limit.
    pub refused_by: Option<Limit>,
}

/// Answers what a plugin asks its host for. In the daemon this is the broker; in a worker process it is the channel to
/// the broker.
pub trait HostCalls: Send + Sync {
    /// Carries out one operation, or answers why the operation was refused. `request` holds the guest's bytes, not yet
    /// parsed.
    fn call(&self, op: u32, request: &[u8], deadline: Instant) -> Answer;

    /// Whether the plugin's code is to be ended; asked every few milliseconds while the code runs.
    fn has_ended_it(&self) -> bool {
        false
    }
}

/// Carries out the host calls of one plugin for as long as the plugin is loaded, in whichever process the plugin's code
/// runs.
pub trait HostSession: HostCalls {
    /// As [`HostCalls::call`]; the work for the call also ends when `caller` no longer waits for the answer.
    fn call_for(&self, caller: &dyn Caller, op: u32, request: &[u8], deadline: Instant) -> Answer;

    /// Closes everything that the plugin keeps open and ends what it leaves sounding, because the instance that knew of
    /// it is gone.
    fn end_handles(&self);

    /// What is to be done when the process that is about to run for the plugin is gone, on whichever thread learns of it,
    /// between two calls as well. It waits for nothing. If [`HostSession::end_handles`] came first, it does nothing:
    /// what is open then may belong to another process.
    fn when_gone(&self) -> Box<dyn Fn() + Send + Sync>;
}

/// Whoever waits for the answer to a host call: the worker that asked, or the plugin's code in this process.
pub trait Caller {
    /// Whether nobody waits for the answer any more, so that the work for the call is to end.
    fn is_gone(&self) -> bool;
}
