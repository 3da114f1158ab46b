//! What came from the network and waits for the plugin: no more than fits, so that a plugin which does not read holds up
//! the sender and fills no memory.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Most messages that wait; each costs memory of its own beside its bytes.
const MAX_WAITING: usize = 256;

/// A queue from a task of the network's thread to the thread of a plugin.
pub(super) struct Inbox<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    room: Notify,
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
    pub(super) fn new(max_bytes: usize) -> Self {
        let state = State { waiting: VecDeque::new(), bytes: 0, is_over: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), room: Notify::new(), max_bytes }
    }

    /// Waits until something may be put in. One task does so.
    pub(super) async fn has_room(&self) {
        while !self.lock().has_room(self.max_bytes) {
            self.room.notified().await;
        }
    }

    /// Puts in something of this size.
    pub(super) fn put(&self, item: T, bytes: usize) {
        let mut state = self.lock();
        if !state.is_over {
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
        *state = State { waiting: VecDeque::new(), bytes: 0, is_over: true };
        drop(state);
        self.changed.notify_all();
        self.room.notify_one();
    }

    /// Takes the next, waiting for it until `deadline`.
    pub(super) fn take(&self, deadline: Instant) -> Taken<T> {
        let mut state = self.lock();
        loop {
            if let Some((item, bytes)) = state.waiting.pop_front() {
                state.bytes = state.bytes.saturating_sub(bytes);
                self.room.notify_one();
                return Taken::Next(item);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.is_over || left.is_zero() {
                return if state.is_over { Taken::Over } else { Taken::Nothing };
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn has_room(inbox: &Inbox<u8>) -> bool {
        inbox.lock().has_room(inbox.max_bytes)
    }

    #[test]
    fn no_more_waits_than_fits() {
        let inbox = Inbox::new(10);
        inbox.put(1, 9);
        assert!(has_room(&inbox));
        inbox.put(2, 9);
        assert!(!has_room(&inbox));
        assert_eq!(inbox.take(Instant::now()), Taken::Next(1));
        assert!(has_room(&inbox));
        (0..MAX_WAITING - 1).for_each(|_| inbox.put(3, 0));
        assert!(!has_room(&inbox));
    }

    #[test]
    fn the_end_comes_after_what_waits_or_at_once() {
        let inbox = Inbox::new(10);
        assert_eq!(inbox.take(Instant::now() + Duration::from_millis(5)), Taken::Nothing);
        inbox.put(1, 1);
        inbox.finish();
        inbox.put(2, 1);
        assert_eq!(inbox.take(Instant::now()), Taken::Next(1));
        assert_eq!(inbox.take(Instant::now()), Taken::Over);

        let inbox = Inbox::new(10);
        inbox.put(1, 1);
        inbox.end();
        assert_eq!(inbox.take(Instant::now()), Taken::Over);
    }
}
