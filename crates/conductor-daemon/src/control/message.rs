//! The requests and responses of the control interface, as JSON.
//!
//! A line is `{"version": 1, "request": …}` or `{"version": 1, "response": …}`. A request without parameters is its
//! name; every other one is an object with the name as its only member. Texts that plugins chose are not escaped:
//! escape them before showing them.

mod binding;
mod change;
mod daemon;
mod own;
mod plugin;
mod preview;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use conductor_abi::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use binding::{Accepted, BindingChangeStatus, BoundStatus};
pub use change::{Reloaded, Removed};
pub use daemon::{
    AuditStatus, DaemonStatus, EventCounts, InputStatus, InputWord, Landlock, PluginCounts, ProgramsStatus,
    Silenced, WallStatus,
};
pub use own::{Hidden, PluginSecrets, SecretStatus, SecretsStatus, SettingStatus};
pub use plugin::{
    ActionStatus, ActivityStatus, EarlierStatus, GrantStatus, Granted, LimitStatus, PendingStatus,
    PluginDetails, PluginState, PluginStatus, RequestStatus, Resumed, Revoked, SafetyStatus, SafetyTerm,
};
pub use preview::{DeclaredSecret, DeclaredSetting, InstalledStatus, PluginPreview};
pub use trust::{
    KeyRevoked, KeyState, KeyStatus, KeyTrusted, PageAddress, PublisherStatus, RevocationStatus, RevokeAs,
    TrustWord,
};

use crate::calls::CallRow;

/// Longest that a connection lasts, from being accepted to the last byte of the answer. Stops a slow client from
/// keeping its place. A request that makes plugins load or work may take longer, and a follower stays as long as it
/// likes.
pub const EXCHANGE_WAIT: Duration = Duration::from_secs(3);

/// Version of requests and responses; raised when an old reader could misread a new writer.
pub const PROTOCOL_VERSION: u32 = 1;

/// Longest wait for a request that makes plugins load or work.
pub const LONG_WAIT: Duration = Duration::from_secs(60);

