//! On which processor a plugin's thread runs.
//!
//! An input that hands an event to an idle plugin has nothing to do itself until the next one comes. To wake another processor
//! for the plugin takes several times as long as most plugins do, so its thread is kept where the event came; when
//! events come faster than the plugin takes them, it may go wherever there is room.

use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// A plugin's thread, and the processor that it is kept on, if it is.
#[derive(Debug)]
pub(super) struct Place {
    thread: Pid,
    kept_on: Option<usize>,
}

impl Place {
    /// The calling thread, anywhere.
    pub(super) fn of_this_thread() -> Self {
        Self { thread: gettid(), kept_on: None }
    }

    /// Keeps the thread where the calling one is.
    pub(super) fn follow(&mut self) {
        let here = sched_getcpu();
        if self.kept_on != Some(here) && here < CpuSet::MAX_CPU {
            let mut only = CpuSet::new();
            only.set(here);
            self.set(&only, Some(here));
        }
    }

    /// Lets the thread go wherever this process may.
    pub(super) fn free(&mut self) {
        if self.kept_on.is_some()
            && let Ok(all) = sched_getaffinity(None)
        {
            self.set(&all, None);
        }
    }

    fn set(&mut self, processors: &CpuSet, kept_on: Option<usize>) {
        // Where it is not permitted, everything works, only slower.
        if sched_setaffinity(Some(self.thread), processors).is_ok() {
            self.kept_on = kept_on;
        }
    }
}
