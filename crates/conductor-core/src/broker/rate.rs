//! How many operations a plugin may call for in a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use conductor_abi::Status;

use crate::capability::Refusal;

/// Most operations per second and plugin; stops a plugin from keeping the host busy with calls that cost it little.
pub const MAX_CALLS_PER_SECOND: u32 = 10_000;

/// Counts calls in windows of one second, each starting with the first call after the last window.
#[derive(Default)]
pub(super) struct Window {
    current: Mutex<Option<(Instant, u32)>>,
}

impl Window {
    /// Counts a call, or refuses it.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Refusal> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, count) = match &mut *current {
            Some(window) if now.saturating_duration_since(window.0) < Duration::from_secs(1) => window,
            window => window.insert((now, 0)),
        };
        if *count >= MAX_CALLS_PER_SECOND {
            let reason = format!("more than {MAX_CALLS_PER_SECOND} operations in a second");
            return Err(Refusal::new(Status::RateLimited, reason));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_ten_thousand_calls() {
        let window = Window::default();
        let start = Instant::now();
        for _ in 0..MAX_CALLS_PER_SECOND {
            window.admit(start).expect("within the limit");
        }
        let refusal = window.admit(start + Duration::from_millis(999)).expect_err("over the limit");
        assert_eq!(refusal.status, Status::RateLimited);
        window.admit(start + Duration::from_secs(1)).expect("a new second");
    }
}
