//! What embedders hold: a host that runs verified WebAssembly plugins within limits and capabilities.
//!
//! Bytes become a running plugin only along one way, and every step returns the proof that the next one asks for:
//! [`UnverifiedPlugin`](conductor_signing::UnverifiedPlugin) →
//! [`VerifiedPlugin`](conductor_signing::VerifiedPlugin) → [`CompiledPlugin`] → a [`Plugin`] that executes.
//!
//! This crate knows no command line and no home directory: whoever embeds it says what it is to know. It compiles nothing,
//! decides nothing and does nothing that is granted; it brings those together that do, and re-exports what embedders need of
//! them.
//!
//! In reading order: [`config`]; the [`host`], and a [`plugin`] as it is held; [`loading`], the way from a file to a running
//! plugin, with [`admission`] under a name, and every [`error`] that can end it; the [`permission`] under which one runs, and
//! [`denials`]; its [`health`]; what of all that is [`recorded`]. `stages` lists the system calls of processes. [`binding`],
//! [`broker`], [`grant`] and [`worker`] lead to what embedders need of the crates below.

#![forbid(unsafe_code)]

mod admission;
mod config;
mod denials;
mod error;
pub mod health;
mod host;
mod loading;
mod permission;
mod plugin;
mod recorded;
#[cfg(target_os = "linux")]
mod stages;

pub use conductor_broker::audit::{AuditLog, AuditSink};
pub use conductor_broker::devices::{
    AudioError, AudioOutputs, Desktop, DesktopError, Devices, MidiError, MidiInputs, MidiOutputs, Networks,
};
#[cfg(target_os = "linux")]
pub use conductor_broker::launcher;
pub use conductor_broker::{Recorder, audit, capability, devices};
pub use conductor_call::{
    CallReport, DEFAULT_MAX_CALLS_PER_SECOND, DEFAULT_MAX_COMPILE_BYTES, DEFAULT_MAX_COMPILE_TIME,
    DEFAULT_MAX_DISK_BYTES, DEFAULT_MAX_DISK_FILES, DEFAULT_MAX_EXECUTION_TIME, DEFAULT_MAX_FUEL,
    DEFAULT_MAX_LOG_BYTES, DEFAULT_MAX_LOG_BYTES_PER_MINUTE, DEFAULT_MAX_MEMORY_BYTES,
    DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_MAX_MODULE_BYTES, DEFAULT_MAX_NETWORK_BUFFERED_BYTES,
    DEFAULT_MAX_NETWORK_BYTES_PER_MINUTE, DEFAULT_MAX_NETWORK_CONNECTIONS,
    DEFAULT_MAX_NETWORK_FRAMES_PER_SECOND, DEFAULT_MAX_NETWORK_LOOKUPS, DEFAULT_MAX_OPEN_FILES,
    DEFAULT_MAX_QUEUED_BYTES, DEFAULT_MAX_QUEUED_EVENTS, DEFAULT_MAX_REPLY_BYTES, DEFAULT_MAX_STACK_BYTES,
    DEFAULT_MAX_TABLE_ELEMENTS, DEFAULT_MONOTONIC_CLOCK_STEP, DEFAULT_WALL_CLOCK_STEP, Denial, Flavour,
    Isolation, Limit, Limits, LogLine, LogSource, MAX_STACK_BYTES, Outcome, ProcessWall, Suspension, Walls,
    WorkerFault,
};
#[cfg(target_os = "linux")]
pub use conductor_confine::system_calls::StageCalls;
#[cfg(target_os = "linux")]
pub use conductor_engine::{CodeCache, CodeCacheError};
pub use conductor_engine::{
    CompileError, CompiledPlugin, Engine, EngineError, FileState, SetupError, clock, imports, shape,
};
pub use conductor_policy::grant::{CapabilityDecision, Decision, GrantSpec};
pub use conductor_policy::scope;
pub use config::WasmConfig;
pub use error::{HostError, LoadError};
pub use health::PluginState;
pub use host::Host;
#[cfg(target_os = "linux")]
pub use host::WorkerOptions;
pub use permission::{Permission, PermissionId, RestoreError};
pub use plugin::{Plugin, PluginInfo, PluginOptions};
#[cfg(target_os = "linux")]
pub use stages::{refused_to_programs, stages};

/// Which plugin stands behind each of the user's names: an alias is bound to the plugin that was first loaded under it.
pub mod binding {
    pub use conductor_policy::binding::{
        Alias, BINDINGS_FILE, BindingChange, BindingError, Bindings, Bound, MAX_BINDINGS,
    };
}

/// Grants: what a plugin asks for ∩ what it is allowed, decided before anything is handed out.
pub mod grant {
    pub use conductor_policy::grant::{
        Allowance, ApprovalError, Approved, CapabilityDecision, Ceilings, Choices, Decision, Earlier, Grant,
        GrantDuration, GrantError, GrantSource, GrantSpec, Grants, JudgeError, Once, Requested, UnkeptDenial,
        Vouched, store,
    };

    pub use crate::denials::Denials;
}

/// The broker: the single place where a capability is exercised.
pub mod broker {
    pub use conductor_broker::{Broker, Session};
    pub use conductor_call::Answer;
}

/// Worker processes: the second wall.
#[cfg(target_os = "linux")]
pub mod worker {
    pub use conductor_engine::worker::{
        Ends, Stage, WorkerError, WorkerProgram, check_worker_frame, run, run_with,
    };
}
