//! What came from the network and waits for the plugin: no more than fits, so that a plugin which does not read holds up
//! the sender and fills no memory.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use conductor_call::Caller;

use super::meter::Meter;
use crate::capability::LOOK_FOR_CALLER_EVERY;

/// Most messages that wait; each costs memory of its own beside its bytes.
const MAX_WAITING: usize = 256;

/// A queue from a task of the network's thread to the thread of a plugin. What waits in all of a plugin's queues counts
/// together as well.
pub(super) struct Inbox<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    meter: Arc<Meter>,
    max_bytes: usize,
}

struct State<T> {
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    is_over: bool,
}

/// What there was to take.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<T> {
    Next(T),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Over,
}

impl<T> Inbox<T> {
    pub(super) fn new(max_bytes: usize, meter: Arc<Meter>) -> Self {
        let state = State { waiting: VecDeque::new(), bytes: 0, is_over: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), meter, max_bytes }
    }

    /// Waits until something may be put in. One task does so.
    pub(super) async fn has_room(&self) {
        self.meter.waiting().has_room(|| self.lock().has_room(self.max_bytes)).await;
    }

    /// Puts in something of this size.
    pub(super) fn put(&self, item: T, bytes: usize) {
        let mut state = self.lock();
        if !state.is_over {
            self.meter.waiting().add(bytes);
            state.bytes = state.bytes.saturating_add(bytes);
            state.waiting.push_back((item, bytes));
            self.changed.notify_all();
        }
    }

    /// Nothing comes any more; what waits can still be taken.
    pub(super) fn finish(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    /// Nothing comes any more, and what waits is thrown away.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        let thrown_away = state.bytes;
        *state = State { waiting: VecDeque::new(), bytes: 0, is_over: true };
        drop(state);
        self.meter.waiting().take(thrown_away);
        self.changed.notify_all();
    }

    /// Takes the next, waiting for it until `deadline` or until `caller` is gone.
    pub(super) fn take(&self, deadline: Instant, caller: &dyn Caller) -> Taken<T> {
        let mut state = self.lock();
        loop {
            if let Some((item, bytes)) = state.waiting.pop_front() {
                state.bytes = state.bytes.saturating_sub(bytes);
                drop(state);
                self.meter.waiting().take(bytes);
                return Taken::Next(item);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.is_over || left.is_zero() || caller.is_gone() {
                return if state.is_over { Taken::Over } else { Taken::Nothing };
            }
            state = self
                .changed
                .wait_timeout(state, left.min(LOOK_FOR_CALLER_EVERY))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn has_room(&self, max_bytes: usize) -> bool {
        self.is_over || (self.bytes < max_bytes && self.waiting.len() < MAX_WAITING)
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use conductor_call::Limits;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::capability::Patient;

    fn meter(max_network_buffered_bytes: u64) -> Arc<Meter> {
        Arc::new(Meter::new(&Limits { max_network_buffered_bytes, ..Limits::default() }))
    }

    fn has_room(inbox: &Inbox<u8>) -> bool {
        inbox.has_room().now_or_never().is_some()
    }

    #[test]
    fn no_more_waits_than_fits() {
        let inbox = Inbox::new(10, meter(1_000));
        inbox.put(1, 9);
        assert!(has_room(&inbox));
        inbox.put(2, 9);
        assert!(!has_room(&inbox));
        assert_eq!(inbox.take(Instant::now(), &Patient), Taken::Next(1));
        assert!(has_room(&inbox));
        (0..MAX_WAITING - 1).for_each(|_| inbox.put(3, 0));
        assert!(!has_room(&inbox));
    }

    #[test]
    fn what_waits_in_all_inboxes_of_a_plugin_counts_together() {
        let meter = meter(10);
        let (one, other) = (Inbox::new(100, Arc::clone(&meter)), Inbox::new(100, Arc::clone(&meter)));
        one.put(1, 6);
        other.put(2, 6);
        assert!(!has_room(&one) && !has_room(&other));
        assert_eq!(one.take(Instant::now(), &Patient), Taken::Next(1));
        assert!(has_room(&one) && has_room(&other));
        one.put(3, 6);
        assert!(!has_room(&other));
        drop(one);
        assert!(has_room(&other), "what is thrown away makes room");
    }

    #[test]
    fn the_end_comes_after_what_waits_or_at_once() {
        let inbox = Inbox::new(10, meter(1_000));
        assert_eq!(inbox.take(Instant::now() + Duration::from_millis(5), &Patient), Taken::Nothing);
        inbox.put(1, 1);
        inbox.finish();
        inbox.put(2, 1);
        assert_eq!(inbox.take(Instant::now(), &Patient), Taken::Next(1));
        assert_eq!(inbox.take(Instant::now(), &Patient), Taken::Over);

        let inbox = Inbox::new(10, meter(1_000));
        inbox.put(1, 1);
        inbox.end();
        assert_eq!(inbox.take(Instant::now(), &Patient), Taken::Over);
    }
}
