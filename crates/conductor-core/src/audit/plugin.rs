//! The records of one plugin, as many as it may make.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, Status};
use tracing::{info, warn};

use super::{AuditEvent, AuditRecord, AuditSink, AuditText};
use crate::capability::Refusal;
use crate::outcome::Outcome;

/// Most records of one plugin and kind in a row, after which it has to wait. There are two kinds, so that a plugin which
/// works much does not hide what it was refused: what it did, and what it was refused or failed at.
pub const MAX_RECORDS_AT_ONCE: u32 = 100;

/// Records of one plugin and kind in a minute, in the long run; the rest are counted. Stops a plugin from filling the
/// log, and so from pushing out what is recorded of others.
pub const RECORDS_PER_MINUTE: u32 = 30;

/// Most different uses of one call that are told apart to be summed up; each takes memory until the call ends.
const MAX_TOLD_APART: usize = 64;

/// What is recorded about one plugin.
pub(crate) struct PluginAudit {
    plugin: String,
    sink: Option<Arc<dyn AuditSink>>,
    uses: Budget,
    troubles: Budget,
    /// Records left out since the last one that was written.
    left_out: AtomicU64,
    /// What was recorded of the call that is under way, and was done again since.
    of_call: Mutex<BTreeMap<Use, Again>>,
}

/// A use of a capability, as it is recorded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    capability: Capability,
    operation: &'static str,
    request: AuditText,
}

/// What came after the first of the same uses.
#[derive(Clone, Copy, Default)]
struct Again {
    times: u64,
    bytes: u64,
}

impl PluginAudit {
    pub(crate) const fn new(plugin: String, sink: Option<Arc<dyn AuditSink>>) -> Self {
        let (uses, troubles) = (Budget::new(), Budget::new());
        let of_call = Mutex::new(BTreeMap::new());
        Self { plugin, sink, uses, troubles, left_out: AtomicU64::new(0), of_call }
    }

    /// The plugin's name.
    pub(crate) fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Records that the plugin used a capability, or tried to. `result` is the length of the answer, or why there is
    /// none. The first of the same uses in a call is recorded at once, the others together at its end.
    pub(crate) fn capability(
        &self,
        capability: Capability,
        operation: &'static str,
        request: &dyn fmt::Display,
        result: Result<usize, &Refusal>,
    ) {
        if let Ok(bytes) = result
            && self.is_again(capability, operation, request, bytes as u64)
        {
            return;
        }
        let budget = if result.is_ok() { &self.uses } else { &self.troubles };
        let Some(left_out) = self.admit(budget) else { return };
        trace(&self.plugin, capability, operation, request, result, left_out);
        self.write(left_out, || {
            let request = AuditText::of(request);
            match result {
                Ok(bytes) => {
                    AuditEvent::CapabilityUsed { capability, operation, request, bytes: bytes as u64 }
                }
                Err(Refusal { status: Status::Denied, reason, .. }) => {
                    let reason = AuditText::of(reason);
                    AuditEvent::CapabilityDenied { capability, operation, request, reason }
                }
                Err(Refusal { reason, .. }) => {
                    let reason = AuditText::of(reason);
                    AuditEvent::CapabilityFailed { capability, operation, request, reason }
                }
            }
        });
    }

    /// Whether the same use is recorded already in this call; then it is counted.
    fn is_again(
        &self,
        capability: Capability,
        operation: &'static str,
        request: &dyn fmt::Display,
        bytes: u64,
    ) -> bool {
        if self.sink.is_none() {
            return false;
        }
        let used = Use { capability, operation, request: AuditText::of(request) };
        let mut of_call = self.of_call.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(again) = of_call.get_mut(&used) {
            again.times += 1;
            again.bytes += bytes;
            return true;
        }
        if of_call.len() < MAX_TOLD_APART {
            of_call.insert(used, Again::default());
        }
        false
    }

    /// Records what was done again and again in the call that has ended.
    pub(crate) fn sum_up(&self) {
        let of_call = std::mem::take(&mut *self.of_call.lock().unwrap_or_else(PoisonError::into_inner));
        for (Use { capability, operation, request }, Again { times, bytes }) in of_call {
            if times == 0 {
                continue;
            }
            if let Some(left_out) = self.admit(&self.uses) {
                self.write(left_out, || AuditEvent::CapabilityUsedAgain {
                    capability,
                    operation,
                    request,
                    times,
                    bytes,
                });
            }
        }
    }

    /// Records that a call ended otherwise than by the plugin's own doing.
    pub(crate) fn call_ended(&self, outcome: &Outcome) {
        if self.sink.is_none() || outcome.keeps_instance() {
            return;
        }
        if let Some(left_out) = self.admit(&self.troubles) {
            self.write(left_out, || AuditEvent::CallEnded {
                outcome: outcome.kind(),
                limit: outcome.limit().map(|limit| limit.key()),
                error: AuditText::of(outcome),
            });
        }
    }

    /// Whether the last record of any plugin could not be kept.
    pub(crate) fn is_failing(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.is_failing())
    }

    /// Records something that a plugin cannot make happen often.
    pub(crate) fn rare(&self, event: impl FnOnce() -> AuditEvent) {
        self.write(self.left_out.swap(0, Ordering::Relaxed), event);
    }

    /// The number of records that were left out before, if another may be made.
    fn admit(&self, budget: &Budget) -> Option<u64> {
        if budget.admit(Instant::now()) {
            Some(self.left_out.swap(0, Ordering::Relaxed))
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            None
        }
    }

    fn write(&self, left_out: u64, event: impl FnOnce() -> AuditEvent) {
        if let Some(sink) = &self.sink {
            sink.record(&AuditRecord { left_out, ..AuditRecord::now(Some(&self.plugin), event()) });
        }
    }
}

