//! What supervisor and worker say to each other.
//!
//! A frame is a length in four bytes, little-endian, then a head in postcard, then bytes that the head says the meaning
//! of: a request, an answer, a reply. Only heads are decoded; the bytes behind them are handed on as they are.

use std::time::Duration;

use conductor_abi::Status;
use conductor_call::{CallReport, Limit, Limits, LogLine, Outcome, ProcessWall};
use serde::{Deserialize, Serialize};

use super::order::{CompileOrder, Order};
use crate::engine::CompileError;
use crate::guest::CallLog;
use crate::instance::Metadata;

/// Bytes of a frame's length.
pub(super) const LENGTH_BYTES: usize = 4;

/// Most bytes of a head that carries no log and no metadata, generously.
const HEAD_BYTES: u64 = 64 * 1024;

/// Most characters of a text from a worker; what is longer is cut.
const MAX_REASON_CHARS: usize = 1_024;

/// From the supervisor to its worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// What to run, and how. The first frame; the plugin's code comes beside it.
    Order(Box<Order>),
    /// Start the plugin, now that its code is mapped.
    Start,
    /// Execute the request that follows.
    Execute,
    /// The answer to a host call follows.
    Answer {
        /// Number of a [`Status`].
        status: u32,
        /// Fuel to charge.
        fuel: u64,
        /// The limit that refused, if one did.
        refused_by: Option<Limit>,
    },
    /// What to compile. The first and only frame; the module comes beside it.
    Compile(CompileOrder),
    /// To ask file systems what is asked from now on. The first frame of this kind.
    Ask,
}

/// From a worker to its supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The worker is locked; nothing of the plugin was touched yet.
    Locked(ProcessWall),
    /// The code is mapped.
    Loaded,
    /// The code is not what this engine takes, or imports what the host does not offer so.
    NotLoaded(CompileFault),
    /// The plugin has started.
    Started(Metadata),
    /// The plugin did not get through its start.
    NotStarted(End),
    /// The plugin's directories cannot be opened.
    NotSetUp {
        /// Why.
        cause: String,
    },
    /// The plugin calls its host; the request follows.
    HostCall {
        /// Number of the operation.
        op: u32,
    },
    /// The call has ended; the reply follows.
    Done(Done),
}

/// How a call ended, as far as a worker can know.
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
        /// Which.
        limit: Limit,
    },
    /// [`Outcome::Trap`].
    Trap {
        /// What trapped.
        reason: String,
    },
    /// [`Outcome::Protocol`].
    Protocol {
        /// Which rule was broken.
        reason: String,
    },
}

/// Why a plugin did not become code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CompileFault {
    /// The compiler gave up.
    Compiler {
        /// What it said.
        cause: String,
    },
    /// An import has another type than the host's function.
    Import {
        /// Which.
        cause: String,
    },
}

impl CompileFault {
    /// The error that this is in the host's process.
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
    /// The error that this is of a worker that could not use code.
    pub(super) fn not_loaded(self) -> CompileError {
        match self {
            Self::Compiler { cause } => CompileError::NotLoaded { cause: cut(&cause) },
            Self::Import { .. } => self.error(),
        }
    }
}

/// A call's report without its reply.
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
    /// Takes a report apart: the head of its frame, and the reply.
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
            // Who hosts the worker knows better.
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

    /// Puts a report together. What the worker claims about costs, and what it logs, is at most what the limits allow: they
    /// are enforced in there, and a worker that was taken over can claim what it likes.
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
            // A worker neither suspends nor supervises.
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

/// Each limit once, in the order of the first.
fn distinct(limits: Vec<Limit>) -> Vec<Limit> {
    let mut seen = Vec::new();
    for limit in limits {
        if !seen.contains(&limit) {
            seen.push(limit);
        }
    }
    seen
}

/// The first part of a text.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(MAX_REASON_CHARS).collect()
}

/// Status of an answer; a number that this version does not know is a failure.
pub(super) fn status(number: u32) -> Status {
    Status::from_number(number).unwrap_or(Status::Failed)
}

/// Longest frame that a worker may send under these limits: one host call, or a reply with its log, each line of which
/// may be empty.
pub(super) fn max_frame_bytes(limits: &Limits) -> u64 {
    let reply = u64::from(limits.max_reply_bytes).max(u64::from(limits.max_message_bytes));
    // Host log, standard output and standard error each have the limit to themselves; a byte of an invalid text becomes
    // three, and a line costs a few bytes beside its text.
    let log = u64::from(limits.max_log_bytes).saturating_mul(3 * 4);
    HEAD_BYTES + reply + log + 2 * conductor_abi::MAX_MANIFEST_BYTES as u64
}

/// Appends a frame.
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

/// Takes a frame apart, behind its length.
pub(super) fn decode<'a, H: Deserialize<'a>>(frame: &'a [u8]) -> postcard::Result<(H, &'a [u8])> {
    postcard::take_from_bytes(frame)
}

/// Decodes bytes as a supervisor decodes what a worker sends; says whether they are a frame. For fuzzing: whatever the
/// bytes are, this returns.
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