/// Everything that a client can ask of the daemon or tell it to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// The state of the daemon, and which walls stand.
    Status,
    /// What each plugin is and does.
    PluginList,
    /// Let a plugin that rests or is quarantined back in.
    PluginResume {
        /// The user's name for the plugin.
        plugin: String,
    },
    /// Everything about one plugin, with what it asks for.
    PluginShow {
        /// The user's name for the plugin.
        plugin: String,
    },
    /// The requests of all plugins that need the user's approval.
    PluginPending,
    /// Grant a capability.
    PluginGrant {
        /// The user's name for the plugin.
        plugin: String,
        /// The capability, with its scope as `CAP=SCOPE`; a bare name grants what the plugin declares.
        grant: String,
        /// The ids of the requests that the user was shown. A bare name grants what those requests ask for. If the
        /// plugin asks for anything else by now, nothing is granted.
        shown: Vec<String>,
        /// How long.
        lasts: Lasts,
        /// The plugin's own name, as the user typed it. A grant of high risk needs it.
        #[serde(default)]
        typed_name: Option<String>,
    },
    /// Take a capability away, or deny it before it is granted.
    PluginRevoke {
        /// The user's name for the plugin.
        plugin: String,
        /// The capability.
        capability: String,
    },
    /// Load another plugin than the one that its alias is bound to.
    PluginAccept {
        /// The user's name for the plugin.
        plugin: String,
        /// [`BindingChangeStatus::shown`] of the change that the user was shown. If the change is another one by now,
        /// it is refused.
        shown: String,
    },
    /// Let a plugin run again that was disabled.
    PluginEnable {
        /// The user's name for the plugin.
        plugin: String,
    },
    /// End a plugin, and do not run it until it is enabled.
    PluginDisable {
        /// The user's name for the plugin.
        plugin: String,
    },
    /// Add a plugin, or put another version in its place.
    PluginInstall {
        /// The user's name for the plugin.
        plugin: String,
        /// The module, with its signature beside it.
        path: PathBuf,
        /// The id of the preview that the user was shown. If the plugin is anything else by now, it is not installed.
        shown: String,
    },
    /// Take a plugin away.
    PluginRemove {
        /// The user's name for the plugin.
        plugin: String,
        /// Whether the plugin's data is deleted as well.
        with_data: bool,
    },
    /// Set a setting of a plugin. It has the new value from its next call on.
    PluginSet {
        /// The user's name for the plugin.
        plugin: String,
        /// The setting.
        setting: String,
        /// Its value as text; `null` for its default.
        value: Option<Hidden>,
    },
    /// The secrets of a plugin, whether it is loaded or not.
    PluginSecretList {
        /// The user's name for the plugin.
        plugin: String,
    },
    /// Enter a secret for a plugin, and confirm the hosts that it may go to.
    PluginSecretSet {
        /// The user's name for the plugin.
        plugin: String,
        /// The secret's name.
        secret: String,
        /// [`SecretStatus::id`] of what the user was shown. If it is anything else by now, nothing is kept.
        shown: String,
        /// The secret.
        value: Hidden,
    },
    /// Confirm the hosts that a secret may go to, which was entered before.
    PluginSecretConfirm {
        /// The user's name for the plugin.
        plugin: String,
        /// The secret's name.
        secret: String,
        /// [`SecretStatus::id`] of what the user was shown.
        shown: String,
    },
    /// Take a secret away from a plugin, and delete it.
    PluginSecretRemove {
        /// The user's name for the plugin.
        plugin: String,
        /// The secret's name.
        secret: String,
    },
    /// Run what the configuration says now.
    Reload,
    /// Silence everything, and let plugins do nothing until they are resumed.
    Panic,
    /// Let plugins go on after a panic.
    Resume,
    /// Enter or leave safe mode, in which no plugin is loaded.
    Safe {
        /// Whether safe mode is to be on.
        on: bool,
    },
    /// Call a plugin by hand.
    Trigger {
        /// The user's name for the plugin.
        plugin: String,
        /// The action.
        action: String,
        /// Its parameters.
        #[serde(default)]
        parameters: Json,
        /// The event that the plugin is to see.
        #[serde(default)]
        context: Option<Context>,
    },
    /// Send every call as it ends, until the connection ends.
    Events,
    /// Show what a plugin is that is not installed. Nothing of it runs.
    PluginPreview {
        /// The user's name that the plugin would get.
        plugin: String,
        /// The module, with its signature beside it.
        path: PathBuf,
    },
    /// The keys that the user trusts, and those that were revoked.
    TrustList,
    /// Trust a key.
    TrustAdd {
        /// What to call the key.
        name: String,
        /// The key.
        public_key: String,
        /// The key's fingerprint, which the user got from its holder: 64 hex digits, or the 12 words.
        fingerprint: String,
        /// When the trust is to end, as RFC 3339 in UTC.
        #[serde(default)]
        expires_at: Option<String>,
    },
    /// Refuse everything that a key signed.
    TrustRevoke {
        /// The key.
        public_key: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
        /// Why the key is revoked: stolen, or no longer used.
        #[serde(default)]
        kind: RevokeAs,
    },
    /// The last records of the audit log.
    Audit {
        /// How many.
        last: usize,
    },
    /// An address that opens the Plugin Manager.
    Ui,
}

impl Request {
    /// Longest that an answer may take; the client waits a little longer.
    #[must_use]
    pub const fn wait(&self) -> Duration {
        match self {
            Self::PluginAccept { .. }
            | Self::PluginEnable { .. }
            | Self::PluginDisable { .. }
            | Self::PluginInstall { .. }
            | Self::PluginRemove { .. }
            | Self::PluginPreview { .. }
            | Self::PluginSet { .. }
            | Self::PluginSecretList { .. }
            | Self::PluginSecretSet { .. }
            | Self::PluginSecretConfirm { .. }
            | Self::PluginSecretRemove { .. }
            | Self::Reload
            | Self::Safe { .. }
            | Self::Trigger { .. } => LONG_WAIT,
            Self::Status
            | Self::PluginList
            | Self::PluginResume { .. }
            | Self::PluginShow { .. }
            | Self::PluginPending
            | Self::PluginGrant { .. }
            | Self::PluginRevoke { .. }
            | Self::TrustList
            | Self::TrustAdd { .. }
            | Self::TrustRevoke { .. }
            | Self::Audit { .. }
            | Self::Ui
            | Self::Panic
            | Self::Resume
            | Self::Events => EXCHANGE_WAIT,
        }
    }

