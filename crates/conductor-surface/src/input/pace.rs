//! A bound on how much an input delivers at once: a file may put a million events at one instant or be played a
//! thousand times as fast, and a device may deliver without pause.

use std::time::{Duration, Instant};

/// The length of a window, in which a bounded number may come.
pub(super) const WINDOW: Duration = Duration::from_millis(20);

/// How much came in the current window.
pub(super) struct Pace {
    max: usize,
    began: Instant,
    count: usize,
}

impl Pace {
    /// At most `max` in each [`WINDOW`].
    pub(super) const fn new(max: usize, now: Instant) -> Self {
        Self { max, began: now, count: 0 }
    }

    /// Counts `count` that come at `now`. Returns until when they have to wait, if they must.
    pub(super) fn next(&mut self, count: usize, now: Instant) -> Option<Instant> {
        let end = self.began + WINDOW;
        let is_over = end <= now;
        if !is_over && self.count + count <= self.max {
            self.count += count;
            return None;
        }
        *self = Self { max: self.max, began: if is_over { now } else { end }, count };
        (!is_over).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_for_a_window_waits_for_the_next() {
        let start = Instant::now();
        let mut pace = Pace::new(10, start);
        assert_eq!(
            [4, 6, 1, 9].map(|count| pace.next(count, start)),
            [None, None, Some(start + WINDOW), None]
        );
        assert_eq!(pace.next(1, start + WINDOW), Some(start + 2 * WINDOW));
        assert_eq!(pace.next(10, start + 5 * WINDOW), None, "a pause is no credit");
        assert_eq!(pace.next(1, start + 5 * WINDOW), Some(start + 6 * WINDOW));
    }
}
