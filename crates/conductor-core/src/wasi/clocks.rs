//! The clocks that plugins see: coarse, so that they are poor tools for timing attacks.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Step of the wall clock.
const WALL_STEP: Duration = Duration::from_millis(1);

/// Step of the monotonic clock.
const MONOTONIC_STEP: Duration = Duration::from_micros(100);

/// Zero of the monotonic clock; says nothing about the machine's uptime.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

pub(super) struct Coarse;

impl HostWallClock for Coarse {
    fn resolution(&self) -> Duration {
        WALL_STEP
    }

    fn now(&self) -> Duration {
        wall()
    }
}

impl HostMonotonicClock for Coarse {
    fn resolution(&self) -> u64 {
        MONOTONIC_STEP.as_nanos() as u64
    }

    fn now(&self) -> u64 {
        monotonic()
    }
}

/// Time since the Unix epoch.
pub(super) fn wall() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(0))
}

/// Nanoseconds since the first look at this clock.
pub(super) fn monotonic() -> u64 {
    let step = MONOTONIC_STEP.as_nanos();
    let steps = ORIGIN.elapsed().as_nanos() / step;
    u64::try_from(steps * step).unwrap_or(u64::MAX)
}
