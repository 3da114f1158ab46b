//! One worker process, called and believed nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_call::{Answer, CallReport, HostSession, Limits, ProcessWall, WorkerFault};
use serde::Serialize;

use super::super::channel::{Channel, ChannelError, Tail};
use super::super::frame::{FromWorker, ToWorker};
use super::super::handle::Handle;
use crate::clock::Clock;

/// How much later a call's time is over for what it asks the host to do than it should be by the supervisor's clock. The
/// worker's own begins when the request arrives; with this it is the first to be over, and the call ends on its limit.
const TRANSIT: Duration = Duration::from_millis(2);

/// How much later still the worker, which enforces the limit itself, is ended: for one that does not want to. One that cannot look
/// at the time meanwhile, such as one whose plugin fills its memory in one instruction, is sooner done than ended, and its
/// account of the call is not lost.
const GRACE: Duration = Duration::from_millis(18);

/// One worker process with its channel.
pub(super) struct Worker {
    pub(super) handle: Arc<Handle>,
    pub(super) channel: Channel,
    pub(super) wall: ProcessWall,
    /// Whether its directory held more than its quota when it was started, so that it can write nothing there.
    pub(super) is_full: bool,
    pub(super) clock: Arc<dyn Clock>,
}

/// What a worker sent.
pub(super) enum Received {
    /// A frame, and where to find what stands behind its head.
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
        let _in_call = handle.begin_call(now);
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
                    // A frame may be longer, for the log in it.
                    if reply.len() > limits.max_reply_bytes as usize {
                        return Err(self.ended_for_garbage(expected));
                    }
                    return Ok(done.report(reply, limits, started.elapsed()));
                }
                Received::Frame(_, _) => return Err(self.ended_for_garbage(expected)),
                Received::Answered => {}
            }
        }
    }

    /// Whether the worker waits quietly for its next call.
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
                // Whatever else it was ended for meanwhile, it had sent something before.
                self.ended_for_garbage("silence between calls");
                Err(WorkerFault::Garbage { expected: "silence between calls" })
            }
        }
    }

    /// Receives one frame; a host call in between is handed to `answer`.
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
        // What was asked in advance is still there when the worker was ended.
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

/// What a failure of the channel says about a worker; the worker is over then.
pub(super) fn fault_of(handle: &Handle, error: &ChannelError, expected: &'static str) -> WorkerFault {
    match error.fault(expected) {
        Some(fault) => {
            handle.end(fault.clone());
            fault
        }
        None => handle.why_over(),
    }
}

/// The answer to a host call where none can come: before the plugin's code runs, or between two calls.
pub(super) fn unanswered() -> Answer {
    Answer { status: conductor_abi::Status::Invalid, bytes: Vec::new(), fuel: 0, refused_by: None }
}

/// When the time of a call that begins `now` is over, for the plugin and for what it asks the host to do.
pub(super) fn end_of_call(limits: &Limits, now: Instant) -> Instant {
    /// End of a call whose time limit is longer than the clock can tell.
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

    /// A host that is asked for nothing.
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
    }

    /// A hang watchdog: far longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A worker on a clock that the test has, with the worker's own end of the channel.
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

    /// A process whose number is in use is not waited for, and the test has the other ends of its pipes, so that they do not
    /// close: both as with one that sleeps in the kernel for good.
    #[test]
    fn a_call_ends_in_time_although_its_process_cannot_die() {
        // One that waits for an answer, and one that waits for its request to be taken.
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
