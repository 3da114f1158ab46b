//! Tests of what is recorded of one plugin, and of what is not done because it cannot be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use conductor_call::Limit;

use super::*;
use crate::audit::{HIGH_RISK_RECORDS_AT_ONCE, MAX_RECORDS_AT_ONCE};

/// Keeps records, unless it is told to lose them.
struct Kept {
    key: AuditKey,
    records: Mutex<Vec<AuditRecord>>,
    loses: AtomicBool,
}

impl Default for Kept {
    fn default() -> Self {
        let key = AuditKey::from_bytes([7; 32]);
        Self { key, records: Mutex::default(), loses: AtomicBool::new(false) }
    }
}

impl AuditSink for Kept {
    fn record(&self, record: &AuditRecord) -> Result<(), NotRecorded> {
        if self.is_failing() {
            return Err(NotRecorded);
        }
        self.records.lock().expect("records").push(record.clone());
        Ok(())
    }

    fn key(&self) -> &AuditKey {
        &self.key
    }

    fn is_failing(&self) -> bool {
        self.loses.load(Ordering::SeqCst)
    }
}

impl Kept {
    fn audit() -> (PluginAudit, Arc<Self>) {
        let kept = Arc::new(Self::default());
        (PluginAudit::new("p".to_owned(), Some(Arc::clone(&kept) as _)), kept)
    }

    fn take(&self) -> Vec<(AuditEvent, u64)> {
        let records = std::mem::take(&mut *self.records.lock().expect("records"));
        records.into_iter().map(|record| (record.event, record.left_out)).collect()
    }
}

/// Begins and ends something; what was asked for is shown as `shown`, and is `bytes`.
fn deed(
    audit: &PluginAudit,
    risk: Risk,
    shown: &str,
    bytes: &[u8],
    result: Result<usize, &Refusal>,
) -> Result<(), Unrecordable> {
    let capability = match risk {
        Risk::Low | Risk::Medium => Capability::Midi,
        Risk::High => Capability::Subprocess,
    };
    let asked = Asked::new(capability, "deed", risk, &shown, bytes);
    let ticket = audit.begin(&asked)?;
    audit.end(ticket, &asked, result);
    Ok(())
}

fn word(event: &AuditEvent) -> String {
    let json = serde_json::to_value(event).expect("JSON");
    json["event"].as_str().expect("a word").to_owned()
}

fn words(records: &[(AuditEvent, u64)]) -> Vec<String> {
    records.iter().map(|(event, _)| word(event)).collect()
}

#[test]
fn what_is_of_high_risk_is_recorded_before_and_after() {
    let (audit, kept) = Kept::audit();
    let asked = Asked::new(Capability::Subprocess, "run", Risk::High, &"`/bin/a`", b"all of it");
    let ticket = audit.begin(&asked).expect("recorded");
    let begun = kept.take();
    let [(AuditEvent::CapabilityBegun { request_hmac, .. }, 0)] = &begun[..] else { panic!("{begun:?}") };
    assert_eq!(*request_hmac, kept.key.code("run", b"all of it"));
    audit.end(ticket, &asked, Err(&Refusal::timed_out("late")));
    let ended = kept.take();
    let [(AuditEvent::CapabilityFailed { request_hmac: of_end, .. }, 0)] = &ended[..] else {
        panic!("{ended:?}")
    };
    assert_eq!(of_end, request_hmac);
}

#[test]
fn what_differs_where_it_is_not_shown_is_not_the_same_again() {
    let (audit, kept) = Kept::audit();
    // Of high risk the second use has records of its own.
    for (risk, alone, summed_up) in [(Risk::Low, 2, 2), (Risk::High, 2 * 3, 1)] {
        for bytes in [b"long a", b"long b", b"long a", b"long a"] {
            deed(&audit, risk, "`long…", bytes, Ok(1)).expect("recorded");
        }
        audit.sum_up();
        let records = kept.take();
        assert_eq!(records.len(), alone + 1, "{records:?}");
        let again = records.last().map(|(event, _)| event);
        assert!(
            matches!(again, Some(AuditEvent::CapabilityUsedAgain { times, request_hmac, .. })
                if *times == summed_up && *request_hmac == kept.key.code("deed", b"long a")),
            "{again:?}"
        );
    }
}

#[test]
fn a_flood_of_low_risk_hides_nothing_of_high_risk() {
    let (audit, kept) = Kept::audit();
    let many = MAX_RECORDS_AT_ONCE + 7;
    for number in 0..many {
        deed(&audit, Risk::Low, "x", &number.to_le_bytes(), Ok(0)).expect("done");
        deed(&audit, Risk::Low, "x", &number.to_le_bytes(), Err(&Refusal::denied("no"))).expect("tried");
    }
    kept.take();
    let asked = Asked::new(Capability::Subprocess, "run", Risk::High, &"", b"");
    audit.refused(&asked, &Refusal::denied("no"));
    deed(&audit, Risk::High, "a", b"a", Ok(0)).expect("recorded");
    deed(&audit, Risk::Medium, "sysex", b"s", Ok(0)).expect("recorded");
    audit.call_ended(&Outcome::Limit { limit: Limit::Fuel });
    let records = kept.take();
    let expected =
        ["capability-denied", "capability-begun", "capability-used", "capability-used", "call-ended"];
    assert_eq!(words(&records), expected);
    drop(audit);
    let last = kept.take();
    assert_eq!(last, [(AuditEvent::RecordsLeftOut, 2 * 7)]);
}

