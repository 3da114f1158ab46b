//! A daemon that runs until it is told to stop, or is killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::TaskError;
use crate::program::Program;

/// Longest wait for it to be ready, and for its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often its end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A daemon, ended when this is dropped.
pub(super) struct Running {
    child: Child,
    log: Receiver<String>,
    seen: Vec<String>,
    is_ready: bool,
}

/// How it ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// All that it said.
    pub(super) log: String,
}

impl Running {
    /// Starts it and waits until it is ready.
    pub(super) fn start(program: Program) -> Result<Self, TaskError> {
        let running = Self::begin(program)?;
        if running.is_ready {
            return Ok(running);
        }
        Err(TaskError::Output { command: "conductor run".to_owned(), found: running.said() })
    }

    /// Starts it and waits until it is ready, or has ended.
    pub(super) fn begin(mut program: Program) -> Result<Self, TaskError> {
        let mut child = program.start()?;
        let (sender, log) = channel();
        if let Some(stderr) = child.stderr.take() {
            thread::spawn(move || {
                for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        break;
                    }
                }
            });
        }
        let mut running = Self { child, log, seen: Vec::new(), is_ready: false };
        let deadline = Instant::now() + PATIENCE;
        while !running.is_ready {
            match running.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    running.is_ready = line.ends_with(" ready");
                    running.seen.push(line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return Err(late()),
            }
        }
        Ok(running)
    }

    /// Whether it was ready once.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// The first error that it told, or else what it said last.
    fn said(&self) -> String {
        let is_error = |line: &&String| line.contains("ERROR") || line.starts_with("error");
        self.seen.iter().find(is_error).or(self.seen.last()).cloned().unwrap_or_default()
    }

    /// Tells it to stop, waits for its end, and says how that was.
    pub(super) fn stop(mut self) -> Result<Ended, TaskError> {
        if let Ok(pid) = i32::try_from(self.child.id())
            && let Some(pid) = Pid::from_raw(pid)
        {
            // It may have ended already.
            let _ = kill_process(pid, Signal::TERM);
        }
        let status = self.wait()?;
        // Whatever it started ends with it, so that its last word comes soon.
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
        }
        Ok(Ended { status, log: self.seen.join("\n") })
    }

    /// Waits for its end.
    fn wait(&mut self) -> Result<ExitStatus, TaskError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait();
            let ended = ended.map_err(|source| TaskError::File { path: "conductor".into(), source })?;
            if let Some(status) = ended {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(late());
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// It takes too long.
fn late() -> TaskError {
    TaskError::TimedOut { command: "conductor run".to_owned(), seconds: PATIENCE.as_secs() }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
