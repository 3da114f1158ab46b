//! How often a plugin may call for something.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts in windows of one length, each starting with the first after the last window.
pub(crate) struct Window {
    max: u32,
    length: Duration,
    current: Mutex<Option<(Instant, u32)>>,
}

impl Window {
    pub(crate) const fn new(max: u32, length: Duration) -> Self {
        Self { max, length, current: Mutex::new(None) }
    }

    /// Most in a window.
    pub(crate) const fn max(&self) -> u32 {
        self.max
    }

    /// Counts one; says whether it is within the limit.
    pub(crate) fn admit(&self, now: Instant) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, count) = match &mut *current {
            Some(window) if now.saturating_duration_since(window.0) < self.length => window,
            window => window.insert((now, 0)),
        };
        let admitted = *count < self.max;
        *count += u32::from(admitted);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_as_many_as_the_limit() {
        let window = Window::new(3, Duration::from_secs(1));
        let start = Instant::now();
        assert!((0..3).all(|_| window.admit(start)));
        assert!(!window.admit(start + Duration::from_millis(999)), "over the limit");
        assert!(window.admit(start + Duration::from_secs(1)), "a new second");
    }
}
