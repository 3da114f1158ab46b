//! Words about a plugin's call: what it may use up, what it asks its host for and is answered, how it ended and what it cost.
//!
//! Everybody who has to do with a call speaks them: the engine that runs it, the broker that does what it asks for, the host
//! that reports it. This crate knows none of them, opens nothing and starts nothing.
//!
//! In reading order: [`flavour`] of the plugin that is called, [`limits`] on it and the [`quota`] of its directory, [`walls`]
//! around it, [`host_calls`] while it runs and the [`refusal`] of one, [`outcome`] with the report of the whole.

#![forbid(unsafe_code)]

mod flavour;
mod host_calls;
mod limits;
mod outcome;
mod quota;
mod refusal;
mod walls;

pub use flavour::Flavour;
pub use host_calls::{Answer, Caller, HostCalls, HostSession};
pub use limits::{
    DEFAULT_MAX_CALLS_PER_SECOND, DEFAULT_MAX_COMPILE_BYTES, DEFAULT_MAX_COMPILE_TIME,
    DEFAULT_MAX_DISK_BYTES, DEFAULT_MAX_DISK_FILES, DEFAULT_MAX_EXECUTION_TIME, DEFAULT_MAX_FUEL,
    DEFAULT_MAX_LOG_BYTES, DEFAULT_MAX_LOG_BYTES_PER_MINUTE, DEFAULT_MAX_MEMORY_BYTES,
    DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_MAX_MODULE_BYTES, DEFAULT_MAX_NETWORK_BUFFERED_BYTES,
    DEFAULT_MAX_NETWORK_BYTES_PER_MINUTE, DEFAULT_MAX_NETWORK_CONNECTIONS,
    DEFAULT_MAX_NETWORK_FRAMES_PER_SECOND, DEFAULT_MAX_NETWORK_LOOKUPS, DEFAULT_MAX_OPEN_FILES,
    DEFAULT_MAX_QUEUED_BYTES, DEFAULT_MAX_QUEUED_EVENTS, DEFAULT_MAX_REPLY_BYTES, DEFAULT_MAX_STACK_BYTES,
    DEFAULT_MAX_TABLE_ELEMENTS, DEFAULT_MONOTONIC_CLOCK_STEP, DEFAULT_WALL_CLOCK_STEP, Isolation, Limit,
    Limits, MAX_STACK_BYTES,
};
pub use outcome::{CallReport, Denial, LogLine, LogSource, Outcome, Suspension, WorkerFault};
pub use quota::DataQuota;
pub use refusal::Refusal;
pub use walls::{ProcessWall, Walls};
