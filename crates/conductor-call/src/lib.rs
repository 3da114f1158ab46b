//! Words about a call of a plugin: its limits, its host calls and their answers, how the call ended and what it cost.
//!
//! These words are shared by the engine, which runs a call, the broker, which does what the plugin asks for, and the
//! host, which reports the call. This crate depends on none of the three, opens no file and starts no process.
//!
//! In reading order: [`flavour`] of the plugin that is called, [`limits`] on the plugin and the [`quota`] of its
//! directory, the [`walls`] around it, its [`host_calls`] while it runs, their form as [`json`] and the [`refusal`] of a
//! host call, and the [`outcome`] with the report of the whole call.

#![forbid(unsafe_code)]

mod flavour;
mod host_calls;
pub mod json;
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
    DEFAULT_MAX_TABLE_ELEMENTS, DEFAULT_MONOTONIC_CLOCK_STEP, DEFAULT_WALL_CLOCK_STEP, Isolation,
    JSON_BYTES_PER_MESSAGE_BYTE, Limit, Limits, MAX_STACK_BYTES,
};
pub use outcome::{CallReport, Denial, LogLine, LogSource, Outcome, Suspension, WorkerFault};
pub use quota::DataQuota;
pub use refusal::Refusal;
pub use walls::{ProcessWall, Walls};
