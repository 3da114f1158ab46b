//! Why a host could not be made, or a plugin could not be loaded.

use conductor_abi::ManifestError;
use conductor_call::{Limit, Outcome, ProcessWall, WorkerFault};
use conductor_engine::{CompileError, EngineError, RunError, SetupError};
use conductor_policy::binding::{BindingChange, BindingError};
use conductor_policy::grant::{ApprovalError, GrantError};
use conductor_policy::secret::SecretHostError;
use conductor_signing::{ReadError, TrustError, VerifyError};

use crate::admission::NotAdmitted;
use crate::settings::SettingMisfit;

/// Why a host could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The engine cannot run on this machine.
    #[error("{source}")]
    Engine {
        /// The error of the engine.
        source: EngineError,
    },
    /// Worker processes cannot be started.
    #[error("{source}")]
    Workers {
        /// The fault of the worker.
        source: WorkerFault,
    },
    /// Workers do not exist for this operating system.
    #[error("this system cannot confine plugins: worker processes exist on Linux only so far")]
    NoWorkers,
    /// The kernel cannot confine worker processes.
    #[error("this system cannot confine plugins: {}", wall.missing())]
    WeakIsolation {
        /// The wall that the kernel can enforce.
        wall: ProcessWall,
    },
}

/// Why a plugin was not loaded: the step that refused. The variants are in the order of the steps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The plugin or its signature cannot be read.
    #[error("{source}")]
    Read {
        /// The file, and what is wrong with it.
        source: ReadError,
    },
    /// The trust store cannot be used; a damaged store is never taken for an empty one.
    #[error("{source}")]
    Trust {
        /// The file, and what is wrong with it.
        source: TrustError,
    },
    /// The signature does not satisfy the policy.
    #[error("{source}")]
    Verify {
        /// The check, and what is wrong.
        source: VerifyError,
    },
    /// The plugin is another one than the alias is bound to, and needs the user's approval.
    #[error("{change}")]
    Waits {
        /// The change that the user is to decide about.
        change: Box<BindingChange>,
    },
    /// The bindings of aliases cannot be read or written; an alias is never taken for unbound because of that.
    #[error("{source}")]
    Binding {
        /// The file, and what is wrong with it.
        source: BindingError,
    },
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
    /// The plugin's answers about itself are not a valid manifest.
    #[error("what the plugin declares about itself is not valid: {source}")]
    Metadata {
        /// The rule that the manifest breaks.
        source: ManifestError,
    },
    /// The plugin's answers about itself contradict its signer's statement.
    #[error("plugin disagrees with its signer's statement about `{field}`")]
    StatementDisagrees {
        /// The member of the statement.
        field: &'static str,
    },
    /// The manifest declares a secret for what is no host.
    #[error("manifest field `secrets.hosts`: {source}")]
    SecretHost {
        /// The text that is no host.
        source: SecretHostError,
    },
    /// The user's settings do not fit those that the plugin declares.
    #[error("{}", misfits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings {
        /// The settings, and what is wrong with each.
        misfits: Vec<SettingMisfit>,
    },
    /// A capability is declared or granted in a form that does not exist.
    #[error("{source}")]
    Grant {
        /// The capability, and what is wrong with it.
        source: GrantError,
    },
    /// The user's decisions about capabilities cannot be read or written.
    #[error("{source}")]
    Approval {
        /// The file, and what is wrong with it.
        source: ApprovalError,
    },
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
    /// New facts about the plugin cannot be recorded, so a later file could take them back unnoticed.
    #[error("what is now known of the plugin's publisher cannot be recorded: {source}")]
    Pin {
        /// The file, and what is wrong with it.
        source: TrustError,
    },
}

impl LoadError {
    /// The limit that refused the plugin, if a limit of the configuration refused it.
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
            | Self::SecretHost { .. }
            | Self::Settings { .. }
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
