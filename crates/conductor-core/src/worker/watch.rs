//! What only an outside observer can see of a worker: that it is gone, that it computes although nobody called it, that its
//! files outgrow their quota.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::overdue::{Clock, Due};
use super::place::Place;
use crate::capability::filesystem::DataQuota;
use crate::outcome::WorkerFault;
use crate::wasi::measure;

/// Time between two looks at all workers.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks between two measurements of the files of a worker that was called or was busy.
const LOOKS_PER_MEASUREMENT: u32 = 8;

/// Looks between two measurements of any worker's files: writing takes so little time that one which was taken over can do
/// it while it seems to sleep.
const LOOKS_PER_IDLE_MEASUREMENT: u32 = 32;

/// Processor time that a worker may take between two looks without a call, generously more than the end of a call and the
/// engine's ticker cost; stops a worker that was taken over from computing for itself.
const MAX_IDLE_TIME: Duration = Duration::from_millis(100);

/// Looks in a row at which a worker took more than that.
const MAX_BUSY_LOOKS: u32 = 4;

/// A worker process, as its supervisor and the watch see it.
pub(super) struct Handle {
    pid: u32,
    child: Mutex<Child>,
    /// Number of calls begun, and whether one is under way.
    calls: AtomicU64,
    in_call: AtomicBool,
    /// Why the process was ended from here.
    fault: Mutex<Option<WorkerFault>>,
    /// When whoever waits for the worker has waited long enough.
    due: Due,
    place: Place,
    /// Directories that the worker can write to, and how much they may hold.
    directories: Vec<Allowance>,
}

/// What may be in a directory that workers of one plugin write to, as far as it is looked at from outside.
#[derive(Clone)]
pub(super) struct Allowance {
    directory: PathBuf,
    quota: DataQuota,
    bytes: u64,
    files: u64,
}

impl Allowance {
    /// Twice the quota: what a worker itself counts is exact, and this stops only one that no longer does. What the directory
    /// holds now is not held against the plugin, even where its quota was lowered since.
    pub(super) fn new(directory: PathBuf, quota: DataQuota) -> Self {
        let held = measure(&directory, quota.files);
        // What cannot be measured is not known to have been there.
        let held = if held.bytes < u64::MAX { (held.bytes, held.files) } else { (0, 0) };
        let bytes = quota.bytes.saturating_mul(2).max(held.0);
        let files = u64::from(quota.files).saturating_mul(2).max(held.1);
        Self { directory, quota, bytes, files }
    }

    pub(super) fn is_for(&self, directory: &Path) -> bool {
        self.directory == directory
    }

    fn is_kept(&self) -> bool {
        let used = measure(&self.directory, self.quota.files);
        used.bytes <= self.bytes && used.files <= self.files
    }
}

impl Handle {
    /// A worker that can write to these directories.
    pub(super) fn new(child: Child, clock: &Arc<Clock>, directories: Vec<Allowance>) -> Self {
        let pid = child.id();
        Self {
            pid,
            place: Place::new(),
            child: Mutex::new(child),
            calls: AtomicU64::new(0),
            in_call: AtomicBool::new(false),
            fault: Mutex::new(None),
            due: Due::new(clock),
            directories,
        }
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) const fn due(&self) -> &Due {
        &self.due
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// Number of calls begun.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Says that a call is under way while the returned value lives.
    pub(super) fn begin_call(&self) -> InCall<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.in_call.store(true, Ordering::Release);
        InCall(&self.in_call)
    }

