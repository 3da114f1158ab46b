//! The live table: one row per call, as it ends.

mod row;

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::TryRecvError;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use crate::bounded_queue::{self, Held, Receiver, Sender, Sent};
use crate::paths::colour_allowed;
pub(crate) use row::Call;
pub use row::{CallRow, head};

/// Most bytes of rows that wait to be written to standard output. When standard output does not keep up, rows are
/// counted and left out, and no plugin is held up.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// Most bytes of rows that wait for one follower; stops a follower that does not read from filling memory. Other
/// followers miss nothing.
const MAX_FOLLOWER_BYTES: usize = 1024 * 1024;

/// Form of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFormat {
    /// An aligned table for people.
    Table,
    /// One JSON object per line.
    JsonLines,
}

/// Takes calls from the threads of all plugins, none of which waits, and hands the calls to every reader.
#[derive(Clone, Default)]
pub(crate) struct CallLog {
    rows: Option<Sender<Arc<CallRow>>>,
    followers: Arc<Followers>,
}

/// The followers: readers that get each call when it ends.
#[derive(Default)]
struct Followers {
    /// How many followers there are, so that nobody takes the lock where there are none.
    count: AtomicUsize,
    /// The number of the next follower.
    next: AtomicU64,
    senders: RwLock<Vec<(u64, Sender<Arc<CallRow>>)>>,
}

/// The calls that end after some moment. Dropping a follower frees the rows that it holds.
pub(crate) struct Follower {
    rows: Receiver<Arc<CallRow>>,
    number: u64,
    followers: Arc<Followers>,
}

impl CallLog {
    /// A log whose rows a thread writes to standard output; the thread ends when the last clone of the log is gone.
    ///
    /// # Errors
    ///
    /// Fails if the system starts no thread.
    pub(crate) fn to_stdout(format: CallFormat) -> io::Result<(Self, JoinHandle<()>)> {
        let (rows, waiting) = bounded_queue::channel(MAX_WAITING_BYTES);
        let log = Self { rows: Some(rows), ..Self::default() };
        let writer = thread::Builder::new().name("calls".into()).spawn(move || {
            let stdout = io::stdout();
            let colour = stdout.is_terminal() && colour_allowed();
            // The reader of the table has left: further rows are dropped, and the daemon goes on.
            if write_rows(stdout.lock(), &waiting, format, colour).is_err() {
                while waiting.recv().is_some() {}
            }
            let left_out = waiting.left_out();
            if left_out > 0 {
                tracing::warn!(left_out, "rows were left out because they were not read fast enough");
            }
        })?;
        Ok((log, writer))
    }

    /// Follows the calls that end from now on. A follower that does not keep up misses some.
    pub(crate) fn follow(&self) -> Follower {
        let (sender, rows) = bounded_queue::channel(MAX_FOLLOWER_BYTES);
        let followers = Arc::clone(&self.followers);
        let number = followers.next.fetch_add(1, Ordering::Relaxed);
        followers.change(|senders| senders.push((number, sender)));
        Follower { rows, number, followers }
    }

    /// Whether anybody reads calls.
    pub(crate) fn is_read(&self) -> bool {
        self.rows.is_some() || self.followers.count.load(Ordering::Acquire) > 0
    }

    /// Hands a call to everybody who reads: one row for all of them.
    pub(crate) fn record(&self, call: Call<'_>) {
        let row = Arc::new(CallRow::from(call));
        let bytes = row.bytes();
        if self.followers.count.load(Ordering::Acquire) > 0 {
            let senders = self.followers.senders.read().unwrap_or_else(PoisonError::into_inner);
            for (_, sender) in &*senders {
                // A row that a follower does not read is lost to that follower alone; a follower that leaves takes
                // itself off the list.
                let (Sent::Queued | Sent::LeftOut | Sent::Gone) = sender.send(Arc::clone(&row), bytes);
            }
        }
        if let Some(rows) = &self.rows {
            let (Sent::Queued | Sent::LeftOut | Sent::Gone) = rows.send(row, bytes);
        }
    }
}

