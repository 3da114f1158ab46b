//! What goes over the socket, as JSON.
//!
//! A line is `{"version": 1, "request": …}` or `{"version": 1, "response": …}`. A request without parameters is its name;
//! everything else is an object with the name as its only member. Text that plugins chose is in it as it is: escape it
//! before showing it.

mod binding;
mod daemon;
mod plugin;
mod preview;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use conductor_abi::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use binding::{Accepted, BindingChangeStatus, BoundStatus};
pub use daemon::{
    AuditStatus, DaemonStatus, EventCounts, InputStatus, InputWord, Landlock, PluginCounts, ProgramsStatus,
    WallStatus,
};
pub use plugin::{
    ActionStatus, ActivityStatus, EarlierStatus, GrantStatus, Granted, LimitStatus, PendingStatus,
    PluginDetails, PluginState, PluginStatus, RequestStatus, Resumed, Revoked, SafetyStatus, SafetyTerm,
};
pub use preview::{InstalledStatus, PluginPreview};
pub use trust::{
    KeyRevoked, KeyState, KeyStatus, KeyTrusted, PageAddress, PublisherStatus, RevocationStatus, RevokeAs,
    TrustWord,
};

use crate::calls::CallRow;

/// Longest that a connection lasts, from being accepted to the last byte of the answer; stops a slow client from keeping
/// its place. What makes plugins load or work may take longer, and one that follows lasts as long as it likes.
pub const EXCHANGE_WAIT: Duration = Duration::from_secs(3);

/// Version of requests and responses; raised when an old reader could misread a new writer.
pub const PROTOCOL_VERSION: u32 = 1;

/// Longest wait for what makes plugins load or work.
pub const LONG_WAIT: Duration = Duration::from_secs(60);

/// Everything that a daemon can be asked or told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the daemon is, and which walls stand.
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
    /// What needs the user's approval, of all plugins.
    PluginPending,
    /// Grant a capability.
    PluginGrant {
        /// The user's name for the plugin.
        plugin: String,
        /// The capability, with its scope as `CAP=SCOPE`; a bare name grants what the plugin declares.
        grant: String,
        /// The ids of the requests that the user was shown. A bare name grants what they ask for. Where the plugin asks for
        /// anything else by now, nothing is granted.
        shown: Vec<String>,
        /// How long.
        lasts: Lasts,
        /// The plugin's own name, as the user typed it: what is of high risk needs it.
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
    /// Load a plugin that waits because it is another one than its alias is bound to.
    PluginAccept {
        /// The user's name for the plugin.
        plugin: String,
        /// [`BindingChangeStatus::shown`] of what the user was shown; what is something else by now is refused.
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
        /// The id of the preview that the user was shown. Where the plugin is anything else by now, it is not installed.
        shown: String,
    },
    /// Take a plugin away.
    PluginRemove {
        /// The user's name for the plugin.
        plugin: String,
        /// Whether what it wrote is deleted as well.
        with_data: bool,
    },
    /// Run what the configuration says now.
    Reload,
    /// Call a plugin by hand.
    Trigger {
        /// The user's name for the plugin.
        plugin: String,
        /// The action.
        action: String,
        /// Its parameters.
        #[serde(default)]
        parameters: Json,
        /// What the plugin is to take for the event.
        #[serde(default)]
        context: Option<Context>,
    },
    /// Tell of every call as it ends, until the connection does.
    Events,
    /// What a plugin is that is not installed. Nothing of it runs.
    PluginPreview {
        /// The user's name for it, as it would be.
        plugin: String,
        /// The module, with its signature beside it.
        path: PathBuf,
    },
    /// The keys that the user trusts, and those that were revoked.
    TrustList,
    /// Trust a key.
    TrustAdd {
        /// What to call it.
        name: String,
        /// The key.
        public_key: String,
        /// The key's fingerprint, as the user has it from its holder: 64 hex digits, or the 12 words.
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
        /// What has become of it.
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
            | Self::Reload
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
            | Self::Events => EXCHANGE_WAIT,
        }
    }

    /// What it decides or changes, and about which plugin or key; nothing for one that only looks, or calls a plugin.
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
            Self::TrustAdd { public_key, .. } => ("trust-add", public_key),
            Self::TrustRevoke { public_key, .. } => ("trust-revoke", public_key),
            Self::Reload => ("reload", ""),
            Self::Ui => ("ui", ""),
            Self::Status
            | Self::PluginList
            | Self::PluginShow { .. }
            | Self::PluginPending
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

/// Everything that a daemon can answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<DaemonStatus>),
    /// To [`Request::PluginList`].
    PluginList {
        /// Plugins by alias.
        plugins: Vec<PluginStatus>,
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
    PluginRemove(Reloaded),
    /// To [`Request::Reload`].
    Reload(Reloaded),
    /// To [`Request::Trigger`].
    Trigger(Box<Triggered>),
    /// To [`Request::Events`]: one line for each call, the first for none.
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
    /// To a request that was not granted, whichever it was.
    Refused(Refusal),
}

/// What a change of the configuration did, by the user's names of plugins; those that are disabled are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Loaded, or loaded anew.
    pub started: Vec<String>,
    /// Not loaded: another plugin than the alias is bound to, which needs the user's approval.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Refused, as before the change.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Ended, or replaced.
    pub stopped: Vec<String>,
    /// Went on.
    pub untouched: Vec<String>,
}

/// What came of a call by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Triggered {
    /// How it ended, as a word.
    pub outcome: String,
    /// Why it did not end well, if it did not.
    pub error: Option<String>,
    /// What the plugin lacked, if it was denied something, and how to give it.
    #[serde(default)]
    pub hint: Option<String>,
    /// What the plugin replied: the JSON of it, or the text where it is none.
    pub reply: Option<Json>,
    /// Limits that refused something on the way.
    pub limits_refused: Vec<String>,
    /// Fuel used.
    pub fuel_used: u64,
    /// Microseconds that it took.
    pub micros: u64,
}

