//! How many bytes a plugin sends and receives in a minute.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use conductor_abi::Status;

use crate::capability::Refusal;
use crate::outcome::Limit;

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

    /// Refuses once the limit was passed, until the minute is over. What one operation moves beyond it is bounded by the
    /// size of a message.
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        self.admit_at(Instant::now())
    }

    /// Counts what was sent or received.
    pub(super) fn count(&self, bytes: usize) {
        self.count_at(bytes, Instant::now());
    }

    fn admit_at(&self, now: Instant) -> Result<(), Refusal> {
        let current = *self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.is_some_and(|(begun, count)| !is_over(begun, now) && count >= self.max) {
            let reason = format!("more than {} bytes over the network in a minute", self.max);
            return Err(Refusal::by(Limit::NetworkRate, Status::RateLimited, reason));
        }
        Ok(())
    }

    fn count_at(&self, bytes: usize, now: Instant) {
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
        assert!(traffic.admit_at(start).is_ok());
        traffic.count_at(99, start);
        assert!(traffic.admit_at(start).is_ok());
        traffic.count_at(50, start);
        let refused = traffic.admit_at(start + WINDOW / 2).expect_err("over the limit");
        assert_eq!((refused.status, refused.limit), (Status::RateLimited, Some(Limit::NetworkRate)));
        assert!(traffic.admit_at(start + WINDOW).is_ok(), "another minute");
        traffic.count_at(1, start + WINDOW);
        assert!(traffic.admit_at(start + WINDOW).is_ok());
    }
}
