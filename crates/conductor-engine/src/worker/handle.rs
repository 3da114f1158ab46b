//! A worker process, as whoever is not calling it sees it. Everything in here is read and told without waiting.

use std::fs;
use std::io::{self, PipeReader};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use conductor_call::{Caller, WorkerFault};
use conductor_confine::measuring::Allowance;
use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;

use super::child::{Child, END_PATIENCE};
use super::overdue::{Due, Overdue, WaitedFor};
use super::place::Place;
use super::turns::Turn;
use crate::runtime::Endable;

/// What a call began at where none is under way.
const NOT_CALLED: u64 = 0;

/// A worker process.
pub(super) struct Handle {
    child: Arc<Child>,
    /// What it sends, which its caller reads.
    answers: Arc<PipeReader>,
    /// Number of calls begun.
    calls: AtomicU64,
    /// When the call that is under way began, in nanoseconds of the clock of `due`.
    called_at: AtomicU64,
    /// Nanoseconds of all calls that have ended.
    in_calls: AtomicU64,
    /// Whether it waits for calls; until then it does what it was started for.
    has_started: AtomicBool,
    /// The turn that it compiles in.
    turn: Mutex<Option<Turn>>,
    /// Why it was ended from here.
    fault: OnceLock<WorkerFault>,
    /// When whoever waits for it has waited long enough.
    due: Due,
    place: Place,
    /// The directory that it can write to and that has a quota.
    directory: Option<Allowance>,
}

impl Handle {
    /// A worker that can fill this directory.
    pub(super) fn new(
        child: Arc<Child>,
        answers: Arc<PipeReader>,
        overdue: &Arc<Overdue>,
        directory: Option<Allowance>,
    ) -> Self {
        Self {
            child,
            answers,
            calls: AtomicU64::new(0),
            called_at: AtomicU64::new(NOT_CALLED),
            in_calls: AtomicU64::new(0),
            has_started: AtomicBool::new(false),
            turn: Mutex::default(),
            fault: OnceLock::new(),
            due: Due::new(overdue),
            place: Place::new(),
            directory,
        }
    }

    pub(super) const fn child(&self) -> &Arc<Child> {
        &self.child
    }

    pub(super) const fn due(&self) -> &Due {
        &self.due
    }

    /// Keeps the worker where the calling thread is.
    pub(super) fn follow(&self) {
        self.place.follow(&self.child);
    }

    pub(super) const fn directory(&self) -> Option<&Allowance> {
        self.directory.as_ref()
    }

