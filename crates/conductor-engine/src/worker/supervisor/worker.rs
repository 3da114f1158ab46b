//! One worker process: it is called, and nothing that it sends is believed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_call::{Answer, CallReport, HostSession, Limits, ProcessWall, WorkerFault};
use serde::Serialize;

use super::super::channel::{Channel, ChannelError, Tail};
use super::super::frame::{FromWorker, ToWorker};
use super::super::handle::Handle;
use crate::clock::Clock;

/// Time that the supervisor adds to a call's time limit for host calls. The worker's own clock starts when the request
/// arrives; with this addition the worker's time ends first, and the call ends on its limit.
const TRANSIT: Duration = Duration::from_millis(2);

/// Further time after which the worker, which itself enforces the limit, is ended: for a worker that ignores the limit.
/// A worker that cannot look at the time for a while, for example because its plugin fills its memory in one
/// instruction, usually finishes within this time, and its report of the call is not lost.
const GRACE: Duration = Duration::from_millis(18);

/// One worker process with its channel.
pub(super) struct Worker {
    pub(super) handle: Arc<Handle>,
    pub(super) channel: Channel,
    pub(super) wall: ProcessWall,
    /// Whether its directory was beyond the quota when the worker was started, so that the worker cannot write there.
    pub(super) is_full: bool,
    pub(super) clock: Arc<dyn Clock>,
}

/// A frame or host call from a worker.
pub(super) enum Received {
    /// A frame, and the place of the bytes behind its head.
    Frame(FromWorker, Tail),
    /// A host call, which was answered.
    Answered,
}

impl Worker {
    /// Executes one request.
    pub(super) fn execute(
        &mut self,
        request: &[u8],
        session: &dyn HostSession,
        limits: &Limits,
        started: Instant,
    ) -> Result<CallReport, WorkerFault> {
        let handle = Arc::clone(&self.handle);
        let now = self.clock.now();
        let in_call = handle.begin_call(now);
        let end = end_of_call(limits, now);
        let deadline = end + GRACE;
        let _waiting = handle.due().wait_until(deadline);
        handle.follow();
        self.send(&ToWorker::Execute, request)?;
        let expected = "end of the call";
        loop {
            match self
                .receive(expected, deadline, |op, request| session.call_for(&*handle, op, request, end))?
            {
                Received::Frame(FromWorker::Done(done), reply) => {
                    let reply = self.channel.bytes(reply);
                    // The bound on frames is larger than that on replies, because a frame also holds the log.
                    if reply.len() > limits.max_reply_bytes as usize {
                        return Err(self.ended_for_garbage(expected));
                    }
                    let now = self.clock.now();
                    in_call.ends(now);
                    return Ok(done.report(reply, limits, now.saturating_duration_since(started)));
                }
                Received::Frame(_, _) => return Err(self.ended_for_garbage(expected)),
                Received::Answered => {}
            }
        }
    }

    /// Checks that the worker waits quietly for its next call.
    pub(super) fn check_idle(&mut self) -> Result<(), WorkerFault> {
        if self.handle.is_over() {
            return Err(self.handle.why_over());
        }
        if !self.channel.has_unexpected() {
            return Ok(());
        }
        let (handle, now) = (Arc::clone(&self.handle), self.clock.now());
        let _waiting = handle.due().wait_until(now);
        let no_calls = |_, _: &[u8]| unanswered();
        match self.receive("silence between calls", now, no_calls) {
            Err(
                fault @ (WorkerFault::Ended { .. }
                | WorkerFault::Busy
                | WorkerFault::OverQuota
                | WorkerFault::Unmeasured
                | WorkerFault::TakenAway
                | WorkerFault::Ending { .. }),
            ) => Err(fault),
            Ok(_)
            | Err(
                WorkerFault::Hung
                | WorkerFault::FrameTooLarge { .. }
                | WorkerFault::Garbage { .. }
                | WorkerFault::NotStarted { .. },
            ) => {
                // The worker had sent something before it was ended, for whichever reason.
                self.ended_for_garbage("silence between calls");
                Err(WorkerFault::Garbage { expected: "silence between calls" })
            }
        }
    }

