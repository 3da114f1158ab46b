//! What is told of plugins.

use serde::{Deserialize, Serialize};

/// The state of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginState {
    /// It is being verified, compiled and started.
    Loading,
    /// It is called when an event is mapped to it.
    Running,
    /// It failed a few times in a row and is not called for a while.
    BackingOff,
    /// It failed many times in a row and is not called until it is let back in.
    Quarantined,
    /// The permission under which it was loaded was withdrawn: a revocation, or trust that ended.
    Withdrawn,
    /// The user does not want it to run.
    Disabled,
    /// It was not loaded.
    Refused,
}

impl PluginState {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Running => "running",
            Self::BackingOff => "backing-off",
            Self::Quarantined => "quarantined",
            Self::Withdrawn => "withdrawn",
            Self::Disabled => "disabled",
            Self::Refused => "refused",
        }
    }
}

/// What a plugin is and does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginStatus {
    /// The user's name for it.
    pub alias: String,
    /// Its own name, once it was loaded.
    pub name: Option<String>,
    /// Its version, if it says one.
    pub version: Option<String>,
    /// Its state.
    pub state: PluginState,
    /// Milliseconds until it is called again, while it is backing off.
    pub retry_in_ms: Option<u64>,
    /// Why it was refused or may not go on or, for one that runs, how the last call that failed ended.
    pub why: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Who vouches for it, in words.
    pub trust: Option<String>,
    /// Names of the walls around it.
    pub walls: Vec<String>,
    /// Process identifier of its worker, while it has one.
    pub worker_pid: Option<u32>,
    /// Calls made.
    pub calls: u64,
    /// Calls that did not end well.
    pub failures: u64,
    /// Events that led to no call.
    pub refused_events: u64,
    /// Events that a later one replaced.
    pub coalesced_events: u64,
    /// What was decided about each capability, in words.
    pub capabilities: Vec<String>,
}

/// Everything about one plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginDetails {
    /// As in the list of all plugins.
    #[serde(flatten)]
    pub status: PluginStatus,
    /// Whom grants to it are bound to: a publisher's key or one file.
    pub bound_to: Option<String>,
    /// What it asks for.
    pub requested: Vec<RequestStatus>,
    /// What the user granted beside the configuration.
    pub grants: Vec<GrantStatus>,
}

/// Something that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestStatus {
    /// The capability.
    pub capability: String,
    /// What of it; empty where the plugin names nothing.
    pub scope: String,
    /// `low`, `medium` or `high`.
    pub risk: String,
    /// Why, in the plugin's words.
    pub reason: Option<String>,
    /// Whether it waits for the user's word.
    pub pending: bool,
    /// What the user decided about the capability before.
    pub earlier: Option<EarlierStatus>,
}

/// An earlier decision about a capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierStatus {
    /// What is granted.
    pub granted: Vec<String>,
    /// What the plugin declared then.
    pub declared: Vec<String>,
    /// The plugin's version then.
    pub version: Option<String>,
    /// When.
    pub at: String,
}

/// A grant of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantStatus {
    /// As it is written: `CAP` or `CAP=SCOPE`.
    pub grant: String,
    /// When it was granted.
    pub granted_at: String,
    /// When it ends, if it does.
    pub until: Option<String>,
}

/// A request that waits for the user's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingStatus {
    /// The user's name for the plugin.
    pub plugin: String,
    /// The plugin's own name.
    pub name: String,
    /// Who vouches for it, in words.
    pub trust: String,
    /// What it asks for.
    #[serde(flatten)]
    pub request: RequestStatus,
}

/// What was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The user's name for the plugin.
    pub plugin: String,
    /// What is granted of the capability now.
    pub grants: Vec<String>,
    /// The highest risk among it.
    pub risk: String,
}

/// What was taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// The user's name for the plugin.
    pub plugin: String,
    /// The capability.
    pub capability: String,
}

/// A plugin that was let back in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The user's name for it.
    pub plugin: String,
    /// What it was until then.
    pub was: PluginState,
}
