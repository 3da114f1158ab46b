//! Every failure of the program, and the one place that gives it an exit status and a hint.

use std::io;
use std::path::PathBuf;

use conductor_core::audit::AuditError;
use conductor_core::grant::GrantError;
use conductor_daemon::control::{ClientError, Refusal, RefusalCause};
use conductor_daemon::paths::PathsError;
use conductor_daemon::say;
use conductor_signing::escape;

/// Any failure without a status of its own.
const OTHER: u8 = 1;
/// The command line is not understood.
const USAGE: u8 = 2;
/// Nobody listens on the socket.
const NO_DAEMON: u8 = 3;
/// The daemon refused the request.
const REFUSED: u8 = 4;
/// The daemon did not answer in time.
const TIMED_OUT: u8 = 5;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Paths(PathsError),
    #[error(transparent)]
    Client(ClientError),
    #[error(transparent)]
    Refused(Refusal),
    #[error("the daemon answered another question than it was asked")]
    OtherAnswer,
    #[error("`{plugin}` does not ask for {capability}, so there is nothing to grant")]
    NotRequested { plugin: String, capability: String },
    #[error("{0}")]
    Grant(GrantError),
    #[error("`{0}` is no date")]
    Date(String),
    #[error("{error}")]
    CallFailed { error: String, hint: Option<String> },
    #[error("the file has no name that could be the plugin's")]
    NoName,
    #[error("nothing was granted")]
    NotConfirmed { hint: String },
    #[error("nothing was accepted")]
    NotAccepted { hint: String },
    #[error("`{plugin}` does not need your approval about what it is")]
    NotWaiting { plugin: String },
    #[error(transparent)]
    Audit(AuditError),
    #[error("the audit log is not whole")]
    NotWhole,
    #[error("cannot read the audit log {}: {source}", escape::path(path))]
    Log { path: PathBuf, source: io::Error },
    #[error("cannot print the report: {0}")]
    Output(io::Error),
}

impl CliError {
    /// The exit status.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(ClientError::NoDaemon { .. }) => NO_DAEMON,
            Self::Client(ClientError::TimedOut { .. }) => TIMED_OUT,
            Self::Refused(_) => REFUSED,
            Self::Grant(_) | Self::Date(_) => USAGE,
            Self::Paths(_)
            | Self::Client(_)
            | Self::OtherAnswer
            | Self::CallFailed { .. }
            | Self::NoName
            | Self::NotRequested { .. }
            | Self::NotConfirmed { .. }
            | Self::NotAccepted { .. }
            | Self::NotWaiting { .. }
            | Self::Audit(_)
            | Self::NotWhole
            | Self::Log { .. }
            | Self::Output(_) => OTHER,
        }
    }

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Client(ClientError::NoDaemon { .. }) => Some("start one with: conductor run".to_owned()),
            Self::Client(ClientError::Path { source }) => source.hint(),
            Self::Client(ClientError::TimedOut { .. }) => {
                Some("it may be stopped or overloaded; its log may say more".to_owned())
            }
            Self::Client(ClientError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some("a daemon serves the user who started it, and nobody else".to_owned())
            }
            Self::Client(ClientError::Version { .. })
            | Self::Refused(Refusal { cause: RefusalCause::UnknownVersion, .. }) => {
                Some("use the conductorctl that came with the daemon".to_owned())
            }
            Self::Refused(Refusal { cause: RefusalCause::OtherUser, .. }) => {
                Some("run conductorctl as the user who started the daemon".to_owned())
            }
            Self::Refused(Refusal { cause: RefusalCause::PluginProgram, .. }) => {
                Some("decide about plugins yourself, in a terminal or the Plugin Manager".to_owned())
            }
            Self::Refused(Refusal { hint: Some(hint), .. }) => Some(hint.clone()),
            Self::Refused(Refusal { cause: RefusalCause::UnknownPlugin, .. }) => {
                Some("to see its plugins: conductorctl plugin list".to_owned())
            }
            Self::NotRequested { plugin, .. } => {
                Some(format!("to see what it asks for: conductorctl plugin show {plugin}"))
            }
            Self::Date(_) => {
                Some("write 2026-12-31, or 2026-12-31T18:00:00Z, in UTC; not in the past".to_owned())
            }
            Self::Audit(error) => error.hint(),
            Self::NotWhole => Some(
                "somebody or a damaged disk changed it; keep it as it is, with its .1, .checkpoint and .key files, and \
                 look at what else that account could do"
                    .to_owned(),
            ),
            Self::NotConfirmed { hint } | Self::NotAccepted { hint } => Some(hint.clone()),
            Self::NotWaiting { plugin } => Some(format!("to see what it does: conductorctl plugin show {plugin}")),
            Self::CallFailed { hint, .. } => hint.clone(),
            Self::NoName => Some("give it one with --name".to_owned()),
            Self::Paths(_)
            | Self::Client(_)
            | Self::Refused(_)
            | Self::OtherAnswer
            | Self::Grant(_)
            | Self::Log { .. }
            | Self::Output(_) => None,
        }
    }

    /// Prints error and hint to stderr, each on one line.
    pub(crate) fn print(&self) {
        if matches!(self, Self::Output(error) if say::is_unread(error)) {
            return;
        }
        say::line(format_args!("error: {}", escape::terminal(&self.to_string())));
        if let Some(hint) = self.hint() {
            say::line(format_args!("hint: {}", escape::terminal(&hint)));
        }
    }
}
