//! The frames that supervisor and worker exchange.
//!
//! A frame is a length in four bytes, little-endian, then a head in postcard, then bytes whose meaning the head gives:
//! a request, an answer, a reply. Only heads are decoded; the bytes behind them are passed on unchanged.

use std::time::Duration;

use conductor_abi::Status;
use conductor_call::{CallReport, Limit, Limits, LogLine, Outcome, ProcessWall};
use serde::{Deserialize, Serialize};

use super::order::{CompileOrder, Order};
use crate::engine::CompileError;
use crate::guest::CallLog;
use crate::instance::Metadata;

/// Number of bytes of a frame's length.
pub(super) const LENGTH_BYTES: usize = 4;

/// Generous bound on the bytes of a head without log and metadata.
const HEAD_BYTES: u64 = 64 * 1024;

/// Most characters of a text from a worker; a longer text is cut.
const MAX_REASON_CHARS: usize = 1_024;

/// From the supervisor to its worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// What to run, and how. The first frame; the plugin's code is in the file that the worker inherits.
    Order(Box<Order>),
    /// Start the plugin, now that its code is mapped.
    Start,
    /// Execute the request behind the head.
    Execute,
    /// The answer to a host call is behind the head.
    Answer {
        /// Number of a [`Status`].
        status: u32,
        /// Fuel to charge.
        fuel: u64,
        /// The limit by which the operation was refused, if it was refused by a limit.
        refused_by: Option<Limit>,
    },
    /// What to compile. The first and only frame; the module is in the file that the worker inherits.
    Compile(CompileOrder),
    /// Answer questions about file systems from now on. The first frame for a process of that kind.
    Ask,
}

/// From a worker to its supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The worker is locked in and has touched nothing of the plugin yet.
    Locked(ProcessWall),
    /// The code is mapped.
    Loaded,
    /// The code is not for this engine, or imports a host function with a type that it does not have.
    NotLoaded(CompileFault),
    /// The plugin has started.
    Started(Metadata),
    /// The start of the plugin failed.
    NotStarted(End),
    /// The plugin's directories cannot be opened.
    NotSetUp {
        /// The cause.
        cause: String,
    },
    /// The plugin calls its host; the request is behind the head.
    HostCall {
        /// Number of the operation.
        op: u32,
    },
    /// The call has ended; the reply is behind the head.
    Done(Done),
}

/// How a call ended, as far as a worker can know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// [`Outcome::Ok`].
    Ok,
    /// [`Outcome::Failed`].
    Failed {
        /// What the plugin returned.
        code: i32,
    },
    /// [`Outcome::Limit`].
    Limit {
        /// The limit.
        limit: Limit,
    },
    /// [`Outcome::Trap`].
    Trap {
        /// The trap.
        reason: String,
    },
    /// [`Outcome::Protocol`].
    Protocol {
        /// The rule that was broken.
        reason: String,
    },
}

/// Why a plugin could not be compiled or linked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CompileFault {
    /// The compiler refused the module.
    Compiler {
        /// The error of the compiler.
        cause: String,
    },
    /// An import has another type than the host's function.
    Import {
        /// The import.
        cause: String,
    },
}

impl CompileFault {
    /// The same error in the host's process.
    pub(super) fn error(self) -> CompileError {
        match self {
            Self::Compiler { cause } => {
                CompileError::InWorker { what: "module does not compile", cause: cut(&cause) }
            }
            Self::Import { cause } => CompileError::InWorker {
                what: "module imports a host function with another type than it has",
                cause: cut(&cause),
            },
        }
    }
}

impl CompileFault {
    /// The error for a worker that could not use compiled code.
    pub(super) fn not_loaded(self) -> CompileError {
        match self {
            Self::Compiler { cause } => CompileError::NotLoaded { cause: cut(&cause) },
            Self::Import { .. } => self.error(),
        }
    }
}

/// The report of a call without its reply.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) end: End,
    pub(super) replied: bool,
    pub(super) fuel_used: u64,
    pub(super) peak_memory_bytes: u64,
    pub(super) log: Vec<LogLine>,
    pub(super) dropped_log_bytes: u64,
    pub(super) limits_refused: Vec<Limit>,
    pub(super) instance_ended: bool,
}

impl Done {
    /// Splits a report into the head of its frame and the reply.
    pub(super) fn of(report: CallReport) -> (Self, Vec<u8>) {
        let CallReport {
            outcome,
            reply,
            fuel_used,
            peak_memory_bytes,
            log,
            dropped_log_bytes,
            limits_refused,
            instance_ended,
            elapsed: _,
            // The host of the worker knows the denials better.
            denied: _,
        } = report;
        let done = Self {
            end: End::of(&outcome),
            replied: reply.is_some(),
            fuel_used,
            peak_memory_bytes,
            log,
            dropped_log_bytes,
            limits_refused,
            instance_ended,
        };
        (done, reply.unwrap_or_default())
    }

