//! The thread that enforces time limits.
//!
//! Compiled code checks an epoch counter. A thread increments the counter every millisecond, which brings a call that
//! never yields back to the host, where its deadline is compared with the clock. Now and then the thread looks whether
//! a call is under way, and sleeps if there is none, so that an idle host uses no processor time, and calls wake a
//! sleeping thread at most about once a second.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use wasmtime::EngineWeak;

/// Time between two ticks: a computing call may overrun its deadline by this much.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks after which the thread looks whether a call is under way.
const TICKS_BETWEEN_LOOKS: u32 = 1_000;

/// The thread, and the state that it shares with callers.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    end: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Every activity, each with a flag of its own in memory that only this activity writes to, so that calls on
    /// several processors do not wait for each other.
    all: Mutex<Vec<Weak<Busy>>>,
    asleep: AtomicBool,
    stopped: AtomicBool,
}

/// Whether a call is under way. The flag has a cache line of its own, so that no processor waits for another because of
/// a neighbour in memory.
#[derive(Default)]
#[repr(align(64))]
struct Busy(AtomicBool);

/// A caller of plugins' code, which makes one call at a time.
pub(crate) struct Activity {
    busy: Arc<Busy>,
    shared: Arc<Shared>,
    thread: Thread,
}

impl Ticker {
    pub(super) fn start(engine: EngineWeak) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let end = std::thread::Builder::new().name("conductor-epoch".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(&engine)
        })?;
        Ok(Self { shared, thread: end.thread().clone(), end: Some(end) })
    }

    /// A new activity.
    pub(super) fn activity(&self) -> Activity {
        let busy = Arc::default();
        self.shared.lock().push(Arc::downgrade(&busy));
        Activity { busy, shared: Arc::clone(&self.shared), thread: self.thread.clone() }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
        // The last owner of an engine may be the ticker's own thread, for the moment of a tick: a thread cannot join
        // itself.
        if let Some(end) = self.end.take().filter(|_| self.thread.id() != std::thread::current().id()) {
            let _ = end.join();
        }
    }
}

impl Activity {
    /// Keeps the ticker ticking while the returned value lives.
    pub(crate) fn begin(&self) -> Ticking<'_> {
        self.busy.0.store(true, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking { busy: &self.busy }
    }
}

impl Shared {
    fn run(&self, engine: &EngineWeak) {
        while !self.stopped.load(Ordering::SeqCst) {
            for _ in 0..TICKS_BETWEEN_LOOKS {
                std::thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
            if !self.any_is_busy() {
                self.sleep_until_needed();
            }
        }
    }

    /// Announces the sleep before looking once more. A call that starts in between either sees the announcement and
    /// wakes the thread, or is seen by the look.
    fn sleep_until_needed(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        while !self.any_is_busy() && !self.stopped.load(Ordering::SeqCst) {
            std::thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    fn any_is_busy(&self) -> bool {
        let mut all = self.lock();
        all.retain(|busy| busy.strong_count() > 0);
        all.iter().any(|busy| busy.upgrade().is_some_and(|busy| busy.0.load(Ordering::SeqCst)))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Busy>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the ticker ticking; see [`Activity::begin`].
pub(crate) struct Ticking<'a> {
    busy: &'a Busy,
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.busy.0.store(false, Ordering::Release);
    }
}
