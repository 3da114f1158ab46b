//! Measures directories of plugins, each in a process of its own.
//!
//! A file system that does not answer keeps whoever asks it, for as long as it likes. The thread that looks after all workers
//! therefore never asks one, and whoever starts a worker waits for no longer than [`PATIENCE`].

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use conductor_call::{DataQuota, Limit, WorkerFault};

use crate::errands::Errands;
use crate::usage::{Found, look_through};

/// Longest time that a directory may take to be made, found or measured. Stops a file system that does not answer from exempting
/// its plugin from the quota, and from holding up whoever starts a worker.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Measurements that must agree before a worker is ended: one sees a file twice that is replaced meanwhile, or a directory
/// that is moved.
const MEASUREMENTS: u32 = 3;

/// What a directory holds, if that is no more than it may; otherwise of what it holds more.
pub type Answer = Result<Found, Limit>;

/// How a directory is measured.
type Measure = dyn Fn(&Path, u32) -> Option<Found> + Send + Sync;

/// Whose processes measure.
static ASKING: Mutex<Option<Arc<dyn Asking>>> = Mutex::new(None);

/// Who has processes that ask file systems.
pub trait Asking: Send + Sync {
    /// Whether they are still there.
    fn is_there(&self) -> bool;

    /// What is in a directory, as [`look_through`] finds it; nothing if nobody could ask.
    fn found(&self, directory: &Path, max_files: u32) -> Option<Found>;
}

/// What may be in a directory that a worker or its program writes to, as far as it is looked at from outside.
#[derive(Clone)]
pub struct Allowance {
    directory: PathBuf,
    quota: DataQuota,
}

/// What is asked about a directory.
#[derive(Clone, Copy)]
pub enum Question {
    /// Whether it holds no more than its quota.
    HasRoom,
    /// Whether it still does, while somebody works in it who is held to it by this alone.
    KeepsWithin,
    /// Whether it holds no more than twice its quota: what a worker itself counts is exact, and this stops only one that no
    /// longer does.
    IsKept,
}

/// Measures the directories of the plugins of a host.
#[derive(Clone)]
pub struct Measurer {
    measure: Arc<Measure>,
    errands: Errands,
}

impl Allowance {
    /// What may be in `directory`.
    #[must_use]
    pub const fn new(directory: PathBuf, quota: DataQuota) -> Self {
        Self { directory, quota }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What may be in it.
    #[must_use]
    pub const fn quota(&self) -> DataQuota {
        self.quota
    }

    /// What the directory holds, if that is no more than it may. Nothing where it could not be measured.
    fn answer(&self, question: Question, measure: &Measure) -> Option<Answer> {
        let (bytes, files) = (self.quota.bytes, u64::from(self.quota.files));
        let (bytes, files, measurements) = match question {
            Question::HasRoom => (bytes, files, 1),
            Question::KeepsWithin => (bytes, files, MEASUREMENTS),
            Question::IsKept => (bytes.saturating_mul(2), files * 2, MEASUREMENTS),
        };
        let mut answer = Err(Limit::DiskBytes);
        for _ in 0..measurements {
            let found = measure(&self.directory, self.quota.files)?;
            answer = match found.used {
                used if used.bytes > bytes => Err(Limit::DiskBytes),
                used if used.files > files => Err(Limit::DiskFiles),
                _ => Ok(found),
            };
            if answer.is_ok() {
                break;
            }
        }
        Some(answer)
    }
}

impl Measurer {
    /// What everybody in this process measures with: a directory may be given to plugins of more than one host. The processes of
    /// the last host that has any do it; without, this process does.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Measurer> = OnceLock::new();
        SHARED.get_or_init(|| {
            Self::with(|directory, max_files| {
                let asking = ASKING.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match asking.filter(|asking| asking.is_there()) {
                    Some(asking) => asking.found(directory, max_files),
                    None => Some(look_through(directory, max_files)),
                }
            })
        })
    }

    /// As [`Measurer::shared`], from now on with the processes of this host.
    #[must_use]
    pub fn shared_and_asked_by(asking: impl Asking + 'static) -> Self {
        *ASKING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(asking));
        Self::shared().clone()
    }

    /// One that measures like this.
    fn with(measure: impl Fn(&Path, u32) -> Option<Found> + Send + Sync + 'static) -> Self {
        Self { measure: Arc::new(measure), errands: Errands::new("conductor-size") }
    }

    /// Begins a measurement, without waiting, and says where its answer will be; nothing while the directory is being
    /// measured already or too many are.
    #[must_use]
    pub fn begin(&self, allowance: &Allowance, question: Question) -> Option<Receiver<Answer>> {
        let errand = self.errands.take(allowance.directory.clone())?;
        let (measure, allowance) = (Arc::clone(&self.measure), allowance.clone());
        errand.begin(move || allowance.answer(question, measure.as_ref()))
    }

    /// What the directory holds, or of what it holds more than its quota; waits for the answer, but not for long.
    ///
    /// # Errors
    ///
    /// Fails if there is no answer in time.
    pub fn room(&self, allowance: &Allowance) -> Result<Answer, WorkerFault> {
        self.room_within(allowance, PATIENCE)
    }

    /// Whether the directory holds no more than its quota; waits for the answer, but not for long.
    ///
    /// # Errors
    ///
    /// Fails if there is no answer in time.
    pub fn has_room(&self, allowance: &Allowance) -> Result<bool, WorkerFault> {
        self.room(allowance).map(|found| found.is_ok())
    }

    fn room_within(&self, allowance: &Allowance, patience: Duration) -> Result<Answer, WorkerFault> {
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

    use super::*;
    use crate::errands::MAX_ERRANDS;
    use crate::usage::Used;

    const WATCHDOG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    /// Whether a directory has room.
    fn has_room(measurer: &Measurer, directory: &str, patience: Duration) -> Result<bool, WorkerFault> {
        measurer.room_within(&allowance(directory), patience).map(|found| found.is_ok())
    }

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
            let used = Used::bytes(name.and_then(|name| name.parse().ok()).unwrap_or(0));
            Some(Found { used, longest: used.bytes })
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
        assert_eq!(has_room(&measurer, "/mute/0", SHORT), unmeasured, "it is not asked");
        assert_eq!(has_room(&measurer, "/mute/1", SHORT), unmeasured, "it is asked in vain");
        assert_eq!(has_room(&measurer, "/other/10", WATCHDOG), Ok(true));
        assert_eq!(has_room(&measurer, "/other/11", WATCHDOG), Ok(false));
        drop(let_go);
        assert!(mute.recv_timeout(WATCHDOG).is_ok_and(|found| found.is_ok()));
        assert_eq!(has_room(&measurer, "/mute/0", WATCHDOG), Ok(true), "it answers again");
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
        assert_eq!(measurer.room_within(&other, SHORT), Err(WorkerFault::Unmeasured));
        drop(let_go);
        assert!(measurer.room_within(&other, WATCHDOG).is_ok_and(|found| found.is_ok()));
    }

    #[test]
    fn what_is_kept_may_be_twice_the_quota() {
        let (measurer, _let_go) = partly_mute();
        for (directory, kept) in [("/other/20", true), ("/other/21", false)] {
            let answer = measurer.begin(&allowance(directory), Question::IsKept).expect("begins");
            assert_eq!(answer.recv_timeout(WATCHDOG).map(|found| found.is_ok()), Ok(kept), "{directory}");
        }
    }
}
