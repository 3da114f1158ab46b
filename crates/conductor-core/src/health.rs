//! When a plugin that keeps failing is called again.
//!
//! A failure is a call that was ended by a limit, a trap, a broken rule or the death of a worker; a plugin that returns
//! an error code works as it should. After a few failures in a row the plugin rests, and longer after each further
//! failure; after more failures it is not called until somebody lets it back in. Calls that arrive meanwhile are
//! refused at once, so that they cost nothing and do not pile up.

use std::time::{Duration, Instant};

use conductor_call::{Outcome, Suspension, WorkerFault};
use conductor_signing::VerifyError;

/// Failures in a row after which a plugin rests.
pub const FAILURES_BEFORE_BACKOFF: u32 = 3;

/// First rest; each further failure doubles it.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// Longest rest.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Failures in a row after which a plugin is not called any more; stops a broken plugin from costing a worker process
/// again and again.
pub const FAILURES_BEFORE_QUARANTINE: u32 = 10;

/// Faults of a plugin's workers between calls after which the plugin is not called any more; forgotten faults do not
/// count. Each fault costs a new process, and successful calls in between do not make up for it.
pub const FAULTS_BETWEEN_CALLS_BEFORE_QUARANTINE: u32 = 10;

/// Time after which one fault between calls is forgotten.
pub const FAULT_FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// Whether a plugin may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PluginState {
    /// The plugin may be called.
    Ready,
    /// The plugin may be called after some time.
    BackingOff {
        /// What is left of this time.
        retry_in: Duration,
        /// Failures in a row.
        failures: u32,
        /// The outcome of the last failure.
        last: Outcome,
    },
    /// The plugin may not be called until somebody lets it back in.
    Quarantined {
        /// Failures in a row.
        failures: u32,
        /// The outcome of the last failure.
        last: Outcome,
    },
    /// The plugin may not be called any more: the permission under which it was loaded was withdrawn.
    Withdrawn {
        /// Why the permission was withdrawn.
        cause: Box<VerifyError>,
    },
}

/// Counts failures in a row, and faults between calls.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
    last: Option<(Outcome, Instant)>,
    between_calls: BetweenCalls,
}

/// Faults between calls that are not forgotten yet.
#[derive(Debug, Default)]
struct BetweenCalls {
    faults: u32,
    /// Start of the time after which the next fault is forgotten.
    since: Option<Instant>,
    /// The last fault, once there were so many that the plugin is not called any more.
    too_many: Option<WorkerFault>,
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

    /// Records how a call ended just now.
    pub(crate) fn record(&mut self, outcome: &Outcome) {
        self.record_at(outcome, Instant::now);
    }

    /// Records a fault of the plugin's worker between calls.
    pub(crate) fn record_between_calls(&mut self, fault: WorkerFault, now: Instant) {
        self.between_calls.add(fault, now);
    }

    fn record_at(&mut self, outcome: &Outcome, now: impl FnOnce() -> Instant) {
        if outcome.keeps_instance() {
            if self.failures > 0 {
                (self.failures, self.last) = (0, None);
            }
        } else {
            self.failures = self.failures.saturating_add(1);
            self.last = Some((outcome.clone(), now()));
        }
    }

    /// Forgets all failures and faults.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn state(&self, now: Instant) -> PluginState {
        if let Some(fault) = &self.between_calls.too_many {
            let last = Outcome::Crashed { fault: fault.clone() };
            return PluginState::Quarantined { failures: self.between_calls.faults, last };
        }
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

impl BetweenCalls {
    fn add(&mut self, fault: WorkerFault, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since).as_secs() / FAULT_FORGOTTEN_AFTER.as_secs();
        let forgotten = u32::try_from(passed).unwrap_or(u32::MAX);
        self.faults = self.faults.saturating_sub(forgotten);
        let is_first = self.faults == 0;
        self.since =
            Some(if is_first { now } else { since + FAULT_FORGOTTEN_AFTER.saturating_mul(forgotten) });
        self.faults += 1;
        if self.faults >= FAULTS_BETWEEN_CALLS_BEFORE_QUARANTINE {
            self.too_many = Some(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use conductor_call::Limit;

    use super::*;

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
    fn faults_between_calls_add_up_whatever_calls_do_and_are_forgotten_with_time() {
        let fault = || WorkerFault::Ended { how: "exit status: 0".to_owned() };
        let (mut health, start) = (Health::default(), Instant::now());
        for number in 1..FAULTS_BETWEEN_CALLS_BEFORE_QUARANTINE {
            health.record_between_calls(fault(), start + Duration::from_secs(number.into()));
            health.record_at(&Outcome::Ok, || start);
            assert_eq!(health.state(start), PluginState::Ready, "after {number}");
        }
        let later = start + Duration::from_secs(30);
        health.record_between_calls(fault(), later);
        health.record_at(&Outcome::Ok, || later);
        let failures = FAULTS_BETWEEN_CALLS_BEFORE_QUARANTINE;
        let last = Outcome::Crashed { fault: fault() };
        assert_eq!(health.state(later), PluginState::Quarantined { failures, last });
        assert_eq!(health.admit(later), Err(Suspension::Quarantined { failures }));
        health.reset();
        assert_eq!(health.state(later), PluginState::Ready);
        for number in 0..1_000 {
            // The faults come as slowly as they are forgotten.
            health.record_between_calls(fault(), later + FAULT_FORGOTTEN_AFTER * number);
            assert_eq!(health.state(later), PluginState::Ready, "after {number}");
        }
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
