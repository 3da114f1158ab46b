//! Work on the thread of the network that a plugin waits for: it ends at once when its time is over or its grant is taken
//! away.

use std::future::Future;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

use conductor_abi::Capability;
use tokio::task::AbortHandle;

use crate::broker::Session;
use crate::capability::{Refusal, granted};

use super::check_target;
use super::target::Target;

/// What the waiting thread is woken by.
enum Event<T> {
    Done(T),
    GrantsChanged,
}

/// Has work done on the service's thread, and waits for it on the calling one.
pub(super) fn carry_out<T: Send + 'static>(
    target: &Target,
    session: &Session,
    deadline: Instant,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Refusal> {
    let service = session.http().started(session.devices())?;
    let (sender, events) = mpsc::channel();

    // The first look at the grants follows the subscription, so that no change falls between check and subscription.
    let announce = sender.clone();
    let _subscription = session.changes().subscribe(move || {
        // The receiver is gone when the work is over.
        let _ = announce.send(Event::GrantsChanged);
    });
    still_granted(target, session)?;

    let task = service.runtime().spawn(async move {
        let _ = sender.send(Event::Done(work.await));
    });
    let _abort = AbortOnDrop(task.abort_handle());
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Done(result)) => return Ok(result),
            Ok(Event::GrantsChanged) => still_granted(target, session)?,
            Err(RecvTimeoutError::Timeout) => {
                return Err(Refusal::timed_out(format!("{target} did not answer in time")));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Refusal::failed(format!("{target} was given up by the host")));
            }
        }
    }
}

fn still_granted(target: &Target, session: &Session) -> Result<(), Refusal> {
    check_target(target, granted(&session.grants(), Capability::Network)?)?;
    Ok(())
}

/// Ends a task that nobody waits for any more, and with it the connection.
pub(super) struct AbortOnDrop(pub(super) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
