//! The processor that a worker runs on.
//!
//! The caller of a worker sleeps until the worker answers, so a second processor gains nothing, and waking it takes
//! several times as long as a short call. So a worker is kept on the processor of its caller for the time of a short
//! call; a worker that computes for longer may move to any processor.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use super::child::Child;

/// Value for any processor.
const FREE: usize = usize::MAX;

/// The processor that a worker is kept on.
pub(super) struct Place(AtomicUsize);

impl Place {
    /// A worker that may run on any processor.
    pub(super) const fn new() -> Self {
        Self(AtomicUsize::new(FREE))
    }

    /// Keeps the worker on the processor of the calling thread.
    pub(super) fn follow(&self, child: &Child) {
        let here = sched_getcpu();
        if self.0.load(Ordering::Relaxed) != here && here < CpuSet::MAX_CPU {
            let mut only = CpuSet::new();
            only.set(here);
            self.move_to(child, &only, here);
        }
    }

    /// Lets the worker run on any processor that this process may use.
    pub(super) fn set_free(&self, child: &Child) {
        if self.0.load(Ordering::Relaxed) != FREE
            && let Ok(all) = sched_getaffinity(None)
        {
            self.move_to(child, &all, FREE);
        }
    }

    fn move_to(&self, child: &Child, processors: &CpuSet, place: usize) {
        let moved = child.while_it_runs(|pid| Ok(sched_setaffinity(Some(pid), processors)?));
        // If the system does not permit this, everything works, only slower.
        if moved.is_ok() {
            self.0.store(place, Ordering::Relaxed);
        }
    }
}