impl Follower {
    /// The next row, if there is one.
    pub(crate) fn try_recv(&self) -> Result<Held<Arc<CallRow>>, TryRecvError> {
        self.rows.try_recv()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.followers.change(|senders| senders.retain(|(number, _)| *number != self.number));
    }
}

impl Followers {
    fn change(&self, change: impl FnOnce(&mut Vec<(u64, Sender<Arc<CallRow>>)>)) {
        let mut senders = self.senders.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut senders);
        self.count.store(senders.len(), Ordering::Release);
    }
}

fn write_rows(
    out: impl Write,
    rows: &Receiver<Arc<CallRow>>,
    format: CallFormat,
    colour: bool,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    if format == CallFormat::Table {
        writeln!(out, "{}", head())?;
        out.flush()?;
    }
    while let Some(first) = rows.recv() {
        // All rows that wait are written together.
        let more = std::iter::from_fn(|| rows.try_recv().ok());
        for row in std::iter::once(first).chain(more) {
            let line = match format {
                CallFormat::Table => row.table_row(colour),
                CallFormat::JsonLines => row.json_row(),
            };
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use conductor_core::{Limit, Outcome};
    use conductor_surface::event::{Body, Event};
    use conductor_surface::midi::Message;

    use super::*;

    fn event() -> Event {
        let body = Body::Midi(Message::NoteOn { channel: 0, note: 60, velocity: 100 });
        Event { input: "keys".into(), timestamp: 7, body }
    }

    fn record(log: &CallLog, outcome: &Outcome) {
        log.record(Call {
            event: &event(),
            plugin: &"chord".into(),
            action: "a\u{1b}b",
            outcome,
            error: (*outcome != Outcome::Ok).then(|| outcome.to_string()),
            limits_refused: &[Limit::OpenFiles],
            fuel_used: 1234,
            elapsed: Duration::from_micros(42),
        });
    }

    fn written(format: CallFormat, colour: bool, outcome: &Outcome) -> String {
        let (rows, waiting) = bounded_queue::channel(MAX_WAITING_BYTES);
        let log = CallLog { rows: Some(rows), ..CallLog::default() };
        record(&log, outcome);
        drop(log);
        let mut out = Vec::new();
        write_rows(&mut out, &waiting, format, colour).expect("writes");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn columns_line_up_with_and_without_colour() {
        let plain = written(CallFormat::Table, false, &Outcome::Ok);
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), lines[1].len());
        assert!(lines[1].starts_with("keys: note-on C4 vel 100 ch 0 "), "{plain}");
        assert!(!plain.contains('\u{1b}'), "{plain}");
        let coloured = written(CallFormat::Table, true, &Outcome::Ok);
        assert_eq!(coloured.replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""), plain);
    }

    #[test]
    fn json_lines_name_the_limits() {
        let line = written(CallFormat::JsonLines, true, &Outcome::Limit { limit: Limit::Fuel });
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

    #[test]
    fn a_follower_that_stops_misses_its_own_rows_and_gives_back_what_it_held() {
        let log = CallLog::default();
        assert!(!log.is_read());
        let (stopped, reads) = (log.follow(), log.follow());
        let mut read = 0;
        for _ in 0..20_000 {
            record(&log, &Outcome::Ok);
            read += usize::from(reads.try_recv().is_ok());
        }
        assert_eq!(read, 20_000, "the other one misses nothing");
        let missed = stopped.rows.left_out();
        let sender = log.followers.senders.read().expect("lock")[0].1.clone();
        assert!(missed > 10_000 && sender.used() <= MAX_FOLLOWER_BYTES, "{missed} missed");
        drop(stopped);
        assert_eq!(sender.used(), 0);
        assert_eq!(log.followers.count.load(Ordering::Acquire), 1);
        drop(reads);
        assert!(!log.is_read(), "nobody makes rows for nobody");
    }
}
