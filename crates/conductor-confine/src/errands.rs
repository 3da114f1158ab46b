//! Work that may never come to its end, each on a thread of its own that nobody waits for longer than he likes.
//!
//! A thread that is kept is left behind, and no second one goes where it is.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// Errands of one kind that are under way at the same time, those that were left behind among them. Stops file systems that do
/// not answer from taking more threads and processes.
pub const MAX_ERRANDS: usize = 32;

/// Errands of one kind.
#[derive(Clone)]
pub struct Errands(Arc<Shared>);

struct Shared {
    /// What the threads are called.
    name: &'static str,
    /// Where threads are.
    under_way: Mutex<BTreeSet<PathBuf>>,
    ended: Condvar,
}

/// Leave to go to a place, where nobody else goes meanwhile.
pub struct Errand {
    shared: Arc<Shared>,
    place: PathBuf,
}

impl Errands {
    /// None yet; their threads will be called `name`.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self(Arc::new(Shared { name, under_way: Mutex::default(), ended: Condvar::new() }))
    }

    /// Leave to go to a place, if nobody is there and not too many are under way.
    #[must_use]
    pub fn take(&self, place: PathBuf) -> Option<Errand> {
        let mut under_way = self.0.under_way();
        if under_way.len() >= MAX_ERRANDS || !under_way.insert(place.clone()) {
            return None;
        }
        Some(Errand { shared: Arc::clone(&self.0), place })
    }

    /// As [`Errands::take`]; waits until it can be had, until `deadline`.
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

    /// Does the work at a place, and waits for what comes of it until `deadline`.
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
    /// Does the work on a thread of its own, and says where what comes of it will be. Nothing comes where the work comes to
    /// nothing.
    pub fn begin<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Option<Receiver<T>> {
        let (answering, answer) = sync_channel(1);
        // Nobody waits for its end. One that is not started is dropped here, and is under way no longer.
        let thread = thread::Builder::new().name(self.shared.name.into()).spawn(move || {
            let done = work();
            drop(self);
            if let Some(done) = done {
                // Who asked may not wait any longer.
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
