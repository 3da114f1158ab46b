//! Why a plugin's code does not run.

use conductor_call::{Outcome, ProcessWall, WorkerFault};

use crate::engine::{CompileError, EngineError};
use crate::guest::SetupError;

/// Why a verified plugin was not made ready, or did not start. Code that classifies the error names every variant.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bytes are not a module that is allowed for plugins, or do not compile.
    #[error("{source}")]
    Compile {
        /// The error of the compiler.
        source: CompileError,
    },
    /// The plugin's stack is larger than allowed, or this machine cannot run an engine with it.
    #[error("{source}")]
    Engine {
        /// The error of the engine.
        source: EngineError,
    },
    /// The module exports neither `execute` nor `_start`.
    #[error("module exports neither `execute` nor `_start`, so it is not a plugin")]
    NotAPlugin,
    /// The plugin's surroundings cannot be set up.
    #[error("{source}")]
    Setup {
        /// The directory, and what is wrong with it.
        source: SetupError,
    },
    /// The start of the plugin failed.
    #[error("plugin failed while starting: {outcome}")]
    Start {
        /// How the start ended.
        outcome: Outcome,
    },
    /// The plugin's worker process failed.
    #[error("{fault}")]
    Worker {
        /// The fault of the worker.
        fault: WorkerFault,
    },
    /// The kernel did not confine the plugin's worker process.
    #[error("the plugin's worker process is not confined: {}", wall.missing())]
    WeakIsolation {
        /// The wall that the kernel did enforce.
        wall: ProcessWall,
    },
}
