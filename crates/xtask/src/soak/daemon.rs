//! The daemon under soak: it is started, its output is read, and it is ended with all its children whatever happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::Child;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::error::TaskError;
use crate::program::in_words;
use crate::scratch::ScratchHome;
use crate::soak::address_in;
use crate::soak::ledger::Ledger;
use crate::soak::process::{self, Process, Sample};

/// Longest wait for the daemon to listen. The daemon itself waits up to 30 s for its plugins before it listens.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Longest wait for the daemon to end after it was asked to. The daemon gives running calls ten seconds.
const END_PATIENCE: Duration = Duration::from_secs(20);

/// Longest wait for the daemon's children to end after the daemon has ended.
const CHILD_PATIENCE: Duration = Duration::from_secs(2);

/// Time between two looks at the daemon.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Lines of the daemon's log that are kept for error messages, and lines about losses that are kept for the report.
const KEPT_LINES: usize = 20;

/// Most bytes that are read from a pipe at once: as many as a pipe holds.
const CHUNK_BYTES: usize = 64 * 1024;

/// Parts of lines in which the daemon says that it lost something.
const LOSSES: [&str; 4] =
    ["rows were left out", "came too fast", "lines of the log were dropped", "does not keep up"];

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    line: String,
    log: Arc<Mutex<Log>>,
    readers: Vec<JoinHandle<()>>,
    /// The daemon's descendants when they were last listed. When the daemon dies, its descendants can no longer be
    /// found.
    children: BTreeSet<Process>,
    has_ended: bool,
}

/// What the daemon wrote to stderr.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    last: VecDeque<String>,
    /// The number of lines by level.
    pub(crate) levels: BTreeMap<&'static str, u64>,
    refused: Vec<String>,
    /// What the daemon itself says that it lost.
    pub(crate) losses: Vec<String>,
    address: Option<SocketAddr>,
    flood: Option<SocketAddr>,
}

impl Daemon {
    /// Starts the daemon of the scratch home. Its rows go to the ledger as they are printed.
    pub(crate) fn start(home: &ScratchHome, ledger: &Arc<Ledger>) -> Result<Self, TaskError> {
        let mut program = home.program("conductor", &["run", "--events", "--json", "--exit-at-end"]);
        let line = program.line();
        let mut child = program.start()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let log = Arc::new(Mutex::new(Log::default()));
        let (rows, said) = (Arc::clone(ledger), Arc::clone(&log));
        // Rows are taken out of the pipe at once and read on another thread: the daemon leaves out rows for a slow reader.
        let (chunks, read) = mpsc::channel();
        let readers = vec![
            thread::spawn(move || each_chunk(out, &chunks)),
            thread::spawn(move || each_line(Some(Chunks::new(read)), |line| rows.row(line))),
            thread::spawn(move || each_line(err, |line| lock(&said).note(line))),
        ];
        Ok(Self { child, line, log, readers, children: BTreeSet::new(), has_ended: false })
    }

    /// The daemon's command line.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// Takes a sample of what the daemon and its children hold.
    pub(crate) fn sample(&mut self) -> Result<Sample, TaskError> {
        self.children = process::descendants(self.child.id());
        Sample::take(self.child.id(), &self.children)
    }

    /// Takes a sample with the proportional memory, which takes longer.
    pub(crate) fn full_sample(&mut self) -> Result<Sample, TaskError> {
        let sample = self.sample()?;
        Ok(sample.with_proportional(self.child.id(), &self.children))
    }

