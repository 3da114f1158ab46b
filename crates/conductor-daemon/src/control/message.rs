//! What goes over the socket, as JSON.
//!
//! A line is `{"version": 1, "request": …}` or `{"version": 1, "response": …}`. A request without parameters is its name;
//! everything else is an object with the name as its only member. Text that plugins chose is in it as it is: escape it
//! before showing it.

use std::path::PathBuf;

use conductor_core::ProcessWall;
use serde::{Deserialize, Serialize};

/// Version of requests and responses; raised when an old reader could misread a new writer.
pub const PROTOCOL_VERSION: u32 = 1;

/// Everything that a daemon can be asked or told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What waits for the user's word, of all plugins.
    PluginPending,
    /// Grant a capability.
    PluginGrant {
        /// The user's name for the plugin.
        plugin: String,
        /// The capability, with its scope as `CAP=SCOPE`; a bare name grants what the plugin declares.
        grant: String,
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
}

/// How long a grant lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Lasts {
    /// Until the end of the first call that makes use of it.
    Once,
    /// Until the daemon ends.
    Session,
    /// Until a date, as RFC 3339 in UTC.
    Until(String),
    /// Until it is revoked.
    Always,
}

/// Everything that a daemon can answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// To a request that was not granted, whichever it was.
    Refused(Refusal),
}

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
    /// Plugins by state.
    pub plugins: PluginCounts,
    /// Requests of plugins that wait for the user's word.
    pub pending: u64,
    /// What became of events.
    pub events: EventCounts,
    /// The audit log.
    pub audit: AuditStatus,
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
    /// [`PluginState::Loading`].
    pub loading: u64,
    /// [`PluginState::Running`].
    pub running: u64,
    /// [`PluginState::BackingOff`].
    pub backing_off: u64,
    /// [`PluginState::Quarantined`].
    pub quarantined: u64,
    /// [`PluginState::Withdrawn`].
    pub withdrawn: u64,
    /// [`PluginState::Refused`].
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
    /// It grants or revokes something that cannot be.
    NotGrantable,
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
                    lasts: Lasts::Session,
                    typed_name: None,
                },
                concat!(
                    r#"{"request":{"plugin-grant":{"grant":"Filesystem","lasts":"session","plugin":"notes","#,
                    r#""typed_name":null}},"version":1}"#
                ),
            ),
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
