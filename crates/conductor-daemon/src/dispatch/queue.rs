//! The events that wait for one plugin.

mod job;
mod line;
mod values;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use conductor_core::{Limit, Limits};

pub(crate) use job::{Cause, Job};
use line::{Lack, Line};

use super::{Counters, Tally};

/// What the plugin's thread is to do next.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// Make a call.
    Call(Job),
    /// See what was asked of the plugin, such as a restart.
    Look,
    /// End: the queue is closed and empty.
    End,
}

/// A queue of at most `max_queued_events`, which take at most `max_queued_bytes`.
///
/// When the queue is full, values of a continuous controller are dropped that later values replace. If there are none,
/// an event that ends something, or a call by hand, takes the place of the newest event that is neither, in the input
/// that has most of those. Otherwise the input with the most events gives way to an input that has fewer, so that no
/// input can keep another out. If none of these makes room, the new event is refused.
#[derive(Debug)]
pub(crate) struct Queue {
    max_events: usize,
    max_bytes: usize,
    counters: Arc<Counters>,
    state: Mutex<State>,
    /// Tells the plugin's thread that there is something to do.
    to_do: Condvar,
    /// Tells whoever waits that there is nothing left to do.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    line: Line,
    /// Whether a job was taken and is still being worked on.
    is_busy: bool,
    /// Whether the thread waits for something to do. Waking a thread that does not wait would be a useless system call.
    is_waiting: bool,
    /// Threads that wait until there is nothing to do.
    waiting_for_idle: usize,
    /// Whether the thread is to look up before it takes a job.
    is_woken: bool,
    is_closed: bool,
    tally: Tally,
    /// What the queue had too little of when an event was last refused.
    lacked: Option<Lack>,
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new(limits: &Limits, counters: Arc<Counters>) -> Self {
        let (to_do, idle) = (Condvar::new(), Condvar::new());
        let max_events = usize::try_from(limits.max_queued_events).unwrap_or(usize::MAX);
        let max_bytes = usize::try_from(limits.max_queued_bytes).unwrap_or(usize::MAX);
        Self { max_events, max_bytes, counters, state: Mutex::default(), to_do, idle }
    }

    /// Adds a job. A job without room is counted as refused, and `false` is returned. Never waits for the plugin.
    pub(crate) fn push(&self, job: Job) -> bool {
        let bytes = job.bytes();
        let mut state = self.state();
        if state.is_closed || !self.make_room(&mut state, &job, bytes) {
            self.refuse(&mut state, 1);
            return false;
        }
        state.line.push(job, bytes);
        self.wake_thread(state);
        true
    }

    /// Drops jobs until there is room for a job of `bytes` bytes. Returns `false` if dropping them makes too little
    /// room.
    fn make_room(&self, state: &mut State, job: &Job, bytes: usize) -> bool {
        loop {
            let lack = if state.line.len() >= self.max_events {
                Lack::Places
            } else if state.line.bytes() + bytes > self.max_bytes {
                Lack::Bytes
            } else {
                return true;
            };
            // No value is dropped for a job that does not fit into an empty queue.
            if bytes <= self.max_bytes && state.line.coalesce(job) {
                state.tally.coalesced += 1;
                self.counters.coalesced();
                continue;
            }
            state.lacked = Some(lack);
            if bytes > self.max_bytes || !state.line.give_way(job, bytes, lack) {
                return false;
            }
            self.refuse(state, 1);
        }
    }

    fn refuse(&self, state: &mut State, events: u64) {
        state.tally.refused += events;
        self.counters.refused(events);
    }

    /// Waits for something to do. The previous job counts as done.
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
            if let Some(job) = state.line.pop() {
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

    /// Refuses further jobs. Jobs that wait are still handed out.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        self.wake_thread(state);
    }

