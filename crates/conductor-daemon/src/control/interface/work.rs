//! Requests are answered on threads of their own, because most of them read or write files: a disk that hangs under one
//! request holds up no other. A panic is answered without a thread and without a file.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread::Builder;
use std::time::Duration;

use super::{Answer, Interface, Later};
use crate::control::Asker;
use crate::control::message::{Refusal, RefusalCause, Request, Response};

/// How long the thread that serves clients waits for an answer that comes at once, as most do.
const AT_ONCE: Duration = Duration::from_millis(2);

/// Most requests that are being answered at once. Stops clients that ask again and again, while a disk hangs, from filling
/// the daemon with threads.
const MAX_AT_WORK: usize = 64;

/// How many requests are being answered.
#[derive(Clone, Default)]
pub(super) struct AtWork(Arc<AtomicUsize>);

/// One request that is being answered. Dropping it makes room for another.
struct One(AtWork);

impl AtWork {
    fn one_more(&self) -> Option<One> {
        let more = |count: usize| (count < MAX_AT_WORK).then_some(count + 1);
        let counted = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        counted.is_ok().then(|| One(self.clone()))
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An answer that a thread is working on.
pub(crate) struct Work {
    answer: Receiver<Answer>,
    /// What the thread has begun, if its answer comes later still.
    begun: OnceCell<Box<Later>>,
}

impl Work {
    /// The answer, if it is ready.
    pub(super) fn look(&self) -> Option<Response> {
        if let Some(begun) = self.begun.get() {
            return begun.look();
        }
        match self.answer.try_recv() {
            Ok(Answer::Now(response)) => Some(*response),
            Ok(Answer::Later(later)) => self.begun.get_or_init(|| Box::new(later)).look(),
            Ok(Answer::Following(_)) | Err(TryRecvError::Disconnected) => {
                let message = "the answer ended with a bug in this program".to_owned();
                Some(Response::Refused(Refusal::new(RefusalCause::NotCalled, message)))
            }
            Err(TryRecvError::Empty) => None,
        }
    }

    /// Whether the thread is through, and has begun what the answer waits for.
    pub(crate) fn has_begun_more(&self) -> bool {
        self.begun.get().is_some()
    }

    /// The answer when the work has taken too long.
    pub(super) fn took_too_long(&self) -> Response {
        if let Some(begun) = self.begun.get() {
            return begun.took_too_long();
        }
        let message = "a file that the answer needs is not read or written yet; the disk may hang".to_owned();
        Response::Refused(Refusal::new(RefusalCause::TookTooLong, message))
    }
}

impl Interface {
    /// Begins to answer a request. This waits for no disk, no plugin and no person.
    pub(crate) fn begin(self: &Arc<Self>, request: Request, asker: &Asker) -> Answer {
        if request == Request::Panic {
            return self.panic(asker);
        }
        if request == Request::Events {
            return Answer::Following(self.watched.calls.follow());
        }
        self.work(request, asker)
    }

    /// Silences everything. The record of the request, which may have to wait for the disk, is written on a thread.
    fn panic(self: &Arc<Self>, asker: &Asker) -> Answer {
        let silenced = self.watched.panic.now();
        if let Some(record) = asker.record_of(&Request::Panic) {
            let audit = Arc::clone(&self.watched.audit);
            crate::dispatch::record_later(audit, record);
        }
        Answer::Later(Later::Panic(silenced))
    }

    fn work(self: &Arc<Self>, request: Request, asker: &Asker) -> Answer {
        let Some(one) = self.at_work.one_more() else {
            let message = "too many requests wait for an answer already; the disk may hang".to_owned();
            let refusal = Refusal::new(RefusalCause::TookTooLong, message);
            return Answer::Now(Box::new(Response::Refused(refusal)));
        };
        let (done, answer) = channel();
        let work = {
            let (interface, request, asker) = (Arc::clone(self), request.clone(), asker.clone());
            move || {
                let _one = one;
                // Whoever asked may have stopped waiting.
                let _ = done.send(interface.answer(request, &asker));
            }
        };
        if Builder::new().name("request".to_owned()).spawn(work).is_err() {
            // What takes something away must work even where no thread can be started.
            return self.answer(request, asker);
        }
        match answer.recv_timeout(AT_ONCE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Answer::Later(Later::Work(Work { answer, begun: OnceCell::new() }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_at_work_as_may_be_and_each_makes_room_when_it_is_done() {
        let at_work = AtWork::default();
        let mut all: Vec<One> = std::iter::from_fn(|| at_work.one_more()).collect();
        assert_eq!(all.len(), MAX_AT_WORK);
        assert!(all.pop().is_some() && at_work.one_more().is_some());
    }
}
