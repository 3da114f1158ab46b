//! Ends workers that are waited for in vain.
//!
//! Whoever waits for a worker just reads its pipe: to wait under a deadline would take a second system call. A thread
//! looks every millisecond whether a wait is overdue, and ends the worker then, and with it the wait: the worker may not be able to
//! die, and its end of the pipe stays open. A worker that is still waited for at the next look computes for long, and may do so
//! on any processor. The thread sleeps while nobody waits.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::clock::Clock;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Looks at which nobody was waited for, after which the thread sleeps. Waking it costs as much as a few calls.
const IDLE_LOOKS: u32 = 1_000;

/// What no wait is due at.
const NOT_WAITED_FOR: u64 = 0;

/// What a wait is due at whose worker was ended for being late.
const OVERDUE: u64 = 1;

/// The thread, and what it looks at.
pub(super) struct Overdue {
    clock: Arc<dyn Clock>,
    /// From when on times are counted.
    began: Instant,
    all: Mutex<Vec<Watched>>,
    is_asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

/// A worker that somebody may wait for.
pub(super) trait WaitedFor: Send + Sync {
    /// When the wait for it is overdue.
    fn due(&self) -> &Due;

    /// Number of calls begun.
    fn calls(&self) -> u64;

    /// Whether it was told to end.
    fn is_told(&self) -> bool;

    /// Lets it go to any processor.
    fn set_free(&self);

    /// Ends the wait of whoever reads its answers.
    fn wake_caller(&self);

    /// Ends it for not answering in time.
    fn end_hung(&self);
}

/// A worker, and how often it had been called at the last look.
struct Watched {
    worker: Weak<dyn WaitedFor>,
    calls: u64,
}

/// When the wait for one worker is overdue, in nanoseconds of its clock. A cache line of its own.
#[repr(align(64))]
pub(super) struct Due {
    at: AtomicU64,
    overdue: Arc<Overdue>,
}

impl Overdue {
    /// Starts the thread, which ends when nobody has this any longer.
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
                    // A wait that begins now either sees that, or is seen.
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
        // There is one thread.
        let _ = overdue.thread.set(thread.thread().clone());
        Ok(overdue)
    }

    /// Looks after a worker as long as it lives.
    pub(super) fn add<W: WaitedFor + 'static>(&self, worker: &Arc<W>) {
        let worker: Weak<W> = Arc::downgrade(worker);
        self.all().push(Watched { worker, calls: 0 });
    }

    /// Ends the workers that are overdue; says whether any is waited for.
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
                // Nobody has told its caller yet, or it could not be told.
                worker.wake_caller();
            } else if worker.due().is_overdue(at) {
                worker.end_hung();
            }
        }
        is_waited_for
    }

    /// A time in nanoseconds, which is neither [`NOT_WAITED_FOR`] nor [`OVERDUE`].
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

    /// Says that the worker is waited for until `deadline`, while the returned value lives.
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

    /// Takes note that the wait which was due `at` is overdue; one that is over in this moment is not.
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
        self.0.at.store(NOT_WAITED_FOR, Ordering::SeqCst);
    }
}
