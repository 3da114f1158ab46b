//! Measures directories of plugins, each on a thread of its own.
//!
//! A file system that does not answer keeps whoever asks it, for as long as it likes. The thread that looks after all workers
//! therefore never asks one, and whoever starts a worker waits for no longer than [`PATIENCE`]. A thread that is kept is left
//! behind: nobody waits for it, and no second one goes where it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::capability::filesystem::DataQuota;
use crate::outcome::WorkerFault;
use crate::wasi::{Used, measure};

/// Longest time that a directory may take to be measured. Stops a file system that does not answer from exempting its plugin
/// from the quota, and from holding up whoever starts a worker.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Threads that measure at the same time, those that were left behind among them. Stops file systems that do not answer
/// from taking more threads; while all are taken, a plugin that cannot be measured in time is ended.
const MAX_THREADS: usize = 32;

/// Measurements that must agree before a worker is ended: one sees a file twice that is replaced meanwhile, or a directory
/// that is moved.
const MEASUREMENTS: u32 = 3;

/// How a directory is measured.
type Measure = dyn Fn(&Path, u32) -> Used + Send + Sync;

/// What may be in a directory that a worker writes to, as far as it is looked at from outside.
#[derive(Clone)]
pub(super) struct Allowance {
    directory: PathBuf,
    quota: DataQuota,
}

/// What is asked about a directory.
#[derive(Clone, Copy)]
pub(super) enum Question {
    /// Whether it holds no more than its quota.
    HasRoom,
    /// Whether it holds no more than twice its quota: what a worker itself counts is exact, and this stops only one that no
    /// longer does.
    IsKept,
}

/// Measures the directories of the plugins of a host.
#[derive(Clone)]
pub(super) struct Measurer(Arc<Shared>);

struct Shared {
    measure: Box<Measure>,
    /// Directories that are being measured.
    under_way: Mutex<BTreeSet<PathBuf>>,
    ended: Condvar,
}

impl Allowance {
    pub(super) const fn new(directory: PathBuf, quota: DataQuota) -> Self {
        Self { directory, quota }
    }

    fn answer(&self, question: Question, measure: &Measure) -> bool {
        let (bytes, files) = (self.quota.bytes, u64::from(self.quota.files));
        let (bytes, files, measurements) = match question {
            Question::HasRoom => (bytes, files, 1),
            Question::IsKept => (bytes.saturating_mul(2), files * 2, MEASUREMENTS),
        };
        (0..measurements).any(|_| {
            let used = measure(&self.directory, self.quota.files);
            used.bytes <= bytes && used.files <= files
        })
    }
}

impl Measurer {
    pub(super) fn new() -> Self {
        Self::with(measure)
    }

    /// One that measures like this.
    fn with(measure: impl Fn(&Path, u32) -> Used + Send + Sync + 'static) -> Self {
        let (measure, under_way) = (Box::new(measure), Mutex::default());
        Self(Arc::new(Shared { measure, under_way, ended: Condvar::new() }))
    }

    /// Begins a measurement, without waiting, and says where its answer will be; nothing while the directory is being
    /// measured already or too many are.
    pub(super) fn begin(&self, allowance: &Allowance, question: Question) -> Option<Receiver<bool>> {
        let mut under_way = self.0.under_way();
        if under_way.len() >= MAX_THREADS || !under_way.insert(allowance.directory.clone()) {
            return None;
        }
        drop(under_way);
        let (answering, answer) = sync_channel(1);
        let measurement = Measurement { shared: Arc::clone(&self.0), directory: allowance.directory.clone() };
        let allowance = allowance.clone();
        // Nobody waits for its end. One that is not started is dropped here, and is under way no longer.
        let thread = thread::Builder::new().name("conductor-size".into()).spawn(move || {
            let kept = allowance.answer(question, &measurement.shared.measure);
            drop(measurement);
            // Who asked may not wait any longer.
            let _ = answering.send(kept);
        });
        thread.is_ok().then_some(answer)
    }

    /// Whether the directory holds no more than its quota; waits for the answer, but not for long.
    pub(super) fn has_room(&self, allowance: &Allowance) -> Result<bool, WorkerFault> {
        self.has_room_within(allowance, PATIENCE)
    }

