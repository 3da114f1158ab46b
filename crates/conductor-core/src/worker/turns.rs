//! How many may do something at the same time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often one that waits for a turn looks whether it still wants one.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A number of turns, of which each is taken and given back.
pub(super) struct Turns(Arc<Free>);

struct Free {
    count: Mutex<usize>,
    given_back: Condvar,
}

/// A turn; it is given back when this is dropped, by whoever does.
pub(super) struct Turn(Arc<Free>);

impl Turns {
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Free { count: Mutex::new(count), given_back: Condvar::new() }))
    }

    /// Waits for a turn, unless `given_up` says that it is no longer wanted.
    pub(super) fn take(&self, given_up: impl Fn() -> bool) -> Option<Turn> {
        let mut free = self.0.count();
        while *free == 0 {
            if given_up() {
                return None;
            }
            let waited = self.0.given_back.wait_timeout(free, LOOK_EVERY);
            (free, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Some(Turn(Arc::clone(&self.0)))
    }
}

impl Free {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.count() += 1;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_than_the_turns_are_taken_at_once_and_all_get_one() {
        let (turns, now, most) = (Turns::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let _turn = turns.take(|| false).expect("wanted");
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(now.load(Ordering::SeqCst), 0);
        assert!(most.load(Ordering::SeqCst) <= 3, "{most:?}");
    }

    #[test]
    fn who_no_longer_wants_a_turn_does_not_wait_for_it() {
        let turns = Turns::new(1);
        let turn = turns.take(|| true).expect("one is free");
        assert!(turns.take(|| true).is_none());
        drop(turn);
        assert!(turns.take(|| true).is_some());
    }
}
