//! The live table: one row per call, as it ends.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conductor_core::{Limit, Outcome};
use conductor_signing::escape::{json, terminal};

use crate::event::Event;
use crate::paths::colour_allowed;

/// Most rows that wait to be written; when standard output does not keep up, rows are counted and left out rather than
/// holding up a plugin.
const MAX_WAITING_ROWS: usize = 8192;

/// Form of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFormat {
    /// An aligned table for people.
    Table,
    /// One JSON object per line.
    JsonLines,
}

/// A call that ended.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) event: Arc<Event>,
    pub(crate) plugin: Arc<str>,
    pub(crate) action: String,
    pub(crate) outcome: Outcome,
    pub(crate) limits_refused: Vec<Limit>,
    pub(crate) fuel_used: u64,
    pub(crate) elapsed: Duration,
}

/// Takes calls from every plugin's thread without making any of them wait.
#[derive(Clone)]
pub(crate) struct CallLog {
    rows: SyncSender<Call>,
    left_out: Arc<AtomicU64>,
}

impl CallLog {
    /// A log whose rows a thread writes to standard output; the thread ends when the last clone of the log is gone.
    pub(crate) fn to_stdout(format: CallFormat) -> (Self, JoinHandle<()>) {
        let (rows, waiting) = sync_channel(MAX_WAITING_ROWS);
        let left_out = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&left_out);
        let writer = thread::spawn(move || {
            let stdout = io::stdout();
            let colour = stdout.is_terminal() && colour_allowed();
            // Whoever read the table has left; the daemon goes on.
            if write_rows(stdout.lock(), &waiting, format, colour).is_err() {
                waiting.iter().for_each(drop);
            }
            let left_out = count.load(Ordering::Relaxed);
            if left_out > 0 {
                tracing::warn!(left_out, "rows were left out because they were not read fast enough");
            }
        });
        (Self { rows, left_out }, writer)
    }

    pub(crate) fn record(&self, call: Call) {
        if self.rows.try_send(call).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_rows(out: impl Write, rows: &Receiver<Call>, format: CallFormat, colour: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    if format == CallFormat::Table {
        writeln!(out, "{}", columns("EVENT", "PLUGIN", "ACTION", "OUTCOME", "FUEL", "MICROS", None))?;
        out.flush()?;
    }
    while let Ok(first) = rows.recv() {
        // A burst is written in one go.
        for call in std::iter::once(first).chain(rows.try_iter()) {
            let row = match format {
                CallFormat::Table => table_row(&call, colour),
                CallFormat::JsonLines => json_row(&call),
            };
            writeln!(out, "{row}")?;
        }
        out.flush()?;
    }
    Ok(())
}

fn table_row(call: &Call, colour: bool) -> String {
    let is_ok = call.outcome == Outcome::Ok;
    columns(
        &call.event.to_string(),
        &call.plugin,
        &terminal(&call.action).to_string(),
        &terminal(&call.outcome.to_string()).to_string(),
        &call.fuel_used.to_string(),
        &call.elapsed.as_micros().to_string(),
        colour.then_some(if is_ok { "32" } else { "31" }),
    )
}

/// One line; the outcome in the colour of an SGR parameter (ECMA-48, 8.3.117), if there is one.
fn columns(
    event: &str,
    plugin: &str,
    action: &str,
    outcome: &str,
    fuel: &str,
    micros: &str,
    colour: Option<&str>,
) -> String {
    let outcome = format!("{outcome:<18}");
    let outcome = match colour {
        Some(colour) => format!("\x1b[{colour}m{outcome}\x1b[0m"),
        None => outcome,
    };
    format!("{event:<42} {plugin:<12} {action:<12} {outcome} {fuel:>11} {micros:>9}")
}

fn json_row(call: &Call) -> String {
    let row = serde_json::json!({
        "timestamp": call.event.timestamp,
        "input": &*call.event.input,
        "event": call.event.to_string(),
        "plugin": &*call.plugin,
        "action": call.action,
        "outcome": call.outcome.kind(),
        "limit": call.outcome.limit().map(Limit::key),
        "limits_refused": call.limits_refused.iter().map(|limit| limit.key()).collect::<Vec<_>>(),
        "error": (call.outcome != Outcome::Ok).then(|| call.outcome.to_string()),
        "fuel_used": call.fuel_used,
        "micros": u64::try_from(call.elapsed.as_micros()).unwrap_or(u64::MAX),
    });
    json(&row.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Body;
    use crate::midi::Message;

    fn written(format: CallFormat, colour: bool, outcome: Outcome) -> String {
        let (rows, waiting) = sync_channel(1);
        let body = Body::Midi(Message::NoteOn { channel: 0, note: 60, velocity: 100 });
        let event = Arc::new(Event { input: "keys".into(), timestamp: 7, body });
        let elapsed = Duration::from_micros(42);
        let call = Call {
            event,
            plugin: "chord".into(),
            action: "a\u{1b}b".into(),
            outcome,
            limits_refused: vec![Limit::OpenFiles],
            fuel_used: 1234,
            elapsed,
        };
        rows.send(call).expect("sends");
        drop(rows);
        let mut out = Vec::new();
        write_rows(&mut out, &waiting, format, colour).expect("writes");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn columns_line_up_with_and_without_colour() {
        let plain = written(CallFormat::Table, false, Outcome::Ok);
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), lines[1].len());
        assert!(lines[1].starts_with("keys: note-on C4 vel 100 ch 0 "), "{plain}");
        assert!(!plain.contains('\u{1b}'), "{plain}");
        let coloured = written(CallFormat::Table, true, Outcome::Ok);
        assert_eq!(coloured.replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""), plain);
    }

    #[test]
    fn json_lines_name_the_limits() {
        let line = written(CallFormat::JsonLines, true, Outcome::Limit { limit: Limit::Fuel });
        let row: serde_json::Value = serde_json::from_str(&line).expect("json");
        assert_eq!(row["outcome"], "limit");
        assert_eq!(row["limit"], "max_fuel");
        assert_eq!(row["limits_refused"], serde_json::json!(["max_open_files"]));
        assert_eq!(row["error"], "fuel exhausted");
        assert_eq!(row["fuel_used"], 1234);
        assert_eq!(row["micros"], 42);
        assert_eq!(row["action"], "a\u{1b}b");
        assert!(!line.contains('\u{1b}'));
    }
}
