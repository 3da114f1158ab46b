//! Turns: how many threads may do something at once, and how much memory they may take together.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Interval at which a waiting thread looks whether it still wants its turn.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Turns of different weights, each taken and given back. They are given out in the order in which they were asked for,
/// so that a heavy turn is not passed over forever.
pub(super) struct Turns(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Number of free turns.
    count: usize,
    /// Number of all turns.
    all: usize,
    /// Weight that is free.
    weight: u64,
    /// Weight of all turns together.
    whole: u64,
    /// Numbers of the threads that wait.
    waiting: VecDeque<u64>,
    next: u64,
}

/// A turn, which is given back when the value is dropped.
pub(super) struct Turn {
    shared: Arc<Shared>,
    weight: u64,
}

impl Turns {
    /// `count` turns, of `weight` together.
    pub(super) fn new(count: usize, weight: u64) -> Self {
        let state = State { count, all: count, weight, whole: weight, waiting: VecDeque::new(), next: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// Waits for a turn, unless `given_up` says that the turn is no longer wanted. A turn heavier than the whole weight
    /// is given only while no other turn is taken.
    pub(super) fn take(&self, weight: u64, given_up: impl Fn() -> bool) -> Option<Turn> {
        let mut state = self.0.state();
        let number = state.next;
        state.next += 1;
        state.waiting.push_back(number);
        while !state.is_due(number, weight) {
            if given_up() {
                state.waiting.retain(|waiting| *waiting != number);
                self.0.changed.notify_all();
                return None;
            }
            let waited = self.0.changed.wait_timeout(state, LOOK_EVERY);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.pop_front();
        let weight = weight.min(state.whole);
        state.count -= 1;
        state.weight -= weight;
        drop(state);
        self.0.changed.notify_all();
        Some(Turn { shared: Arc::clone(&self.0), weight })
    }
}

impl State {
    fn is_due(&self, number: u64, weight: u64) -> bool {
        let is_first = self.waiting.front() == Some(&number);
        is_first && self.count > 0 && (weight <= self.weight || self.count == self.all)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.count += 1;
        state.weight += self.weight;
        drop(state);
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// The largest number of turns, and the largest weight, that were taken at once.
    fn most(turns: &Turns, weights: &[u64]) -> (u64, u64) {
        let [count, weight, most_count, most_weight] = [const { AtomicU64::new(0) }; 4];
        std::thread::scope(|scope| {
            let (count, weight, most_count, most_weight) = (&count, &weight, &most_count, &most_weight);
            for own in weights.iter().copied() {
                scope.spawn(move || {
                    let _turn = turns.take(own, || false).expect("wanted");
                    most_count.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    most_weight.fetch_max(weight.fetch_add(own, Ordering::SeqCst) + own, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                    weight.fetch_sub(own, Ordering::SeqCst);
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!((count.into_inner(), weight.into_inner()), (0, 0));
        (most_count.into_inner(), most_weight.into_inner())
    }

    #[test]
    fn no_more_than_the_turns_are_taken_at_once_and_all_get_one() {
        let (count, _) = most(&Turns::new(3, 1_000), &[1; 20]);
        assert!(count <= 3, "{count}");
    }

    #[test]
    fn no_more_than_the_weight_is_taken_at_once_and_what_weighs_more_is_alone() {
        let (_, weight) = most(&Turns::new(20, 100), &[40; 20]);
        assert!(weight <= 80, "{weight}");
        let turns = Turns::new(4, 100);
        let heavy = turns.take(500, || false).expect("it is alone");
        assert!(turns.take(1, || true).is_none());
        drop(heavy);
        let light = turns.take(1, || true).expect("there is room");
        assert!(turns.take(500, || true).is_none(), "it would not be alone");
        drop(light);
        assert!(turns.take(500, || true).is_some());
    }

    #[test]
    fn who_no_longer_wants_a_turn_does_not_wait_for_it_and_holds_up_nobody() {
        let turns = Turns::new(1, 10);
        let turn = turns.take(1, || true).expect("one is free");
        assert!(turns.take(1, || true).is_none());
        drop(turn);
        assert!(turns.take(1, || true).is_some());
    }
}
