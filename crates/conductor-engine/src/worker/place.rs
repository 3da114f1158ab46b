//! On which processor a worker runs.
//!
//! Whoever calls a worker sleeps until it answers, so nothing is gained by two processors, and much is lost: to wake the other
//! one takes several times as long as a call. A worker is therefore kept where its caller is, for as long as a short call
//! takes; one that computes for longer may go wherever there is room.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use super::child::Child;

/// Anywhere.
const FREE: usize = usize::MAX;

/// The processor that a worker is kept on.
pub(super) struct Place(AtomicUsize);

impl Place {
    /// Anywhere.
    pub(super) const fn new() -> Self {
        Self(AtomicUsize::new(FREE))
    }

    /// Keeps the worker where the calling thread is.
    pub(super) fn follow(&self, child: &Child) {
        let here = sched_getcpu();
        if self.0.load(Ordering::Relaxed) != here && here < CpuSet::MAX_CPU {
            let mut only = CpuSet::new();
            only.set(here);
            self.move_to(child, &only, here);
        }
    }

    /// Lets the worker go wherever this process may.
    pub(super) fn set_free(&self, child: &Child) {
        if self.0.load(Ordering::Relaxed) != FREE
            && let Ok(all) = sched_getaffinity(None)
        {
            self.move_to(child, &all, FREE);
        }
    }

    fn move_to(&self, child: &Child, processors: &CpuSet, place: usize) {
        let moved = child.while_it_runs(|pid| Ok(sched_setaffinity(Some(pid), processors)?));
        // Where it is not permitted, everything works, only slower.
        if moved.is_ok() {
            self.0.store(place, Ordering::Relaxed);
        }
    }
}