/// Why a request was not granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub cause: RefusalCause,
    /// For people.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal whose words say what to do.
    pub(crate) const fn new(cause: RefusalCause, message: String) -> Self {
        Self { cause, message, hint: None }
    }
}

/// Why a request was not granted, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCause {
    /// It comes from a process of another user.
    OtherUser,
    /// It comes from a program that a plugin runs.
    PluginProgram,
    /// It comes from a process that is gone, or of which it cannot be found out what it is.
    UnknownAsker,
    /// It is longer than a request may be.
    TooLarge,
    /// It is of another version of the protocol.
    UnknownVersion,
    /// It is no request.
    Malformed,
    /// It names a plugin that the daemon does not have.
    UnknownPlugin,
    /// It names a plugin that is not loaded.
    NotLoaded,
    /// It names a plugin that may not run.
    NotPermitted,
    /// It accepts a plugin that does not wait.
    NotWaiting,
    /// It grants or revokes something that cannot be.
    NotGrantable,
    /// It decides about something that is no longer what was shown.
    NotAsShown,
    /// It names an action that the plugin lacks.
    UnknownAction,
    /// The plugin is not called now, or too much waits for it already.
    NotCalled,
    /// It changes the configuration in a way that cannot be; everything goes on as it was.
    NotChanged,
    /// What was asked for is not done yet.
    TookTooLong,
    /// It names a key that cannot be trusted or revoked.
    NotTrusted,
    /// The Plugin Manager is not served.
    NoPage,
    /// It came to the Plugin Manager without the token of a session.
    NoSession,
    /// It came to the Plugin Manager from another site.
    Foreign,
    /// It came to an address at which the Plugin Manager has nothing.
    UnknownPath,
}

impl Request {
    /// The line for it, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        line(serde_json::json!({ "version": PROTOCOL_VERSION, "request": self }))
    }

    /// Reads a line.
    ///
    /// # Errors
    ///
    /// Fails on another version of the protocol, which is looked at first, and on anything that is not a request.
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
    /// The line for it, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        line(serde_json::json!({ "version": PROTOCOL_VERSION, "response": self }))
    }

    /// Reads a line. `None` if it is of another version of the protocol.
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
mod tests {
    use super::*;

    fn refused(line: &str) -> RefusalCause {
        Request::from_line(line.as_bytes()).expect_err(line).cause
    }

    #[test]
    fn requests_are_as_the_manual_writes_them() {
        for (request, line) in [
            (Request::Status, r#"{"request":"status","version":1}"#),
            (Request::PluginList, r#"{"request":"plugin-list","version":1}"#),
            (Request::PluginPending, r#"{"request":"plugin-pending","version":1}"#),
            (
                Request::PluginGrant {
                    plugin: "notes".to_owned(),
                    grant: "Filesystem".to_owned(),
                    shown: vec!["5af0".to_owned()],
                    lasts: Lasts::Session,
                    typed_name: None,
                },
                concat!(
                    r#"{"request":{"plugin-grant":{"grant":"Filesystem","lasts":"session","plugin":"notes","#,
                    r#""shown":["5af0"],"typed_name":null}},"version":1}"#
                ),
            ),
            (Request::TrustList, r#"{"request":"trust-list","version":1}"#),
            (Request::Audit { last: 3 }, r#"{"request":{"audit":{"last":3}},"version":1}"#),
            (
                Request::TrustRevoke {
                    public_key: "3dab".to_owned(),
                    reason: None,
                    kind: RevokeAs::Superseded,
                },
                r#"{"request":{"trust-revoke":{"kind":"superseded","public_key":"3dab","reason":null}},"version":1}"#,
            ),
            (Request::Ui, r#"{"request":"ui","version":1}"#),
            (
                Request::PluginResume { plugin: "notes".to_owned() },
                r#"{"request":{"plugin-resume":{"plugin":"notes"}},"version":1}"#,
            ),
        ] {
            assert_eq!(request.to_line(), format!("{line}\n"));
            assert_eq!(Request::from_line(line.as_bytes()), Ok(request));
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_cause() {
        for line in [
            "",
            "status",
            "{}",
            r#"{"version":1}"#,
            r#"{"version":"1","request":"status"}"#,
            r#"{"version":1,"request":"stop"}"#,
            r#"{"version":1,"request":"status","more":0}"#,
            r#"{"version":1,"request":{"plugin-resume":{}}}"#,
            r#"{"version":1,"request":{"plugin-resume":{"plugin":"a","more":0}}}"#,
            r#"{"version":1,"request":"status"} {}"#,
        ] {
            assert_eq!(refused(line), RefusalCause::Malformed, "{line}");
        }
        assert_eq!(refused(r#"{"version":2,"request":{"new":[]},"more":0}"#), RefusalCause::UnknownVersion);
        assert_eq!(refused(&"[".repeat(60_000)), RefusalCause::Malformed);
    }

    #[test]
    fn responses_of_another_version_are_not_guessed_at() {
        let resumed = Resumed { plugin: "notes".to_owned(), was: PluginState::BackingOff };
        let line = Response::PluginResume(resumed.clone()).to_line();
        assert!(line.contains(r#""was":"backing-off""#), "{line}");
        let read = Response::from_line(line.as_bytes()).expect("reads");
        assert_eq!(read, Some(Response::PluginResume(resumed)));
        assert_eq!(Response::from_line(br#"{"version":2,"response":{"x":1}}"#).expect("reads"), None);
        assert!(Response::from_line(br#"{"version":1,"response":{"x":1}}"#).is_err());
    }
}