    /// Receives one frame; a host call is passed to `answer` instead.
    pub(super) fn receive(
        &mut self,
        expected: &'static str,
        deadline: Instant,
        answer: impl FnOnce(u32, &[u8]) -> Answer,
    ) -> Result<Received, WorkerFault> {
        let received = self.channel.receive::<FromWorker>();
        let (head, tail) = received.map_err(|error| fault_of(&self.handle, &error, expected))?;
        let FromWorker::HostCall { op } = head else { return Ok(Received::Frame(head, tail)) };
        let answer = answer(op, self.channel.bytes(tail));
        let head = ToWorker::Answer {
            status: answer.status as u32,
            fuel: answer.fuel,
            refused_by: answer.refused_by,
        };
        self.send(&head, &answer.bytes)?;
        // The frame may have been sent in advance by a worker whose time is over.
        if self.clock.now() >= deadline {
            self.handle.end(WorkerFault::Hung);
            return Err(WorkerFault::Hung);
        }
        Ok(Received::Answered)
    }

    pub(super) fn send(&mut self, head: &impl Serialize, tail: &[u8]) -> Result<(), WorkerFault> {
        let sent = self.channel.send(head, tail);
        sent.map_err(|error| fault_of(&self.handle, &error, "reader of what it is sent"))
    }

    pub(super) fn ended_for_garbage(&self, expected: &'static str) -> WorkerFault {
        let fault = WorkerFault::Garbage { expected };
        self.handle.end(fault.clone());
        fault
    }
}

/// The fault that an error of the channel shows; the worker is ended.
pub(super) fn fault_of(handle: &Handle, error: &ChannelError, expected: &'static str) -> WorkerFault {
    match error.fault(expected) {
        Some(fault) => {
            handle.end(fault.clone());
            fault
        }
        None => handle.why_over(),
    }
}

/// The answer to a host call at a time when none is allowed: before the plugin's code runs, or between two calls.
pub(super) fn unanswered() -> Answer {
    Answer { status: conductor_abi::Status::Invalid, bytes: Vec::new(), fuel: 0, refused_by: None }
}

