//! How a call ended, and what it cost.

use std::fmt;
use std::time::Duration;

use conductor_abi::Capability;
use serde::{Deserialize, Serialize};

/// A budget that the host enforces on a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Limit {
    /// `max_fuel`: instructions, bytes moved for the plugin and nanoseconds waited.
    Fuel,
    /// `max_execution_time`: wall clock of one call.
    WallClock,
    /// `max_memory_bytes`: total over all linear memories.
    Memory,
    /// `max_table_elements`: total over all tables.
    TableElements,
    /// `max_stack_bytes`: stack of the plugin's own code.
    Stack,
    /// `max_open_files`: files and directories open at once.
    OpenFiles,
    /// `max_disk_bytes`: bytes in the data directory.
    DiskBytes,
    /// `max_disk_files`: files and directories in the data directory.
    DiskFiles,
    /// `max_message_bytes`: one host call's request or answer.
    MessageBytes,
    /// `max_calls_per_second`: host calls that ask for a capability.
    CallRate,
    /// `max_network_bytes_per_minute`: what crosses the wire, in both directions.
    NetworkRate,
    /// `max_network_connections`: connections at once.
    NetworkConnections,
    /// `max_network_lookups`: look-ups of host names at once.
    NetworkLookups,
    /// `max_network_frames_per_second`: frames of one type in a second.
    NetworkFrames,
    /// `max_reply_bytes`: reply of one call.
    ReplyBytes,
    /// `max_log_bytes`: log of one call.
    LogBytes,
    /// `max_log_bytes_per_minute`: log of all calls in a minute.
    LogRate,
    /// `max_queued_events`: events that wait for the plugin.
    QueuedEvents,
    /// `max_queued_bytes`: bytes of these events.
    QueuedBytes,
    /// `max_compile_time`: processor time of compiling in a worker process.
    CompileTime,
    /// `max_compile_bytes`: memory of a worker process that compiles.
    CompileBytes,
    /// `max_module_bytes`: the plugin's file.
    ModuleBytes,
}

impl Limit {
    /// The configuration key that sets the limit.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Fuel => "max_fuel",
            Self::WallClock => "max_execution_time",
            Self::Memory => "max_memory_bytes",
            Self::TableElements => "max_table_elements",
            Self::Stack => "max_stack_bytes",
            Self::OpenFiles => "max_open_files",
            Self::DiskBytes => "max_disk_bytes",
            Self::DiskFiles => "max_disk_files",
            Self::MessageBytes => "max_message_bytes",
            Self::CallRate => "max_calls_per_second",
            Self::NetworkRate => "max_network_bytes_per_minute",
            Self::NetworkConnections => "max_network_connections",
            Self::NetworkLookups => "max_network_lookups",
            Self::NetworkFrames => "max_network_frames_per_second",
            Self::ReplyBytes => "max_reply_bytes",
            Self::LogBytes => "max_log_bytes",
            Self::LogRate => "max_log_bytes_per_minute",
            Self::QueuedEvents => "max_queued_events",
            Self::QueuedBytes => "max_queued_bytes",
            Self::CompileTime => "max_compile_time",
            Self::CompileBytes => "max_compile_bytes",
            Self::ModuleBytes => "max_module_bytes",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fuel => "fuel exhausted",
            Self::WallClock => "time limit exceeded",
            Self::Memory => "memory limit exceeded",
            Self::TableElements => "table limit exceeded",
            Self::Stack => "stack exhausted",
            Self::OpenFiles => "too many open files",
            Self::DiskBytes => "data directory full",
            Self::DiskFiles => "too many files in the data directory",
            Self::MessageBytes => "message too large",
            Self::CallRate => "too many host calls in a second",
            Self::NetworkRate => "too many bytes over the network in a minute",
            Self::NetworkConnections => "too many connections",
            Self::NetworkLookups => "too many look-ups of host names",
            Self::NetworkFrames => "too many frames over the network in a second",
            Self::ReplyBytes => "reply too large",
            Self::LogBytes => "log limit exceeded",
            Self::LogRate => "log limit of a minute exceeded",
            Self::QueuedEvents => "too many events queued",
            Self::QueuedBytes => "too many bytes of events queued",
            Self::CompileTime => "compilation takes too long",
            Self::CompileBytes => "compilation takes too much memory",
            Self::ModuleBytes => "module too large",
        })
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The plugin returned 0.
    Ok,
    /// The plugin returned or exited with another number.
    Failed {
        /// What it returned.
        code: i32,
    },
    /// The host ended the call because a limit was reached. The instance is gone; the next call gets a fresh one.
    Limit {
        /// Which limit.
        limit: Limit,
    },
    /// The plugin's code trapped. The instance is gone; the next call gets a fresh one.
    Trap {
        /// What WebAssembly calls the trap, such as "integer divide by zero".
        reason: String,
    },
    /// The plugin broke a rule of the ABI, such as an `alloc` that points outside its memory.
    Protocol {
        /// Which rule.
        reason: String,
    },
    /// The plugin's worker process ended, hung or broke the rules of its channel. The next call gets a new one.
    Crashed {
        /// What became of the worker.
        fault: WorkerFault,
    },
    /// The plugin was not called, or its call was ended, for a reason that is not in the call.
    Suspended {
        /// Why.
        suspension: Suspension,
    },
}