    /// The decision or change that the request makes, and the plugin or key that it is about; none for a request that
    /// only reads or calls a plugin.
    pub(super) fn decision(&self) -> Option<(&'static str, &str)> {
        Some(match self {
            Self::PluginResume { plugin } => ("plugin-resume", plugin),
            Self::PluginGrant { plugin, .. } => ("plugin-grant", plugin),
            Self::PluginRevoke { plugin, .. } => ("plugin-revoke", plugin),
            Self::PluginAccept { plugin, .. } => ("plugin-accept", plugin),
            Self::PluginEnable { plugin } => ("plugin-enable", plugin),
            Self::PluginDisable { plugin } => ("plugin-disable", plugin),
            Self::PluginInstall { plugin, .. } => ("plugin-install", plugin),
            Self::PluginRemove { plugin, .. } => ("plugin-remove", plugin),
            Self::PluginSet { plugin, .. } => ("plugin-set", plugin),
            Self::PluginSecretSet { plugin, .. } => ("plugin-secret-set", plugin),
            Self::PluginSecretConfirm { plugin, .. } => ("plugin-secret-confirm", plugin),
            Self::PluginSecretRemove { plugin, .. } => ("plugin-secret-remove", plugin),
            Self::TrustAdd { public_key, .. } => ("trust-add", public_key),
            Self::TrustRevoke { public_key, .. } => ("trust-revoke", public_key),
            Self::Reload => ("reload", ""),
            Self::Panic => ("panic", ""),
            Self::Resume => ("resume", ""),
            Self::Safe { on: true } => ("safe-on", ""),
            Self::Safe { on: false } => ("safe-off", ""),
            Self::Ui => ("ui", ""),
            Self::Status
            | Self::PluginList
            | Self::PluginShow { .. }
            | Self::PluginPending
            | Self::PluginSecretList { .. }
            | Self::Trigger { .. }
            | Self::Events
            | Self::PluginPreview { .. }
            | Self::TrustList
            | Self::Audit { .. } => return None,
        })
    }
}

/// How long a grant lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Lasts {
    /// For the first use that begins, whatever becomes of it.
    Once,
    /// Until the daemon ends.
    Session,
    /// Until a date, as RFC 3339 in UTC.
    Until(String),
    /// Until it is revoked.
    Always,
}

/// Everything that the daemon can answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<DaemonStatus>),
    /// To [`Request::PluginList`].
    PluginList {
        /// Plugins by alias.
        plugins: Vec<PluginStatus>,
        /// [`DaemonStatus::paused`].
        #[serde(default)]
        paused: bool,
        /// [`DaemonStatus::safe`].
        #[serde(default)]
        safe: bool,
    },
    /// To [`Request::PluginResume`].
    PluginResume(Resumed),
    /// To [`Request::PluginShow`].
    PluginShow(Box<PluginDetails>),
    /// To [`Request::PluginPending`].
    PluginPending {
        /// What waits, by plugin.
        pending: Vec<PendingStatus>,
    },
    /// To [`Request::PluginGrant`].
    PluginGrant(Granted),
    /// To [`Request::PluginRevoke`].
    PluginRevoke(Revoked),
    /// To [`Request::PluginAccept`].
    PluginAccept(Accepted),
    /// To [`Request::PluginEnable`] and [`Request::PluginDisable`].
    PluginSwitch(Reloaded),
    /// To [`Request::PluginInstall`].
    PluginInstall(Reloaded),
    /// To [`Request::PluginRemove`].
    PluginRemove(Removed),
    /// To [`Request::PluginSet`].
    PluginSet {
        /// The plugin's settings.
        settings: Vec<SettingStatus>,
    },
    /// To [`Request::PluginSecretList`].
    PluginSecrets(Box<PluginSecrets>),
    /// To [`Request::PluginSecretSet`], [`Request::PluginSecretConfirm`] and [`Request::PluginSecretRemove`].
    PluginSecret(Box<SecretStatus>),
    /// To [`Request::Reload`].
    Reload(Reloaded),
    /// To [`Request::Panic`].
    Panic(Silenced),
    /// To [`Request::Resume`].
    Resume {
        /// Whether plugins had been paused.
        was_paused: bool,
    },
    /// To [`Request::Safe`].
    Safe(Reloaded),
    /// To [`Request::Trigger`].
    Trigger(Box<Triggered>),
    /// To [`Request::Events`]: `None` in the first line, then one line for each call.
    Event(Option<Box<CallRow>>),
    /// To [`Request::PluginPreview`].
    PluginPreview(Box<PluginPreview>),
    /// To [`Request::TrustList`].
    TrustList {
        /// Trusted keys in the order of the file, then those that were revoked and are not trusted.
        keys: Vec<KeyStatus>,
    },
    /// To [`Request::TrustAdd`].
    TrustAdd(KeyTrusted),
    /// To [`Request::TrustRevoke`].
    TrustRevoke(KeyRevoked),
    /// To [`Request::Audit`].
    Audit {
        /// Records as they are in the file, the latest last.
        records: Vec<Json>,
    },
    /// To [`Request::Ui`].
    Ui(PageAddress),
    /// To any request that is refused.
    Refused(Refusal),
}

