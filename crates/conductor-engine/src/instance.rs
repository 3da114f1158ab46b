//! A running plugin: its store, its exports and the budget of each call.

mod abi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_call::{HostCalls, Limit, Limits, Outcome};
use wasmtime::{Store, UpdateDeadline};

use crate::engine::{Activity, Code, Engine, TICK};
use crate::guest::{Cost, Setup, State, Stopped, classify};
use abi::Exports;
pub use abi::Metadata;
pub(crate) use abi::Told;

/// One instance of a plugin. It must be dropped after an outcome for which [`Outcome::keeps_instance`] is false, or
/// when it [has exited](Self::has_exited).
pub(crate) struct Instance {
    activity: Arc<Activity>,
    guest: Guest,
}

/// The store of an instance, and the exports that the host calls.
struct Guest {
    store: Store<State>,
    exports: Exports,
    /// Whether a call exited, which leaves the plugin's functions unfinished.
    has_exited: bool,
}

impl Instance {
    /// Makes an instance and runs what comes before the first call: the start function, `_initialize` and `init`, all
    /// on one budget.
    pub(crate) fn start(
        engine: &Engine,
        activity: &Arc<Activity>,
        code: &Code,
        limits: Limits,
        host_calls: Arc<dyn HostCalls>,
        setup: Setup,
        told: Told,
    ) -> Result<(Self, Metadata), Outcome> {
        let mut store = Store::new(engine.inner(), State::new(limits, host_calls, setup));
        store.limiter(|state| state.limiter());
        store.epoch_deadline_callback(|context| {
            if context.data().is_ended() {
                return Err(Stopped(Limit::WallClock).into());
            }
            match context.data().deadline().checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => Ok(UpdateDeadline::Continue(ticks(left))),
                Some(_) | None => Err(Stopped(Limit::WallClock).into()),
            }
        });
        let _ticking = activity.begin();
        begin(&mut store, Instant::now());
        let instance = code.pre().instantiate(&mut store).map_err(|error| classify(&error, store.data()))?;
        let exports = Exports::find(&mut store, &instance, code.names())?;
        let memory = code.names().memory(&mut store, &instance);
        store.data_mut().set_memory(memory);
        let mut guest = Guest { store, exports, has_exited: false };
        let metadata = guest.initialize(told)?;
        Ok((Self { activity: Arc::clone(activity), guest }, metadata))
    }

    /// Executes one request, whose time begins at `now`: JSON for a reactor, standard input for a command.
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

    /// Takes the cost and the output of the call.
    pub(crate) fn take_cost(&mut self) -> Cost {
        let Guest { store, exports, .. } = &mut self.guest;
        let left = store.get_fuel().unwrap_or(0);
        store.data_mut().take_cost(left, exports.stdout_is_reply())
    }
}

/// Gives the store the budget of one load or one call that begins now.
fn begin(store: &mut Store<State>, now: Instant) {
    let state = store.data_mut();
    state.begin(now);
    let Limits { max_execution_time: time, max_fuel: fuel, .. } = *state.limits();
    store.set_epoch_deadline(ticks(time));
    if store.set_fuel(fuel).is_err() {
        // `Engine` always configures fuel. Without it, a store starts at zero and stays there, and every call ends.
        tracing::error!("the engine was built without fuel");
    }
}

/// Ticks until a running call's deadline is next compared with the clock. Ticks come late, never early, so all of
/// `time` in ticks would be too long; comparing at every tick would be wasteful.
fn ticks(time: Duration) -> u64 {
    const MOST: u64 = 4;
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(MOST).clamp(1, MOST)
}
