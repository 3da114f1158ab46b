//! The events that wait for one plugin.

use std::collections::{HashSet, VecDeque};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use conductor_abi::Request;
use conductor_core::CallReport;

use crate::event::{Controller, Event};
use crate::mapping::Mappings;

/// A call to make.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Why it is made.
    pub(crate) cause: Cause,
    /// What triggered it.
    pub(crate) event: Arc<Event>,
    /// Mode in which the event came.
    pub(crate) mode: Arc<str>,
}

/// Why a call is made.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// The event is mapped to it.
    Mapping {
        /// The mappings as they were then.
        mappings: Arc<Mappings>,
        /// Which of them.
        index: usize,
    },
    /// The user wants it, and waits for what comes of it.
    Hand {
        /// What is executed.
        request: Arc<Request>,
        /// Where what comes of it goes.
        reply: Sender<CallReport>,
    },
}

impl Job {
    /// What the plugin is asked; `None` if nothing.
    pub(crate) fn request(&self) -> Option<Request> {
        match &self.cause {
            Cause::Mapping { mappings, index } => mappings.request(*index, &self.event, &self.mode),
            Cause::Hand { request, .. } => Some(Request::clone(request)),
        }
    }
}

/// Events that were not handed to a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Values of a continuous controller that a later value of it replaced.
    pub coalesced: u64,
    /// Events that came when the queue was full, that name an action the plugin lacks, or whose plugin does not run.
    pub refused: u64,
}

/// What the plugin's thread is to do next.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// Make a call.
    Call(Job),
    /// See what was asked of it.
    Look,
    /// End: the queue is closed and empty.
    End,
}

/// A queue of at most `max_queued_events`.
///
/// When it is full, values of a continuous controller that later ones of the same controller make meaningless are
/// dropped; if there are none, the newest event is refused.
#[derive(Debug)]
pub(crate) struct Queue {
    max: usize,
    state: Mutex<State>,
    /// For the plugin's thread: there is something to do.
    to_do: Condvar,
    /// For whoever waits until there is nothing to do.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// How many of the jobs are values of a controller.
    values: usize,
    /// Whether a value was added since the last pass, so that one may replace another.
    has_new_values: bool,
    /// Whether a job was taken and is still being worked on.
    is_busy: bool,
    /// Whether the thread waits for something to do: waking one that does not is a system call for nothing.
    is_waiting: bool,
    /// Threads that wait until there is nothing to do.
    waiting_for_idle: usize,
    /// Whether the thread is to look up from the queue.
    is_woken: bool,
    is_closed: bool,
    tally: Tally,
}

impl Queue {
    /// An empty queue for at most `max` jobs.
    pub(crate) fn new(max: u32) -> Self {
        let (to_do, idle) = (Condvar::new(), Condvar::new());
        Self { max: max as usize, state: Mutex::default(), to_do, idle }
    }

    /// Adds a job, or counts it as refused and returns `false`. Never waits for the plugin.
    pub(crate) fn push(&self, job: Job) -> bool {
        let mut state = self.state();
        if state.jobs.len() >= self.max && state.can_coalesce(&job) {
            state.coalesce(&job);
        }
        if state.is_closed || state.jobs.len() >= self.max {
            state.tally.refused += 1;
            return false;
        }
        state.add(job);
        self.wake_thread(state);
        true
    }

    /// Waits for something to do. The job before counts as done.
    pub(crate) fn next(&self) -> Next {
        let mut state = self.state();
        state.is_busy = false;
        if state.waiting_for_idle > 0 {
            self.idle.notify_all();
        }
        loop {
            if std::mem::take(&mut state.is_woken) {
                return Next::Look;
            }
            if let Some(job) = state.take() {
                state.is_busy = true;
                return Next::Call(job);
            }
            if state.is_closed {
                return Next::End;
            }
            state.is_waiting = true;
            state = self.to_do.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.is_waiting = false;
        }
    }

