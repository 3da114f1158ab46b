//! One worker process, called and believed nothing.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde::Serialize;

use super::super::channel::{Channel, ChannelError, Tail};
use super::super::frame::{self, FromWorker, ToWorker};
use super::super::watch::Handle;
use crate::broker::{Answer, Session};
use crate::config::Limits;
use crate::outcome::{CallReport, WorkerFault};
use crate::walls::ProcessWall;

/// How much later a call's time is over for what it asks the host to do than it should be by the supervisor's clock. The
/// worker's own begins when the request arrives; with this it is the first to be over, and the call ends on its limit.
const TRANSIT: Duration = Duration::from_millis(2);

/// How much later still the worker, which enforces the limit itself, is ended: for one that does not want to. One that cannot look
/// at the time meanwhile, such as one whose plugin fills its memory in one instruction, is sooner done than ended, and its
/// account of the call is not lost.
const GRACE: Duration = Duration::from_millis(18);

/// Data that a running plugin may have beside its memories: tables, the engine's own, messages under way.
const OWN_DATA_BYTES: u64 = 16 * 1024 * 1024;

/// How long a worker that closed its channel is waited for, to learn how it ended.
pub(super) const END_PATIENCE: Duration = Duration::from_secs(1);

/// One worker process with its channel.
pub(super) struct Worker {
    pub(super) handle: Arc<Handle>,
    pub(super) channel: Channel,
    pub(super) wall: ProcessWall,
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
        session: &Session,
        limits: &Limits,
        started: Instant,
    ) -> Result<CallReport, WorkerFault> {
        let handle = Arc::clone(&self.handle);
        let _in_call = handle.begin_call();
        let end = end_of_call(limits);
        let deadline = end + GRACE;
        let _waiting = handle.due().wait_until(deadline);
        handle.follow();
        self.send(&ToWorker::Execute, request)?;
        let expected = "end of the call";
        loop {
            match self.receive(expected, deadline, |op, request| session.call(op, request, end))? {
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
        if !self.channel.has_unexpected() {
            return Ok(());
        }
        let handle = Arc::clone(&self.handle);
        let _waiting = handle.due().wait_until(Instant::now());
        let no_calls = |_, _: &[u8]| unanswered();
        match self.receive("silence between calls", Instant::now(), no_calls) {
            Err(fault @ (WorkerFault::Ended { .. } | WorkerFault::Busy | WorkerFault::OverQuota)) => {
                Err(fault)
            }
            Ok(_) | Err(_) => Err(self.ended_for_garbage("silence between calls")),
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
        if Instant::now() >= deadline {
            self.handle.end(Some(WorkerFault::Hung));
            return Err(WorkerFault::Hung);
        }
        Ok(Received::Answered)
    }

    pub(super) fn send(&mut self, head: &impl Serialize, tail: &[u8]) -> Result<(), WorkerFault> {
        let sent = self.channel.send(head, tail);
        sent.map_err(|error| fault_of(&self.handle, &error, "reader of what it is sent"))
    }

    /// Sets the limits of a running plugin in place of those of a compilation: memory as much as it may have, processor time
    /// as the deadlines of its calls say. They are set from here because the worker may not set any.
    pub(super) fn limit_running(&self, limits: &Limits) -> io::Result<()> {
        self.handle.while_it_runs(|pid| {
            let data = data_bytes(pid)?
                .saturating_add(limits.max_memory_bytes)
                .saturating_add(OWN_DATA_BYTES)
                .saturating_add(2 * frame::max_frame_bytes(limits));
            let data = Rlimit { current: Some(data), maximum: Some(data) };
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let pid = Some(pid.ok_or_else(|| io::Error::other("no such process"))?);
            prlimit(pid, Resource::Data, data)?;
            prlimit(pid, Resource::Cpu, Rlimit { current: None, maximum: None })?;
            Ok(())
        })
    }

    pub(super) fn ended_for_garbage(&self, expected: &'static str) -> WorkerFault {
        let fault = WorkerFault::Garbage { expected };
        self.handle.end(Some(fault.clone()));
        fault
    }
}

/// What a failure of the channel says about a worker; the worker has ended then.
pub(super) fn fault_of(handle: &Handle, error: &ChannelError, expected: &'static str) -> WorkerFault {
    match error.fault(expected) {
        Some(fault) => {
            handle.end(Some(fault.clone()));
            fault
        }
        None => handle.how_it_ended(END_PATIENCE),
    }
}

/// The answer to a host call where none can come: before the plugin's code runs, or between two calls.
pub(super) fn unanswered() -> Answer {
    Answer { status: conductor_abi::Status::Invalid, bytes: Vec::new(), fuel: 0, refused_by: None }
}

/// When the time of a call that begins now is over, for the plugin and for what it asks the host to do.
pub(super) fn end_of_call(limits: &Limits) -> Instant {
    /// End of a call whose time limit is longer than the clock can tell.
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(limits.max_execution_time.min(LONGEST) + TRANSIT).unwrap_or(now)
}

/// Bytes of data that a process has, as [`Resource::Data`] counts them.
fn data_bytes(pid: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kibibytes = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    kibibytes.map(|number| number * 1024).ok_or_else(|| io::Error::other("the process has no data size"))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::super::overdue::Clock;
    use super::*;

    #[test]
    fn who_keeps_asking_does_not_outlive_the_deadline() {
        let (there, back) = (io::pipe().expect("pipe"), io::pipe().expect("pipe"));
        // It waits for a line that never comes.
        let child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a process");
        let mut worker = Worker {
            handle: Arc::new(Handle::new(child, &Clock::start().expect("clock"), Vec::new())),
            channel: Channel::new(back.0, there.1, 1_000),
            wall: ProcessWall::default(),
        };
        let mut far = Channel::new(there.0, back.1, 1_000);
        for _ in 0..10 {
            far.send(&FromWorker::HostCall { op: 1 }, &[]).expect("sent");
        }
        let deadline = Instant::now() + Duration::from_millis(50);
        let answer = |_, _: &[u8]| {
            std::thread::sleep(Duration::from_millis(20));
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
        assert!(answered < 3, "{answered} of the calls were answered in time");
        assert!(worker.handle.ended().is_some());
    }
}
