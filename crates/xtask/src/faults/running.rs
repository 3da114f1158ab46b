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
}

impl Running {
    /// Starts it and waits until it is ready, or has ended.
    pub(super) fn start(mut program: Program) -> Result<Self, TaskError> {
        let mut child = program.start()?;
        let (sender, log) = channel();
        if let Some(stderr) = child.stderr.take() {
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let mut running = Self { child, log, seen: Vec::new() };
        let deadline = Instant::now() + PATIENCE;
        loop {
            match running.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let is_ready = line.ends_with(" ready");
                    running.seen.push(line);
                    if is_ready {
                        return Ok(running);
                    }
                }
                Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {
                    let (command, found) = ("conductor run".to_owned(), running.said());
                    return Err(TaskError::Output { command, found });
                }
            }
        }
    }

    /// The first error that it told, or else what it said last.
    fn said(&self) -> String {
        let is_error = |line: &&String| line.contains("ERROR") || line.starts_with("error");
        self.seen.iter().find(is_error).or(self.seen.last()).cloned().unwrap_or_default()
    }

    /// Tells it to stop, waits for its end, and says how that was.
    pub(super) fn stop(mut self) -> Result<ExitStatus, TaskError> {
        if let Ok(pid) = i32::try_from(self.child.id())
            && let Some(pid) = Pid::from_raw(pid)
        {
            // It may have ended already.
            let _ = kill_process(pid, Signal::TERM);
        }
        self.wait()
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
                let seconds = PATIENCE.as_secs();
                return Err(TaskError::TimedOut { command: "conductor run".to_owned(), seconds });
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