impl Drop for PluginAudit {
    fn drop(&mut self) {
        self.sum_up();
        if *self.left_out.get_mut() > 0 {
            self.rare(|| AuditEvent::RecordsLeftOut);
        }
    }
}

/// Writes to the `tracing` target `conductor::audit`: a warning for a denial, information for everything else.
fn trace(
    plugin: &str,
    capability: Capability,
    operation: &'static str,
    request: &dyn fmt::Display,
    result: Result<usize, &Refusal>,
    left_out: u64,
) {
    match result {
        Ok(bytes) => {
            info!(target: "conductor::audit", plugin, %capability, operation, %request, bytes, left_out, "used");
        }
        Err(Refusal { status: Status::Denied, reason, .. }) => {
            warn!(target: "conductor::audit", plugin, %capability, operation, %request, reason, left_out, "denied");
        }
        Err(Refusal { status, reason, .. }) => {
            info!(target: "conductor::audit", plugin, %capability, operation, %request, ?status, reason, left_out, "failed");
        }
    }
}

/// Room for [`MAX_RECORDS_AT_ONCE`] that fills up again by [`RECORDS_PER_MINUTE`].
struct Budget(Mutex<Option<(Instant, Duration)>>);

/// What one record costs: the time after which there is room for another.
const COST: Duration = Duration::from_secs(60).checked_div(RECORDS_PER_MINUTE).expect("not zero");

impl Budget {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Takes one record out of the budget, if there is one.
    fn admit(&self, now: Instant) -> bool {
        let most = COST * MAX_RECORDS_AT_ONCE;
        let mut budget = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, left) = budget.unwrap_or((now, most));
        let left = left.saturating_add(now.saturating_duration_since(since)).min(most);
        let rest = left.checked_sub(COST);
        *budget = Some((now, rest.unwrap_or(left)));
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Limit;

    #[derive(Default)]
    struct Kept(Mutex<Vec<AuditRecord>>);

    impl AuditSink for Kept {
        fn record(&self, record: &AuditRecord) {
            self.0.lock().expect("records").push(record.clone());
        }
    }

    #[test]
    fn a_burst_is_recorded_and_then_so_many_in_a_minute() {
        let budget = Budget::new();
        let start = Instant::now();
        assert!((0..MAX_RECORDS_AT_ONCE).all(|_| budget.admit(start)));
        assert!(!budget.admit(start));
        let minutes = 10;
        let seconds = u64::from(minutes) * 60;
        let tries = (1..=seconds * 10).map(|tenth| start + Duration::from_millis(tenth * 100));
        let admitted = tries.filter(|at| budget.admit(*at)).count();
        assert_eq!(u32::try_from(admitted), Ok(RECORDS_PER_MINUTE * minutes));
        let later = start + Duration::from_secs(24 * 3600);
        assert!((0..MAX_RECORDS_AT_ONCE).all(|_| budget.admit(later)));
        assert!(!budget.admit(later), "no more is saved up than one burst");
    }

    #[test]
    fn what_is_left_out_is_counted_and_uses_do_not_hide_denials() {
        let kept = Arc::new(Kept::default());
        let audit = PluginAudit::new("p".to_owned(), Some(Arc::clone(&kept) as Arc<dyn AuditSink>));
        let many = usize::try_from(MAX_RECORDS_AT_ONCE).expect("fits") + 7;
        (0..many).for_each(|n| audit.capability(Capability::Midi, "midi-send", &n, Ok(0)));
        audit.call_ended(&Outcome::Ok);
        audit.call_ended(&Outcome::Failed { code: 1 });
        audit.capability(Capability::Midi, "midi-send", &"x", Err(&Refusal::denied("no")));
        audit.call_ended(&Outcome::Limit { limit: Limit::Fuel });
        audit.capability(Capability::Midi, "midi-send", &"synth", Ok(0));
        drop(audit);
        let records = kept.0.lock().expect("records");
        let after: Vec<_> = records.iter().skip(many - 7).collect();
        let [denied, ended, end] = after.as_slice() else { panic!("{after:?}") };
        assert!(matches!(denied.event, AuditEvent::CapabilityDenied { .. }) && denied.left_out == 7);
        assert!(
            matches!(ended.event, AuditEvent::CallEnded { limit: Some("max_fuel"), .. })
                && ended.left_out == 0
        );
        assert!(end.event == AuditEvent::RecordsLeftOut && end.left_out == 1);
    }

    #[test]
    fn the_same_uses_of_a_call_are_summed_up_at_its_end() {
        let kept = Arc::new(Kept::default());
        let audit = PluginAudit::new("p".to_owned(), Some(Arc::clone(&kept) as Arc<dyn AuditSink>));
        let send = |port: &str| audit.capability(Capability::Midi, "midi-send", &port, Ok(2));
        for _ in 0..2 {
            send("synth");
            send("drums");
            (0..1000).for_each(|_| send("synth"));
            audit.sum_up();
        }
        let records = kept.0.lock().expect("records");
        let records: Vec<_> = records.iter().map(|record| (&record.event, record.left_out)).collect();
        let again = |record: &(&AuditEvent, u64)| {
            matches!(record, (AuditEvent::CapabilityUsedAgain { times: 1000, bytes: 2000, request, .. }, 0)
                if *request == AuditText::of(&"synth"))
        };
        assert_eq!(records.len(), 6, "{records:?}");
        assert!(again(&records[2]) && again(&records[5]), "{records:?}");
    }
}
