//! Ends workers that are waited for in vain.
//!
//! Whoever waits for a worker just reads its pipe: to wait under a deadline would take a second system call. A thread
//! looks every millisecond whether a wait is overdue, and ends the worker then: the pipe closes, and the wait is over. A worker
//! that is still waited for at the next look computes for long, and may do so on any processor. The thread sleeps while
//! nobody waits.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::watch::Handle;
use crate::outcome::WorkerFault;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Looks at which nobody was waited for, after which the thread sleeps. Waking it costs as much as a few calls.
const IDLE_LOOKS: u32 = 1_000;

/// What no wait is due at.
const NOT_WAITED_FOR: u64 = 0;

/// The thread, and what it looks at.
pub(super) struct Clock {
    /// From when on times are counted.
    began: Instant,
    all: Mutex<Vec<Watched>>,
    is_asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

/// A worker, and how often it had been called at the last look.
struct Watched {
    handle: Weak<Handle>,
    calls: u64,
}

/// When the wait for one worker is overdue, in nanoseconds of its clock. A cache line of its own.
#[repr(align(64))]
pub(super) struct Due {
    at: AtomicU64,
    clock: Arc<Clock>,
}

impl Clock {
    /// Starts the thread, which ends when the clock is gone.
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let clock = Arc::new(Self {
            began: Instant::now(),
            all: Mutex::default(),
            is_asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let weak = Arc::downgrade(&clock);
        let thread = thread::Builder::new().name("conductor-due".into()).spawn(move || {
            let mut idle = 0;
            while let Some(clock) = weak.upgrade() {
                idle = if clock.look() { 0 } else { idle + 1 };
                if idle < IDLE_LOOKS {
                    drop(clock);
                    thread::sleep(LOOK_EVERY);
                } else {
                    clock.is_asleep.store(true, Ordering::SeqCst);
                    // A wait that begins now either sees that, or is seen.
                    let is_needed = clock.look();
                    drop(clock);
                    if !is_needed {
                        thread::park();
                    }
                    let Some(clock) = weak.upgrade() else { break };
                    clock.is_asleep.store(false, Ordering::SeqCst);
                    idle = 0;
                }
            }
        })?;
        // There is one thread.
        let _ = clock.thread.set(thread.thread().clone());
        Ok(clock)
    }

    /// Looks after a worker as long as it lives.
    pub(super) fn add(&self, handle: &Arc<Handle>) {
        self.all().push(Watched { handle: Arc::downgrade(handle), calls: 0 });
    }

    /// Ends the workers that are overdue; says whether any is waited for.
    fn look(&self) -> bool {
        let now = self.at(Instant::now());
        let mut is_waited_for = false;
        let mut overdue = Vec::new();
        self.all().retain_mut(|watched| {
            let Some(handle) = watched.handle.upgrade() else { return false };
            let at = handle.due().at.load(Ordering::SeqCst);
            if at == NOT_WAITED_FOR {
                return true;
            }
            is_waited_for = true;
            let calls = handle.calls();
            if std::mem::replace(&mut watched.calls, calls) == calls {
                handle.set_free();
            }
            if at <= now {
                overdue.push((handle, at));
            }
            true
        });
        for (handle, at) in overdue {
            // A wait that is over in this moment is over.
            let at = handle.due().at.compare_exchange(at, NOT_WAITED_FOR, Ordering::SeqCst, Ordering::SeqCst);
            if at.is_ok() {
                handle.end(Some(WorkerFault::Hung));
            }
        }
        is_waited_for
    }

    /// A time in nanoseconds, never [`NOT_WAITED_FOR`].
    fn at(&self, time: Instant) -> u64 {
        let nanoseconds = time.saturating_duration_since(self.began).as_nanos();
        u64::try_from(nanoseconds).unwrap_or(u64::MAX).max(1)
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.wake();
    }
}

impl Due {
    pub(super) fn new(clock: &Arc<Clock>) -> Self {
        Self { at: AtomicU64::new(NOT_WAITED_FOR), clock: Arc::clone(clock) }
    }

    /// Says that the worker is waited for until `deadline`, while the returned value lives.
    pub(super) fn wait_until(&self, deadline: Instant) -> Waiting<'_> {
        self.at.store(self.clock.at(deadline), Ordering::SeqCst);
        if self.clock.is_asleep.load(Ordering::SeqCst) {
            self.clock.wake();
        }
        Waiting(self)
    }
}

/// A wait that is under way; see [`Due::wait_until`].
pub(super) struct Waiting<'d>(&'d Due);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.at.store(NOT_WAITED_FOR, Ordering::SeqCst);
    }
}