/// The time at which a call that begins at `now` is over, for the plugin and for its host calls.
pub(super) fn end_of_call(limits: &Limits, now: Instant) -> Instant {
    /// Longest time of a call, for a limit that is too long for the clock.
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    now.checked_add(limits.max_execution_time.min(LONGEST) + TRANSIT).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::process::{Command, Stdio};
    use std::thread;

    use conductor_call::{Caller, HostCalls};
    use rustix::process::Pid;

    use super::super::super::child::Children;
    use super::super::super::overdue::Overdue;
    use super::*;
    use crate::clock::manual::ManualClock;

    /// A host that no test asks for anything.
    struct Unasked;

    impl HostCalls for Unasked {
        fn call(&self, _: u32, _: &[u8], _: Instant) -> Answer {
            unanswered()
        }
    }

    impl HostSession for Unasked {
        fn call_for(&self, _: &dyn Caller, _: u32, _: &[u8], _: Instant) -> Answer {
            unanswered()
        }

        fn end_handles(&self) {}

        fn when_gone(&self) -> Box<dyn Fn() + Send + Sync> {
            Box::new(|| {})
        }
    }

    /// Time after which a test counts as hung: far longer than any test takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A worker with a clock that the test moves, and the worker's end of the channel.
    fn worker(clock: &Arc<ManualClock>) -> (Worker, Channel) {
        let (there, back) = (io::pipe().expect("pipe"), io::pipe().expect("pipe"));
        let child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().expect("a process");
        let child = Children::share().expect("shared").adopt(child, Vec::new()).expect("adopted");
        let (clock, from) = (Arc::clone(clock) as Arc<dyn Clock>, Arc::new(back.0));
        let overdue = Overdue::start(Arc::clone(&clock)).expect("started");
        let handle = Arc::new(Handle::new(Arc::clone(&child), Arc::clone(&from), &overdue, None));
        overdue.add(&handle);
        let channel = Channel::to_child(from, there.1, 1_000, child).expect("a channel");
        (
            Worker { handle, channel, wall: ProcessWall::default(), clock, is_full: false },
            Channel::new(there.0, back.1, 1_000),
        )
    }

    /// The process cannot be waited for, because its number is in use, and the test holds the other ends of its pipes
    /// open: so it is like a process that sleeps in the kernel forever.
    #[test]
    fn a_call_ends_in_time_although_its_process_cannot_die() {
        // Once the caller waits for an answer, and once it waits for its request to be read.
        for request in [&b"short"[..], &[0; 1024 * 1024]] {
            let clock = Arc::new(ManualClock::new());
            let (mut worker, far) = worker(&clock);
            let handle = Arc::clone(&worker.handle);
            let limits = Limits { max_execution_time: Duration::from_secs(3600), ..Limits::default() };
            let immortal = handle.child().while_it_runs(|_| {
                let started = clock.now();
                let call = thread::spawn(move || worker.execute(request, &Unasked, &limits, started).err());
                let waits = Instant::now();
                while !handle.due().is_waited_for() {
                    assert!(waits.elapsed() < PATIENCE, "the call does not begin");
                    thread::sleep(Duration::from_millis(1));
                }
                thread::sleep(Duration::from_millis(100));
                assert!(!call.is_finished() && !handle.is_over(), "its time is not over");
                clock.advance(limits.max_execution_time + TRANSIT + GRACE);
                while !call.is_finished() {
                    assert!(waits.elapsed() < PATIENCE, "the call goes on");
                    thread::sleep(Duration::from_millis(1));
                }
                assert_eq!(call.join().expect("no panic"), Some(WorkerFault::Hung));
                assert_eq!(handle.child().how(), None, "nobody has waited for the process");
                Ok(())
            });
            immortal.expect("it runs");
            drop(far);
        }
    }

    #[test]
    fn what_a_process_said_before_it_ended_by_itself_counts() {
        let clock = Arc::new(ManualClock::new());
        let (mut worker, mut far) = worker(&clock);
        far.send(&FromWorker::Loaded, &[]).expect("sent");
        drop(far);
        let pid = i32::try_from(worker.handle.child().pid()).ok().and_then(Pid::from_raw).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("ended by somebody else");
        assert!(worker.handle.child().wait(PATIENCE).is_some());
        let mut receive = || worker.receive("anything", clock.now(), |_, _| unanswered());
        assert!(matches!(receive(), Ok(Received::Frame(FromWorker::Loaded, _))));
        let how = "signal: 15 (SIGTERM)".to_owned();
        assert_eq!(receive().err(), Some(WorkerFault::Ended { how }));
    }

    #[test]
    fn who_takes_something_away_ends_a_call_whose_process_cannot_die() {
        let clock = Arc::new(ManualClock::new());
        let (mut worker, far) = worker(&clock);
        let handle = Arc::clone(&worker.handle);
        let limits = Limits::default();
        let immortal = handle.child().while_it_runs(|_| {
            let started = clock.now();
            let call = thread::spawn(move || worker.execute(b"", &Unasked, &limits, started).err());
            let waits = Instant::now();
            while !handle.due().is_waited_for() {
                assert!(waits.elapsed() < PATIENCE, "the call does not begin");
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_millis(100));
            handle.end(WorkerFault::TakenAway);
            while !call.is_finished() {
                assert!(waits.elapsed() < PATIENCE, "the call goes on");
                thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(call.join().expect("no panic"), Some(WorkerFault::TakenAway));
            Ok(())
        });
        immortal.expect("it runs");
        drop(far);
    }

    #[test]
    fn who_keeps_asking_does_not_outlive_the_deadline() {
        let clock = Arc::new(ManualClock::new());
        let (mut worker, mut far) = worker(&clock);
        for _ in 0..10 {
            far.send(&FromWorker::HostCall { op: 1 }, &[]).expect("sent");
        }
        let deadline = clock.now() + Duration::from_millis(50);
        let answer = |_, _: &[u8]| {
            clock.advance(Duration::from_millis(20));
            unanswered()
        };
        let mut answered = 0;
        let fault = loop {
            match worker.receive("end of the call", deadline, answer) {
                Ok(Received::Answered) => answered += 1,
                Ok(Received::Frame(frame, _)) => panic!("{frame:?}"),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault, WorkerFault::Hung);
        assert_eq!(answered, 2, "calls that were answered in time");
        assert!(worker.handle.is_over());
    }
}