/// What became of a worker process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerFault {
    /// The process ended although nobody told it to.
    #[error("worker process ended: {how}")]
    Ended {
        /// Its exit status or the signal that ended it, in words.
        how: String,
    },
    /// It was ended because the call had outlived its time limit.
    #[error("worker process did not answer in time and was ended")]
    Hung,
    /// It announced a frame longer than any that it may send.
    #[error("worker process announced a frame of {found} bytes, more than {max}, and was ended")]
    FrameTooLarge {
        /// Bytes announced.
        found: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// It sent bytes that are no frame, or a frame out of turn.
    #[error("worker process sent what is no valid {expected} and was ended")]
    Garbage {
        /// What was to come.
        expected: &'static str,
    },
    /// It was ended because what the plugin may do, or that it may run at all, was taken away.
    #[error("worker process was ended because something was taken away from its plugin")]
    TakenAway,
    /// One that was told to end has not, and could still write to the plugin's directory: it sleeps in the kernel, such as
    /// on a file system that does not answer.
    #[error(
        "worker process {pid} was ended and does not die; until it does, no other one is started in its directory"
    )]
    Ending {
        /// Its process identifier.
        pid: u32,
    },
    /// It computed while nobody had called it.
    #[error("worker process computed without being called and was ended")]
    Busy,
    /// Its files had outgrown their quota, measured from outside.
    #[error("worker process filled its directory beyond the quota and was ended")]
    OverQuota,
    /// The plugin's directory is on a file system that does not answer, or not in time, so that nobody knows how much is in
    /// it.
    #[error("the plugin's directory was not measured in time, so that no worker process may write to it")]
    Unmeasured,
    /// It could not be started.
    #[error("worker process cannot be started: {cause}")]
    NotStarted {
        /// Why.
        cause: String,
    },
}

/// Why a plugin is not called for the time being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suspension {
    /// It failed a few times in a row and rests.
    BackingOff {
        /// When it may be called again, from now.
        retry_in: Duration,
    },
    /// It failed many times in a row and is left alone until somebody lets it back in.
    Quarantined {
        /// Failures in a row.
        failures: u32,
    },
    /// The permission under which it was loaded was withdrawn, before the call or while it was under way.
    Withdrawn,
    /// Files that the call could see were taken away while it was under way.
    FilesRevoked,
    /// A worker process of the plugin that was ended does not die, and could still write to the plugin's directory.
    Ending {
        /// Its process identifier.
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

    /// Whether the instance may be called again.
    pub(crate) const fn keeps_instance(&self) -> bool {
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

/// Something that a plugin asked its host for and did not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The capability.
    pub capability: Capability,
    /// Whether nothing of the capability is granted, rather than something else of it.
    pub of_everything: bool,
    /// Why, such as `Network is not granted; at medium risk it needs approval`, at most some hundred bytes. It may quote the
    /// plugin: escape it wherever it is shown.
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
    /// What the plugin replied, if it did.
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
    /// Limits that refused the plugin something and left it to go on, such as opening one more file. Each is named once,
    /// in the order in which they first refused; what refused the start of the plugin's instance is in the report of the
    /// first call. If the plugin then gave up, the limit that it gave up over may be the outcome as well.
    pub limits_refused: Vec<Limit>,
    /// What the plugin was denied in the call, the last denial of each capability. Files that are not granted are among it
    /// where the call failed: the plugin finds no directory then, and asks nobody.
    pub denied: Vec<Denial>,
}

impl CallReport {
    /// Why the call did not succeed: the outcome, and for one that the plugin itself reported the last error it logged or, if it
    /// logged none, the last line that it wrote to standard error. It may be the plugin's own text.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let own = self.own_error().and_then(|index| self.log.get(index));
        match (&self.outcome, own) {
            (Outcome::Ok, _) => None,
            (outcome, Some(own)) => Some(format!("{outcome}: {}", own.text)),
            (outcome, None) => Some(outcome.to_string()),
        }
    }

    /// Index in the log of the line that says why a plugin failed which reported failure itself: the last error that it logged
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

    /// The report of a call that did not reach the plugin's code, or that nothing is known of but how it ended.
    pub(crate) const fn without_call(outcome: Outcome, elapsed: Duration) -> Self {
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
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_limit_has_a_key_and_a_text_of_its_own() {
        // The encoding of a variant is its number, so that counting up meets every one.
        let limits: Vec<Limit> =
            (0..u8::MAX).map_while(|number| postcard::from_bytes(&[number]).ok()).collect();
        assert_eq!((limits.first(), limits.last()), (Some(&Limit::Fuel), Some(&Limit::ModuleBytes)));
        let keys: BTreeSet<_> = limits.iter().map(|limit| limit.key()).collect();
        let texts: BTreeSet<_> = limits.iter().map(ToString::to_string).collect();
        assert_eq!((keys.len(), texts.len()), (limits.len(), limits.len()));
        let manual = include_str!("../../../docs/src/limits.md");
        for key in keys {
            assert!(manual.contains(&format!("\n| `{key}` |")), "limits.md lacks {key}");
        }
    }
}
