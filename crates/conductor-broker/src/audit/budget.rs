//! How many records one plugin may make. Each sort has a budget of its own, so that a plugin which does much that is
//! harmless hides neither what it does at a higher risk nor what it was refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use conductor_abi::Risk;

/// Most records of one plugin and sort in a row, after which it has to wait.
pub const MAX_RECORDS_AT_ONCE: u32 = 100;

/// Records of one plugin and sort in a minute, in the long run; the rest are counted. Stops a plugin from filling the
/// log, and so from pushing out what is recorded of others.
pub const RECORDS_PER_MINUTE: u32 = 30;

/// Most deeds of high risk of one plugin in a row. They are refused where they cannot be recorded, and a controller that
/// is turned for a while sets the volume hundreds of times.
pub const HIGH_RISK_RECORDS_AT_ONCE: u32 = 1000;

/// Deeds of high risk of one plugin in a minute, in the long run; the rest are refused. Stops a plugin from pushing out
/// what is recorded of others.
pub const HIGH_RISK_RECORDS_PER_MINUTE: u32 = 60;

/// What a record is about, as far as its budget goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// What a plugin did at a risk.
    Use(Risk),
    /// What it was refused at a risk, or failed at.
    Trouble(Risk),
    /// How a call ended.
    Ended,
}

/// The budgets of one plugin.
pub(super) struct Budgets {
    uses: [Budget; 3],
    troubles: [Budget; 3],
    ended: Budget,
}

impl Budgets {
    pub(super) const fn new() -> Self {
        Self {
            uses: [
                Budget::usual(),
                Budget::usual(),
                Budget::new(HIGH_RISK_RECORDS_AT_ONCE, HIGH_RISK_RECORDS_PER_MINUTE),
            ],
            troubles: [Budget::usual(), Budget::usual(), Budget::usual()],
            ended: Budget::usual(),
        }
    }

    pub(super) const fn of(&self, sort: Sort) -> &Budget {
        match sort {
            Sort::Use(Risk::Low) => &self.uses[0],
            Sort::Use(Risk::Medium) => &self.uses[1],
            Sort::Use(Risk::High) => &self.uses[2],
            Sort::Trouble(Risk::Low) => &self.troubles[0],
            Sort::Trouble(Risk::Medium) => &self.troubles[1],
            Sort::Trouble(Risk::High) => &self.troubles[2],
            Sort::Ended => &self.ended,
        }
    }

    /// The number of records of all sorts that were left out and not told of.
    pub(super) fn take_left_out(&self) -> u64 {
        let all = self.uses.iter().chain(&self.troubles).chain([&self.ended]);
        all.map(Budget::take_left_out).sum()
    }
}

/// Room for a number of records that fills up again with time.
pub(super) struct Budget {
    at_once: u32,
    /// What one record costs: the time after which there is room for another.
    cost: Duration,
    /// The time that is saved up, and when.
    saved: Mutex<Option<(Instant, Duration)>>,
    /// Records left out since the last one that was written.
    left_out: AtomicU64,
}

impl Budget {
    const fn usual() -> Self {
        Self::new(MAX_RECORDS_AT_ONCE, RECORDS_PER_MINUTE)
    }

    const fn new(at_once: u32, per_minute: u32) -> Self {
        // None a minute is never again.
        let cost = match Duration::from_secs(60).checked_div(per_minute) {
            Some(cost) => cost,
            None => Duration::MAX,
        };
        Self { at_once, cost, saved: Mutex::new(None), left_out: AtomicU64::new(0) }
    }

    /// Takes one record out of the budget, if there is one, and says how many were left out before it; counts it as left
    /// out otherwise.
    pub(super) fn admit(&self, now: Instant) -> Option<u64> {
        let admitted = self.admit_deed(now);
        if admitted.is_none() {
            self.leave_out(1);
        }
        admitted
    }

    /// As [`Budget::admit`], for a deed that is not done if there is no room, so that no record of it is left out.
    pub(super) fn admit_deed(&self, now: Instant) -> Option<u64> {
        self.take(now).then(|| self.take_left_out())
    }

    fn take(&self, now: Instant) -> bool {
        let most = self.cost.saturating_mul(self.at_once);
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, left) = saved.unwrap_or((now, most));
        let left = left.saturating_add(now.saturating_duration_since(since)).min(most);
        let rest = left.checked_sub(self.cost);
        *saved = Some((now, rest.unwrap_or(left)));
        rest.is_some()
    }

    /// Counts records that were not written.
    pub(super) fn leave_out(&self, records: u64) {
        self.left_out.fetch_add(records, Ordering::Relaxed);
    }

    fn take_left_out(&self) -> u64 {
        self.left_out.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_recorded_and_then_so_many_in_a_minute() {
        for (at_once, per_minute) in [
            (MAX_RECORDS_AT_ONCE, RECORDS_PER_MINUTE),
            (HIGH_RISK_RECORDS_AT_ONCE, HIGH_RISK_RECORDS_PER_MINUTE),
        ] {
            let budget = Budget::new(at_once, per_minute);
            let start = Instant::now();
            assert!((0..at_once).all(|_| budget.admit(start) == Some(0)));
            assert_eq!(budget.admit(start), None);
            let minutes = 10;
            let seconds = u64::from(minutes) * 60;
            let tries = (1..=seconds * 10).map(|tenth| start + Duration::from_millis(tenth * 100));
            let admitted: Vec<u64> = tries.filter_map(|at| budget.admit(at)).collect();
            assert_eq!(admitted.len(), (per_minute * minutes) as usize);
            let refused = seconds * 10 - admitted.len() as u64 + 1;
            let told = admitted.iter().sum::<u64>() + budget.take_left_out();
            assert_eq!(told, refused, "what is left out is told of");
            let later = start + Duration::from_secs(24 * 3600);
            assert!((0..at_once).all(|_| budget.admit(later).is_some()));
            assert_eq!(budget.admit(later), None, "no more is saved up than one burst");
        }
    }

    #[test]
    fn each_sort_has_a_budget_of_its_own() {
        let sorts = [Risk::Low, Risk::Medium, Risk::High]
            .into_iter()
            .flat_map(|risk| [Sort::Use(risk), Sort::Trouble(risk)])
            .chain([Sort::Ended]);
        let sorts: Vec<_> = sorts.collect();
        for emptied in &sorts {
            let budgets = Budgets::new();
            let now = Instant::now();
            while budgets.of(*emptied).admit(now).is_some() {}
            let others = sorts.iter().filter(|sort| *sort != emptied);
            assert!(others.clone().all(|sort| budgets.of(*sort).admit(now) == Some(0)), "{emptied:?}");
            assert_eq!(budgets.take_left_out(), 1);
        }
    }
}
