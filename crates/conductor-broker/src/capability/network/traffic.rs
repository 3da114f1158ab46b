//! How many bytes a plugin moves over the network in a minute, in both directions, counted where they cross the wire.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use conductor_abi::Status;
use conductor_call::{Limit, Refusal};

/// How long bytes count.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts in windows of a minute, each starting with the first bytes after the last window.
pub(super) struct Traffic {
    max: u64,
    current: Mutex<Option<(Instant, u64)>>,
}

impl Traffic {
    pub(super) const fn new(max: u64) -> Self {
        Self { max, current: Mutex::new(None) }
    }

    /// Refuses once the limit was reached, until the minute is over.
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        if self.is_used_up(Instant::now()) { Err(self.refusal()) } else { Ok(()) }
    }

    pub(super) fn refusal(&self) -> Refusal {
        let reason = format!("more than {} bytes over the network in a minute", self.max);
        Refusal::by(Limit::NetworkRate, Status::RateLimited, reason)
    }

    /// Whether the minute has carried as much as it may. What one connection moves beyond it is bounded by one reading.
    pub(super) fn is_used_up(&self, now: Instant) -> bool {
        let current = *self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.is_some_and(|(begun, count)| !is_over(begun, now) && count >= self.max)
    }

    /// Counts what was sent or received.
    pub(super) fn count(&self, bytes: usize, now: Instant) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, count) = match &mut *current {
            Some(window) if !is_over(window.0, now) => window,
            window => window.insert((now, 0)),
        };
        *count = count.saturating_add(bytes as u64);
    }
}

fn is_over(begun: Instant, now: Instant) -> bool {
    now.saturating_duration_since(begun) >= WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_carries_as_much_as_the_limit() {
        let traffic = Traffic::new(100);
        let start = Instant::now();
        assert!(!traffic.is_used_up(start));
        traffic.count(99, start);
        assert!(!traffic.is_used_up(start));
        traffic.count(50, start);
        assert!(traffic.is_used_up(start + WINDOW / 2));
        assert!(!traffic.is_used_up(start + WINDOW), "another minute");
        traffic.count(1, start + WINDOW);
        assert!(!traffic.is_used_up(start + WINDOW));
        let refused = traffic.refusal();
        assert_eq!((refused.status, refused.limit), (Status::RateLimited, Some(Limit::NetworkRate)));
    }
}
