//! The one thread that writes the log.
//!
//! Whoever logs puts a line into a queue and goes on, so a reader of standard error that stops holds up nobody. A line
//! for which there is no room is dropped and counted, and the number is logged when there is room again.

use std::io;
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::bounded_queue::{self, Receiver, Sender};

/// Most bytes of lines that wait to be written. Stops a reader that has stopped from filling memory with unread lines.
const MAX_WAITING_BYTES: usize = 1024 * 1024;

/// Most bytes that may be in use after a plugin's own line is put in. Stops plugins that print from taking the room of
/// this program's own lines.
const MAX_PLUGIN_BYTES: usize = MAX_WAITING_BYTES / 2;

/// Target of the lines that plugins write.
pub(crate) const PLUGIN_TARGET: &str = "conductor::plugin";

/// Bytes that a line takes beside its text.
const LINE_BYTES: usize = 64;

/// How often a flush looks whether the queue is empty.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How often the number of dropped lines is logged while more lines wait.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// Takes lines for the log. Clones write to the same log.
#[derive(Clone)]
pub struct LogWriter(Sender<Box<[u8]>>);

/// One line on its way into the queue.
pub struct Line<'l> {
    log: &'l LogWriter,
    max: usize,
}

impl LogWriter {
    /// A log that a thread of its own writes to `out`; the thread ends when the last clone of the log is gone.
    ///
    /// # Errors
    ///
    /// Fails if no thread can be started.
    pub fn start(out: impl io::Write + Send + 'static) -> io::Result<(Self, JoinHandle<()>)> {
        let (sender, lines) = bounded_queue::channel(MAX_WAITING_BYTES);
        let thread = Builder::new().name("log".into()).spawn(move || write(out, &lines))?;
        Ok((Self(sender), thread))
    }

    /// Puts a line in as it is; `line` has its line end already.
    pub fn say(&self, line: &str) {
        self.0.send(line.as_bytes().into(), line.len() + LINE_BYTES);
    }

    /// Waits until the lines that were put in so far are written, but not longer than until `deadline`. Returns whether
    /// they are.
    #[must_use]
    pub fn flush(&self, deadline: Instant) -> bool {
        while self.0.used() > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(LOOK_EVERY);
        }
        true
    }
}

impl<'l> MakeWriter<'l> for LogWriter {
    type Writer = Line<'l>;

    fn make_writer(&'l self) -> Line<'l> {
        Line { log: self, max: MAX_WAITING_BYTES }
    }

    fn make_writer_for(&'l self, metadata: &Metadata<'_>) -> Line<'l> {
        let max = if metadata.target() == PLUGIN_TARGET { MAX_PLUGIN_BYTES } else { MAX_WAITING_BYTES };
        Line { log: self, max }
    }
}

impl io::Write for Line<'_> {
    /// Puts in one whole line of the log, or leaves it out and counts it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.log.0.send_within(self.max, line.into(), line.len() + LINE_BYTES);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut out: impl io::Write, lines: &Receiver<Box<[u8]>>) {
    let (mut said, mut said_at) = (0, Instant::now());
    while let Some(line) = lines.recv() {
        // A failure to write the log cannot be reported anywhere.
        let _ = out.write_all(&line);
        let dropped = lines.left_out();
        if dropped > said && (line.is_last() || said_at.elapsed() >= SAY_EVERY) {
            tracing::warn!("{} lines of the log were dropped, because they were not read", dropped - said);
            (said, said_at) = (dropped, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Writes a line each time the test lets it.
    struct Slow {
        turns: Receiver<()>,
        written: Written,
    }

    impl io::Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.turns.recv();
            self.written.lock().expect("lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Written = Arc<Mutex<Vec<u8>>>;

    fn slow() -> (LogWriter, JoinHandle<()>, Sender<()>, Written) {
        let (turn, turns) = channel();
        let written = Arc::default();
        let (log, thread) = LogWriter::start(Slow { turns, written: Arc::clone(&written) }).expect("thread");
        (log, thread, turn, written)
    }

    #[test]
    fn a_reader_that_stops_holds_nobody_up_and_what_it_missed_is_counted() {
        let (log, thread, turn, written) = slow();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..20_000 {
                tracing::info!(number, "{}", "x".repeat(100));
            }
        });
        assert!(log.0.used() <= MAX_WAITING_BYTES);
        let dropped = log.0.left_out();
        assert!((10_000..20_000).contains(&dropped), "{dropped} lines");
        assert!(!log.flush(Instant::now() + Duration::from_millis(20)), "nobody reads");
        drop(turn);
        assert!(log.flush(Instant::now() + Duration::from_secs(60)));
        drop(log);
        thread.join().expect("thread");
        let written = String::from_utf8(written.lock().expect("lock").clone()).expect("text");
        assert_eq!(written.lines().count() as u64, 20_000 - dropped, "whole lines, the first of them");
        assert!(written.lines().next().is_some_and(|line| line.contains("number=0")));
    }

    #[test]
    fn plugins_leave_room_for_what_this_program_says() {
        let (log, _thread, _turn, _written) = slow();
        let mut line = Line { log: &log, max: MAX_PLUGIN_BYTES };
        for _ in 0..100 {
            line.write_all(&[b'x'; 64 * 1024]).expect("taken or dropped");
        }
        let left_out = log.0.left_out();
        assert!(left_out > 90 && log.0.used() <= MAX_PLUGIN_BYTES);
        log.say("said\n");
        assert_eq!(log.0.left_out(), left_out);
    }
}
