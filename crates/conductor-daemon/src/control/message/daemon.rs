//! What clients are told about the daemon as a whole.

use std::collections::BTreeMap;
use std::path::PathBuf;

use conductor_core::ProcessWall;
use conductor_surface::input::{Condition, InputState};
use serde::{Deserialize, Serialize};

use super::own::SecretsStatus;

/// The state of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Version of the program.
    pub version: String,
    /// Process identifier.
    pub pid: u32,
    /// Whole seconds since the start.
    pub uptime_seconds: u64,
    /// The configuration that the daemon runs with.
    pub config_file: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// Whether everything was silenced by a panic, so that plugins do nothing until they are resumed.
    #[serde(default)]
    pub paused: bool,
    /// Whether the daemon is in safe mode, in which no plugin is loaded.
    #[serde(default)]
    pub safe: bool,
    /// Names of the walls that stand around every running plugin. If no plugin runs, the walls that would stand.
    pub walls: Vec<String>,
    /// What the operating system enforces on the worker of every running plugin, which is what it enforces on the
    /// weakest. If no plugin runs, what it would enforce.
    #[serde(flatten)]
    pub process_wall: WallStatus,
    /// What the machine offered when the daemon started; `null` if that was not tried.
    pub probed: Option<WallStatus>,
    /// Whether this machine can run programs for plugins; `null` if that is not known yet, or if plugins run no
    /// programs here.
    #[serde(default)]
    pub programs: Option<ProgramsStatus>,
    /// System calls that the processes for plugins may make at each stage (`launcher`, `keeper`, `compile`, `load`,
    /// `run`), each with what needs it. Empty if there are no workers.
    #[serde(default)]
    pub stages: BTreeMap<String, BTreeMap<String, String>>,
    /// System calls that a confined program of a plugin is refused, each with the reason.
    #[serde(default)]
    pub refused_to_programs: BTreeMap<String, String>,
    /// Plugins by state.
    pub plugins: PluginCounts,
    /// Requests of plugins that wait for the user's decision.
    pub pending: u64,
    /// The inputs, in the order of the configuration.
    #[serde(default)]
    pub inputs: Vec<InputStatus>,
    /// Revocations of capabilities that could not be written, in words. They hold until the daemon ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unkept_denials: Vec<String>,
    /// Where the secrets are that the user entered for plugins.
    #[serde(default)]
    pub secrets: SecretsStatus,
    /// What became of events since the daemon started, including events for plugins that are gone.
    pub events: EventCounts,
    /// The audit log.
    pub audit: AuditStatus,
}

/// What a panic did. Plugins do nothing until they are resumed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silenced {
    /// The MIDI outputs that were silenced.
    pub outputs: Vec<String>,
    /// The MIDI outputs that take no messages now, so that nothing is known of what sounds there.
    pub unreached: Vec<String>,
}

/// Whether this machine can run programs for plugins that are granted Subprocess.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramsStatus {
    /// Whether programs can be run.
    pub available: bool,
    /// Why programs cannot be run, if they cannot.
    pub why: Option<String>,
}

impl From<Result<(), String>> for ProgramsStatus {
    fn from(checked: Result<(), String>) -> Self {
        Self { available: checked.is_ok(), why: checked.err() }
    }
}

/// The state of one input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputStatus {
    /// The input's name.
    pub name: String,
    /// The state, in a word.
    pub state: InputWord,
    /// Why the input waits or has failed, if it does.
    pub why: Option<String>,
    /// What is wrong with the input's file, if it is played in spite of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// How much of what arrived was dropped since the input was opened, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
}

/// The state of an input, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputWord {
    /// The input delivers what arrives.
    Delivering,
    /// The device or file is gone, and the daemon looks for it.
    Waiting,
    /// The input reached its own end.
    Ended,
    /// The input broke, or could not begin. A reload starts it again.
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

/// The state of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditStatus {
    /// The file.
    pub file: PathBuf,
    /// Records written since the daemon started.
    pub records: u64,
    /// Records that could not be written since the daemon started.
    pub failures: u64,
    /// Number of the last record in the file.
    pub sequence: u64,
    /// Chain value of the last record, which covers all records before it.
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

/// Landlock, which restricts the access of a process to files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landlock {
    /// Version of Landlock's interface that is enforced; 0 if Landlock is not.
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
    /// Events that led to a call.
    pub dispatched: u64,
    /// Events that found a full queue, a plugin that is not called, or an action that the plugin lacks.
    pub refused: u64,
    /// Values of a continuous controller that a later value replaced.
    pub coalesced: u64,
}
