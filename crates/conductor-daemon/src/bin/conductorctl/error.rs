//! Every failure of the program, and the one place that gives it an exit status and a hint.

use std::io;
use std::path::PathBuf;

use conductor_core::audit::AuditError;
use conductor_core::grant::GrantError;
use conductor_daemon::control::{ClientError, Refusal, RefusalCause};
use conductor_daemon::paths::PathsError;
use conductor_daemon::say;
use conductor_signing::escape;
use conductor_surface::nearest::nearest;

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
    #[error("the hosts of the secret were not confirmed")]
    HostsNotConfirmed { hint: String },
    #[error("`{plugin}` asks for no secret `{secret}`")]
    NoSecret { plugin: String, secret: String, known: Vec<String> },
    #[error("what `{plugin}` asks for is not known: {why}")]
    SecretsUnknown { plugin: String, why: String, hint: Option<String> },
    #[error("`{plugin}` has no setting `{setting}`")]
    NoSetting { plugin: String, setting: String, known: Vec<String> },
    #[error("there is no terminal to ask on: {0}")]
    NoTerminal(io::Error),
    #[error("cannot read the secret from {}: {source}", escape::path(path))]
    SecretFile { path: PathBuf, source: io::Error },
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
            | Self::HostsNotConfirmed { .. }
            | Self::NoSecret { .. }
            | Self::SecretsUnknown { .. }
            | Self::NoSetting { .. }
            | Self::NoTerminal(_)
            | Self::SecretFile { .. }
            | Self::NotAccepted { .. }
            | Self::NotWaiting { .. }
            | Self::Audit(_)
            | Self::NotWhole
            | Self::Log { .. }
            | Self::Output(_) => OTHER,
        }
    }

    /// What the user can do about the error.
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
            Self::NotConfirmed { hint } | Self::NotAccepted { hint } | Self::HostsNotConfirmed { hint } => {
                Some(hint.clone())
            }
            Self::NoSecret { known, .. } | Self::NoSetting { known, .. } if known.is_empty() => None,
            Self::NoSecret { secret: name, known, .. } | Self::NoSetting { setting: name, known, .. } => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                Some(match nearest(name, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there is {}", known.join(", ")),
                })
            }
            Self::NoTerminal(_) => Some("from a script: --from-file FILE, or - for standard input".to_owned()),
            Self::NotWaiting { plugin } => Some(format!("to see what it does: conductorctl plugin show {plugin}")),
            Self::CallFailed { hint, .. } | Self::SecretsUnknown { hint, .. } => hint.clone(),
            Self::NoName => Some("give it one with --name".to_owned()),
            Self::Paths(_)
            | Self::Client(_)
            | Self::Refused(_)
            | Self::OtherAnswer
            | Self::Grant(_)
            | Self::Log { .. }
            | Self::SecretFile { .. }
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
