//! The result of a soak, as text, as JSON and as a verdict.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::TaskError;
use crate::soak::cast::Member;
use crate::soak::daemon::Log;
use crate::soak::ledger::{Findings, LostEvent, MeasuredCall};
use crate::soak::machine::Machine;
use crate::soak::pressure::Pressed;
use crate::soak::process::Sample;
use crate::soak::statistics::{Quantiles, Spread};
use crate::soak::{PRESS_FOR, WARM_UP};

/// How many plugins are shown with their slowest call, so that one plugin that is held up stands out.
const SLOWEST: usize = 3;

/// Everything that was observed.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) options_line: String,
    pub(crate) command: String,
    /// How long the measured part took.
    pub(crate) took: Duration,
    /// How long the daemon took to end under pressure.
    pub(crate) took_to_end: Duration,
    pub(crate) cast: Vec<Member>,
    /// Samples from the end of the warm-up to the end of the soak.
    pub(crate) samples: Vec<Sample>,
    pub(crate) findings: Findings,
    pub(crate) log: Log,
}

/// What became of the events for some of the plugins.
#[derive(Default)]
struct Tally {
    plugins: u64,
    sent: u64,
    outcomes: BTreeMap<String, u64>,
}

impl Tally {
    fn ok(&self) -> u64 {
        self.outcomes.get("ok").copied().unwrap_or_default()
    }

    /// Calls that did not end well.
    fn failed(&self) -> u64 {
        self.rows() - self.ok()
    }

