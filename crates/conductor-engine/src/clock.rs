//! The source of time: the machine, or a test.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// A clock, for code that ends something when its time is over.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The current time, which never goes back.
    fn now(&self) -> Instant;

    /// Waits until `duration` has passed on this clock.
    fn sleep(&self, duration: Duration);
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }
}

#[cfg(all(test, target_os = "linux"))]
pub(crate) mod manual {
    //! A clock that moves only when a test moves it.

    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

    use super::{Clock, Duration, Instant};

    #[derive(Debug)]
    pub(crate) struct ManualClock {
        now: Mutex<Instant>,
        changed: Condvar,
    }

    impl ManualClock {
        pub(crate) fn new() -> Self {
            Self { now: Mutex::new(Instant::now()), changed: Condvar::new() }
        }

        /// Moves the clock forward.
        pub(crate) fn advance(&self, duration: Duration) {
            *self.lock() += duration;
            self.changed.notify_all();
        }

        fn lock(&self) -> MutexGuard<'_, Instant> {
            self.now.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl Clock for ManualClock {
        fn now(&self) -> Instant {
            *self.lock()
        }

        fn sleep(&self, duration: Duration) {
            let now = self.lock();
            let end = *now + duration;
            drop(self.changed.wait_while(now, |now| *now < end).unwrap_or_else(PoisonError::into_inner));
        }
    }
}
