//! The daemon under soak: started, read, and ended with all its children whatever happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::Child;
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

/// Longest wait for it to listen; it waits 30 s for its plugins before it does.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Longest wait for the daemon to end after it was asked to; it gives calls under way ten seconds.
const END_PATIENCE: Duration = Duration::from_secs(20);

/// Longest wait for its children to end after it did.
const CHILD_PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Lines of its log that are kept for an error.
const KEPT_LINES: usize = 20;

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    line: String,
    log: Arc<Mutex<Log>>,
    readers: Vec<JoinHandle<()>>,
    /// Its descendants when they were looked for last: if it dies, nothing tells any longer whose they were.
    children: BTreeSet<Process>,
    has_ended: bool,
}

/// What the daemon said on stderr.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    last: VecDeque<String>,
    /// Lines by level.
    pub(crate) levels: BTreeMap<&'static str, u64>,
    refused: Vec<String>,
    address: Option<SocketAddr>,
    flood: Option<SocketAddr>,
}

impl Daemon {
    /// Starts the daemon of the scratch home; its rows go to the ledger as they come.
    pub(crate) fn start(home: &ScratchHome, ledger: &Arc<Ledger>) -> Result<Self, TaskError> {
        let mut program = home.program("conductor", &["run", "--events", "--json", "--exit-at-end"]);
        let line = program.line();
        let mut child = program.start()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let log = Arc::new(Mutex::new(Log::default()));
        let (rows, said) = (Arc::clone(ledger), Arc::clone(&log));
        let readers = vec![
            thread::spawn(move || each_line(out, |line| rows.row(line))),
            thread::spawn(move || each_line(err, |line| lock(&said).note(line))),
        ];
        Ok(Self { child, line, log, readers, children: BTreeSet::new(), has_ended: false })
    }

    /// Its command line.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// Looks at what it and its children hold.
    pub(crate) fn sample(&mut self) -> Result<Sample, TaskError> {
        self.children = process::descendants(self.child.id());
        Sample::take(self.child.id(), &self.children)
    }

    /// Looks more closely, for longer.
    pub(crate) fn full_sample(&mut self) -> Result<Sample, TaskError> {
        let sample = self.sample()?;
        Ok(sample.with_proportional(self.child.id(), &self.children))
    }

    /// Waits until it listens; returns the addresses for events and for floods.
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

    /// That it did not do what it should, with what it said last.
    pub(crate) fn complaint(&self, what: &str) -> TaskError {
        let last: Vec<String> = lock(&self.log).last.iter().cloned().collect();
        let found = format!("{what}; it said:\n{}", last.join("\n"));
        TaskError::Output { command: self.line.clone(), found }
    }

    /// Fails if it has ended or refused a plugin.
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

    /// Asks it to end and waits for that; returns what it had said.
    pub(crate) fn stop(mut self) -> Result<Log, TaskError> {
        let ended = self.end();
        let log = lock(&self.log).clone();
        if ended { Ok(log) } else { Err(self.was_late()) }
    }

    fn was_late(&self) -> TaskError {
        TaskError::TimedOut { command: self.line.clone(), seconds: END_PATIENCE.as_secs() }
    }

    /// Ends it and all its children. `false` if it had to be killed.
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
                // It fails only if the daemon has ended just now.
                let _ = self.child.kill();
                break;
            }
            thread::sleep(LOOK_EVERY);
        }
        // The same holds here.
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
        if self.last.len() == KEPT_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands on the lines of a pipe until it closes.
fn each_line(pipe: Option<impl Read>, mut each: impl FnMut(&str)) {
    let Some(pipe) = pipe else { return };
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        each(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}
