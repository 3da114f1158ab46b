//! Maps errors to exit statuses and words, for all subcommands.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use conductor_core::HostError;
use conductor_daemon::config::ConfigError;
use conductor_daemon::run::RunError;
use conductor_daemon::say;

use crate::logging;

/// Exit statuses of `conductor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Done; for `exec`, the plugin returned 0.
    Ok = 0,
    /// The command failed; for `exec`, the plugin returned another number.
    Failed = 1,
    /// The command line or the configuration cannot be used.
    Usage = 2,
    /// A limit or a trap ended the plugin.
    Stopped = 3,
    /// The plugin was refused before it ran.
    Refused = 4,
    /// The report of `exec` could not be written to standard output.
    Output = 5,
    /// A signal ended `exec` before the call was over.
    Interrupted = 6,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// An error on its way to standard error.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    message: String,
    hint: Option<String>,
    /// Whether nobody reads the message, so that it is not written.
    is_quiet: bool,
}

impl Failure {
    /// The command was tried and failed.
    pub(crate) fn failed(error: impl Display) -> Self {
        Self { status: Status::Failed, message: error.to_string(), hint: None, is_quiet: false }
    }

    /// The command line or the configuration cannot be used.
    pub(crate) fn usage(error: impl Display) -> Self {
        Self { status: Status::Usage, message: error.to_string(), hint: None, is_quiet: false }
    }

    /// Standard output could not be written. If its reader is gone, no message is written.
    pub(crate) fn output(error: &io::Error, status: Status) -> Self {
        let is_unread = say::is_unread(error);
        let message = format!("the report cannot be written to standard output: {error}");
        Self { is_quiet: is_unread, status, message, hint: None }
    }

    /// The daemon could not run.
    pub(crate) fn of_run(error: RunError) -> Self {
        if let RunError::Host { source } = error {
            Self::of_host(source, Status::Failed)
        } else {
            let hint = error.hint();
            Self::failed(error).with_hint(hint)
        }
    }

    /// No host could be made. The caller chooses the status.
    pub(crate) fn of_host(error: HostError, status: Status) -> Self {
        let hint = matches!(error, HostError::WeakIsolation { .. }).then(|| {
            "landlock and seccomp are needed (Linux 5.13 or later with both enabled); to run plugins behind one wall all \
             the same, pass --allow-weak-isolation"
                .to_owned()
        });
        Self { status, message: error.to_string(), hint, is_quiet: false }
    }

    /// The same failure, with what the user can do about it.
    pub(crate) fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// Writes the message and the hint, and returns the status.
    pub(crate) fn report(&self) -> ExitCode {
        if self.is_quiet {
            return self.status.into();
        }
        logging::say(&format!("error: {}", self.message));
        if let Some(hint) = &self.hint {
            logging::say(&format!("hint: {hint}"));
        }
        self.status.into()
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::usage(if let ConfigError::Invalid { problems, .. } = &error {
            let faults = if problems.len() == 1 { "fault" } else { "faults" };
            format!("the configuration has {} {faults}\n{error}", problems.len())
        } else {
            error.to_string()
        });
        let is_missing = matches!(&error, ConfigError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound);
        let hint =
            "write one with: conductor init --config FILE; without --config the daemon starts with none";
        failure.with_hint(is_missing.then(|| hint.to_owned()))
    }
}
