//! What is told of plugins.

use serde::{Deserialize, Serialize};

use super::binding::BindingChangeStatus;
use super::trust::{PublisherStatus, TrustWord};

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
    /// It failed many times in a row and is not called until it is started again with `plugin resume`.
    Quarantined,
    /// A worker process of it was ended and does not die; until it does, the plugin is not called.
    Ending,
    /// The permission under which it was loaded was withdrawn: a revocation, or trust that ended.
    Withdrawn,
    /// The user does not want it to run.
    Disabled,
    /// It was not loaded: its alias is bound to another plugin, and it needs the user's approval.
    Waiting,
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
            Self::Ending => "ending",
            Self::Withdrawn => "withdrawn",
            Self::Disabled => "disabled",
            Self::Waiting => "waiting",
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
    /// How far it is vouched for, as a word, once it was loaded.
    #[serde(default)]
    pub trust_level: Option<TrustWord>,
    /// Who signed it.
    #[serde(default)]
    pub publisher: Option<PublisherStatus>,
    /// How many of its requests wait for the user's decision.
    #[serde(default)]
    pub pending: u64,
    /// Fuel that its calls used.
    #[serde(default)]
    pub fuel_used: u64,
    /// What the user is to decide about, of one that is another plugin than its alias is bound to.
    #[serde(default)]
    pub change: Option<BindingChangeStatus>,
    /// What it did of late, the oldest first.
    #[serde(default)]
    pub activity: Vec<ActivityStatus>,
}

/// What a plugin did in a few seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityStatus {
    /// Calls that ended.
    pub calls: u64,
    /// Those that did not end well.
    pub failures: u64,
    /// Fuel that they used.
    pub fuel: u64,
    /// Microseconds that a call took on average; `null` where there was none.
    pub micros: Option<u64>,
    /// The most memory that the plugin has had so far, in bytes; `null` where it was not called yet.
    pub memory: Option<u64>,
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
    /// What it is, in its own words.
    #[serde(default)]
    pub description: Option<String>,
    /// Who wrote it, in its own words.
    #[serde(default)]
    pub author: Option<String>,
    /// Its licence, in its own words.
    #[serde(default)]
    pub license: Option<String>,
    /// SHA-256 of its file.
    #[serde(default)]
    pub digest: Option<String>,
    /// Its actions; `null` if it takes any.
    #[serde(default)]
    pub actions: Option<Vec<ActionStatus>>,
    /// What a call may use.
    #[serde(default)]
    pub limits: Option<LimitStatus>,
    /// The most memory that it has had so far, in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// How much there is to fear from it.
    #[serde(default)]
    pub safety: Option<SafetyStatus>,
}

/// An action of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionStatus {
    /// Its name.
    pub name: String,
    /// What it does, in the plugin's words.
    pub description: Option<String>,
}

/// What a call of a plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitStatus {
    /// Fuel.
    pub max_fuel: u64,
    /// Bytes of memory.
    pub max_memory_bytes: u64,
    /// Milliseconds.
    pub max_execution_time_ms: u64,
}

/// How much there is to fear from a plugin: 100 for nothing, and what is taken from that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyStatus {
    /// From 0 to 100.
    pub score: u32,
    /// What leads to it.
    pub terms: Vec<SafetyTerm>,
}

/// A part of a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyTerm {
    /// What is added, mostly less than nothing.
    pub points: i32,
    /// For what.
    pub why: String,
}

/// Something that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestStatus {
    /// Says which request of which plugin this is, with everything that is declared about it: 64 hex digits, which whoever
    /// grants it sends along. Empty where nothing can be granted yet, because the plugin is not loaded.
    #[serde(default)]
    pub id: String,
    /// The capability.
    pub capability: String,
    /// What of it; empty where the plugin names nothing.
    pub scope: String,
    /// `low`, `medium` or `high`.
    pub risk: String,
    /// Why, in the plugin's words.
    pub reason: Option<String>,
    /// Whether it needs the user's approval.
    pub pending: bool,
    /// What the user decided about the capability before.
    pub earlier: Option<EarlierStatus>,
    /// What of the capability is granted now; empty where all of it is.
    #[serde(default)]
    pub granted: Option<String>,
    /// What was decided about the capability, in words.
    #[serde(default)]
    pub decision: Option<String>,
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

/// A request that needs the user's approval.
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

/// A plugin that was started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The user's name for it.
    pub plugin: String,
    /// What it was until then.
    pub was: PluginState,
}
