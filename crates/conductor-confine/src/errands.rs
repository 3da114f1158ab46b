//! Work that may never end. Each piece of work has a thread of its own, and a caller waits for its result only up to a
//! deadline.
//!
//! A thread that a file system blocks is left behind, and no second thread is sent to the same place.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// Most errands of one kind that are under way at the same time, including those that were left behind. Stops file
/// systems that do not answer from taking ever more threads and processes.
pub const MAX_ERRANDS: usize = 32;

/// The errands of one kind.
#[derive(Clone)]
pub struct Errands(Arc<Shared>);

struct Shared {
    /// Name of the threads.
    name: &'static str,
    /// The places at which a thread is working.
    under_way: Mutex<BTreeSet<PathBuf>>,
    ended: Condvar,
}

/// The right to work at a place, where no other errand works meanwhile.
pub struct Errand {
    shared: Arc<Shared>,
    place: PathBuf,
}

impl Errands {
    /// No errands yet; `name` is the name of their threads.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self(Arc::new(Shared { name, under_way: Mutex::default(), ended: Condvar::new() }))
    }

    /// The right to work at a place, if no errand is there and fewer than [`MAX_ERRANDS`] are under way.
    #[must_use]
    pub fn take(&self, place: PathBuf) -> Option<Errand> {
        let mut under_way = self.0.under_way();
        if under_way.len() >= MAX_ERRANDS || !under_way.insert(place.clone()) {
            return None;
        }
        Some(Errand { shared: Arc::clone(&self.0), place })
    }

    /// As [`Errands::take`], but waits for the right until `deadline`.
    #[must_use]
    pub fn take_by(&self, place: &PathBuf, deadline: Instant) -> Option<Errand> {
        loop {
            if let Some(errand) = self.take(place.clone()) {
                return Some(errand);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let is_taken = |under_way: &mut BTreeSet<PathBuf>| {
                under_way.len() >= MAX_ERRANDS || under_way.contains(place)
            };
            let waited = self.0.ended.wait_timeout_while(self.0.under_way(), left, is_taken);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Does the work at a place, and waits for its result until `deadline`.
    pub fn run_by<T: Send + 'static>(
        &self,
        place: &PathBuf,
        deadline: Instant,
        work: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let answer = self.take_by(place, deadline)?.begin(work)?;
        answer.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }
}

impl Errand {
    /// Does the work on a thread of its own, and returns the receiver of the result. Nothing is sent if the work has no
    /// result.
    pub fn begin<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Option<Receiver<T>> {
        let (answering, answer) = sync_channel(1);
        // Nobody joins the thread. If it cannot be started, the closure and with it the errand are dropped here, and
        // the place is free again.
        let thread = thread::Builder::new().name(self.shared.name.into()).spawn(move || {
            let done = work();
            drop(self);
            if let Some(done) = done {
                // The caller may no longer wait.
                let _ = answering.send(done);
            }
        });
        thread.is_ok().then_some(answer)
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.shared.under_way().remove(&self.place);
        self.shared.ended.notify_all();
    }
}

impl Shared {
    fn under_way(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
