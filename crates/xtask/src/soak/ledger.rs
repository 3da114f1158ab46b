//! The events that were sent, and what became of each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::soak::cast::Member;
use crate::soak::pressure::{self, Pressed};

/// Matches rows with events, by the number that both carry. Event `n` is for plugin `n` modulo the number of plugins.
pub(crate) struct Ledger {
    started: Instant,
    /// When each event was sent, in nanoseconds since the start.
    times: Vec<AtomicU64>,
    sent: AtomicU64,
    /// Number of the first event after the warm-up. During the warm-up, no event has this number.
    measured_from: AtomicU64,
    /// Number of the first event after the measured time.
    measured_to: AtomicU64,
    members: Vec<Member>,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// Outcomes by plugin.
    outcomes: Vec<BTreeMap<String, u64>>,
    answered: Vec<bool>,
    /// The number of rows of well-behaved plugins.
    good_rows: u64,
    calls: Vec<MeasuredCall>,
    strange: Vec<String>,
    strange_rows: u64,
    pressed: Pressed,
}

/// A call of a well-behaved plugin in the measured time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MeasuredCall {
    /// Number of the event.
    pub(crate) number: u64,
    /// Index of the plugin.
    pub(crate) member: usize,
    /// Microseconds from the packet's departure to the row's arrival.
    pub(crate) latency: u32,
    /// Microseconds of the call itself, according to the daemon.
    pub(crate) micros: u32,
}

/// Everything that the ledger knows at the end of the soak.
pub(crate) struct Findings {
    /// The number of events that were sent, including the warm-up.
    pub(crate) sent: u64,
    /// Number of the first event after the warm-up.
    pub(crate) measured_from: u64,
    /// Number of the first event after the measured time.
    pub(crate) measured_to: u64,
    /// What became of the calls of the plugin under pressure.
    pub(crate) pressed: Pressed,
    /// The number of events that were sent, by plugin.
    pub(crate) sent_by_member: Vec<u64>,
    /// Outcomes by plugin.
    pub(crate) outcomes: Vec<BTreeMap<String, u64>>,
    /// Calls of well-behaved plugins in the measured time.
    pub(crate) calls: Vec<MeasuredCall>,
    /// The number of rows that match no event. `strange` has the first of them.
    pub(crate) strange_rows: u64,
    pub(crate) strange: Vec<String>,
    /// The first events for well-behaved plugins without a row.
    pub(crate) lost: Vec<LostEvent>,
}

/// An event without a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LostEvent {
    pub(crate) number: u64,
    /// Index of the plugin.
    pub(crate) member: usize,
    /// When it was sent, in seconds since the ledger was begun.
    pub(crate) seconds: f64,
}

impl Ledger {
    /// Most lost events that are named in the report.
    const MOST_LOST: usize = 50;

    /// Most strange rows that are kept for the report.
    const MOST_STRANGE: usize = 5;

