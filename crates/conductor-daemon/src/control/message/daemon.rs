//! What is told of the daemon as a whole.

use std::collections::BTreeMap;
use std::path::PathBuf;

use conductor_core::ProcessWall;
use conductor_surface::input::{Condition, InputState};
use serde::{Deserialize, Serialize};

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Version of the program.
    pub version: String,
    /// Process identifier.
    pub pid: u32,
    /// Whole seconds since the start.
    pub uptime_seconds: u64,
    /// The configuration that it runs.
    pub config_file: PathBuf,
    /// The socket that it answers on.
    pub socket: PathBuf,
    /// Names of the walls that stand around every running plugin; where none runs, those that would.
    pub walls: Vec<String>,
    /// What the operating system enforces on the worker of every running plugin: the weakest of them. Where no plugin
    /// runs, what it would.
    #[serde(flatten)]
    pub process_wall: WallStatus,
    /// What the machine offered when the daemon started; `null` where it was not tried.
    pub probed: Option<WallStatus>,
    /// Whether programs can be run for plugins; `null` while that is not known yet, and where there is no such thing.
    #[serde(default)]
    pub programs: Option<ProgramsStatus>,
    /// System calls that the processes for plugins may make at each stage (`launcher`, `keeper`, `compile`, `load`, `run`), with
    /// what needs them; empty where there are no workers.
    #[serde(default)]
    pub stages: BTreeMap<String, BTreeMap<String, String>>,
    /// System calls that a program of a plugin is refused if it runs confined, and why.
    #[serde(default)]
    pub refused_to_programs: BTreeMap<String, String>,
    /// Plugins by state.
    pub plugins: PluginCounts,
    /// Requests of plugins that wait for the user's decision.
    pub pending: u64,
    /// The inputs, in the order of the configuration.
    #[serde(default)]
    pub inputs: Vec<InputStatus>,
    /// Revocations of capabilities that could not be written, and hold until the daemon ends, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unkept_denials: Vec<String>,
    /// What became of events since the daemon started, also of those for plugins that are gone.
    pub events: EventCounts,
    /// The audit log.
    pub audit: AuditStatus,
}

/// Whether programs can be run for plugins that are granted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramsStatus {
    /// Whether they can.
    pub available: bool,
    /// Why not, if they cannot.
    pub why: Option<String>,
}

impl From<Result<(), String>> for ProgramsStatus {
    fn from(checked: Result<(), String>) -> Self {
        Self { available: checked.is_ok(), why: checked.err() }
    }
}

/// How one input is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputStatus {
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: InputWord,
    /// Why it waits or has failed, if it has.
    pub why: Option<String>,
    /// What is wrong with its file, if it is played all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// How much of what came was dropped since the input is there, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
}

/// How an input is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputWord {
    /// It delivers what comes.
    Delivering,
    /// Its device or file is gone, and is looked for.
    Waiting,
    /// It came to its own end.
    Ended,
    /// It broke, or could not begin. A reload starts it again.
    Failed,
}

impl InputWord {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivering => "delivering",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }
}

impl From<&InputState> for InputStatus {
    fn from(input: &InputState) -> Self {
        let (state, why) = match input.condition() {
            Condition::Delivers => (InputWord::Delivering, None),
            Condition::Waits { why } => (InputWord::Waiting, Some(why)),
            Condition::Ended => (InputWord::Ended, None),
            Condition::Failed { why } => (InputWord::Failed, Some(why)),
        };
        let dropped = input.dropped().into_iter().map(|(cause, count)| (cause.to_owned(), count)).collect();
        Self { name: input.name().to_string(), state, why, damage: input.damage(), dropped }
    }
}

/// How the audit log is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditStatus {
    /// The file.
    pub file: PathBuf,
    /// Records written since the daemon started.
    pub records: u64,
    /// Records that could not be written since the daemon started.
    pub failures: u64,
    /// Number of the last record.
    pub sequence: u64,
    /// Value of the last record, which stands for all before it.
    pub chain: String,
}

/// What the operating system enforces on a worker process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallStatus {
    /// Landlock.
    pub landlock: Landlock,
    /// Whether the system calls that the worker may make are filtered.
    pub seccomp: bool,
    /// Whether the worker has a user namespace of its own.
    pub user_namespace: bool,
    /// Whether the worker has a network namespace of its own.
    pub network_namespace: bool,
    /// Whether the worker's root directory is its plugin's own directory.
    pub own_root: bool,
}

/// Landlock, which keeps a process from files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landlock {
    /// Version of the interface that is enforced; 0 for none.
    pub abi: u32,
}

impl From<ProcessWall> for WallStatus {
    fn from(wall: ProcessWall) -> Self {
        let ProcessWall { landlock_abi, seccomp, user_namespace, network_namespace, root } = wall;
        let landlock = Landlock { abi: landlock_abi };
        Self { landlock, seccomp, user_namespace, network_namespace, own_root: root }
    }
}

/// How many plugins are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginCounts {
    /// All of them.
    pub total: u64,
    /// [`PluginState::Loading`](super::PluginState::Loading).
    pub loading: u64,
    /// [`PluginState::Running`](super::PluginState::Running).
    pub running: u64,
    /// [`PluginState::BackingOff`](super::PluginState::BackingOff).
    pub backing_off: u64,
    /// [`PluginState::Quarantined`](super::PluginState::Quarantined).
    pub quarantined: u64,
    /// [`PluginState::Ending`](super::PluginState::Ending).
    #[serde(default)]
    pub ending: u64,
    /// [`PluginState::Withdrawn`](super::PluginState::Withdrawn).
    pub withdrawn: u64,
    /// [`PluginState::Disabled`](super::PluginState::Disabled).
    #[serde(default)]
    pub disabled: u64,
    /// [`PluginState::Waiting`](super::PluginState::Waiting).
    #[serde(default)]
    pub waiting: u64,
    /// [`PluginState::Refused`](super::PluginState::Refused).
    pub refused: u64,
}

/// What became of events that are mapped to plugins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts {
    /// Led to a call.
    pub dispatched: u64,
    /// Found a full queue, a plugin that is not called, or an action that the plugin lacks.
    pub refused: u64,
    /// Values of a continuous controller that a later value replaced.
    pub coalesced: u64,
}
