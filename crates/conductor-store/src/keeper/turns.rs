//! The order among the writers of this process that wait for one lock.
//!
//! A lock on a file keeps programs apart, and waiting for another program has a time limit. Many writers of one
//! program, such as a daemon that starts hundreds of plugins, take longer than the limit together; so each of them
//! waits for as long as the writers before it make progress.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The turns of this process, by the path of the lock.
static TURNS: LazyLock<Turns> = LazyLock::new(Turns::default);

#[derive(Default)]
struct Turns {
    by_lock: Mutex<HashMap<PathBuf, Turn>>,
    changed: Condvar,
}

/// Whether a writer has the turn at a lock, when a writer last made progress, and how many writers wait.
struct Turn {
    is_taken: bool,
    got_on: Instant,
    waiting: usize,
}

/// The turn of one writer at a lock, until the value is dropped.
#[derive(Debug)]
pub(super) struct MyTurn {
    lock: PathBuf,
    /// Time that is left to wait for another program.
    pub(super) patience: Duration,
}

impl MyTurn {
    /// Waits for the turn at a lock; `None` if no writer makes progress for `patience`. A writer that waits for another
    /// program in vain has made no progress, so the writers behind it give up with it.
    pub(super) fn at(lock: &Path, patience: Duration) -> Option<Self> {
        let came = Instant::now();
        let mut left = patience;
        let mut turns = TURNS.lock();
        let turn = turns.entry(lock.to_owned());
        turn.or_insert_with(|| Turn { is_taken: false, got_on: came, waiting: 0 }).waiting += 1;
        loop {
            // The entry stays in the map for as long as a writer waits.
            let turn = turns.get_mut(lock)?;
            if !turn.is_taken {
                turn.is_taken = true;
                turn.waiting -= 1;
                return Some(Self { lock: lock.to_owned(), patience: left });
            }
            left = (turn.got_on.max(came) + patience).saturating_duration_since(Instant::now());
            if left.is_zero() {
                turn.waiting -= 1;
                return None;
            }
            let waited = TURNS.changed.wait_timeout(turns, left);
            (turns, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let got_on = turns.get(lock)?.got_on.max(came);
            left = (got_on + patience).saturating_duration_since(Instant::now());
        }
    }

    /// Records progress, so that the writers behind this one go on waiting: this writer has the lock, or is done with
    /// it.
    pub(super) fn gets_on(&self) {
        if let Some(turn) = TURNS.lock().get_mut(&self.lock) {
            turn.got_on = Instant::now();
        }
    }
}

impl Drop for MyTurn {
    fn drop(&mut self) {
        let mut turns = TURNS.lock();
        if let Some(turn) = turns.get_mut(&self.lock) {
            turn.is_taken = false;
            if turn.waiting == 0 {
                turns.remove(&self.lock);
            }
        }
        drop(turns);
        TURNS.changed.notify_all();
    }
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Turn>> {
        self.by_lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(500);

    #[test]
    fn many_wait_for_longer_than_one_would() {
        let lock = Path::new("/many/lock");
        let took = Instant::now();
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let turn = MyTurn::at(lock, PATIENCE).expect("the others get on");
                    turn.gets_on();
                    thread::sleep(PATIENCE / 10);
                    drop(turn);
                });
            }
        });
        assert!(took.elapsed() >= PATIENCE * 2, "one had it at a time");
        assert!(!TURNS.lock().contains_key(lock), "nothing is kept");
    }

    #[test]
    fn those_behind_one_that_waits_in_vain_give_up_with_it() {
        let lock = Path::new("/vain/lock");
        let took = Instant::now();
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    // This writer acts as if it waited for another program that does not release the lock.
                    if let Some(turn) = MyTurn::at(lock, PATIENCE) {
                        thread::sleep(turn.patience);
                    }
                });
            }
        });
        assert!(took.elapsed() < PATIENCE * 5, "each waited as long again: {:?}", took.elapsed());
    }

    #[test]
    fn one_that_does_not_pass_it_on_is_waited_for_so_long_alone() {
        let (lock, other) = (Path::new("/stuck/lock"), Path::new("/other/lock"));
        let stuck = MyTurn::at(lock, PATIENCE).expect("free");
        let took = Instant::now();
        assert!(MyTurn::at(lock, PATIENCE / 5).is_none());
        assert!(took.elapsed() >= PATIENCE / 10, "it was waited for");
        assert!(MyTurn::at(other, Duration::ZERO).is_some(), "another lock is another turn");
        drop(stuck);
        assert!(MyTurn::at(lock, Duration::ZERO).is_some());
    }
}
