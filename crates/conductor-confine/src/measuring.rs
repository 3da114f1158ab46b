//! Measures the directories of plugins. Where a host offers processes for measuring, they do it.
//!
//! A file system that does not answer blocks the thread that asks it, for as long as it likes. So the thread that
//! watches all workers never asks a file system, and a thread that starts a worker waits no longer than [`PATIENCE`].

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use conductor_call::{DataQuota, Limit, WorkerFault};

use crate::errands::Errands;
use crate::usage::{Found, look_through};

/// Longest time that making, finding or measuring a directory may take. Stops a file system that does not answer from
/// exempting its plugin from the quota, and from holding up whoever starts a worker.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Measurements that must agree before a worker is ended: a single measurement can count a file twice that is replaced
/// meanwhile, or a directory that is moved.
const MEASUREMENTS: u32 = 3;

/// What a directory holds, if the directory is within its bounds; otherwise the limit that it exceeds.
pub type Answer = Result<Found, Limit>;

/// A function that measures a directory, given the most files that it may hold.
type Measure = dyn Fn(&Path, u32) -> Option<Found> + Send + Sync;

/// The host whose processes measure.
static ASKING: Mutex<Option<Arc<dyn Asking>>> = Mutex::new(None);

/// A host that has processes for asking file systems.
pub trait Asking: Send + Sync {
    /// Whether the processes are still there.
    fn is_there(&self) -> bool;

    /// What is in a directory, as [`look_through`] finds it; `None` if no process could ask.
    fn found(&self, directory: &Path, max_files: u32) -> Option<Found>;
}

/// The quota of a directory that a worker or its program writes to, for measurements from outside.
#[derive(Clone)]
pub struct Allowance {
    directory: PathBuf,
    quota: DataQuota,
}

/// What is asked about a directory.
#[derive(Clone, Copy)]
pub enum Question {
    /// Whether the directory is within its quota, by one measurement.
    HasRoom,
    /// Whether the directory is within its quota, while a program works in it that nothing else holds to the quota.
    KeepsWithin,
    /// Whether the directory is within twice its quota. A worker itself counts exactly; this question stops only a
    /// worker that was taken over and no longer counts.
    IsKept,
}

/// Measures the directories of the plugins of a host.
#[derive(Clone)]
pub struct Measurer {
    measure: Arc<Measure>,
    errands: Errands,
}

impl Allowance {
    /// The quota of `directory`.
    #[must_use]
    pub const fn new(directory: PathBuf, quota: DataQuota) -> Self {
        Self { directory, quota }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The quota of the directory.
    #[must_use]
    pub const fn quota(&self) -> DataQuota {
        self.quota
    }

    /// What the directory holds, or the limit that it exceeds; `None` if the directory could not be measured.
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
    /// The measurer of this process. There is one, because a directory may be given to plugins of more than one host.
    /// The processes of the last host that offered some measure; without them, this process measures.
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

    /// As [`Measurer::shared`]; from now on the processes of this host measure.
    #[must_use]
    pub fn shared_and_asked_by(asking: impl Asking + 'static) -> Self {
        *ASKING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(asking));
        Self::shared().clone()
    }

    /// A measurer that measures with this function.
    fn with(measure: impl Fn(&Path, u32) -> Option<Found> + Send + Sync + 'static) -> Self {
        Self { measure: Arc::new(measure), errands: Errands::new("conductor-size") }
    }

    /// Begins a measurement without waiting, and returns the receiver of its answer; `None` while the directory is
    /// being measured already or too many measurements are under way.
    #[must_use]
    pub fn begin(&self, allowance: &Allowance, question: Question) -> Option<Receiver<Answer>> {
        let errand = self.errands.take(allowance.directory.clone())?;
        let (measure, allowance) = (Arc::clone(&self.measure), allowance.clone());
        errand.begin(move || allowance.answer(question, measure.as_ref()))
    }

    /// What the directory holds, or the limit of its quota that it exceeds; waits for the answer at most [`PATIENCE`].
    ///
    /// # Errors
    ///
    /// Fails if there is no answer in time.
    pub fn room(&self, allowance: &Allowance) -> Result<Answer, WorkerFault> {
        self.room_within(allowance, PATIENCE)
    }

    /// Whether the directory is within its quota; waits for the answer at most [`PATIENCE`].
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

    /// Whether a directory is within its quota.
    fn has_room(measurer: &Measurer, directory: &str, patience: Duration) -> Result<bool, WorkerFault> {
        measurer.room_within(&allowance(directory), patience).map(|found| found.is_ok())
    }

    fn allowance(directory: &str) -> Allowance {
        Allowance::new(PathBuf::from(directory), DataQuota { bytes: 10, files: 10 })
    }

    /// A measurer that measures directories below `/mute` only when the returned sender is dropped. Other directories
    /// hold as many bytes as their name says.
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
