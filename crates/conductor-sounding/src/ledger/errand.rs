//! Work that nobody else may wait for, on a thread that is there only while there is something to do.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Inner;

/// Time until work that could not be finished is tried for the second time. It doubles with every try.
const FIRST_RETRY: Duration = Duration::from_millis(2);

/// Longest time between two tries.
const LAST_RETRY: Duration = Duration::from_secs(1);

/// One kind of work on a ledger.
pub(super) struct Errand {
    name: &'static str,
    /// Does what there is to do, and returns whether something is left for later.
    work: fn(&Arc<Inner>) -> bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_running: bool,
    is_woken: bool,
}

impl Errand {
    pub(super) fn new(name: &'static str, work: fn(&Arc<Inner>) -> bool) -> Self {
        Self { name, work, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Has a thread look what there is to do. `which` finds the errand in its ledger. Without a thread, the work waits
    /// for the next time.
    pub(super) fn wake(inner: &Arc<Inner>, which: fn(&Inner) -> &Self) {
        let errand = which(inner);
        let mut state = errand.lock();
        state.is_woken = true;
        if state.is_running {
            drop(state);
            errand.changed.notify_one();
            return;
        }
        state.is_running = true;
        drop(state);
        let owner = Arc::clone(inner);
        let run = move || which(&owner).run(&owner);
        if thread::Builder::new().name(errand.name.into()).spawn(run).is_err() {
            errand.lock().is_running = false;
        }
    }

    fn run(&self, owner: &Arc<Inner>) {
        let mut wait = FIRST_RETRY;
        loop {
            self.lock().is_woken = false;
            let is_left = (self.work)(owner);
            let mut state = self.lock();
            if state.is_woken {
                wait = FIRST_RETRY;
                continue;
            }
            // Where this thread alone has the ledger, nobody is left who could want to know.
            if !is_left || Arc::strong_count(owner) == 1 {
                state.is_running = false;
                return;
            }
            let waited = self.changed.wait_timeout(state, wait);
            let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            drop(state);
            wait = if timeout.timed_out() { (wait * 2).min(LAST_RETRY) } else { FIRST_RETRY };
        }
    }

    /// Whether no thread does the work.
    #[cfg(test)]
    pub(super) fn is_done(&self) -> bool {
        !self.lock().is_running
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