    /// Makes the plugin's thread look up before its next call.
    pub(crate) fn wake(&self) {
        let mut state = self.state();
        state.is_woken = true;
        self.wake_thread(state);
    }

    /// Refuses further jobs; those that wait are still handed out.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        self.wake_thread(state);
    }

    /// Refuses further jobs and counts those that wait as refused: nobody will take them.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.is_busy = false;
        state.tally.refused += state.jobs.len() as u64;
        state.jobs.clear();
        state.values = 0;
        self.idle.notify_all();
        self.wake_thread(state);
    }

    /// Waits until nothing waits and nothing is being worked on; `false` if `deadline` comes first.
    pub(crate) fn wait_idle(&self, deadline: Instant) -> bool {
        let mut state = self.state();
        while state.is_busy || !state.jobs.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state.waiting_for_idle += 1;
            (state, _) = self.idle.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state.waiting_for_idle -= 1;
        }
        true
    }

    /// What was not handed out so far.
    pub(crate) fn tally(&self) -> Tally {
        self.state().tally
    }

    /// Wakes the plugin's thread, once it can have the lock.
    fn wake_thread(&self, state: MutexGuard<'_, State>) {
        let is_waiting = state.is_waiting;
        drop(state);
        if is_waiting {
            self.to_do.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, job: Job) {
        if key(&job).is_some() {
            self.values += 1;
            self.has_new_values = true;
        }
        self.jobs.push_back(job);
    }

    fn take(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.values -= usize::from(key(&job).is_some());
        Some(job)
    }

    /// Whether a pass could drop anything. A full queue asks before each pass, because whoever floods it holds the lock
    /// that the plugin's thread needs.
    fn can_coalesce(&self, newest: &Job) -> bool {
        let replaces = |newest| self.jobs.iter().any(|job| key(job) == Some(newest));
        self.values > 0 && (self.has_new_values || key(newest).is_some_and(replaces))
    }

    /// Drops every value that a later one, or `newest`, replaces. One pass, from new to old.
    fn coalesce(&mut self, newest: &Job) {
        let mut later = HashSet::new();
        later.extend(key(newest));
        let from_new_to_old = self.jobs.iter().rev();
        let kept: Vec<bool> =
            from_new_to_old.map(|job| key(job).is_none_or(|key| later.insert(key))).collect();
        let dropped = kept.iter().filter(|kept| !**kept).count();
        let mut kept = kept.into_iter().rev();
        self.jobs.retain(|_| kept.next().unwrap_or(true));
        self.values -= dropped;
        self.tally.coalesced += dropped as u64;
        self.has_new_values = false;
    }
}

