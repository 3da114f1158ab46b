//! Why a plugin's code does not run.

use conductor_call::{Outcome, ProcessWall, WorkerFault};

use crate::engine::{CompileError, EngineError};
use crate::guest::SetupError;

/// Why a verified plugin was not made ready, or did not start. Whoever takes one apart names every variant.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bytes are not a module that a plugin may be.
    #[error("{source}")]
    Compile {
        /// What is wrong with them.
        source: CompileError,
    },
    /// The plugin's stack is larger than it may be, or this machine cannot run an engine with it.
    #[error("{source}")]
    Engine {
        /// Why.
        source: EngineError,
    },
    /// The module exports neither `execute` nor `_start`.
    #[error("module exports neither `execute` nor `_start`, so it is not a plugin")]
    NotAPlugin,
    /// The plugin's surroundings cannot be set up.
    #[error("{source}")]
    Setup {
        /// What and why.
        source: SetupError,
    },
    /// The plugin did not get through its start.
    #[error("plugin failed while starting: {outcome}")]
    Start {
        /// How the start ended.
        outcome: Outcome,
    },
    /// The plugin's worker process failed.
    #[error("{fault}")]
    Worker {
        /// What became of it.
        fault: WorkerFault,
    },
    /// The kernel did not confine the plugin's worker process.
    #[error("the plugin's worker process is not confined: {}", wall.missing())]
    WeakIsolation {
        /// What the kernel did.
        wall: ProcessWall,
    },
}
