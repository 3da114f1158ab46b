//! Ends workers that do not answer in time.
//!
//! A thread that waits for a worker just reads the worker's pipe, because waiting with a deadline would take a second
//! system call. The thread in this file looks every millisecond whether a wait is overdue; if so, it ends the worker
//! and also the wait, because the worker may be unable to die and its end of the pipe would stay open. A worker that is
//! still in the same call at the next look computes for long, and may then use any processor. The thread sleeps while
//! nobody waits.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::clock::Clock;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Looks without any waiting thread, after which this thread sleeps. Waking it costs as much as a few calls.
const IDLE_LOOKS: u32 = 1_000;

/// Value of [`Due::at`] while nobody waits.
const NOT_WAITED_FOR: u64 = 0;

/// Value of [`Due::at`] for a wait whose worker was ended for being late.
const OVERDUE: u64 = 1;

/// The thread, and the workers that it looks at.
pub(super) struct Overdue {
    clock: Arc<dyn Clock>,
    /// The start from which times are counted.
    began: Instant,
    all: Mutex<Vec<Watched>>,
    is_asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

/// A worker that somebody may wait for.
pub(super) trait WaitedFor: Send + Sync {
    /// When the wait for the worker becomes overdue.
    fn due(&self) -> &Due;

    /// Number of calls begun.
    fn calls(&self) -> u64;

    /// Whether the worker was told to end.
    fn is_told(&self) -> bool;

    /// Lets the worker run on any processor.
    fn set_free(&self);

    /// Wakes the thread that waits for the worker's answers.
    fn wake_caller(&self);

    /// Ends the worker because it did not answer in time.
    fn end_hung(&self);
}

/// A worker, and its number of calls at the last look.
struct Watched {
    worker: Weak<dyn WaitedFor>,
    calls: u64,
}

/// When the wait for one worker becomes overdue, in nanoseconds of its clock. The value has a cache line of its own.
#[repr(align(64))]
pub(super) struct Due {
    at: AtomicU64,
    overdue: Arc<Overdue>,
}

impl Overdue {
    /// Starts the thread, which ends when the returned value is dropped.
    pub(super) fn start(clock: Arc<dyn Clock>) -> io::Result<Arc<Self>> {
        let overdue = Arc::new(Self {
            began: clock.now(),
            clock: Arc::clone(&clock),
            all: Mutex::default(),
            is_asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let weak = Arc::downgrade(&overdue);
        let thread = thread::Builder::new().name("conductor-due".into()).spawn(move || {
            let mut idle = 0;
            while let Some(overdue) = weak.upgrade() {
                idle = if overdue.look() { 0 } else { idle + 1 };
                if idle < IDLE_LOOKS {
                    drop(overdue);
                    clock.sleep(LOOK_EVERY);
                } else {
                    overdue.is_asleep.store(true, Ordering::SeqCst);
                    // A wait that begins now either sees that the thread sleeps, or is seen by the look.
                    let is_needed = overdue.look();
                    drop(overdue);
                    if !is_needed {
                        thread::park();
                    }
                    let Some(overdue) = weak.upgrade() else { break };
                    overdue.is_asleep.store(false, Ordering::SeqCst);
                    idle = 0;
                }
            }
        })?;
        // The value is set once, because there is one thread.
        let _ = overdue.thread.set(thread.thread().clone());
        Ok(overdue)
    }

    /// Looks after a worker for as long as it lives.
    pub(super) fn add<W: WaitedFor + 'static>(&self, worker: &Arc<W>) {
        let worker: Weak<W> = Arc::downgrade(worker);
        self.all().push(Watched { worker, calls: 0 });
    }

    /// Ends the workers whose wait is overdue; returns whether any worker is waited for.
    fn look(&self) -> bool {
        let now = self.at(self.clock.now());
        let mut is_waited_for = false;
        let mut overdue = Vec::new();
        self.all().retain_mut(|watched| {
            let Some(worker) = watched.worker.upgrade() else { return false };
            let at = worker.due().at.load(Ordering::SeqCst);
            if at == NOT_WAITED_FOR {
                return true;
            }
            is_waited_for = true;
            let calls = worker.calls();
            if std::mem::replace(&mut watched.calls, calls) == calls {
                worker.set_free();
            }
            if at <= now || worker.is_told() {
                overdue.push((worker, at));
            }
            true
        });
        for (worker, at) in overdue {
            if worker.is_told() {
                // The caller was not woken yet, or could not be woken.
                worker.wake_caller();
            } else if worker.due().is_overdue(at) {
                worker.end_hung();
            }
        }
        is_waited_for
    }

    /// A time in nanoseconds that is neither [`NOT_WAITED_FOR`] nor [`OVERDUE`].
    fn at(&self, time: Instant) -> u64 {
        let nanoseconds = time.saturating_duration_since(self.began).as_nanos();
        u64::try_from(nanoseconds).unwrap_or(u64::MAX).max(OVERDUE + 1)
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

impl Drop for Overdue {
    fn drop(&mut self) {
        self.wake();
    }
}

impl Due {
    pub(super) fn new(overdue: &Arc<Overdue>) -> Self {
        Self { at: AtomicU64::new(NOT_WAITED_FOR), overdue: Arc::clone(overdue) }
    }

    /// Records that the worker is waited for until `deadline`, while the returned value lives.
    pub(super) fn wait_until(&self, deadline: Instant) -> Waiting<'_> {
        self.at.store(self.at(deadline), Ordering::SeqCst);
        if self.overdue.is_asleep.load(Ordering::SeqCst) {
            self.overdue.wake();
        }
        Waiting(self)
    }

    /// Whether somebody waits for the worker.
    pub(super) fn is_waited_for(&self) -> bool {
        self.at.load(Ordering::SeqCst) != NOT_WAITED_FOR
    }

    /// Marks the wait that was due `at` as overdue; returns false if that wait has just ended.
    fn is_overdue(&self, at: u64) -> bool {
        self.at.compare_exchange(at, OVERDUE, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// A time in nanoseconds, never 0.
    pub(super) fn at(&self, time: Instant) -> u64 {
        self.overdue.at(time)
    }

    /// The time in nanoseconds.
    pub(super) fn now(&self) -> u64 {
        self.at(self.overdue.clock.now())
    }
}

/// A wait that is under way; see [`Due::wait_until`].
pub(super) struct Waiting<'d>(&'d Due);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.at.store(NOT_WAITED_FOR, Ordering::Release);
    }
}
