//! The clocks that plugins see: coarse, so that they are poor tools for timing attacks.
//!
//! Everything that tells a plugin the time uses these clocks: reading a clock, its resolution, waiting until a clock
//! shows a time, and the times of files.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use conductor_call::Limits;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Zero of the monotonic clock; says nothing about the machine's uptime.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A clock that moves in steps. It never shows a time in the future.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    step: Duration,
    now: fn() -> Duration,
}

impl Clock {
    /// Time since the Unix epoch.
    pub(super) fn wall(limits: &Limits) -> Self {
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { step: limits.wall_clock_step, now }
    }

    /// Time since the first use of this clock.
    pub(super) fn monotonic(limits: &Limits) -> Self {
        Self { step: limits.monotonic_clock_step, now: || ORIGIN.elapsed() }
    }

    /// `time` as this clock shows it.
    pub(super) fn shown(self, time: Duration) -> Duration {
        let step = self.step.as_nanos().max(1);
        nanoseconds(time.as_nanos() / step * step)
    }

    /// Time until the clock shows `time` or later, at the first step that is not before `time`.
    pub(super) fn until(self, time: Duration) -> Duration {
        let step = self.step.as_nanos().max(1);
        nanoseconds(time.as_nanos().div_ceil(step).saturating_mul(step)).saturating_sub((self.now)())
    }

    fn show(self) -> Duration {
        self.shown((self.now)())
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        self.step
    }

    fn now(&self) -> Duration {
        self.show()
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        u64::try_from(self.step.as_nanos()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.show().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A duration of `count` nanoseconds, or the longest that WASI can express.
fn nanoseconds(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(now: fn() -> Duration) -> Clock {
        Clock { step: Duration::from_millis(10), now }
    }

    #[test]
    fn a_clock_moves_in_steps() {
        let clock = at(|| Duration::from_micros(29_999));
        assert_eq!(HostWallClock::now(&clock), Duration::from_millis(20));
        assert_eq!(HostMonotonicClock::now(&clock), 20_000_000);
        assert_eq!(HostWallClock::resolution(&clock), Duration::from_millis(10));
        assert_eq!(HostMonotonicClock::resolution(&clock), 10_000_000);
    }

    #[test]
    fn a_wait_ends_when_the_clock_shows_its_time() {
        let clock = at(|| Duration::from_millis(25));
        for (time, expected) in [(0, 0), (20, 0), (21, 5), (25, 5), (30, 5), (31, 15)] {
            assert_eq!(clock.until(Duration::from_millis(time)), Duration::from_millis(expected), "{time}");
        }
        assert!(clock.until(Duration::from_nanos(u64::MAX)) > Duration::from_secs(1 << 33));
    }

    #[test]
    fn a_step_of_nothing_is_a_nanosecond() {
        let clock = Clock { step: Duration::ZERO, now: || Duration::from_nanos(7) };
        assert_eq!(HostMonotonicClock::now(&clock), 7);
    }
}
