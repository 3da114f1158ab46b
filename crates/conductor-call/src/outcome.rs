//! How a call ended, and what it cost.

use std::fmt;
use std::time::Duration;

use conductor_abi::Capability;
use serde::{Deserialize, Serialize};

use crate::limits::Limit;

/// How a call ended. Code that classifies an outcome names every variant, so that the compiler points out each place
/// that a new variant concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The plugin returned 0.
    Ok,
    /// The plugin returned or exited with another number.
    Failed {
        /// The number that the plugin returned.
        code: i32,
    },
    /// The host ended the call because a limit was reached. The instance is gone; the next call gets a fresh one.
    Limit {
        /// The limit.
        limit: Limit,
    },
    /// The plugin's code trapped. The instance is gone; the next call gets a fresh one.
    Trap {
        /// The name that WebAssembly gives the trap, such as "integer divide by zero".
        reason: String,
    },
    /// The plugin broke a rule of the ABI, such as an `alloc` that points outside its memory.
    Protocol {
        /// The rule.
        reason: String,
    },
    /// The plugin's worker process ended, hung or broke the rules of its channel. The next call gets a new one.
    Crashed {
        /// What became of the worker.
        fault: WorkerFault,
    },
    /// The plugin was not called, or its call was ended, for a reason that lies outside the call.
    Suspended {
        /// Why.
        suspension: Suspension,
    },
}

/// What became of a worker process. Code that classifies a fault names every variant, as with an [`Outcome`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkerFault {
    /// The process ended although nobody told it to.
    #[error("worker process ended: {how}")]
    Ended {
        /// The exit status of the process or the signal that ended it, in words.
        how: String,
    },
    /// The process was ended because the call had outlived its time limit.
    #[error("worker process did not answer in time and was ended")]
    Hung,
    /// The process announced a frame longer than the longest that it may send.
    #[error("worker process announced a frame of {found} bytes, more than {max}, and was ended")]
    FrameTooLarge {
        /// Bytes announced.
        found: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// The process sent bytes that are no frame, or a frame out of turn.
    #[error("worker process sent what is no valid {expected} and was ended")]
    Garbage {
        /// The frame that was expected.
        expected: &'static str,
    },
    /// The process was ended because something that the plugin may do, or the permission to run at all, was taken away.
    #[error("worker process was ended because something was taken away from its plugin")]
    TakenAway,
    /// An earlier process of the plugin was told to end, has not ended and could still write to the plugin's directory.
    /// Such a process sleeps in the kernel, for example on a file system that does not answer.
    #[error(
        "worker process {pid} was ended and does not die; until it does, no other one is started in its directory"
    )]
    Ending {
        /// Process identifier of the earlier process.
        pid: u32,
    },
    /// The process computed although no call was under way.
    #[error("worker process computed without being called and was ended")]
    Busy,
    /// The files of the process had outgrown their quota, as measured from outside.
    #[error("worker process filled its directory beyond the quota and was ended")]
    OverQuota,
    /// The plugin's directory is on a file system that does not answer in time, so nobody knows how much the directory
    /// holds.
    #[error("the plugin's directory was not measured in time, so that no worker process may write to it")]
    Unmeasured,
    /// The process could not be started.
    #[error("worker process cannot be started: {cause}")]
    NotStarted {
        /// The cause.
        cause: String,
    },
}

/// Why a plugin is not called at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suspension {
    /// The plugin failed a few times in a row and rests.
    BackingOff {
        /// Time until the plugin may be called again.
        retry_in: Duration,
    },
    /// The plugin failed many times in a row and is not called until somebody lets it back in.
    Quarantined {
        /// Failures in a row.
        failures: u32,
    },
    /// The permission under which the plugin was loaded was withdrawn, before the call or while the call was under way.
    Withdrawn,
    /// Files that the plugin could see in the call were taken away while the call was under way.
    FilesRevoked,
    /// An ended worker process of the plugin does not die, and could still write to the plugin's directory.
    Ending {
        /// Process identifier of the worker.
        pid: u32,
    },
}

impl fmt::Display for Suspension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackingOff { retry_in } => {
                write!(f, "backing off after repeated failures, {} ms left", retry_in.as_millis())
            }
            Self::Quarantined { failures } => write!(f, "quarantined after {failures} failures in a row"),
            Self::Withdrawn => write!(f, "no longer permitted to run"),
            Self::FilesRevoked => write!(f, "ended because Filesystem was revoked"),
            Self::Ending { pid } => WorkerFault::Ending { pid: *pid }.fmt(f),
        }
    }
}

