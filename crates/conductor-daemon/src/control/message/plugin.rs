//! What clients are told about plugins.

use serde::{Deserialize, Serialize};

use super::binding::BindingChangeStatus;
use super::own::{SecretStatus, SettingStatus};
use super::trust::{PublisherStatus, TrustWord};

/// The state of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginState {
    /// The plugin is being verified, compiled and started.
    Loading,
    /// The plugin is called when an event is mapped to it.
    Running,
    /// The plugin failed a few times in a row and is not called for a while.
    BackingOff,
    /// The plugin failed many times in a row and is not called until `plugin resume` starts it again.
    Quarantined,
    /// A worker process of the plugin was told to end and has not ended. Until it does, the plugin is not called.
    Ending,
    /// The permission under which the plugin was loaded was withdrawn, by a revocation or because trust ended.
    Withdrawn,
    /// The user does not want the plugin to run.
    Disabled,
    /// The plugin was not loaded: its alias is bound to another plugin, and the change needs the user's approval.
    Waiting,
    /// The plugin was not loaded.
    Refused,
}

impl PluginState {
    /// The state as a word.
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
    /// The user's name for the plugin.
    pub alias: String,
    /// The plugin's own name, once the plugin was loaded.
    pub name: Option<String>,
    /// The plugin's version, if it has one.
    pub version: Option<String>,
    /// The plugin's state.
    pub state: PluginState,
    /// Milliseconds until the plugin is called again, while it is backing off.
    pub retry_in_ms: Option<u64>,
    /// Why the plugin was refused or may not go on; for a running plugin, how its last failed call ended.
    pub why: Option<String>,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// Who vouches for the plugin, in words.
    pub trust: Option<String>,
    /// Names of the walls around the plugin.
    pub walls: Vec<String>,
    /// Process identifier of the plugin's worker, while there is one.
    pub worker_pid: Option<u32>,
    /// Calls made.
    pub calls: u64,
    /// Calls that did not end well.
    pub failures: u64,
    /// Events that led to no call.
    pub refused_events: u64,
    /// Values of a continuous controller that a later value replaced.
    pub coalesced_events: u64,
    /// What was decided about each capability, in words.
    pub capabilities: Vec<String>,
    /// How far the plugin is vouched for, as a word, once the plugin was loaded.
    #[serde(default)]
    pub trust_level: Option<TrustWord>,
    /// Who signed the plugin.
    #[serde(default)]
    pub publisher: Option<PublisherStatus>,
    /// How many requests of the plugin wait for the user's decision.
    #[serde(default)]
    pub pending: u64,
    /// Fuel that the plugin's calls used.
    #[serde(default)]
    pub fuel_used: u64,
    /// What the user is to decide about, if the plugin is another one than its alias is bound to.
    #[serde(default)]
    pub change: Option<BindingChangeStatus>,
    /// What the plugin did lately, the oldest first.
    #[serde(default)]
    pub activity: Vec<ActivityStatus>,
}

/// What a plugin did in a few seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityStatus {
    /// Calls that ended.
    pub calls: u64,
    /// Calls that did not end well.
    pub failures: u64,
    /// Fuel that the calls used.
    pub fuel: u64,
    /// Microseconds that a call took on average; `null` if there was no call.
    pub micros: Option<u64>,
    /// The most memory that the plugin has had so far, in bytes; `null` if the plugin was not called yet.
    pub memory: Option<u64>,
}

/// Everything about one plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginDetails {
    /// As in the list of all plugins.
    #[serde(flatten)]
    pub status: PluginStatus,
    /// Whom grants to the plugin are bound to: a publisher's key or one file.
    pub bound_to: Option<String>,
    /// What the plugin asks for.
    pub requested: Vec<RequestStatus>,
    /// What the user granted, not counting the grants of the configuration.
    pub grants: Vec<GrantStatus>,
    /// What the plugin is, in its own words.
    #[serde(default)]
    pub description: Option<String>,
    /// Who wrote the plugin, in its own words.
    #[serde(default)]
    pub author: Option<String>,
    /// The plugin's licence, in its own words.
    #[serde(default)]
    pub license: Option<String>,
    /// SHA-256 of the plugin's file.
    #[serde(default)]
    pub digest: Option<String>,
    /// The plugin's actions; `null` if it accepts any action.
    #[serde(default)]
    pub actions: Option<Vec<ActionStatus>>,
    /// What a call may use.
    #[serde(default)]
    pub limits: Option<LimitStatus>,
    /// The most memory that the plugin has had so far, in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// The plugin's safety score.
    #[serde(default)]
    pub safety: Option<SafetyStatus>,
    /// The settings that the plugin declares.
    #[serde(default)]
    pub settings: Vec<SettingStatus>,
    /// The secrets that the plugin declares.
    #[serde(default)]
    pub secrets: Vec<SecretStatus>,
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

/// A safety score: 100 for a plugin with nothing to fear, less for each thing to fear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyStatus {
    /// The score, from 0 to 100.
    pub score: u32,
    /// The terms. Added to 100, they give the score.
    pub terms: Vec<SafetyTerm>,
}

/// A part of a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyTerm {
    /// The points that are added; mostly negative.
    pub points: i32,
    /// The reason for the points, in words.
    pub why: String,
}

/// Something that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestStatus {
    /// The id of this request of this plugin, with everything that is declared about the request: 64 hex digits, which
    /// a client that grants the request sends along. Empty if the plugin is not loaded, so that nothing can be granted
    /// yet.
    #[serde(default)]
    pub id: String,
    /// The capability.
    pub capability: String,
    /// The part of the capability that the plugin asks for; empty if the plugin names none.
    pub scope: String,
    /// `low`, `medium` or `high`.
    pub risk: String,
    /// Why the plugin needs it, in the plugin's words.
    pub reason: Option<String>,
    /// Whether the request needs the user's approval.
    pub pending: bool,
    /// What the user decided about the capability before.
    pub earlier: Option<EarlierStatus>,
    /// The part of the capability that is granted now; empty if all of it is.
    #[serde(default)]
    pub granted: Option<String>,
    /// What was decided about the capability, in words.
    #[serde(default)]
    pub decision: Option<String>,
}

/// An earlier decision about a capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierStatus {
    /// What was granted.
    pub granted: Vec<String>,
    /// What the plugin declared at that time.
    pub declared: Vec<String>,
    /// The plugin's version at that time.
    pub version: Option<String>,
    /// When the user decided.
    pub at: String,
}

/// A grant by the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantStatus {
    /// The grant in its written form: `CAP` or `CAP=SCOPE`.
    pub grant: String,
    /// When it was granted.
    pub granted_at: String,
    /// When the grant ends, if it does.
    pub until: Option<String>,
}

/// A request that needs the user's approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingStatus {
    /// The user's name for the plugin.
    pub plugin: String,
    /// The plugin's own name.
    pub name: String,
    /// Who vouches for the plugin, in words.
    pub trust: String,
    /// What the plugin asks for.
    #[serde(flatten)]
    pub request: RequestStatus,
}

/// The outcome of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The user's name for the plugin.
    pub plugin: String,
    /// What is now granted of the capability.
    pub grants: Vec<String>,
    /// The highest risk among these grants.
    pub risk: String,
}

/// A capability that was taken away.
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
    /// The user's name for the plugin.
    pub plugin: String,
    /// The state of the plugin before it was started again.
    pub was: PluginState,
}