    fn rows(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Events without a row.
    fn unanswered(&self) -> u64 {
        self.sent.saturating_sub(self.rows())
    }

    /// Outcomes other than `ok`.
    fn failures(&self) -> impl Iterator<Item = (&String, &u64)> {
        self.outcomes.iter().filter(|(outcome, _)| *outcome != "ok")
    }

    fn json(&self) -> Value {
        json!({
            "plugins": self.plugins,
            "sent": self.sent,
            "ok": self.ok(),
            "failed": self.failures().collect::<BTreeMap<_, _>>(),
            "without_row": self.unanswered(),
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9} sent {:>9} ok", self.sent, self.ok())?;
        for (outcome, count) in self.failures() {
            write!(f, ", {count} {outcome}")?;
        }
        match self.unanswered() {
            0 => Ok(()),
            missing => write!(f, ", {missing} without a row"),
        }
    }
}

impl Report {
    /// Succeeds if well-behaved plugins lost no event and failed no call, and every row belongs to an event.
    pub(crate) fn verdict(&self) -> Result<(), TaskError> {
        let good = self.tally(|member| !member.is_hostile);
        let (failed, lost, strange) = (good.failed(), good.unanswered(), self.findings.strange_rows);
        // The clock of the plugin under pressure must not lose ticks either.
        let lost = lost + self.findings.pressed.lost;
        if failed == 0 && lost == 0 && strange == 0 {
            return Ok(());
        }
        Err(TaskError::Soak { failed, lost, strange })
    }

    pub(crate) fn json(&self) -> Value {
        let Machine { processor, processors, kernel, load } = &self.machine;
        let by_action = |hostile| {
            let tallies = self.tallies(hostile);
            tallies.into_iter().map(|(action, tally)| (action, tally.json())).collect::<BTreeMap<_, _>>()
        };
        json!({
            "machine": {"processor": processor, "processors": processors, "kernel": kernel, "load": load},
            "task": self.options_line,
            "command": self.command,
            "seconds": self.took.as_secs_f64(),
            "warm_up_seconds": WARM_UP.as_secs(),
            "events": {"sent": self.findings.sent, "measured": self.measured(), "per_second": self.rate()},
            "well_behaved": by_action(false),
            "hostile": by_action(true),
            "strange_rows": self.findings.strange_rows,
            "pressure": {
                "seconds": PRESS_FOR.as_secs(),
                "ticks": self.findings.pressed.ticks,
                "ticks_lost": self.findings.pressed.lost,
                "flood_calls": self.findings.pressed.flooded,
                "reloads": self.findings.pressed.reloads,
                "seconds_to_end": self.took_to_end.as_secs_f64(),
            },
            "latency_micros": self.latency().json(),
            "slowest": self.slowest().iter().map(|call| {
                let plugin = self.cast.get(call.member).map(|member| member.name.as_str());
                json!({"event": call.number, "plugin": plugin, "latency_micros": call.latency, "micros": call.micros})
            }).collect::<Vec<_>>(),
            "call_micros": self.call_micros().json(),
            "call_micros_by_guest":
                self.micros_by_guest().iter().map(|(guest, micros)| (*guest, micros.json())).collect::<BTreeMap<_, _>>(),
            "resident_bytes": change(&self.samples, |sample| sample.resident),
            "proportional_bytes": self.proportional().map(|(start, end)| json!({"start": start, "end": end})),
            "descriptors": change(&self.samples, |sample| sample.descriptors),
            "threads": change(&self.samples, |sample| sample.threads),
            "children": change(&self.samples, |sample| sample.children),
            "log_lines": self.log.levels,
            "lost": self.findings.lost.iter().map(|lost| {
                let plugin = self.cast.get(lost.member).map(|member| member.name.as_str());
                json!({"event": lost.number, "plugin": plugin, "seconds": lost.seconds})
            }).collect::<Vec<_>>(),
            "said_of_losses": self.log.losses,
        })
    }

    /// What became of the events for the plugins for which `wanted` is true.
    fn tally(&self, wanted: impl Fn(&Member) -> bool) -> Tally {
        let mut tally = Tally::default();
        let all = self.cast.iter().zip(&self.findings.sent_by_member).zip(&self.findings.outcomes);
        for ((_, sent), outcomes) in all.filter(|((member, _), _)| wanted(member)) {
            tally.plugins += 1;
            tally.sent += sent;
            for (outcome, count) in outcomes {
                *tally.outcomes.entry(outcome.clone()).or_default() += count;
            }
        }
        tally
    }

    /// What became of the events by guest and action, for hostile or for well-behaved plugins.
    fn tallies(&self, hostile: bool) -> BTreeMap<String, Tally> {
        let members = self.cast.iter().filter(|member| member.is_hostile == hostile);
        let kinds = members.map(|Member { guest, action, .. }| (*guest, *action));
        let tally = |(guest, action)| {
            let tally = self.tally(|member| (member.guest, member.action) == (guest, action));
            (format!("{guest} {action}"), tally)
        };
        kinds.map(tally).collect()
    }

    fn measured(&self) -> u64 {
        self.findings.measured_to.saturating_sub(self.findings.measured_from)
    }

    fn rate(&self) -> f64 {
        self.measured() as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Memory at the start and at the end, with shared pages divided.
    fn proportional(&self) -> Option<(u64, u64)> {
        Some((self.samples.first()?.proportional?, self.samples.last()?.proportional?))
    }

    fn latency(&self) -> Quantiles {
        self.quantiles(|_| true, |call| call.latency)
    }

    /// The call with the highest latency of each plugin, for the [`SLOWEST`] plugins where it is highest.
    fn slowest(&self) -> Vec<&MeasuredCall> {
        let mut slowest = BTreeMap::new();
        for call in &self.findings.calls {
            let known = slowest.entry(call.member).or_insert(call);
            if call.latency > known.latency {
                *known = call;
            }
        }
        let mut slowest: Vec<_> = slowest.into_values().collect();
        slowest.sort_unstable_by_key(|call| std::cmp::Reverse(call.latency));
        slowest.truncate(SLOWEST);
        slowest
    }

    fn call_micros(&self) -> Quantiles {
        self.quantiles(|_| true, |call| call.micros)
    }

    fn micros_by_guest(&self) -> Vec<(&'static str, Quantiles)> {
        let mut guests: Vec<&'static str> =
            self.cast.iter().filter(|member| !member.is_hostile).map(|member| member.guest).collect();
        guests.sort_unstable();
        guests.dedup();
        let of = |guest| (guest, self.quantiles(|member| member.guest == guest, |call| call.micros));
        guests.into_iter().map(of).collect()
    }

    fn quantiles(&self, wanted: impl Fn(&Member) -> bool, value: impl Fn(&MeasuredCall) -> u32) -> Quantiles {
        let calls = self.findings.calls.iter();
        let mut calls: Vec<_> =
            calls.filter(|call| self.cast.get(call.member).is_some_and(&wanted)).collect();
        calls.sort_unstable_by_key(|call| call.number);
        Quantiles::of(&calls.into_iter().map(value).collect::<Vec<_>>())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, processors, kernel, load } = &self.machine;
        writeln!(f, "\n{}", self.options_line)?;
        writeln!(f, "machine       {processor}, {processors} processors, {kernel}, load {load} before")?;
        writeln!(f, "daemon        {}", self.command)?;
        let (sent, measured, seconds) = (self.findings.sent, self.measured(), self.took.as_secs_f64());
        let warm_up = WARM_UP.as_secs();
        writeln!(
            f,
            "events        {measured} in {seconds:.1} s, {:.1} per second; {sent} with {warm_up} s of warming up",
            self.rate()
        )?;
        for (heading, hostile) in [("well-behaved", false), ("hostile", true)] {
            let all = self.tally(|member| member.is_hostile == hostile);
            writeln!(f, "{heading:<14}{:<16} {all}", format!("{} plugins", all.plugins))?;
            for (action, tally) in self.tallies(hostile) {
                writeln!(f, "  {:>3} {action:<24} {tally}", tally.plugins)?;
            }
        }
        let Pressed { ticks, lost, flooded, reloads } = self.findings.pressed;
        writeln!(
            f,
            "pressure      {reloads} reloads, {flooded} calls of floods in {} s; {ticks} ticks beside them, {lost} lost; ended by \
             SIGTERM under load after {:.1} s",
            PRESS_FOR.as_secs(),
            self.took_to_end.as_secs_f64()
        )?;
        writeln!(f, "microseconds          p50      p99      max   in tenths: p50             p99")?;
        writeln!(f, "  packet to row  {}", Row(&self.latency()))?;
        writeln!(f, "  call itself    {}", Row(&self.call_micros()))?;
        for (guest, micros) in self.micros_by_guest() {
            writeln!(f, "    {guest:<13}{}", Row(&micros))?;
        }
        for call in self.slowest() {
            let name = self.cast.get(call.member).map_or("", |member| member.name.as_str());
            let MeasuredCall { number, latency, micros, .. } = call;
            writeln!(f, "  slowest: event {number} for {name} after {latency}, the call itself {micros}")?;
        }
        let memory = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        let plain = |count: u64| count.to_string();
        show_change(f, "memory", &self.samples, |sample| sample.resident, memory)?;
        if let Some((start, end)) = self.proportional() {
            let (start, end) = (memory(start), memory(end));
            writeln!(f, "  shared once {start} after warming up, {end} at the end")?;
        }
        show_change(f, "descriptors", &self.samples, |sample| sample.descriptors, plain)?;
        show_change(f, "threads", &self.samples, |sample| sample.threads, plain)?;
        show_change(f, "children", &self.samples, |sample| sample.children, plain)?;
        let levels = self.log.levels.iter().map(|(level, count)| format!("{count} {level}"));
        writeln!(f, "log lines     {}", levels.collect::<Vec<_>>().join(", "))?;
        for row in &self.findings.strange {
            writeln!(f, "strange row   {row}")?;
        }
        for LostEvent { number, member, seconds } in &self.findings.lost {
            let name = self.cast.get(*member).map_or("", |member| member.name.as_str());
            writeln!(f, "without row   event {number} for {name}, sent after {seconds:.3} s")?;
        }
        for line in &self.log.losses {
            writeln!(f, "said of loss  {line}")?;
        }
        Ok(())
    }
}

/// Quantiles as one row of the table.
struct Row<'q>(&'q Quantiles);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quantiles { p50, p99, max, p50_spread, p99_spread, .. } = self.0;
        let spread = |Spread { median, lowest, highest }: &Spread| format!("{median} ({lowest}–{highest})");
        write!(f, "{p50:>8} {p99:>8} {max:>8}   {:<26} {}", spread(p50_spread), spread(p99_spread))
    }
}