impl Outcome {
    /// A word that scripts can match on.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed { .. } => "failed",
            Self::Limit { .. } => "limit",
            Self::Trap { .. } => "trap",
            Self::Protocol { .. } => "protocol",
            Self::Crashed { .. } => "crashed",
            Self::Suspended { suspension: Suspension::BackingOff { .. } } => "suspended",
            Self::Suspended { suspension: Suspension::Quarantined { .. } } => "quarantined",
            Self::Suspended { suspension: Suspension::Withdrawn } => "withdrawn",
            Self::Suspended { suspension: Suspension::FilesRevoked } => "revoked",
            Self::Suspended { suspension: Suspension::Ending { .. } } => "ending",
        }
    }

    /// The limit that ended the call, if one did.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::Limit { limit } => Some(*limit),
            Self::Ok
            | Self::Failed { .. }
            | Self::Trap { .. }
            | Self::Protocol { .. }
            | Self::Crashed { .. }
            | Self::Suspended { .. } => None,
        }
    }

    /// Whether the plugin's instance may be called again.
    #[must_use]
    pub const fn keeps_instance(&self) -> bool {
        match self {
            Self::Ok | Self::Failed { .. } => true,
            Self::Limit { .. }
            | Self::Trap { .. }
            | Self::Protocol { .. }
            | Self::Crashed { .. }
            | Self::Suspended { .. } => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Failed { code } => write!(f, "failed with code {code}"),
            Self::Limit { limit } => write!(f, "{limit}"),
            Self::Trap { reason } => write!(f, "trapped: {reason}"),
            Self::Protocol { reason } => write!(f, "broke the plugin ABI: {reason}"),
            Self::Crashed { fault } => fault.fmt(f),
            Self::Suspended { suspension } => suspension.fmt(f),
        }
    }
}

/// Something that a plugin asked its host for and was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The capability.
    pub capability: Capability,
    /// Whether nothing of the capability is granted; false if another part of the capability is granted.
    pub of_everything: bool,
    /// The reason, such as `Network is not granted; at medium risk it needs approval`, at most some hundred bytes. The
    /// reason may quote the plugin: escape it wherever it is shown.
    pub reason: String,
}

/// One line that a plugin logged or printed. The text is as the plugin wrote it: escape it wherever it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Where the line came from.
    pub source: LogSource,
    /// The line without its line break.
    pub text: String,
}

/// Where a log line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogSource {
    /// Standard output of a reactor plugin.
    Stdout,
    /// Standard error.
    Stderr,
    /// The host call `log`.
    Host(conductor_abi::LogLevel),
}

/// What one call did and cost.
#[derive(Clone, Debug)]
pub struct CallReport {
    /// How the call ended.
    pub outcome: Outcome,
    /// The plugin's reply, if the plugin replied.
    pub reply: Option<Vec<u8>>,
    /// Fuel that the call used: instructions, bytes moved for it and nanoseconds waited.
    pub fuel_used: u64,
    /// Largest total size of the plugin's memories so far, in bytes.
    pub peak_memory_bytes: u64,
    /// Wall clock from request to outcome.
    pub elapsed: Duration,
    /// What the plugin logged and printed, at most `max_log_bytes`.
    pub log: Vec<LogLine>,
    /// Bytes of log that were dropped because `max_log_bytes` was reached.
    pub dropped_log_bytes: u64,
    /// Limits that refused the plugin something and left it to go on, such as opening one more file. Each limit is
    /// named once, in the order in which the limits first refused. Limits that refused at the start of the plugin's
    /// instance are in the report of the first call. If the plugin gave up because of a limit, the same limit may be
    /// the outcome as well.
    pub limits_refused: Vec<Limit>,
    /// What the plugin was denied in the call, the last denial of each capability. Files that are not granted are
    /// included only where the call failed: a plugin without granted files finds no directory and makes no host call
    /// that could be denied.
    pub denied: Vec<Denial>,
    /// Whether the plugin's instance ended with the call, so that the next call finds nothing of what the plugin kept
    /// in memory: the plugin exited, is a command, or has a fresh instance for each call. After a call that ended badly
    /// the instance has ended in any case.
    pub instance_ended: bool,
}

impl CallReport {
    /// Why the call did not succeed: the outcome and, if the plugin itself reported failure, the last error that the
    /// plugin logged or, if it logged none, the last line that it wrote to standard error. The text may be the plugin's
    /// own.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let own = self.own_error().and_then(|index| self.log.get(index));
        match (&self.outcome, own) {
            (Outcome::Ok, _) => None,
            (outcome, Some(own)) => Some(format!("{outcome}: {}", own.text)),
            (outcome, None) => Some(outcome.to_string()),
        }
    }

    /// Index in the log of the line that says why the plugin reported failure: the last error that the plugin logged
    /// or, if it logged none, the last line that it wrote to standard error.
    #[must_use]
    pub fn own_error(&self) -> Option<usize> {
        let Outcome::Failed { .. } = self.outcome else { return None };
        let last = |source| {
            let says = |line: &LogLine| line.source == source && !line.text.trim().is_empty();
            self.log.iter().rposition(says)
        };
        last(LogSource::Host(conductor_abi::LogLevel::Error)).or_else(|| last(LogSource::Stderr))
    }

    /// The report of a call that did not reach the plugin's code, or of which only the outcome is known.
    #[must_use]
    pub const fn without_call(outcome: Outcome, elapsed: Duration) -> Self {
        Self {
            outcome,
            reply: None,
            fuel_used: 0,
            peak_memory_bytes: 0,
            elapsed,
            log: Vec::new(),
            dropped_log_bytes: 0,
            limits_refused: Vec::new(),
            denied: Vec::new(),
            instance_ended: false,
        }
    }
}