#[test]
fn what_is_of_high_risk_is_refused_when_there_is_no_room_to_record_it() {
    let (audit, kept) = Kept::audit();
    for number in 0..HIGH_RISK_RECORDS_AT_ONCE {
        deed(&audit, Risk::High, "x", &number.to_le_bytes(), Ok(0)).expect("recorded");
    }
    assert_eq!(kept.take().len() as u32, 2 * HIGH_RISK_RECORDS_AT_ONCE, "each has both records");
    assert_eq!(deed(&audit, Risk::High, "x", b"more", Ok(0)), Err(Unrecordable::TooMany));
    let first = 0_u32.to_le_bytes();
    assert_eq!(
        deed(&audit, Risk::High, "x", &first, Ok(0)),
        Err(Unrecordable::TooMany),
        "there is no room to sum up what is the same either"
    );
    deed(&audit, Risk::Low, "x", b"low", Ok(0)).expect("has its own room");
}

#[test]
fn the_same_again_of_high_risk_has_its_room_before_it_is_done() {
    let (audit, kept) = Kept::audit();
    // The 1st, 2nd and 4th have records of their own, and there is one for the others.
    for _ in 0..5 {
        deed(&audit, Risk::High, "x", b"same", Ok(5)).expect("recorded");
    }
    for number in 4..HIGH_RISK_RECORDS_AT_ONCE {
        deed(&audit, Risk::High, "x", &number.to_le_bytes(), Ok(0)).expect("recorded");
    }
    assert_eq!(deed(&audit, Risk::High, "x", b"more", Ok(0)), Err(Unrecordable::TooMany));
    kept.take();
    deed(&audit, Risk::High, "x", b"same", Err(&Refusal::failed("no"))).expect("counted");
    audit.sum_up();
    let records = kept.take();
    assert_eq!(words(&records), ["capability-failed", "capability-used-again"]);
    assert!(
        matches!(records[1].0, AuditEvent::CapabilityUsedAgain { times: 3, bytes: 10, .. }),
        "{records:?}"
    );
}

#[test]
fn half_of_what_is_of_high_risk_is_on_record_before_it_is_summed_up() {
    let (audit, kept) = Kept::audit();
    let mut begun = 0;
    for done in 1_u32..=100 {
        deed(&audit, Risk::High, "x", b"same", Ok(1)).expect("recorded");
        begun += words(&kept.take()).iter().filter(|word| **word == "capability-begun").count();
        assert_eq!(begun, done.ilog2() as usize + 1, "after {done}");
    }
}

#[test]
fn what_is_of_high_risk_is_refused_while_nothing_can_be_written() {
    let (audit, kept) = Kept::audit();
    deed(&audit, Risk::High, "x", b"first", Ok(0)).expect("recorded");
    kept.loses.store(true, Ordering::SeqCst);
    for bytes in [&b"first"[..], b"second"] {
        assert_eq!(deed(&audit, Risk::High, "x", bytes, Ok(0)), Err(Unrecordable::NotRecorded));
    }
    deed(&audit, Risk::Low, "x", b"low", Ok(0)).expect("goes on");
    kept.loses.store(false, Ordering::SeqCst);
    deed(&audit, Risk::High, "x", b"second", Ok(0)).expect("recorded");
    audit.sum_up();
    let words = words(&kept.take());
    assert_eq!(words, ["capability-begun", "capability-used", "capability-begun", "capability-used"]);
}

#[test]
fn what_was_left_out_is_told_though_the_record_that_told_it_was_lost() {
    let (audit, kept) = Kept::audit();
    let denied = Refusal::denied("no");
    let refuse = |bytes: &[u8]| {
        audit.refused(&Asked::new(Capability::Midi, "deed", Risk::Low, &"", bytes), &denied);
    };
    (0..MAX_RECORDS_AT_ONCE + 3).for_each(|_| refuse(b""));
    kept.take();
    // A budget that is empty admits nothing for a while, so the last record tells it.
    kept.loses.store(true, Ordering::SeqCst);
    audit.rare(|| AuditEvent::PluginResumed);
    kept.loses.store(false, Ordering::SeqCst);
    drop(audit);
    assert_eq!(kept.take(), [(AuditEvent::RecordsLeftOut, 3)]);
}

#[test]
fn the_same_uses_of_a_call_are_summed_up_at_its_end() {
    let (audit, kept) = Kept::audit();
    let send = |port: &str| deed(&audit, Risk::Low, port, port.as_bytes(), Ok(2)).expect("done");
    for _ in 0..2 {
        send("synth");
        send("drums");
        (0..1000).for_each(|_| send("synth"));
        audit.sum_up();
    }
    let records = kept.take();
    let again = |(event, left_out): &(AuditEvent, u64)| {
        matches!(event, AuditEvent::CapabilityUsedAgain { times: 1000, bytes: 2000, request, .. }
            if *request == AuditText::of(&"synth") && *left_out == 0)
    };
    assert_eq!(records.len(), 6, "{records:?}");
    assert!(again(&records[2]) && again(&records[5]), "{records:?}");
}
