//! How many bytes of log one plugin, or one input, may still cause in the current minute.

use std::time::{Duration, Instant};

/// Bytes that a line takes beside its text: time, level, target and the name of the plugin or input, which are written
/// even with an empty line.
const LINE_BYTES: u64 = 100;

const MINUTE: Duration = Duration::from_secs(60);

/// What was written and dropped in the current minute.
#[derive(Debug)]
pub struct Budget {
    /// Most bytes in a minute.
    max: u64,
    minute_began: Instant,
    written: u64,
    dropped: u64,
    is_used_up: bool,
    is_announced: bool,
}

impl Budget {
    /// The budget of a minute that begins now, with `max` bytes.
    pub const fn new(max: u64, now: Instant) -> Self {
        Self { max, minute_began: now, written: 0, dropped: 0, is_used_up: false, is_announced: false }
    }

    /// Begins another minute if this one is over. Returns how many bytes were dropped in it, if any were.
    pub fn advance_to(&mut self, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.minute_began) < MINUTE {
            return None;
        }
        let dropped = self.dropped();
        *self = Self::new(self.max, now);
        dropped
    }

    /// Whether a line of `bytes` may be written. The first line that may not ends the log of this minute; it is
    /// dropped, and all later lines are too, because a log that lacks only its long lines would mislead.
    pub const fn admit(&mut self, bytes: usize) -> bool {
        let cost = bytes as u64 + LINE_BYTES;
        self.is_used_up |= self.written + cost > self.max;
        if self.is_used_up {
            // Even an empty line loses its line break.
            self.drop_bytes(bytes as u64 + 1);
        } else {
            self.written += cost;
        }
        !self.is_used_up
    }

    /// Whether a line did not fit into the current minute.
    pub const fn is_used_up(&self) -> bool {
        self.is_used_up
    }

    /// Counts bytes that were dropped.
    pub const fn drop_bytes(&mut self, bytes: u64) {
        self.dropped += bytes;
    }

    /// Whether to announce now that lines are dropped: the first time in a minute.
    pub const fn announce(&mut self) -> bool {
        let is_due = self.dropped > 0 && !self.is_announced;
        self.is_announced |= is_due;
        is_due
    }

    /// How many bytes were dropped in this minute, if any were.
    pub fn dropped(&self) -> Option<u64> {
        (self.dropped > 0).then_some(self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 1024 * 1024;

    #[test]
    fn a_minute_has_room_for_so_much_and_says_once_what_it_dropped() {
        let start = Instant::now();
        let mut budget = Budget::new(MAX, start);
        let fitting = (0..).take_while(|_| budget.admit(924)).count();
        assert_eq!(fitting, 1024, "lines of a KiB with what stands before the text");
        assert!(budget.announce());
        assert!(!budget.admit(0), "nothing follows what was dropped");
        assert!(!budget.announce());
        assert_eq!(budget.advance_to(start + MINUTE - Duration::from_nanos(1)), None);
        assert_eq!(budget.advance_to(start + MINUTE), Some(926));
        assert!(budget.admit(924));
        assert!(!budget.announce());
        assert_eq!(budget.advance_to(start + 2 * MINUTE), None);
    }

    #[test]
    fn empty_lines_are_not_free() {
        let mut budget = Budget::new(MAX, Instant::now());
        assert!((0..).take_while(|_| budget.admit(0)).count() < 11_000);
        assert_eq!(budget.dropped(), Some(1));
    }

    #[test]
    fn what_a_call_dropped_is_counted_and_does_not_end_the_log() {
        let mut budget = Budget::new(MAX, Instant::now());
        budget.drop_bytes(5);
        assert!(budget.announce() && budget.admit(1));
        assert_eq!(budget.dropped(), Some(5));
    }
}