/// What a later job must have in common with a value to replace it.
fn key(job: &Job) -> Option<(*const Mappings, usize, Controller, &str, &str)> {
    let Cause::Mapping { mappings, index } = &job.cause else { return None };
    let controller = job.event.body.controller()?;
    Some((Arc::as_ptr(mappings), *index, controller, &job.event.input, &job.mode))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use super::*;
    use crate::event::Body;
    use crate::midi::Message;

    const MAX: u32 = 1_024;

    fn job(message: Message) -> Job {
        let event = Event { input: "keys".into(), timestamp: 0, body: Body::Midi(message) };
        static MAPPINGS: LazyLock<Arc<Mappings>> =
            LazyLock::new(|| Arc::new(Mappings::new("default", Vec::new())));
        let mappings = Arc::clone(&MAPPINGS);
        Job { cause: Cause::Mapping { mappings, index: 0 }, event: Arc::new(event), mode: "default".into() }
    }

    fn cc(cc: u8, value: u8) -> Job {
        job(Message::ControlChange { channel: 0, cc, value })
    }

    fn note(note: u8) -> Job {
        job(Message::NoteOn { channel: 0, note, velocity: 1 })
    }

    fn pop(queue: &Queue) -> Option<Job> {
        match queue.next() {
            Next::Call(job) => Some(job),
            Next::Look | Next::End => None,
        }
    }

    fn shown(queue: &Queue) -> Vec<String> {
        queue.close();
        std::iter::from_fn(|| pop(queue)).map(|job| job.event.to_string()).collect()
    }

    #[test]
    fn a_full_queue_keeps_only_the_last_value_of_each_controller() {
        let queue = Queue::new(MAX);
        queue.push(note(60));
        for value in 0..511 {
            queue.push(cc(1, value.min(127).try_into().expect("value")));
            queue.push(cc(2, value.min(127).try_into().expect("value")));
        }
        queue.push(note(61));
        assert_eq!(queue.tally(), Tally::default(), "nothing is dropped before it is full");
        queue.push(cc(2, 5));
        assert_eq!(queue.tally(), Tally { coalesced: 1021, refused: 0 });
        let expected = [
            "keys: note-on C4 vel 1 ch 0",
            "keys: control-change 1 = 127 ch 0",
            "keys: note-on C#4 vel 1 ch 0",
        ];
        let shown = shown(&queue);
        assert_eq!(shown[..3], expected);
        assert_eq!(shown[3..], ["keys: control-change 2 = 5 ch 0"]);
    }

    #[test]
    fn without_values_to_drop_the_newest_event_is_refused() {
        let queue = Queue::new(MAX);
        (0..MAX).for_each(|_| assert!(queue.push(note(60))));
        queue.push(note(61));
        queue.push(cc(1, 1));
        assert_eq!(queue.tally(), Tally { coalesced: 0, refused: 2 });
        assert_eq!(shown(&queue).len(), MAX as usize);
    }

    #[test]
    fn a_pass_is_made_only_if_it_may_drop_something() {
        let queue = Queue::new(MAX);
        (0..MAX - 2).for_each(|_| assert!(queue.push(note(60))));
        assert!(!queue.state().can_coalesce(&cc(1, 0)), "there are no values");
        queue.push(cc(1, 0));
        queue.push(cc(2, 0));
        assert!(queue.state().can_coalesce(&note(61)), "the new values may be of one controller");
        queue.push(note(61));
        assert_eq!(queue.tally(), Tally { coalesced: 0, refused: 1 });
        assert!(!queue.state().can_coalesce(&note(61)), "nothing has changed since the last pass");
        assert!(!queue.state().can_coalesce(&cc(3, 0)), "no value of that controller waits");
        assert!(queue.state().can_coalesce(&cc(1, 1)));
        queue.push(cc(1, 1));
        assert_eq!(queue.tally(), Tally { coalesced: 1, refused: 1 });
        while queue.state().values > 0 {
            pop(&queue);
        }
        assert!(queue.state().jobs.is_empty(), "the last job is a value");
    }

    #[test]
    fn a_queue_is_idle_when_its_last_job_is_done() {
        let queue = Queue::new(MAX);
        let soon = || Instant::now() + Duration::from_millis(20);
        assert!(queue.wait_idle(soon()));
        queue.push(note(60));
        assert!(!queue.wait_idle(soon()));
        let _job = pop(&queue);
        assert!(!queue.wait_idle(soon()), "it is being worked on");
        queue.close();
        assert!(pop(&queue).is_none());
        assert!(queue.wait_idle(soon()));
    }

    #[test]
    fn a_woken_thread_looks_up_once_before_its_next_job() {
        let queue = Queue::new(MAX);
        queue.push(note(60));
        queue.wake();
        assert!(matches!(queue.next(), Next::Look));
        assert!(matches!(queue.next(), Next::Call(_)));
        queue.close();
        assert!(matches!(queue.next(), Next::End));
    }

    #[test]
    fn an_abandoned_queue_refuses() {
        let queue = Queue::new(MAX);
        queue.push(note(60));
        queue.abandon();
        queue.push(note(61));
        assert_eq!(queue.tally(), Tally { coalesced: 0, refused: 2 });
        assert!(queue.wait_idle(Instant::now()));
    }
}