    /// A ledger with room for `most` events.
    pub(crate) fn new(members: &[Member], most: u64) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let entries = Entries {
            outcomes: vec![BTreeMap::new(); members.len()],
            answered: vec![false; most],
            ..Entries::default()
        };
        Self {
            started: Instant::now(),
            times: std::iter::repeat_with(AtomicU64::default).take(most).collect(),
            sent: AtomicU64::new(0),
            measured_from: AtomicU64::new(u64::MAX),
            measured_to: AtomicU64::new(u64::MAX),
            members: members.to_vec(),
            entries: Mutex::new(entries),
        }
    }

    /// Notes that the next event is being sent. `None` if the ledger is full.
    pub(crate) fn next(&self) -> Option<u64> {
        let number = self.sent.load(Ordering::Relaxed);
        self.times.get(usize::try_from(number).ok()?)?.store(nanoseconds(self.started), Ordering::Relaxed);
        // The number is published after the time, so whoever sees the number sees the time.
        self.sent.store(number + 1, Ordering::Release);
        Some(number)
    }

    /// Ends the warm-up: events from here on are measured.
    pub(crate) fn measure_from_here(&self) {
        self.measured_from.store(self.sent(), Ordering::Relaxed);
    }

    /// Ends the measured time: events from here on are not measured, but must not be lost.
    pub(crate) fn measure_to_here(&self) {
        self.measured_to.store(self.sent(), Ordering::Relaxed);
    }

    /// Events sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// The number of events for well-behaved plugins that have no row yet.
    pub(crate) fn missing(&self) -> u64 {
        let rows = self.entries().good_rows;
        let members = self.members.iter().enumerate();
        let good = members.filter(|(_, member)| !member.is_hostile);
        good.map(|(index, _)| self.sent_to(index, self.sent())).sum::<u64>().saturating_sub(rows)
    }

    /// Takes a row of the daemon that has just arrived.
    pub(crate) fn row(&self, line: &str) {
        let now = nanoseconds(self.started);
        let row = serde_json::from_str::<Value>(line).unwrap_or_default();
        let mut entries = self.entries();
        if row["plugin"] == pressure::PRESSED {
            return entries.pressed.note(row["event"].as_str().unwrap_or_default());
        }
        let read = self.read(&row);
        let Some((number, member, outcome, micros)) = read else {
            return entries.note_strange(line);
        };
        let Some(answered) = entries.answered.get_mut(number as usize) else {
            return entries.note_strange(line);
        };
        if std::mem::replace(answered, true) {
            return entries.note_strange(line);
        }
        if let Some(outcomes) = entries.outcomes.get_mut(member) {
            *outcomes.entry(outcome).or_default() += 1;
        }
        if self.members.get(member).is_some_and(|member| !member.is_hostile) {
            entries.good_rows += 1;
            let from = self.measured_from.load(Ordering::Relaxed);
            if (from..self.measured_to.load(Ordering::Relaxed)).contains(&number) {
                let sent = self.times.get(number as usize).map_or(now, |time| time.load(Ordering::Relaxed));
                let latency = Duration::from_nanos(now.saturating_sub(sent)).as_micros();
                let latency = u32::try_from(latency).unwrap_or(u32::MAX);
                entries.calls.push(MeasuredCall { number, member, latency, micros });
            }
        }
    }

    /// Number of the event, index of the plugin, outcome in words, and microseconds of the call.
    fn read(&self, row: &Value) -> Option<(u64, usize, String, u32)> {
        let text = |field: &str| row.get(field)?.as_str();
        let (_, arguments) = text("event")?.rsplit_once('[')?;
        let number: u64 = arguments.strip_suffix(']')?.parse().ok()?;
        let member = (number % self.members.len() as u64) as usize;
        if number >= self.sent() || self.members.get(member)?.name != text("plugin")? {
            return None;
        }
        let outcome = match text("limit") {
            Some(limit) => format!("{} {limit}", text("outcome")?),
            None => text("outcome")?.to_owned(),
        };
        let micros = row.get("micros")?.as_u64()?;
        Some((number, member, outcome, u32::try_from(micros).unwrap_or(u32::MAX)))
    }

    /// How many of the first `sent` events were for this plugin.
    fn sent_to(&self, member: usize, sent: u64) -> u64 {
        (sent + self.members.len() as u64 - 1).saturating_sub(member as u64) / self.members.len() as u64
    }

    /// Everything that the ledger knows.
    pub(crate) fn findings(&self) -> Findings {
        let sent = self.sent();
        let mut entries = self.entries();
        Findings {
            sent,
            measured_from: self.measured_from.load(Ordering::Relaxed),
            measured_to: self.measured_to.load(Ordering::Relaxed).min(sent),
            pressed: entries.pressed.clone(),
            sent_by_member: (0..self.members.len()).map(|member| self.sent_to(member, sent)).collect(),
            outcomes: entries.outcomes.clone(),
            calls: std::mem::take(&mut entries.calls),
            strange_rows: entries.strange_rows,
            strange: entries.strange.clone(),
            lost: self.lost(&entries.answered, sent),
        }
    }

    fn lost(&self, answered: &[bool], sent: u64) -> Vec<LostEvent> {
        let events = (0..sent).zip(answered).zip(&self.times);
        let lost = events.filter_map(|((number, answered), time)| {
            let member = (number % self.members.len() as u64) as usize;
            let is_good = self.members.get(member).is_some_and(|member| !member.is_hostile);
            let seconds = Duration::from_nanos(time.load(Ordering::Relaxed)).as_secs_f64();
            (is_good && !answered).then_some(LostEvent { number, member, seconds })
        });
        lost.take(Self::MOST_LOST).collect()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn note_strange(&mut self, line: &str) {
        self.strange_rows += 1;
        if self.strange.len() < Ledger::MOST_STRANGE {
            self.strange.push(line.to_owned());
        }
    }
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let member = |name: &str, is_hostile| Member {
            name: name.to_owned(),
            guest: "notes",
            action: "append",
            is_hostile,
        };
        Ledger::new(&[member("bad", true), member("good", false), member("better", false)], 9)
    }

    fn row(number: u64, plugin: &str, outcome: &str, limit: Option<&str>) -> String {
        let event = format!("desk: /p/001 [{number}]");
        serde_json::json!({"event": event, "plugin": plugin, "outcome": outcome, "limit": limit, "micros": 7})
            .to_string()
    }

    #[test]
    fn rows_are_matched_by_number() {
        let ledger = ledger();
        assert_eq!((0..5).filter_map(|_| ledger.next()).count(), 5);
        assert_eq!(ledger.missing(), 3, "events 1, 2 and 4");
        ledger.row(&row(1, "good", "ok", None));
        ledger.measure_from_here();
        assert_eq!(ledger.next(), Some(5));
        ledger.row(&row(0, "bad", "limit", Some("max_fuel")));
        ledger.row(&row(5, "better", "failed", None));
        ledger.row(&row(4, "good", "ok", None));
        assert_eq!(ledger.missing(), 1, "event 2");
        let findings = ledger.findings();
        assert_eq!(findings.sent_by_member, [2, 2, 2]);
        assert_eq!(findings.outcomes[0], BTreeMap::from([("limit max_fuel".to_owned(), 1)]));
        assert_eq!(findings.outcomes[1], BTreeMap::from([("ok".to_owned(), 2)]));
        assert_eq!(findings.outcomes[2], BTreeMap::from([("failed".to_owned(), 1)]));
        let calls: Vec<(u64, u32)> = findings.calls.iter().map(|call| (call.number, call.micros)).collect();
        assert_eq!(calls, [(5, 7)], "what came before is the warm-up");
        assert_eq!(findings.strange_rows, 0);
        let lost: Vec<_> = findings.lost.iter().map(|lost| (lost.number, lost.member)).collect();
        assert_eq!(lost, [(2, 2)]);
    }

    #[test]
    fn rows_that_match_no_event_are_kept_apart() {
        let ledger = ledger();
        ledger.next();
        ledger.next();
        ledger.row(&row(1, "good", "ok", None));
        for line in [row(1, "good", "ok", None), row(1, "better", "ok", None), row(2, "better", "ok", None)] {
            ledger.row(&line);
        }
        ledger.row("not JSON");
        let findings = ledger.findings();
        assert_eq!((findings.strange_rows, findings.outcomes[1]["ok"]), (4, 1));
    }

    #[test]
    fn a_full_ledger_takes_no_more() {
        let ledger = ledger();
        assert_eq!(std::iter::from_fn(|| ledger.next()).count(), 9);
    }
}
