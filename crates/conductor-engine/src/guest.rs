//! The host's data about one instance while the plugin's code runs, and every host function that this code may import.

mod call_log;
mod classify;
mod host_call;
mod limiter;
mod refused;
mod wasi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_call::{HostCalls, Limit, Limits, LogLine, LogSource};
use wasmtime::{Linker, Memory};
use wasmtime_wasi::p1::WasiP1Ctx;

pub(crate) use call_log::CallLog;
pub(crate) use classify::{Stopped, classify, exit_code};
use limiter::Limiter;
pub use limiter::MAX_TABLES;
pub use wasi::{Access, SetupError};
use wasi::{Capture, OpenFiles};
pub(crate) use wasi::{Disk, MODULE as WASI_MODULE, Setup, data_directory, offers as wasi_offers};

/// Time limit of a call whose own limit is too long for the clock.
const LONGEST_CALL: Duration = Duration::from_secs(24 * 60 * 60);

/// The host's data in a store, beside the plugin's own memory.
pub(crate) struct State {
    wasi: WasiP1Ctx,
    open_files: OpenFiles,
    disk: Option<Disk>,
    limits: Limits,
    deadline: Instant,
    limiter: Limiter,
    memory: Option<Memory>,
    host_calls: Arc<dyn HostCalls>,
    /// Answer of the last host call, which the plugin has yet to fetch.
    answer: Vec<u8>,
    reply: Option<Vec<u8>>,
    log: CallLog,
    stdout: Capture,
    stderr: Capture,
}

impl State {
    /// The state of an instance that is about to be made.
    pub(crate) fn new(limits: Limits, host_calls: Arc<dyn HostCalls>, setup: Setup) -> Self {
        Self {
            wasi: setup.context,
            open_files: OpenFiles::new(limits.max_open_files),
            disk: setup.disk,
            limits,
            deadline: Instant::now(),
            limiter: Limiter::new(limits.max_memory_bytes, limits.max_table_elements),
            memory: None,
            host_calls,
            answer: Vec::new(),
            reply: None,
            log: CallLog::new(limits.max_log_bytes),
            stdout: setup.stdout,
            stderr: setup.stderr,
        }
    }

    /// Begins one load or one call at the time `now`.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.deadline = now.checked_add(self.limits.max_execution_time).unwrap_or(now + LONGEST_CALL);
        self.limiter.begin_call();
        self.answer.clear();
        self.reply = None;
    }

    /// Takes the cost and the output of a call that left `fuel_left`; standard output is the reply or part of the log.
    pub(crate) fn take_cost(&mut self, fuel_left: u64, stdout_is_reply: bool) -> Cost {
        let mut reply = self.reply.take();
        if let Some(output) = self.stdout.take() {
            if stdout_is_reply {
                reply = Some(output.bytes);
            } else {
                self.log.push_printed(LogSource::Stdout, &output.bytes);
                self.log.drop_bytes(output.dropped);
            }
        }
        if let Some(output) = self.stderr.take() {
            self.log.push_printed(LogSource::Stderr, &output.bytes);
            self.log.drop_bytes(output.dropped);
        }
        let (log, dropped_log_bytes) = self.log.take();
        if dropped_log_bytes > 0 {
            self.refuse(Limit::LogBytes);
        }
        Cost {
            fuel_used: self.limits.max_fuel.saturating_sub(fuel_left),
            peak_memory_bytes: self.limiter.peak_memory_bytes(),
            reply,
            log,
            dropped_log_bytes,
            limits_refused: self.limiter.refused.take(),
        }
    }

    /// Remembers that a limit refused the plugin something, for the report of its call.
    fn refuse(&mut self, limit: Limit) {
        self.limiter.refused.note(limit);
    }

    /// The limits of a call.
    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The time at which the current call must end.
    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the call is to end because whoever answers host calls has ended it.
    pub(crate) fn is_ended(&self) -> bool {
        self.host_calls.has_ended_it()
    }

    /// The limiter of memories and tables.
    pub(crate) const fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }

    /// The plugin's exported memory, if it has one.
    pub(crate) const fn memory(&self) -> Option<Memory> {
        self.memory
    }

    /// Remembers the plugin's exported memory.
    pub(crate) const fn set_memory(&mut self, memory: Option<Memory>) {
        self.memory = memory;
    }

    /// Whether more was printed to standard output than its limit.
    pub(crate) fn printed_too_much(&self) -> bool {
        self.stdout.overflowed()
    }
}

/// The cost and the output of a call.
#[derive(Default)]
pub(crate) struct Cost {
    pub(crate) fuel_used: u64,
    pub(crate) peak_memory_bytes: u64,
    pub(crate) reply: Option<Vec<u8>>,
    pub(crate) log: Vec<LogLine>,
    pub(crate) dropped_log_bytes: u64,
    pub(crate) limits_refused: Vec<Limit>,
}

/// Defines every function that a plugin may import.
pub(crate) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi::define(linker)?;
    host_call::define(linker)
}
