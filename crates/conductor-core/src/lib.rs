//! What embedders hold: a host that runs verified WebAssembly plugins within limits and capabilities.
//!
//! There is only one way from bytes to a running plugin, and every step returns the proof that the next step demands:
//! [`UnverifiedPlugin`](conductor_signing::UnverifiedPlugin) →
//! [`VerifiedPlugin`](conductor_signing::VerifiedPlugin) → [`CompiledPlugin`] → a [`Plugin`] that executes.
//!
//! This crate knows no command line and no home directory: the embedder passes everything in. The crate itself does not
//! compile code, decide about grants or carry out what is granted. It connects the crates that do, and re-exports what
//! embedders need of them.
//!
//! In reading order: [`config`]; the [`host`], and a [`plugin`] as an embedder holds it; [`loading`], the way from a
//! file to a running plugin, with its [`settings`] and [`admission`] under an alias, and every [`error`] that can end the way; the
//! [`permission`] under which a plugin runs, [`denials`], and the secrets of a plugin that is [`unloaded`]; the plugin's [`health`]; what is [`recorded`] of a load.
//! `stages` lists the system calls of processes. [`binding`], [`broker`], [`grant`], [`secret`] and [`worker`] re-export what
//! embedders need of the crates below.

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
mod settings;
#[cfg(target_os = "linux")]
mod stages;
mod unloaded;

pub use conductor_broker::audit::{AuditLog, AuditSink};
pub use conductor_broker::devices::{
    AudioError, AudioOutputs, Desktop, DesktopError, Devices, MidiError, MidiInputs, MidiOutputs, Networks,
    Sounding,
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
pub use conductor_sounding as sounding;
pub use config::WasmConfig;
pub use error::{HostError, LoadError};
pub use health::PluginState;
pub use host::Host;
#[cfg(target_os = "linux")]
pub use host::WorkerOptions;
pub use permission::{Permission, PermissionId, RestoreError, SecretError};
pub use plugin::{Plugin, PluginInfo, PluginOptions};
pub use settings::{GivenSetting, GivenSettings, SettingMisfit, fit_settings};
#[cfg(target_os = "linux")]
pub use stages::{refused_to_programs, stages};
pub use unloaded::{UnloadedPlugin, UnloadedSecrets};

/// The plugin that each of the user's aliases stands for: an alias is bound to the plugin that was first loaded under
/// it.
pub mod binding {
    pub use conductor_policy::binding::{
        Alias, BINDINGS_FILE, BindingChange, BindingError, Bindings, Bound, MAX_BINDINGS,
    };
}

/// Grants: the capabilities that a plugin asks for and is allowed, decided before anything is given to the plugin.
pub mod grant {
    pub use conductor_policy::grant::{
        Allowance, ApprovalError, Approved, CapabilityDecision, Ceilings, Choices, Decision, Earlier, Grant,
        GrantDuration, GrantError, GrantSource, GrantSpec, Grants, JudgeError, Once, Requested, UnkeptDenial,
        Vouched, store,
    };

    pub use crate::denials::Denials;
}

/// Secrets that the user enters for plugins, which never get them.
pub mod secret {
    pub use conductor_policy::secret::{
        Declared, HeldSecrets, KeptIn, MAX_SECRET_BYTES, SECRETS_FILE, SecretHost, SecretHostError, SecretId,
        SecretPlace, SecretStore, SecretStoreError, SecretTextError, SecretView, StoredSecret, Whose,
        check_text,
    };
}

/// The broker: the only place that exercises a capability.
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
