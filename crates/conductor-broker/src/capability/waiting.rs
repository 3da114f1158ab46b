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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use conductor_call::{Caller, Limits};
    use conductor_policy::grant::{Deed, Grants};

    use super::*;
    use crate::broker::Broker;
    use crate::devices::Devices;

    /// One that goes when its work has begun.
    struct Impatient(Arc<AtomicBool>);

    impl Caller for Impatient {
        fn is_gone(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }

    /// A piece of work whose end is seen.
    struct Work(#[expect(dead_code, reason = "never done")] Finish<()>, Arc<AtomicBool>);

    impl Drop for Work {
        fn drop(&mut self) {
            self.1.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn work_ends_with_who_waits_for_it() {
        const WATCHDOG: Duration = Duration::from_secs(20);
        let session = Broker::new(Devices::default()).session("test", Grants::none(), &Limits::default());
        let (is_gone, has_ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let caller = Impatient(Arc::clone(&is_gone));
        let started = Instant::now();
        let deadline = started + 2 * WATCHDOG;
        let call = Call { session: &*session, deadline, deed: Deed::GoingOn, caller: &caller };
        let done = until_done(
            &"work",
            &call,
            deadline,
            || Ok(()),
            |finish| {
                is_gone.store(true, Ordering::SeqCst);
                Ok(Work(finish, Arc::clone(&has_ended)))
            },
        );
        assert_eq!(done.expect_err("nobody waits").status, Status::Failed);
        assert!(has_ended.load(Ordering::SeqCst) && started.elapsed() < WATCHDOG, "{:?}", started.elapsed());
    }
}
