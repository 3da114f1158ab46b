//! When a plugin that keeps failing is called again.
//!
//! A failure is a call that a limit, a trap, a broken rule or the death of a worker ended; a plugin that returns an error
//! code works as it should. After a few failures in a row the plugin rests, longer after each further one, and after
//! more it is left alone until somebody lets it back in. Calls that come meanwhile are refused at once, so that they
//! cost nothing and do not pile up.

use std::time::{Duration, Instant};

use conductor_signing::VerifyError;

use crate::outcome::{Outcome, Suspension};

/// Failures in a row after which a plugin rests.
pub const FAILURES_BEFORE_BACKOFF: u32 = 3;

/// First rest; each further failure doubles it.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// Longest rest.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Failures in a row after which a plugin is called no more; stops one that is broken from costing a worker process for
/// ever.
pub const FAILURES_BEFORE_QUARANTINE: u32 = 10;

/// Whether a plugin may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PluginState {
    /// It may.
    Ready,
    /// Not before some time has passed.
    BackingOff {
        /// What is left of that time.
        retry_in: Duration,
        /// Failures in a row.
        failures: u32,
        /// How the last of them ended.
        last: Outcome,
    },
    /// Not until it is let back in.
    Quarantined {
        /// Failures in a row.
        failures: u32,
        /// How the last of them ended.
        last: Outcome,
    },
    /// Not any more: the permission under which it was loaded was withdrawn.
    Withdrawn {
        /// Why.
        cause: Box<VerifyError>,
    },
}

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
    last: Option<(Outcome, Instant)>,
}

impl Health {
    /// Whether a call may be made at `now`.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Suspension> {
        match self.state(now) {
            PluginState::Ready => Ok(()),
            PluginState::BackingOff { retry_in, .. } => Err(Suspension::BackingOff { retry_in }),
            PluginState::Quarantined { failures, .. } => Err(Suspension::Quarantined { failures }),
            PluginState::Withdrawn { .. } => Err(Suspension::Withdrawn),
        }
    }

    /// Takes note of how a call ended just now.
    pub(crate) fn record(&mut self, outcome: &Outcome) {
        self.record_at(outcome, Instant::now);
    }

    fn record_at(&mut self, outcome: &Outcome, now: impl FnOnce() -> Instant) {
        if outcome.keeps_instance() {
            if self.failures > 0 {
                *self = Self::default();
            }
        } else {
            self.failures = self.failures.saturating_add(1);
            self.last = Some((outcome.clone(), now()));
        }
    }

    /// Forgets the failures.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn state(&self, now: Instant) -> PluginState {
        let (Some((last, at)), true) = (&self.last, self.failures >= FAILURES_BEFORE_BACKOFF) else {
            return PluginState::Ready;
        };
        let (last, failures) = (last.clone(), self.failures);
        if failures >= FAILURES_BEFORE_QUARANTINE {
            return PluginState::Quarantined { failures, last };
        }
        let doublings = failures - FAILURES_BEFORE_BACKOFF;
        let rest = FIRST_BACKOFF.saturating_mul(1 << doublings.min(16)).min(LONGEST_BACKOFF);
        match rest.checked_sub(now.saturating_duration_since(*at)) {
            Some(retry_in) if !retry_in.is_zero() => PluginState::BackingOff { retry_in, failures, last },
            Some(_) | None => PluginState::Ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Limit;

    const FUEL: Outcome = Outcome::Limit { limit: Limit::Fuel };

    #[test]
    fn rests_grow_and_end_in_quarantine() {
        let mut health = Health::default();
        let mut now = Instant::now();
        for failures in 1..FAILURES_BEFORE_QUARANTINE {
            assert_eq!(health.admit(now), Ok(()), "after {failures}");
            health.record_at(&FUEL, || now);
            match health.admit(now) {
                Ok(()) => assert!(failures < FAILURES_BEFORE_BACKOFF),
                Err(Suspension::BackingOff { retry_in }) => {
                    assert_eq!(retry_in, FIRST_BACKOFF * (1 << (failures - FAILURES_BEFORE_BACKOFF)));
                    now += retry_in;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        health.record_at(&FUEL, || now);
        let failures = FAILURES_BEFORE_QUARANTINE;
        assert_eq!(health.admit(now + LONGEST_BACKOFF * 100), Err(Suspension::Quarantined { failures }));
        assert_eq!(health.state(now), PluginState::Quarantined { failures, last: FUEL });
        health.reset();
        assert_eq!(health.state(now), PluginState::Ready);
    }

    #[test]
    fn a_success_or_an_error_code_forgets_the_failures() {
        for outcome in [Outcome::Ok, Outcome::Failed { code: 7 }] {
            let mut health = Health::default();
            let now = Instant::now();
            for _ in 0..FAILURES_BEFORE_BACKOFF * 10 {
                for _ in 1..FAILURES_BEFORE_BACKOFF {
                    health.record_at(&FUEL, || now);
                }
                health.record_at(&outcome, || now);
                assert_eq!(health.admit(now), Ok(()));
            }
        }
    }
}
