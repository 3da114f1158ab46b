//! Why there is no host, or no plugin.

use conductor_abi::ManifestError;
use conductor_call::{Limit, Outcome, ProcessWall, WorkerFault};
use conductor_engine::{CompileError, EngineError, RunError, SetupError};
use conductor_policy::binding::{BindingChange, BindingError};
use conductor_policy::grant::{ApprovalError, GrantError};
use conductor_signing::{ReadError, TrustError, VerifyError};

use crate::admission::NotAdmitted;

/// Why a host could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The engine cannot run here.
    #[error("{source}")]
    Engine {
        /// Why.
        source: EngineError,
    },
    /// Worker processes cannot be started.
    #[error("{source}")]
    Workers {
        /// Why.
        source: WorkerFault,
    },
    /// This system has no worker processes.
    #[error("this system cannot confine plugins: worker processes exist on Linux only so far")]
    NoWorkers,
    /// The kernel cannot confine worker processes.
    #[error("this system cannot confine plugins: {}", wall.missing())]
    WeakIsolation {
        /// What it can do.
        wall: ProcessWall,
    },
}

/// Why a plugin was not loaded: the step that refused, in the order in which they are taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The plugin or its signature cannot be read.
    #[error("{source}")]
    Read {
        /// Which file and why.
        source: ReadError,
    },
    /// The trust store cannot be used; it is never taken for an empty one.
    #[error("{source}")]
    Trust {
        /// Which file and why.
        source: TrustError,
    },
    /// The signature does not satisfy the policy.
    #[error("{source}")]
    Verify {
        /// Which check and why.
        source: VerifyError,
    },
    /// It is another plugin than the one that the alias is bound to, and needs the user's approval.
    #[error("{change}")]
    Waits {
        /// What the user is to decide about.
        change: Box<BindingChange>,
    },
    /// What the alias is bound to cannot be read or kept; it is never taken for unbound.
    #[error("{source}")]
    Binding {
        /// Which file and why.
        source: BindingError,
    },
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
    /// What the plugin declares about itself when asked is not a valid manifest.
    #[error("what the plugin declares about itself is not valid: {source}")]
    Metadata {
        /// What is wrong with it.
        source: ManifestError,
    },
    /// What the plugin declares about itself when asked is not what its signer states.
    #[error("plugin disagrees with its signer's statement about `{field}`")]
    StatementDisagrees {
        /// The member of the statement.
        field: &'static str,
    },
    /// A capability is declared or granted in a form that does not exist.
    #[error("{source}")]
    Grant {
        /// Which one and why.
        source: GrantError,
    },
    /// The user's decisions about capabilities cannot be read, or cannot be kept.
    #[error("{source}")]
    Approval {
        /// Which file and why.
        source: ApprovalError,
    },
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
    /// What the plugin was the first to show cannot be recorded, so a later file could take it back unnoticed.
    #[error("what is now known of the plugin's publisher cannot be recorded: {source}")]
    Pin {
        /// Which file and why.
        source: TrustError,
    },
}

impl LoadError {
    /// The limit that refused the plugin, if one did that the configuration sets.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::Read { source: ReadError::TooLarge { .. } } => Some(Limit::ModuleBytes),
            Self::Start { outcome } => outcome.limit(),
            Self::Compile { source: CompileError::TooSlow { .. } } => Some(Limit::CompileTime),
            Self::Compile { source: CompileError::TooMuchMemory { .. } } => Some(Limit::CompileBytes),
            Self::Read { .. }
            | Self::Trust { .. }
            | Self::Verify { .. }
            | Self::Waits { .. }
            | Self::Binding { .. }
            | Self::Compile { .. }
            | Self::Engine { .. }
            | Self::NotAPlugin
            | Self::Metadata { .. }
            | Self::StatementDisagrees { .. }
            | Self::Grant { .. }
            | Self::Approval { .. }
            | Self::Setup { .. }
            | Self::Worker { .. }
            | Self::WeakIsolation { .. }
            | Self::Pin { .. } => None,
        }
    }
}

impl From<NotAdmitted> for LoadError {
    fn from(error: NotAdmitted) -> Self {
        match error {
            NotAdmitted::Trust(source) => Self::Trust { source },
            NotAdmitted::Verify(source) => Self::Verify { source },
            NotAdmitted::Binding(source) => Self::Binding { source },
            NotAdmitted::Another(change) => Self::Waits { change },
        }
    }
}

impl From<RunError> for LoadError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Compile { source } => Self::Compile { source },
            RunError::Engine { source } => Self::Engine { source },
            RunError::NotAPlugin => Self::NotAPlugin,
            RunError::Setup { source } => Self::Setup { source },
            RunError::Start { outcome } => Self::Start { outcome },
            RunError::Worker { fault } => Self::Worker { fault },
            RunError::WeakIsolation { wall } => Self::WeakIsolation { wall },
        }
    }
}