    /// Ends the process, for a reason; the first reason stays.
    pub(super) fn end(&self, fault: Option<WorkerFault>) {
        let mut reason = self.fault();
        if reason.is_none() {
            *reason = fault;
        }
        drop(reason);
        let mut child = self.child();
        // Both fail only if the process has ended and was waited for already.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// How the process ended, after waiting for that for a short while; it has been waited for then.
    pub(super) fn how_it_ended(&self, patience: Duration) -> WorkerFault {
        let deadline = Instant::now() + patience;
        let status = loop {
            match self.ended() {
                Some(status) => break status,
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                None => {
                    self.end(None);
                    return self.fault().clone().unwrap_or(WorkerFault::Hung);
                }
            }
        };
        self.fault().clone().unwrap_or_else(|| WorkerFault::Ended { how: status.to_string() })
    }

    /// Status of the process if it has ended.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Does something to the process by its number, which is its own as long as nobody waited for its end.
    pub(super) fn while_it_runs<T>(&self, work: impl FnOnce(u32) -> io::Result<T>) -> io::Result<T> {
        let mut child = self.child();
        match child.try_wait()? {
            None => work(self.pid),
            Some(status) => Err(io::Error::other(format!("the process has ended: {status}"))),
        }
    }

    /// Processor time that the process has used.
    fn processor_time(&self) -> io::Result<Duration> {
        /// The kernel's unit for this file, the same on every machine that Linux runs on.
        const TICKS_PER_SECOND: u64 = 100;
        let stat = self.while_it_runs(|pid| fs::read_to_string(format!("/proc/{pid}/stat")))?;
        // The second field is the name in parentheses, which may contain anything; user and system time are the 14th and
        // 15th.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
    }

    fn is_within_quota(&self) -> bool {
        self.directories.iter().all(Allowance::is_kept)
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self) -> MutexGuard<'_, Option<WorkerFault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end(None);
    }
}

/// A call under way; see [`Handle::begin_call`].
pub(super) struct InCall<'h>(&'h AtomicBool);

impl Drop for InCall<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Looks after all workers of a host, on a thread of its own.
pub(super) struct Watch {
    watched: Arc<Mutex<Vec<Watched>>>,
}

struct Watched {
    handle: Weak<Handle>,
    calls: u64,
    processor_time: Duration,
    busy_looks: u32,
    looks: u32,
    measured_at_call: u64,
}

impl Watch {
    pub(super) fn start() -> io::Result<Self> {
        let watched: Arc<Mutex<Vec<Watched>>> = Arc::default();
        let weak = Arc::downgrade(&watched);
        thread::Builder::new().name("conductor-watch".into()).spawn(move || {
            while let Some(watched) = weak.upgrade() {
                // Taken out while they are looked at, so that nobody waits for a measurement to add one.
                let mut all = std::mem::take(&mut *watched.lock().unwrap_or_else(PoisonError::into_inner));
                all.retain_mut(Watched::look);
                watched.lock().unwrap_or_else(PoisonError::into_inner).append(&mut all);
                drop(watched);
                thread::sleep(LOOK_EVERY);
            }
        })?;
        Ok(Self { watched })
    }

    pub(super) fn add(&self, handle: &Arc<Handle>) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).push(Watched {
            handle: Arc::downgrade(handle),
            calls: u64::MAX,
            processor_time: Duration::ZERO,
            busy_looks: 0,
            looks: 0,
            measured_at_call: 0,
        });
    }
}

impl Watched {
    /// Looks at one worker; says whether there is a reason to look again.
    fn look(&mut self) -> bool {
        let Some(handle) = self.handle.upgrade() else { return false };
        let Ok(used) = handle.processor_time() else { return handle.ended().is_none() };
        let calls = handle.calls();
        let idle = calls == self.calls && !handle.in_call.load(Ordering::Acquire);
        let busy = idle && used.saturating_sub(self.processor_time) > MAX_IDLE_TIME;
        self.busy_looks = if busy { self.busy_looks + 1 } else { 0 };
        (self.calls, self.processor_time) = (calls, used);
        if self.busy_looks >= MAX_BUSY_LOOKS {
            handle.end(Some(WorkerFault::Busy));
            return false;
        }
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS_PER_MEASUREMENT) {
            let due = calls != self.measured_at_call
                || busy
                || self.looks.is_multiple_of(LOOKS_PER_IDLE_MEASUREMENT);
            self.measured_at_call = calls;
            if due && !handle.is_within_quota() {
                handle.end(Some(WorkerFault::OverQuota));
                return false;
            }
        }
        true
    }
}