    /// Makes the report of the call. Costs and log lines that the worker claims are cut to the limits: the limits are
    /// enforced inside the worker, and a worker that was taken over can claim anything.
    pub(super) fn report(self, reply: &[u8], limits: &Limits, elapsed: Duration) -> CallReport {
        let mut log = CallLog::new(limits.max_log_bytes);
        for line in &self.log {
            log.push(line.source, &line.text);
        }
        log.drop_bytes(self.dropped_log_bytes);
        let (log, dropped_log_bytes) = log.take();
        CallReport {
            outcome: self.end.outcome(),
            reply: self.replied.then(|| reply.to_vec()),
            fuel_used: self.fuel_used.min(limits.max_fuel),
            peak_memory_bytes: self.peak_memory_bytes.min(limits.max_memory_bytes),
            elapsed,
            log,
            dropped_log_bytes,
            limits_refused: distinct(self.limits_refused),
            denied: Vec::new(),
            instance_ended: self.instance_ended,
        }
    }
}

impl End {
    pub(super) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Ok,
            Outcome::Failed { code } => Self::Failed { code: *code },
            Outcome::Limit { limit } => Self::Limit { limit: *limit },
            Outcome::Trap { reason } => Self::Trap { reason: cut(reason) },
            Outcome::Protocol { reason } => Self::Protocol { reason: cut(reason) },
            // A worker has no suspensions and no workers of its own.
            Outcome::Crashed { .. } | Outcome::Suspended { .. } => {
                Self::Protocol { reason: cut(&outcome.to_string()) }
            }
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Ok => Outcome::Ok,
            Self::Failed { code } => Outcome::Failed { code },
            Self::Limit { limit } => Outcome::Limit { limit },
            Self::Trap { reason } => Outcome::Trap { reason: cut(&reason) },
            Self::Protocol { reason } => Outcome::Protocol { reason: cut(&reason) },
        }
    }
}

impl CompileFault {
    pub(super) fn of(error: &CompileError) -> Self {
        match error {
            CompileError::Import { source } => Self::Import { cause: cut(&source.to_string()) },
            CompileError::Compiler { source } => Self::Compiler { cause: cut(&source.to_string()) },
            CompileError::Shape { .. }
            | CompileError::InWorker { .. }
            | CompileError::NotLoaded { .. }
            | CompileError::TooSlow { .. }
            | CompileError::Late { .. }
            | CompileError::TooMuchMemory { .. } => Self::Compiler { cause: cut(&error.to_string()) },
        }
    }
}

/// Each limit once, in the order of first occurrence.
fn distinct(limits: Vec<Limit>) -> Vec<Limit> {
    let mut seen = Vec::new();
    for limit in limits {
        if !seen.contains(&limit) {
            seen.push(limit);
        }
    }
    seen
}

/// The first part of a text, at most [`MAX_REASON_CHARS`] characters.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(MAX_REASON_CHARS).collect()
}

/// The status with this number; a number that this version does not know means a failure.
pub(super) fn status(number: u32) -> Status {
    Status::from_number(number).unwrap_or(Status::Failed)
}

/// Longest frame that a worker may send under these limits: a host call, or a reply with its log, in which every line
/// may be empty.
pub(super) fn max_frame_bytes(limits: &Limits) -> u64 {
    let reply = u64::from(limits.max_reply_bytes).max(u64::from(limits.max_message_bytes));
    // The log lines of the host call, standard output and standard error may each fill the limit; an invalid byte of
    // text becomes three bytes, and a line takes a few bytes beside its text.
    let log = u64::from(limits.max_log_bytes).saturating_mul(3 * 4);
    HEAD_BYTES + reply + log + 2 * conductor_abi::MAX_MANIFEST_BYTES as u64
}

/// Replaces the content of `frame` with an encoded frame.
pub(super) fn encode(head: &impl Serialize, tail: &[u8], frame: &mut Vec<u8>) -> postcard::Result<()> {
    frame.clear();
    frame.extend_from_slice(&[0; LENGTH_BYTES]);
    let mut encoded = postcard::to_extend(head, std::mem::take(frame))?;
    encoded.extend_from_slice(tail);
    let length =
        u32::try_from(encoded.len() - LENGTH_BYTES).map_err(|_| postcard::Error::SerializeBufferFull)?;
    encoded[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    *frame = encoded;
    Ok(())
}

/// Splits a frame, without its length, into head and bytes.
pub(super) fn decode<'a, H: Deserialize<'a>>(frame: &'a [u8]) -> postcard::Result<(H, &'a [u8])> {
    postcard::take_from_bytes(frame)
}

/// Decodes bytes as a supervisor decodes frames from a worker; returns whether they are a frame. For fuzzing: the
/// function returns for any bytes.
#[must_use]
pub fn check_worker_frame(bytes: &[u8]) -> bool {
    match decode::<FromWorker>(bytes) {
        Ok((FromWorker::Done(done), reply)) => {
            let report = done.report(reply, &Limits::default(), Duration::ZERO);
            report.fuel_used <= Limits::default().max_fuel
        }
        Ok((_, _)) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