    fn has_room_within(&self, allowance: &Allowance, patience: Duration) -> Result<bool, WorkerFault> {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        loop {
            if let Some(answer) = self.begin(allowance, Question::HasRoom) {
                return answer.recv_timeout(left()).map_err(|_| WorkerFault::Unmeasured);
            }
            let under_way = self.0.under_way();
            let is_taken = |under_way: &mut BTreeSet<PathBuf>| {
                under_way.len() >= MAX_THREADS || under_way.contains(&allowance.directory)
            };
            let waited = self.0.ended.wait_timeout_while(under_way, left(), is_taken);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            if left().is_zero() {
                return Err(WorkerFault::Unmeasured);
            }
        }
    }
}

impl Shared {
    fn under_way(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A measurement that is under way.
struct Measurement {
    shared: Arc<Shared>,
    directory: PathBuf,
}

impl Drop for Measurement {
    fn drop(&mut self) {
        self.shared.under_way().remove(&self.directory);
        self.shared.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const WATCHDOG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    fn allowance(directory: &str) -> Allowance {
        Allowance::new(PathBuf::from(directory), DataQuota { bytes: 10, files: 10 })
    }

    /// Directories below `/mute` are measured when that is let go; others hold as many bytes as their name says.
    fn partly_mute() -> (Measurer, std::sync::mpsc::Sender<()>) {
        let (let_go, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let measurer = Measurer::with(move |directory, _| {
            if directory.starts_with("/mute") {
                let _ = wait.lock().unwrap_or_else(PoisonError::into_inner).recv();
            }
            let name = directory.file_name().and_then(|name| name.to_str());
            Used::bytes(name.and_then(|name| name.parse().ok()).unwrap_or(0))
        });
        (measurer, let_go)
    }

    #[test]
    fn one_that_does_not_answer_holds_up_nobody_else_and_takes_one_thread() {
        let (measurer, let_go) = partly_mute();
        let mute = measurer.begin(&allowance("/mute/0"), Question::IsKept).expect("begins");
        for _ in 0..2 * MAX_THREADS {
            assert!(measurer.begin(&allowance("/mute/0"), Question::IsKept).is_none(), "one is left behind");
        }
        let unmeasured = Err(WorkerFault::Unmeasured);
        assert_eq!(measurer.has_room_within(&allowance("/mute/0"), SHORT), unmeasured, "it is not asked");
        assert_eq!(measurer.has_room_within(&allowance("/mute/1"), SHORT), unmeasured, "it is asked in vain");
        assert_eq!(measurer.has_room_within(&allowance("/other/10"), WATCHDOG), Ok(true));
        assert_eq!(measurer.has_room_within(&allowance("/other/11"), WATCHDOG), Ok(false));
        drop(let_go);
        assert_eq!(mute.recv_timeout(WATCHDOG), Ok(true));
        assert_eq!(measurer.has_room_within(&allowance("/mute/0"), WATCHDOG), Ok(true), "it answers again");
    }

    #[test]
    fn no_more_threads_are_left_behind_than_there_may_be() {
        let (measurer, let_go) = partly_mute();
        for number in 0..MAX_THREADS {
            let mute = allowance(&format!("/mute/{number}"));
            assert!(measurer.begin(&mute, Question::IsKept).is_some(), "{number}");
        }
        assert!(measurer.begin(&allowance("/other/1"), Question::IsKept).is_none());
        let other = allowance("/other/2");
        assert_eq!(measurer.has_room_within(&other, SHORT), Err(WorkerFault::Unmeasured));
        drop(let_go);
        assert_eq!(measurer.has_room_within(&other, WATCHDOG), Ok(true));
    }

    #[test]
    fn what_is_kept_may_be_twice_the_quota() {
        let (measurer, _let_go) = partly_mute();
        for (directory, kept) in [("/other/20", true), ("/other/21", false)] {
            let answer = measurer.begin(&allowance(directory), Question::IsKept).expect("begins");
            assert_eq!(answer.recv_timeout(WATCHDOG), Ok(kept), "{directory}");
        }
    }
}
