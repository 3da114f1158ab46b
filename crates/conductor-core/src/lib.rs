//! Embeddable host that runs verified WebAssembly plugins within limits and capabilities.
//!
//! Bytes become a running plugin only along one way, and every step returns the proof that the next one asks for:
//! [`UnverifiedPlugin`](conductor_signing::UnverifiedPlugin) →
//! [`VerifiedPlugin`](conductor_signing::VerifiedPlugin) → [`CompiledPlugin`] → a [`Plugin`] that executes.

mod admission;
pub mod clock;
#[cfg(target_os = "linux")]
mod code_cache;
mod config;
mod denials;
mod engine;
mod files;
pub mod health;
mod host;
pub mod imports;
mod in_process;
mod instance;
mod loading;
mod local;
#[cfg(target_os = "linux")]
mod mapped;
mod permission;
mod recorded;
mod run_error;
mod runtime;
#[cfg(target_os = "linux")]
mod sealed;
pub mod shape;
#[cfg(target_os = "linux")]
mod stages;
mod wasi;
#[cfg(target_os = "linux")]
pub mod worker;

#[cfg(target_os = "linux")]
pub use code_cache::{CodeCache, CodeCacheError};
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
pub use conductor_policy::grant::{CapabilityDecision, Decision, GrantSpec};
pub use conductor_policy::scope;
pub use config::WasmConfig;
pub use engine::{CompileError, CompiledPlugin, Engine, EngineError};
pub use files::FileState;
pub use health::PluginState;
#[cfg(target_os = "linux")]
pub use host::WorkerOptions;
pub use host::{Host, HostError, LoadError, Plugin, PluginInfo, PluginOptions};
pub use permission::{Permission, PermissionId, RestoreError};
#[cfg(target_os = "linux")]
pub use stages::{refused_to_programs, stages};
pub use wasi::SetupError;

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
