//! A worker process as seen by threads that are not calling it. No method waits for the worker, except that
//! [`Handle::why_over`] waits a short while for its end.

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

/// Value of `called_at` while no call is under way.
const NOT_CALLED: u64 = 0;

/// A worker process.
pub(super) struct Handle {
    child: Arc<Child>,
    /// The pipe of the worker's answers, from which its caller reads.
    answers: Arc<PipeReader>,
    /// Number of calls begun.
    calls: AtomicU64,
    /// When the current call began, in nanoseconds of the clock of `due`.
    called_at: AtomicU64,
    /// Nanoseconds of all calls that have ended.
    in_calls: AtomicU64,
    /// Whether the worker waits for calls; before that it starts or compiles.
    has_started: AtomicBool,
    /// The turn in which the worker compiles.
    turn: Mutex<Option<Turn>>,
    /// Why this program ended the worker.
    fault: OnceLock<WorkerFault>,
    /// When the wait for the worker becomes overdue.
    due: Due,
    place: Place,
    /// The directory with a quota that the worker can write to.
    directory: Option<Allowance>,
}

impl Handle {
    /// A worker that can write to this directory.
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

    /// Keeps the worker on the processor of the calling thread.
    pub(super) fn follow(&self) {
        self.place.follow(&self.child);
    }

    pub(super) const fn directory(&self) -> Option<&Allowance> {
        self.directory.as_ref()
    }

    /// Number of calls begun.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Acquire)
    }

    /// Records that a call which began at `now` is under way while the returned value lives. Only the thread that calls
    /// the worker may use this.
    pub(super) fn begin_call(&self, now: Instant) -> InCall<'_> {
        let began = self.due.at(now);
        // No other thread writes these numbers, and a locked operation takes longer than everything else here.
        self.calls.store(self.calls.load(Ordering::Relaxed) + 1, Ordering::Release);
        self.called_at.store(began, Ordering::Release);
        InCall { handle: self, began, ended: None }
    }

    /// Total time of the worker's calls so far; `None` if a call began or ended during the computation.
    pub(super) fn time_in_calls(&self) -> Option<Duration> {
        let calls = self.calls();
        let called_at = self.called_at.load(Ordering::Acquire);
        let ended = self.in_calls.load(Ordering::Acquire);
        let is_same = calls == self.calls() && called_at == self.called_at.load(Ordering::Acquire);
        let under_way = if called_at == NOT_CALLED { 0 } else { self.due.now().saturating_sub(called_at) };
        is_same.then(|| Duration::from_nanos(ended.saturating_add(under_way)))
    }

    /// Records that the worker waits for calls from now on.
    pub(super) fn has_started(&self) {
        self.give_back_turn();
        self.has_started.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_starting(&self) -> bool {
        !self.has_started.load(Ordering::SeqCst)
    }

    /// Records the turn in which the worker compiles, until it has compiled or is found asleep.
    pub(super) fn takes(&self, turn: Turn) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }

    /// Gives the turn of the worker back; returns whether it had a turn.
    pub(super) fn give_back_turn(&self) -> bool {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    pub(super) fn has_turn(&self) -> bool {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Ends the worker and records why; the first reason stays. A thread that waits for its answer is woken, whether
    /// the worker dies or not.
    pub(super) fn end(&self, fault: WorkerFault) {
        let _ = self.fault.set(fault);
        self.child.end();
        if self.due.is_waited_for() {
            self.wake_caller();
        }
    }

    /// Whether the worker has ended, or was told to end.
    pub(super) fn is_over(&self) -> bool {
        self.child.is_over()
    }

    /// Whether the worker was told to end.
    pub(super) fn is_told(&self) -> bool {
        self.child.is_told()
    }

    /// Wakes the thread that waits for the worker's answers. The worker may keep its end of the pipe open, so a byte is
    /// written into the pipe from here; the reader first looks whether the worker is over, and ignores the byte.
    pub(super) fn wake_caller(&self) {
        // The pipe is opened anew through the name of its descriptor, so that no further writing end stays open
        // afterwards.
        let name = format!("/proc/thread-self/fd/{}", self.answers.as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(end) = rustix::fs::open(name, flags, Mode::empty()) {
            // If the pipe is full, its reader is not waiting.
            let _ = rustix::io::write(&end, &[0]);
        }
    }

    /// Why the worker is over. If this program did not end it, waits a short while for its end, to learn how it ended.
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
        /// The kernel's unit in this file, the same on every machine with Linux.
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

    /// Whether every thread of the worker sleeps, wherever that is.
    pub(super) fn is_asleep(&self) -> io::Result<bool> {
        self.child.while_it_runs(|pid| {
            for thread in fs::read_dir(proc_file(pid, "task"))? {
                let stat = fs::read_to_string(thread?.path().join("stat"));
                // A thread that has ended meanwhile counts as asleep.
                if stat.is_ok_and(|stat| after_name(&stat).trim_start().starts_with('R')) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}

/// Path of a file about a process.
pub(super) fn proc_file(pid: Pid, file: &str) -> String {
    format!("/proc/{}/{file}", pid.as_raw_nonzero())
}

/// The fields behind the name in a line about a process or thread: the name is in parentheses and may contain anything.
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
pub(super) struct InCall<'h> {
    handle: &'h Handle,
    began: u64,
    ended: Option<Instant>,
}

impl InCall<'_> {
    /// Records that the call has ended at `now`, for a caller that has looked at the time anyway.
    pub(super) fn ends(mut self, now: Instant) {
        self.ended = Some(now);
    }
}

impl Drop for InCall<'_> {
    fn drop(&mut self) {
        let Handle { due, called_at, in_calls, .. } = self.handle;
        let ended = self.ended.map_or_else(|| due.now(), |now| due.at(now));
        let took = ended.saturating_sub(self.began);
        called_at.store(NOT_CALLED, Ordering::Release);
        in_calls.store(in_calls.load(Ordering::Relaxed).saturating_add(took), Ordering::Release);
    }
}
