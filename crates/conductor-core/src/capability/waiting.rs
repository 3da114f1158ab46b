//! Work on another thread that a plugin waits for: the wait ends at once when the plugin's time is over or the grant is
//! taken away, and soon after the plugin itself was ended.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

use conductor_abi::Status;

use super::{Call, LOOK_FOR_CALLER_EVERY, Refusal};

/// What the waiting thread is woken by.
enum Event<T> {
    Done(T),
    GrantsChanged,
}

/// Hands in the result of the work.
pub(crate) struct Finish<T>(mpsc::Sender<Event<T>>);

impl<T> Finish<T> {
    pub(crate) fn with(self, result: T) {
        // Nobody may be waiting any more.
        let _ = self.0.send(Event::Done(result));
    }
}

/// Begins work and waits for its result. What `begin` returns is dropped when the wait is over, whatever ended it.
pub(crate) fn until_done<T: Send + 'static, G>(
    what: &dyn fmt::Display,
    call: &Call<'_>,
    deadline: Instant,
    still_granted: impl Fn() -> Result<(), Refusal>,
    begin: impl FnOnce(Finish<T>) -> Result<G, Refusal>,
) -> Result<T, Refusal> {
    let (sender, events) = mpsc::channel();

    // The first look at the grants follows the subscription, so that no change falls between check and subscription.
    let announce = sender.clone();
    let _subscription = call.session.changes().subscribe(move || {
        // The receiver is gone when the work is over.
        let _ = announce.send(Event::GrantsChanged);
    });
    still_granted()?;

    let _work = begin(Finish(sender))?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.recv_timeout(left.min(LOOK_FOR_CALLER_EVERY)) {
            Ok(Event::Done(result)) => return Ok(result),
            Ok(Event::GrantsChanged) => still_granted()?,
            Err(RecvTimeoutError::Timeout) if left > LOOK_FOR_CALLER_EVERY => call.is_waited_for(what)?,
            Err(RecvTimeoutError::Timeout) => {
                return Err(Refusal::timed_out(format!("{what} did not answer in time")));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Refusal::failed(format!("{what} was given up by the host")));
            }
        }
    }
}

/// Places for work that may go on when nobody waits for it any more: what does not answer costs no more threads than there
/// are places.
pub(crate) struct Places {
    taken: Arc<AtomicUsize>,
    max: usize,
}

/// A place, until it is dropped.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Places {
    pub(crate) fn new(max: usize) -> Self {
        Self { taken: Arc::default(), max }
    }

    /// Takes a place, unless so many operations are under way already.
    pub(crate) fn take(&self, what: &str) -> Result<Place, Refusal> {
        let place = Place(Arc::clone(&self.taken));
        if place.0.fetch_add(1, Ordering::AcqRel) < self.max {
            return Ok(place);
        }
        let reason = format!("{} operations are under way, and {what} does not answer", self.max);
        Err(Refusal::new(Status::RateLimited, reason))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