    /// Refuses further jobs, and counts waiting jobs as refused, because nobody will take them.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.is_busy = false;
        let waiting = state.line.len() as u64;
        self.refuse(&mut state, waiting);
        state.line = Line::default();
        self.idle.notify_all();
        self.wake_thread(state);
    }

    /// Counts an event as refused that is not to be queued.
    pub(crate) fn turn_away(&self) {
        let mut state = self.state();
        self.refuse(&mut state, 1);
    }

    /// Counts waiting jobs as refused; nobody takes them. Further jobs are taken.
    pub(crate) fn drop_waiting(&self) {
        let mut state = self.state();
        let waiting = state.line.len() as u64;
        self.refuse(&mut state, waiting);
        state.line = Line::default();
    }

    /// Waits until no job waits and none is worked on. Returns `false` if `deadline` comes first.
    pub(crate) fn wait_idle(&self, deadline: Instant) -> bool {
        let mut state = self.state();
        while state.is_busy || state.line.len() > 0 {
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

    /// The events that were dropped or refused so far.
    pub(crate) fn tally(&self) -> Tally {
        self.state().tally
    }

    /// The limit that refused an event last, if one did.
    pub(crate) fn limit(&self) -> Option<Limit> {
        self.state().lacked.map(|lacked| match lacked {
            Lack::Places => Limit::QueuedEvents,
            Lack::Bytes => Limit::QueuedBytes,
        })
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

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use conductor_abi::{Context, Request};
    use conductor_surface::event::{Body, Event};
    use conductor_surface::midi::{Message, Sysex};
    use serde_json::Value as Json;

    use super::*;
    use crate::mapping::Mappings;

    const MAX: u32 = 1_024;

    fn queue() -> Queue {
        of_at_most(MAX, u64::MAX)
    }

    fn of_at_most(max_queued_events: u32, max_queued_bytes: u64) -> Queue {
        let limits = Limits { max_queued_events, max_queued_bytes, ..Limits::default() };
        Queue::new(&limits, Arc::default())
    }

    fn from(input: &str, body: Body) -> Job {
        static MAPPINGS: LazyLock<Arc<Mappings>> =
            LazyLock::new(|| Arc::new(Mappings::new("default", Vec::new())));
        static MODE: LazyLock<Arc<str>> = LazyLock::new(|| "default".into());
        let cause = Cause::Mapping { mappings: Arc::clone(&MAPPINGS), index: 0 };
        let event = Arc::new(Event { input: input.into(), timestamp: 0, body });
        Job { cause, event, mode: Arc::clone(&MODE) }
    }

    fn job(message: Message) -> Job {
        from("keys", Body::Midi(message))
    }

    fn cc(cc: u8, value: u8) -> Job {
        job(Message::ControlChange { channel: 0, cc, value })
    }

    fn note(note: u8) -> Job {
        job(Message::NoteOn { channel: 0, note, velocity: 1 })
    }

    fn off(note: u8) -> Job {
        job(Message::NoteOff { channel: 0, note, velocity: 0 })
    }

    fn by_hand() -> Job {
        let request =
            Request { action: "a".into(), context: Context::default(), parameters: Json::default() };
        let cause = Cause::Hand { request: Arc::new(request), mode: None, reply: channel().0 };
        Job { cause, ..from("conductorctl", Body::ByHand) }
    }

    fn pop(queue: &Queue) -> Option<Job> {
        match queue.next() {
            Next::Call(job) => Some(job),
            Next::Look | Next::End => None,
        }
    }

    fn shown(queue: &Queue) -> Vec<String> {
        queue.close();
        std::iter::from_fn(|| pop(queue)).map(|job| job.event.in_words(100)).collect()
    }

    fn tally(coalesced: u64, refused: u64) -> Tally {
        Tally { coalesced, refused }
    }

    #[test]
    fn a_full_queue_keeps_only_the_last_value_of_each_controller() {
        let queue = queue();
        queue.push(note(60));
        for value in 0..511 {
            queue.push(cc(1, value.min(127).try_into().expect("value")));
            queue.push(cc(2, value.min(127).try_into().expect("value")));
        }
        queue.push(note(61));
        assert_eq!(queue.tally(), tally(0, 0), "nothing is dropped before it is full");
        for value in 0..100 {
            assert!(queue.push(cc(7, value)) && queue.push(cc(8, value)));
        }
        assert_eq!(queue.tally(), tally(200, 0), "as many as there must be");
        (0..1018).for_each(|_| assert!(queue.push(note(62))));
        assert_eq!(queue.tally(), tally(510 * 2 + 99 * 2, 0), "and no more");
        let shown = shown(&queue);
        let control = |cc, value| format!("keys: control-change {cc} = {value} ch 0");
        let one = |note: &str| format!("keys: note-on {note} vel 1 ch 0");
        let expected =
            [one("C4"), control(1, 127), control(2, 127), one("C#4"), control(7, 99), control(8, 99)];
        assert_eq!(shown[..6], expected);
        assert_eq!(shown.len(), 6 + 1018);
    }

    #[test]
    fn a_value_is_not_replaced_across_what_depends_on_it() {
        let queue = of_at_most(4, u64::MAX);
        for job in [cc(1, 1), note(60), cc(1, 2), note(61)] {
            assert!(queue.push(job));
        }
        assert!(!queue.push(cc(1, 3)), "the value before was heard by a note");
        assert_eq!(queue.tally(), tally(0, 1));
        let values = ["1 = 1", "1 = 2"].map(|value| format!("keys: control-change {value} ch 0"));
        let notes = ["C4", "C#4"].map(|note| format!("keys: note-on {note} vel 1 ch 0"));
        assert_eq!(shown(&queue), [&values[0], &notes[0], &values[1], &notes[1]].map(String::as_str));
    }

    #[test]
    fn what_belongs_together_in_its_order_is_never_taken_apart() {
        // Bank select, data entry and its halves, increments, parameter numbers, pedals, switches, modes, undefined
        // controllers.
        let others = [0, 32, 6, 38, 96, 97, 98, 99, 100, 101, 33, 64, 66, 80, 84, 88, 3, 20, 102, 120, 127];
        for number in others {
            let queue = of_at_most(2, u64::MAX);
            assert!(queue.push(cc(number, 127)) && queue.push(cc(number, 127)), "{number}");
            assert_eq!(queue.tally().coalesced, 0);
            queue.push(cc(number, 127));
            assert_eq!(queue.tally().coalesced, 0, "{number}");
        }
        for number in [1, 2, 4, 5, 7, 8, 10, 11, 12, 13, 16, 19, 70, 79, 91, 95] {
            let queue = of_at_most(2, u64::MAX);
            (0..3).for_each(|value| assert!(queue.push(cc(number, value))));
            assert_eq!(queue.tally(), tally(1, 0), "{number}");
        }
    }

    #[test]
    fn thousands_of_controllers_are_coalesced_one_by_one() {
        let queue = queue();
        let value = |number: u32, value| {
            let channel = u8::try_from(number / 128).expect("channel");
            let note = u8::try_from(number % 128).expect("note");
            job(Message::KeyPressure { channel, note, value })
        };
        (0..MAX).for_each(|number| assert!(queue.push(value(number, 0))));
        for round in 1..100 {
            (0..MAX).rev().for_each(|number| assert!(queue.push(value(number, round))));
        }
        assert_eq!(queue.tally(), tally(99 * u64::from(MAX), 0));
        let waiting = shown(&queue);
        assert_eq!(waiting.len(), MAX as usize);
        assert!(waiting.iter().all(|event| event.contains(" 99 ")), "{}", waiting[0]);
    }

    #[test]
    fn without_values_to_drop_the_newest_event_is_refused() {
        let queue = queue();
        (0..MAX).for_each(|_| assert!(queue.push(note(60))));
        assert!(!queue.push(note(61)) && !queue.push(cc(1, 1)));
        assert_eq!(queue.tally(), tally(0, 2));
        assert_eq!(queue.limit(), Some(Limit::QueuedEvents));
        assert_eq!(shown(&queue).len(), MAX as usize);
    }

    #[test]
    fn an_input_that_floods_gives_way_to_one_that_does_not() {
        let queue = of_at_most(100, u64::MAX);
        (0..1000).for_each(|_| _ = queue.push(note(60)));
        for count in 0..50 {
            assert!(queue.push(from("clock", Body::Tick { count })), "{count}");
            assert!(!queue.push(note(61)) || count == 49);
        }
        assert!(!queue.push(from("clock", Body::Tick { count: 50 })), "each has its half");
        let shown = shown(&queue);
        let ticks: Vec<_> = shown.iter().filter(|event| event.starts_with("clock")).collect();
        assert_eq!((shown.len(), ticks.len()), (100, 50));
        assert_eq!(ticks[..2], ["clock: tick 0", "clock: tick 1"], "in their order");
    }

    #[test]
    fn what_ends_something_and_calls_by_hand_find_room() {
        let queue = of_at_most(10, u64::MAX);
        (0..20).for_each(|_| _ = queue.push(note(60)));
        for ending in [off(60), job(Message::Stop), cc(64, 0), cc(123, 0), by_hand()] {
            assert!(queue.push(ending));
        }
        assert!(!queue.push(cc(64, 127)) && !queue.push(note(61)));
        (0..20).for_each(|_| _ = queue.push(off(61)));
        assert!(queue.push(by_hand()), "a flood of endings is one as well");
        assert_eq!(shown(&queue).iter().filter(|event| event.contains("by hand")).count(), 2);
    }

    #[test]
    fn a_queue_is_bounded_in_bytes_as_well() {
        let long = |input: &str| {
            let sysex = Sysex::new(&[1; 60_000]).expect("fits");
            from(input, Body::Midi(Message::SystemExclusive(sysex)))
        };
        let queue = of_at_most(MAX, 200_000);
        (0..3).for_each(|_| assert!(queue.push(long("keys"))));
        assert!(!queue.push(long("keys")));
        assert_eq!((queue.tally(), queue.limit()), (tally(0, 1), Some(Limit::QueuedBytes)));
        assert!(queue.push(long("drums")), "in place of one of the input that has three");
        assert!(!queue.push(long("drums")), "in bytes, each has its share");
        assert!(queue.push(note(60)), "what is small still fits");
        assert!(!of_at_most(MAX, 1000).push(long("keys")));
        assert!(queue.state().line.bytes() <= 200_000);
        while queue.state().line.len() > 0 {
            pop(&queue);
        }
        assert_eq!(queue.state().line.bytes(), 0);
    }

    #[test]
    fn a_queue_is_idle_when_its_last_job_is_done() {
        let queue = queue();
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
        let queue = queue();
        queue.push(note(60));
        queue.wake();
        assert!(matches!(queue.next(), Next::Look));
        assert!(matches!(queue.next(), Next::Call(_)));
        queue.close();
        assert!(matches!(queue.next(), Next::End));
    }

    #[test]
    fn an_abandoned_queue_refuses() {
        let queue = queue();
        queue.push(note(60));
        queue.abandon();
        queue.push(note(61));
        assert_eq!(queue.tally(), tally(0, 2));
        assert!(queue.wait_idle(Instant::now()));
    }
}