/// The outcome of a call by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Triggered {
    /// How the call ended, as a word.
    pub outcome: String,
    /// Why the call did not end well, if it did not.
    pub error: Option<String>,
    /// What the plugin lacked, if it was denied something, and how to grant it.
    #[serde(default)]
    pub hint: Option<String>,
    /// The plugin's reply: as JSON if it is JSON, otherwise as text.
    pub reply: Option<Json>,
    /// Limits that refused something during the call.
    pub limits_refused: Vec<String>,
    /// Fuel used.
    pub fuel_used: u64,
    /// Microseconds that the call took.
    pub micros: u64,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The cause, for programs.
    pub cause: RefusalCause,
    /// The cause in words, for people.
    pub message: String,
    /// What the user can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal without a hint.
    pub(crate) const fn new(cause: RefusalCause, message: String) -> Self {
        Self { cause, message, hint: None }
    }
}

/// Why a request was refused, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCause {
    /// The request comes from a process of another user.
    OtherUser,
    /// The request comes from a program that a plugin runs.
    PluginProgram,
    /// The request comes from a process that is gone, or that cannot be identified.
    UnknownAsker,
    /// The request is longer than it may be.
    TooLarge,
    /// The request is in another version of the protocol.
    UnknownVersion,
    /// The line or body is no request.
    Malformed,
    /// The request names a plugin that the daemon does not have.
    UnknownPlugin,
    /// The request names a plugin that is not loaded.
    NotLoaded,
    /// The request names a plugin that may not run.
    NotPermitted,
    /// The request accepts a plugin that does not wait for approval.
    NotWaiting,
    /// The request grants or revokes something that cannot be granted or revoked.
    NotGrantable,
    /// The request decides about something that is no longer what the user was shown.
    NotAsShown,
    /// The request names an action that the plugin lacks.
    UnknownAction,
    /// The plugin is not called now, or too much waits for it already.
    NotCalled,
    /// The change of the configuration is not possible; everything goes on as it was.
    NotChanged,
    /// The work is not done yet.
    TookTooLong,
    /// The request names a key that cannot be trusted or revoked.
    NotTrusted,
    /// The Plugin Manager is not served.
    NoPage,
    /// The request came to the Plugin Manager without the token of a session.
    NoSession,
    /// The request came to the Plugin Manager from another site.
    Foreign,
    /// The request came to a path that the Plugin Manager does not have.
    UnknownPath,
}

impl Request {
    /// The request as a line, with its line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        line(serde_json::json!({ "version": PROTOCOL_VERSION, "request": self }))
    }

    /// Reads a line.
    ///
    /// # Errors
    ///
    /// Fails on another version of the protocol, which is checked first, and on anything that is not a request.
    pub fn from_line(line: &[u8]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Line {
            #[serde(rename = "version")]
            _version: u32,
            request: Request,
        }
        let malformed = |error: serde_json::Error| {
            let message = format!("this is no request: {error}");
            Refusal::new(RefusalCause::Malformed, message)
        };
        let version = version(line).map_err(malformed)?;
        if version != PROTOCOL_VERSION {
            let message = format!(
                "this daemon speaks version {PROTOCOL_VERSION} of the control protocol, not version {version}"
            );
            return Err(Refusal::new(RefusalCause::UnknownVersion, message));
        }
        serde_json::from_slice::<Line>(line).map(|line| line.request).map_err(malformed)
    }
}

impl Response {
    /// The response as a line, with its line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        line(serde_json::json!({ "version": PROTOCOL_VERSION, "response": self }))
    }

    /// Reads a line. `None` if the line is in another version of the protocol.
    ///
    /// # Errors
    ///
    /// Fails on anything that is not a response.
    pub fn from_line(line: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Line {
            response: Response,
        }
        if version(line)? != PROTOCOL_VERSION {
            return Ok(None);
        }
        serde_json::from_slice::<Line>(line).map(|line| Some(line.response))
    }
}

fn line(value: serde_json::Value) -> String {
    value.to_string() + "\n"
}

fn version(line: &[u8]) -> Result<u32, serde_json::Error> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    serde_json::from_slice::<Version>(line).map(|line| line.version)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
