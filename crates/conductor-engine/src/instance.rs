//! A running plugin: its store, its exports, its budgets and the one import through which it asks the host.

mod abi;
mod call_log;
mod classify;
mod host_call;
mod limiter;
mod refused;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_call::{HostCalls, Limit, Limits, LogLine, LogSource, Outcome};
use wasmtime::{Memory, Store, UpdateDeadline};
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::engine::{Activity, Code, Engine, TICK};
use crate::wasi::{Capture, Disk, OpenFiles, Setup};
use abi::Exports;
pub use abi::Metadata;
pub(crate) use abi::{Names, Told};
pub(crate) use call_log::CallLog;
use classify::classify;
pub(crate) use classify::{Exited, Stopped};
pub(crate) use host_call::{charge, define as define_host_call};
use limiter::Limiter;

/// Deadline of a call whose time limit is longer than the clock can tell.
const LONGEST_CALL: Duration = Duration::from_secs(24 * 60 * 60);

/// What a store holds beside the plugin's own memory.
pub(crate) struct State {
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) open_files: OpenFiles,
    pub(crate) disk: Option<Disk>,
    pub(crate) limits: Limits,
    pub(crate) deadline: Instant,
    limiter: Limiter,
    memory: Option<Memory>,
    host_calls: Arc<dyn HostCalls>,
    /// Answer of the last host call, waiting to be fetched.
    answer: Vec<u8>,
    reply: Option<Vec<u8>>,
    log: CallLog,
    stdout: Capture,
    stderr: Capture,
}

impl State {
    /// Remembers that a limit refused the plugin something, for the report of its call.
    pub(crate) fn refuse(&mut self, limit: Limit) {
        self.limiter.refused.note(limit);
    }

    /// The plugin's exported memory, if it has one.
    pub(crate) const fn memory(&self) -> Option<Memory> {
        self.memory
    }
}

/// What a call cost and left behind.
#[derive(Default)]
pub(crate) struct Cost {
    pub(crate) fuel_used: u64,
    pub(crate) peak_memory_bytes: u64,
    pub(crate) reply: Option<Vec<u8>>,
    pub(crate) log: Vec<LogLine>,
    pub(crate) dropped_log_bytes: u64,
    pub(crate) limits_refused: Vec<Limit>,
}

/// One instance of a plugin. After an outcome for which [`Outcome::keeps_instance`] is false, or when it
/// [has exited](Self::has_exited), it must be dropped.
pub(crate) struct Instance {
    activity: Arc<Activity>,
    guest: Guest,
}

/// An instance's store and what the host calls of it.
struct Guest {
    store: Store<State>,
    exports: Exports,
    /// Whether a call exited, which left what the plugin's functions were doing undone.
    has_exited: bool,
}

impl Instance {
    /// Makes an instance and runs what runs before the first call: the start function, `_initialize` and `init`,
    /// all on one budget.
    pub(crate) fn start(
        engine: &Engine,
        activity: &Arc<Activity>,
        code: &Code,
        limits: Limits,
        host_calls: Arc<dyn HostCalls>,
        setup: Setup,
        told: Told,
    ) -> Result<(Self, Metadata), Outcome> {
        let (stdout, stderr) = (setup.stdout.clone(), setup.stderr.clone());
        let state = State {
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
            stdout,
            stderr,
        };
        let mut store = Store::new(engine.inner(), state);
        store.limiter(|state| &mut state.limiter);
        store.epoch_deadline_callback(|context| {
            if context.data().host_calls.has_ended_it() {
                return Err(Stopped(Limit::WallClock).into());
            }
            match context.data().deadline.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => Ok(UpdateDeadline::Continue(ticks(left))),
                Some(_) | None => Err(Stopped(Limit::WallClock).into()),
            }
        });
        let _ticking = activity.begin();
        begin(&mut store, Instant::now());
        let instance = code.pre().instantiate(&mut store).map_err(|error| classify(&error, store.data()))?;
        let exports = Exports::find(&mut store, &instance, code.names())?;
        store.data_mut().memory = code.names().memory(&mut store, &instance);
        let mut guest = Guest { store, exports, has_exited: false };
        let metadata = guest.initialize(told)?;
        Ok((Self { activity: Arc::clone(activity), guest }, metadata))
    }

    /// Executes one request whose time begins now: JSON for a reactor, standard input for a command.
    pub(crate) fn execute(&mut self, request: &[u8], now: Instant) -> Outcome {
        let Self { activity, guest } = self;
        let _ticking = activity.begin();
        begin(&mut guest.store, now);
        guest.call(request)
    }

    /// Whether the last call exited instead of returning.
    pub(crate) const fn has_exited(&self) -> bool {
        self.guest.has_exited
    }

    /// Takes what the call left behind.
    pub(crate) fn take_cost(&mut self) -> Cost {
        let Guest { store, exports, .. } = &mut self.guest;
        let left = store.get_fuel().unwrap_or(0);
        let state = store.data_mut();
        let mut reply = state.reply.take();
        if let Some(output) = state.stdout.take() {
            if exports.stdout_is_reply() {
                reply = Some(output.bytes);
            } else {
                state.log.push_printed(LogSource::Stdout, &output.bytes);
                state.log.drop_bytes(output.dropped);
            }
        }
        if let Some(output) = state.stderr.take() {
            state.log.push_printed(LogSource::Stderr, &output.bytes);
            state.log.drop_bytes(output.dropped);
        }
        let (log, dropped_log_bytes) = state.log.take();
        if dropped_log_bytes > 0 {
            state.refuse(Limit::LogBytes);
        }
        Cost {
            fuel_used: state.limits.max_fuel.saturating_sub(left),
            peak_memory_bytes: state.limiter.peak_memory_bytes(),
            reply,
            log,
            dropped_log_bytes,
            limits_refused: state.limiter.refused.take(),
        }
    }
}

/// Gives the store the budget of one load or one call that begins now.
fn begin(store: &mut Store<State>, now: Instant) {
    let state = store.data_mut();
    let time = state.limits.max_execution_time;
    state.deadline = now.checked_add(time).unwrap_or(now + LONGEST_CALL);
    state.limiter.begin_call();
    state.answer.clear();
    state.reply = None;
    let fuel = state.limits.max_fuel;
    store.set_epoch_deadline(ticks(time));
    if store.set_fuel(fuel).is_err() {
        // Fuel is always configured by `Engine`; without it a store starts and stays at zero and every call ends.
        tracing::error!("the engine was built without fuel");
    }
}

/// Ticks after which a running call's deadline is next held against the clock. Ticks come late, never early, so the
/// whole of `time` in ticks would be too long; and looking at the clock at every tick would be for nothing.
fn ticks(time: Duration) -> u64 {
    const MOST: u64 = 4;
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(MOST).clamp(1, MOST)
}
