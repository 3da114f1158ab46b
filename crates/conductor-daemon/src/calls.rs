//! The live table: one row per call, as it ends.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conductor_core::{Limit, Outcome};
use conductor_signing::escape::{json, terminal};
use serde::{Deserialize, Serialize};

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

/// A call that ended, as it is told: a row of the table, or a line of JSON. Text of other people's making is in it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRow {
    /// When the event came, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// The input that it came from.
    pub input: String,
    /// The event in words, escaped.
    pub event: String,
    /// The user's name for the plugin.
    pub plugin: String,
    /// The action.
    pub action: String,
    /// How the call ended, as a word.
    pub outcome: String,
    /// The limit that ended it, if one did.
    pub limit: Option<String>,
    /// Limits that refused something on the way.
    pub limits_refused: Vec<String>,
    /// Why it did not end well, if it did not.
    pub error: Option<String>,
    /// Fuel used.
    pub fuel_used: u64,
    /// Microseconds that it took.
    pub micros: u64,
}

/// Takes calls from every plugin's thread without making any of them wait, and hands them to whoever reads.
#[derive(Clone, Default)]
pub(crate) struct CallLog {
    rows: Option<SyncSender<Call>>,
    left_out: Arc<AtomicU64>,
    followers: Arc<Followers>,
}

/// Those who read calls as they end, for as long as they like.
#[derive(Default)]
struct Followers {
    /// How many there are, so that nobody takes the lock where there are none.
    count: AtomicUsize,
    senders: Mutex<Vec<SyncSender<Call>>>,
}

impl CallLog {
    /// A log whose rows a thread writes to standard output; the thread ends when the last clone of the log is gone.
    pub(crate) fn to_stdout(format: CallFormat) -> (Self, JoinHandle<()>) {
        let (rows, waiting) = sync_channel(MAX_WAITING_ROWS);
        let log = Self { rows: Some(rows), ..Self::default() };
        let count = Arc::clone(&log.left_out);
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
        (log, writer)
    }

    /// The calls that end from now on, until the receiver is dropped. One that does not keep up misses some.
    pub(crate) fn follow(&self) -> Receiver<Call> {
        let (sender, calls) = sync_channel(MAX_WAITING_ROWS);
        let mut senders = self.followers.senders();
        senders.push(sender);
        self.followers.count.store(senders.len(), Ordering::Release);
        calls
    }

    /// Whether anybody wants to know.
    pub(crate) fn is_read(&self) -> bool {
        self.rows.is_some() || self.followers.count.load(Ordering::Acquire) > 0
    }

    pub(crate) fn record(&self, call: Call) {
        if self.followers.count.load(Ordering::Acquire) > 0 {
            self.followers.record(&call);
        }
        if let Some(rows) = &self.rows
            && rows.try_send(call).is_err()
        {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Followers {
    fn record(&self, call: &Call) {
        let mut senders = self.senders();
        senders.retain(|sender| !matches!(sender.try_send(call.clone()), Err(TrySendError::Disconnected(_))));
        self.count.store(senders.len(), Ordering::Release);
    }

    fn senders(&self) -> MutexGuard<'_, Vec<SyncSender<Call>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_rows(out: impl Write, rows: &Receiver<Call>, format: CallFormat, colour: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    if format == CallFormat::Table {
        writeln!(out, "{}", head())?;
        out.flush()?;
    }
    while let Ok(first) = rows.recv() {
        // A burst is written in one go.
        for call in std::iter::once(first).chain(rows.try_iter()) {
            let row = CallRow::from(&call);
            let row = match format {
                CallFormat::Table => row.table_row(colour),
                CallFormat::JsonLines => json_row(&row),
            };
            writeln!(out, "{row}")?;
        }
        out.flush()?;
    }
    Ok(())
}

/// The head of the table.
#[must_use]
pub fn head() -> String {
    columns("EVENT", "PLUGIN", "ACTION", "OUTCOME", "FUEL", "MICROS", None)
}

impl CallRow {
    /// A row of the table, in colour if so asked. Text of other people's making is escaped.
    #[must_use]
    pub fn table_row(&self, colour: bool) -> String {
        let outcome = self.error.as_deref().unwrap_or(&self.outcome);
        columns(
            &self.event,
            &self.plugin,
            &terminal(&self.action).to_string(),
            &terminal(outcome).to_string(),
            &self.fuel_used.to_string(),
            &self.micros.to_string(),
            colour.then_some(if self.error.is_none() { "32" } else { "31" }),
        )
    }
}

impl From<&Call> for CallRow {
    fn from(call: &Call) -> Self {
        Self {
            timestamp: call.event.timestamp,
            input: call.event.input.to_string(),
            event: call.event.to_string(),
            plugin: call.plugin.to_string(),
            action: call.action.clone(),
            outcome: call.outcome.kind().to_owned(),
            limit: call.outcome.limit().map(|limit| limit.key().to_owned()),
            limits_refused: call.limits_refused.iter().map(|limit| limit.key().to_owned()).collect(),
            error: (call.outcome != Outcome::Ok).then(|| call.outcome.to_string()),
            fuel_used: call.fuel_used,
            micros: u64::try_from(call.elapsed.as_micros()).unwrap_or(u64::MAX),
        }
    }
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

fn json_row(row: &CallRow) -> String {
    json(&serde_json::to_string(row).unwrap_or_default())
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