/// The first, last and highest value of the samples.
fn ends(samples: &[Sample], value: impl Fn(&Sample) -> u64) -> (u64, u64, u64) {
    let values: Vec<u64> = samples.iter().map(value).collect();
    let of = |value: Option<&u64>| value.copied().unwrap_or_default();
    (of(values.first()), of(values.last()), of(values.iter().max()))
}

fn change(samples: &[Sample], value: impl Fn(&Sample) -> u64) -> Value {
    let (start, end, highest) = ends(samples, value);
    json!({"start": start, "end": end, "highest": highest, "growth": end as i64 - start as i64})
}

fn show_change(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    samples: &[Sample],
    value: impl Fn(&Sample) -> u64,
    shown: impl Fn(u64) -> String,
) -> fmt::Result {
    let (start, end, highest) = ends(samples, value);
    let sign = if end < start { "-" } else { "+" };
    let growth = shown(end.abs_diff(start));
    let (start, end, highest) = (shown(start), shown(end), shown(highest));
    writeln!(f, "{what:<14}{start} after warming up, {end} at the end ({sign}{growth}), at most {highest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(good: &[(&str, u64)], sent: u64) -> Report {
        let member = |guest: &'static str, action, is_hostile| Member {
            name: guest.to_owned(),
            guest,
            action,
            is_hostile,
        };
        let outcomes =
            |pairs: &[(&str, u64)]| pairs.iter().map(|(word, n)| ((*word).to_owned(), *n)).collect();
        let call = MeasuredCall { number: 7, member: 1, latency: 300, micros: 40 };
        Report {
            machine: Machine {
                processor: "A".to_owned(),
                processors: 2,
                kernel: "Linux 6".to_owned(),
                load: "0.1".to_owned(),
            },
            options_line: "cargo xtask soak".to_owned(),
            command: "conductor run".to_owned(),
            took: Duration::from_secs(2),
            took_to_end: Duration::from_secs(1),
            cast: vec![member("hostile", "loop", true), member("notes", "append", false)],
            samples: vec![
                Sample {
                    resident: 3 << 20,
                    proportional: Some(1 << 20),
                    descriptors: 9,
                    threads: 4,
                    children: 2,
                },
                Sample {
                    resident: 2 << 20,
                    proportional: Some(1 << 19),
                    descriptors: 10,
                    threads: 4,
                    children: 2,
                },
            ],
            findings: Findings {
                sent: 20,
                measured_from: 6,
                measured_to: 20,
                pressed: Pressed { ticks: 9, lost: 0, flooded: 8, reloads: 7 },
                sent_by_member: vec![10, sent],
                outcomes: vec![outcomes(&[("limit max_fuel", 3), ("quarantined", 5)]), outcomes(good)],
                calls: vec![call],
                strange_rows: 0,
                strange: vec![],
                lost: vec![LostEvent { number: 19, member: 1, seconds: 1.5 }],
            },
            log: Log::default(),
        }
    }

    #[test]
    fn a_hostile_plugin_may_fail_and_a_well_behaved_one_may_not() {
        assert!(report(&[("ok", 10)], 10).verdict().is_ok());
        let lost = report(&[("ok", 9)], 10).verdict();
        assert!(matches!(lost, Err(TaskError::Soak { failed: 0, lost: 1, strange: 0 })));
        let failed = report(&[("ok", 9), ("crashed", 1)], 10).verdict();
        assert!(matches!(failed, Err(TaskError::Soak { failed: 1, lost: 0, strange: 0 })));
        let mut strange = report(&[("ok", 10)], 10);
        let mut late = report(&[("ok", 10)], 10);
        late.findings.pressed.lost = 3;
        assert!(matches!(late.verdict(), Err(TaskError::Soak { failed: 0, lost: 3, strange: 0 })));
        strange.findings.strange_rows = 2;
        assert!(matches!(strange.verdict(), Err(TaskError::Soak { strange: 2, .. })));
    }

    #[test]
    fn text_and_json_say_the_same() {
        let report = report(&[("ok", 9)], 10);
        let text = report.to_string();
        for part in [
            "14 in 2.0 s, 7.0 per second; 20 with",
            "hostile loop                    10 sent         0 ok, 3 limit max_fuel, 5 quarantined, 2 without a row",
            "notes append                    10 sent         9 ok, 1 without a row",
            "memory        3.0 MiB after warming up, 2.0 MiB at the end (-1.0 MiB), at most 3.0 MiB",
            "  slowest: event 7 for notes after 300, the call itself 40",
            "  shared once 1.0 MiB after warming up, 0.5 MiB at the end",
            "pressure      7 reloads, 8 calls of floods in 30 s; 9 ticks beside them, 0 lost; ended by SIGTERM under load after 1.0 s",
            "without row   event 19 for notes, sent after 1.500 s",
            "descriptors   9 after warming up, 10 at the end (+1), at most 10",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let json = report.json();
        assert_eq!(json["hostile"]["hostile loop"]["failed"]["quarantined"], 5);
        assert_eq!(json["well_behaved"]["notes append"]["without_row"], 1);
        assert_eq!(json["latency_micros"]["p99"], 300);
        assert_eq!(json["call_micros_by_guest"]["notes"]["p50"], 40);
        assert_eq!(json["resident_bytes"]["growth"], -(1 << 20));
    }
}