    /// Waits until the daemon listens. Returns the addresses for events and for floods.
    pub(crate) fn wait_until_listening(&mut self) -> Result<(SocketAddr, SocketAddr), TaskError> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            self.check()?;
            self.children = process::descendants(self.child.id());
            if let Log { address: Some(address), flood: Some(flood), .. } = &*lock(&self.log) {
                return Ok((*address, *flood));
            }
            if Instant::now() >= deadline {
                return Err(self.complaint("it does not listen"));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// The error that says that the daemon did not do `what`, with the end of its log.
    pub(crate) fn complaint(&self, what: &str) -> TaskError {
        let last: Vec<String> = lock(&self.log).last.iter().cloned().collect();
        let found = format!("{what}; it said:\n{}", last.join("\n"));
        TaskError::Output { command: self.line.clone(), found }
    }

    /// Fails if the daemon has ended or has refused a plugin.
    pub(crate) fn check(&mut self) -> Result<(), TaskError> {
        let ended = self.child.try_wait();
        if let Some(status) =
            ended.map_err(|source| TaskError::Start { command: self.line.clone(), source })?
        {
            return Err(self.complaint(&format!("{} too early", in_words(status))));
        }
        if let Some(line) = lock(&self.log).refused.first() {
            return Err(TaskError::Output { command: self.line.clone(), found: line.clone() });
        }
        Ok(())
    }

    /// Asks the daemon to end and waits until it has. Returns its log.
    pub(crate) fn stop(mut self) -> Result<Log, TaskError> {
        let ended = self.end();
        let log = lock(&self.log).clone();
        if ended { Ok(log) } else { Err(self.was_late()) }
    }

    fn was_late(&self) -> TaskError {
        TaskError::TimedOut { command: self.line.clone(), seconds: END_PATIENCE.as_secs() }
    }

    /// Ends the daemon and all its children. Returns `false` if the daemon had to be killed.
    fn end(&mut self) -> bool {
        if std::mem::replace(&mut self.has_ended, true) {
            return true;
        }
        let mut children = process::descendants(self.child.id());
        children.append(&mut self.children);
        if let Some(process) = Process::find(self.child.id()) {
            process.signal(Signal::TERM);
        }
        let deadline = Instant::now() + END_PATIENCE;
        let mut in_time = true;
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() >= deadline {
                in_time = false;
                // Killing fails only if the daemon has ended just now.
                let _ = self.child.kill();
                break;
            }
            thread::sleep(LOOK_EVERY);
        }
        // Waiting fails only if the daemon was waited for before.
        let _ = self.child.wait();
        process::end(&children, CHILD_PATIENCE);
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        in_time
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

impl Log {
    const LEVELS: [&'static str; 4] = ["ERROR", "WARN", "INFO", "DEBUG"];

    fn note(&mut self, line: &str) {
        let level = Self::LEVELS.into_iter().find(|level| line.split_whitespace().nth(1) == Some(level));
        *self.levels.entry(level.unwrap_or("other")).or_default() += 1;
        if line.contains(": refused: ") {
            self.refused.push(line.to_owned());
        } else if line.contains(": listening for OSC ") {
            let address = if line.contains("input=\"flood\"") { &mut self.flood } else { &mut self.address };
            *address = address_in(line);
        }
        if LOSSES.iter().any(|part| line.contains(part)) && self.losses.len() < KEPT_LINES {
            self.losses.push(line.to_owned());
        }
        if self.last.len() == KEPT_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `each` with every line of a pipe until the pipe is closed.
fn each_line(pipe: Option<impl Read>, mut each: impl FnMut(&str)) {
    let Some(pipe) = pipe else { return };
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        each(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}

/// Sends what a pipe holds until the pipe is closed.
fn each_chunk(pipe: Option<impl Read>, chunks: &Sender<Vec<u8>>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(read @ 1..) = pipe.read(&mut buffer) {
        let chunk = buffer.get(..read).unwrap_or_default();
        if chunks.send(chunk.to_vec()).is_err() {
            return;
        }
    }
}

/// What [`each_chunk`] sends, to be read.
struct Chunks {
    chunks: Receiver<Vec<u8>>,
    chunk: io::Cursor<Vec<u8>>,
}

impl Chunks {
    fn new(chunks: Receiver<Vec<u8>>) -> Self {
        Self { chunks, chunk: io::Cursor::default() }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.position() == self.chunk.get_ref().len() as u64 {
            // Without a sender, the pipe was closed.
            let Ok(next) = self.chunks.recv() else { return Ok(0) };
            self.chunk = io::Cursor::new(next);
        }
        self.chunk.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_the_pipe_is_cut() {
        let (sender, chunks) = mpsc::channel();
        for part in ["one\ntw", "o\nthr", "ee\n"] {
            sender.send(part.as_bytes().to_vec()).expect("sent");
        }
        drop(sender);
        let mut lines = Vec::new();
        each_line(Some(Chunks::new(chunks)), |line| lines.push(line.to_owned()));
        assert_eq!(lines, ["one", "two", "three"]);
    }

    #[test]
    fn what_the_daemon_lost_is_kept() {
        let mut log = Log::default();
        log.note("2026-01-01T00:00:00Z  WARN conductor_daemon::calls: rows were left out left_out=7");
        log.note("2026-01-01T00:00:00Z  INFO conductor_daemon::run: ready");
        assert_eq!(log.losses.len(), 1);
    }
}
