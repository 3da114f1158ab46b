//! Measures directories of plugins, each in a process of its own.
//!
//! A file system that does not answer keeps whoever asks it, for as long as it likes. The thread that looks after all workers
//! therefore never asks one, and whoever starts a worker waits for no longer than [`PATIENCE`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::asking::{Asking, PATIENCE};
use super::errands::Errands;
use crate::capability::filesystem::DataQuota;
use crate::outcome::WorkerFault;
use crate::wasi::Used;

/// Measurements that must agree before a worker is ended: one sees a file twice that is replaced meanwhile, or a directory
/// that is moved.
const MEASUREMENTS: u32 = 3;

/// How a directory is measured.
type Measure = dyn Fn(&Path, u32) -> Option<Used> + Send + Sync;

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
pub(super) struct Measurer {
    measure: Arc<Measure>,
    errands: Errands,
}

impl Allowance {
    pub(super) const fn new(directory: PathBuf, quota: DataQuota) -> Self {
        Self { directory, quota }
    }

    /// Nothing where it could not be measured.
    fn answer(&self, question: Question, measure: &Measure) -> Option<bool> {
        let (bytes, files) = (self.quota.bytes, u64::from(self.quota.files));
        let (bytes, files, measurements) = match question {
            Question::HasRoom => (bytes, files, 1),
            Question::IsKept => (bytes.saturating_mul(2), files * 2, MEASUREMENTS),
        };
        for _ in 0..measurements {
            let used = measure(&self.directory, self.quota.files)?;
            if used.bytes <= bytes && used.files <= files {
                return Some(true);
            }
        }
        Some(false)
    }
}

impl Measurer {
    pub(super) fn new(asking: Asking) -> Self {
        Self::with(move |directory, max_files| asking.used(directory, max_files))
    }

    /// One that measures like this.
    fn with(measure: impl Fn(&Path, u32) -> Option<Used> + Send + Sync + 'static) -> Self {
        Self { measure: Arc::new(measure), errands: Errands::new("conductor-size") }
    }

    /// Begins a measurement, without waiting, and says where its answer will be; nothing while the directory is being
    /// measured already or too many are.
    pub(super) fn begin(&self, allowance: &Allowance, question: Question) -> Option<Receiver<bool>> {
        let errand = self.errands.take(allowance.directory.clone())?;
        let (measure, allowance) = (Arc::clone(&self.measure), allowance.clone());
        errand.begin(move || allowance.answer(question, measure.as_ref()))
    }

    /// Whether the directory holds no more than its quota; waits for the answer, but not for long.
    pub(super) fn has_room(&self, allowance: &Allowance) -> Result<bool, WorkerFault> {
        self.has_room_within(allowance, PATIENCE)
    }

    fn has_room_within(&self, allowance: &Allowance, patience: Duration) -> Result<bool, WorkerFault> {
        let (measure, asked) = (Arc::clone(&self.measure), allowance.clone());
        let answer = self.errands.run_by(&allowance.directory, Instant::now() + patience, move || {
            asked.answer(Question::HasRoom, measure.as_ref())
        });
        answer.ok_or(WorkerFault::Unmeasured)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::sync::{Mutex, PoisonError};

    use super::super::errands::MAX_ERRANDS;
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
            Some(Used::bytes(name.and_then(|name| name.parse().ok()).unwrap_or(0)))
        });
        (measurer, let_go)
    }

    #[test]
    fn one_that_does_not_answer_holds_up_nobody_else_and_takes_one_thread() {
        let (measurer, let_go) = partly_mute();
        let mute = measurer.begin(&allowance("/mute/0"), Question::IsKept).expect("begins");
        for _ in 0..2 * MAX_ERRANDS {
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
        for number in 0..MAX_ERRANDS {
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