    /// Number of calls begun.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Says that a call which began at `now` is under way while the returned value lives.
    pub(super) fn begin_call(&self, now: Instant) -> InCall<'_> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.called_at.store(self.due.at(now), Ordering::SeqCst);
        InCall(self)
    }

    /// For how long it was called so far; nothing if a call began or ended while that was worked out.
    pub(super) fn time_in_calls(&self) -> Option<Duration> {
        let calls = self.calls();
        let called_at = self.called_at.load(Ordering::SeqCst);
        let ended = self.in_calls.load(Ordering::SeqCst);
        let is_same = calls == self.calls() && called_at == self.called_at.load(Ordering::SeqCst);
        let under_way = if called_at == NOT_CALLED { 0 } else { self.due.now().saturating_sub(called_at) };
        is_same.then(|| Duration::from_nanos(ended.saturating_add(under_way)))
    }

    /// It waits for calls from now on.
    pub(super) fn has_started(&self) {
        self.give_back_turn();
        self.has_started.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_starting(&self) -> bool {
        !self.has_started.load(Ordering::SeqCst)
    }

    /// It compiles in this turn, until it has compiled or is found asleep.
    pub(super) fn takes(&self, turn: Turn) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }

    /// Lets somebody else have its turn; says whether it had one.
    pub(super) fn give_back_turn(&self) -> bool {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    pub(super) fn has_turn(&self) -> bool {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Ends the worker, for a reason; the first reason stays. Whoever waits for its answer is told, whether it dies or not.
    pub(super) fn end(&self, fault: WorkerFault) {
        let _ = self.fault.set(fault);
        self.child.end();
        if self.due.is_waited_for() {
            self.wake_caller();
        }
    }

    /// Whether it has ended, or was told to.
    pub(super) fn is_over(&self) -> bool {
        self.child.is_over()
    }

    /// Whether it was told to end.
    pub(super) fn is_told(&self) -> bool {
        self.child.is_told()
    }

    /// Ends the wait of whoever reads its answers. Its end of the pipe may stay open, so that something is written
    /// into it from here; the reader looks first whether the worker is over, and takes it for nothing.
    pub(super) fn wake_caller(&self) {
        // A pipe can be opened anew by the name that a descriptor of it has, which leaves nothing behind that would keep it open.
        let name = format!("/proc/thread-self/fd/{}", self.answers.as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(end) = rustix::fs::open(name, flags, Mode::empty()) {
            // One that is full is no pipe that anybody waits at.
            let _ = rustix::io::write(&end, &[0]);
        }
    }

    /// Why it is over; for one that nobody ended, after waiting for a short while, to learn how it did.
    pub(super) fn why_over(&self) -> WorkerFault {
        if let Some(fault) = self.fault.get() {
            return fault.clone();
        }
        match self.child.wait(END_PATIENCE) {
            Some(end) => {
                self.fault.get().cloned().unwrap_or_else(|| WorkerFault::Ended { how: end.to_string() })
            }
            None => {
                self.end(WorkerFault::Hung);
                self.fault.get().cloned().unwrap_or(WorkerFault::Hung)
            }
        }
    }

    /// Processor time that the process has used.
    pub(super) fn processor_time(&self) -> io::Result<Duration> {
        /// The kernel's unit for this file, the same on every machine that Linux runs on.
        const TICKS_PER_SECOND: u64 = 100;
        let stat = self.child.while_it_runs(|pid| fs::read_to_string(proc_file(pid, "stat")))?;
        // User and system time are the 14th and 15th field of the file.
        let ticks: u64 = after_name(&stat)
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
    }

    /// Whether each of its threads sleeps, wherever.
    pub(super) fn is_asleep(&self) -> io::Result<bool> {
        self.child.while_it_runs(|pid| {
            for thread in fs::read_dir(proc_file(pid, "task"))? {
                let stat = fs::read_to_string(thread?.path().join("stat"));
                // A thread that has ended meanwhile sleeps for good.
                if stat.is_ok_and(|stat| after_name(&stat).trim_start().starts_with('R')) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}

/// The name of a file about a process.
pub(super) fn proc_file(pid: Pid, file: &str) -> String {
    format!("/proc/{}/{file}", pid.as_raw_nonzero())
}

/// What follows the name in a line about a process or a thread: the name is in parentheses and may contain anything.
fn after_name(stat: &str) -> &str {
    stat.rsplit_once(')').map_or("", |(_, fields)| fields)
}

impl Caller for Handle {
    fn is_gone(&self) -> bool {
        self.is_over()
    }
}

impl WaitedFor for Handle {
    fn due(&self) -> &Due {
        &self.due
    }

    fn calls(&self) -> u64 {
        Self::calls(self)
    }

    fn is_told(&self) -> bool {
        Self::is_told(self)
    }

    fn set_free(&self) {
        self.place.set_free(&self.child);
    }

    fn wake_caller(&self) {
        Self::wake_caller(self);
    }

    fn end_hung(&self) {
        self.end(WorkerFault::Hung);
    }
}

impl Endable for Handle {
    fn end(&self) {
        Self::end(self, WorkerFault::TakenAway);
    }

    fn pid(&self) -> Option<u32> {
        (!self.is_over()).then(|| self.child.pid())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.child.end();
    }
}

/// A call under way; see [`Handle::begin_call`].
pub(super) struct InCall<'h>(&'h Handle);

impl Drop for InCall<'_> {
    fn drop(&mut self) {
        let began = self.0.called_at.swap(NOT_CALLED, Ordering::SeqCst);
        let took = self.0.due.now().saturating_sub(began);
        self.0.in_calls.fetch_add(took, Ordering::SeqCst);
    }
}
