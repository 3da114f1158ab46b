//! The processes that were started, until each of them was waited for.
//!
//! Ending a process means sending it a signal, and the sender does not wait for the effect: a process that sleeps in
//! the kernel, for example on a file system that does not answer, cannot die before it wakes up. A single thread waits
//! for all processes, for as long as it takes. Every other thread reads its results.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child as Spawned, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use conductor_call::WorkerFault;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, pidfd_send_signal, waitid,
};

use crate::runtime::Mortal;

/// Time between two looks at processes that were told to end and have not ended, in case the kernel's notification was
/// lost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Time between two attempts to wait for a process whose number is in use.
const TRY_AGAIN: Duration = Duration::from_millis(1);

/// Time in which a process that was told to end is expected to die. Only a process that sleeps in the kernel takes
/// longer, and its plugin then counts as ending.
pub(super) const END_PATIENCE: Duration = Duration::from_secs(1);

/// Marker of the event for the thread's own alarm; processes are numbered from 0.
const ALARM: u64 = u64::MAX;

/// Flag in [`Child::users`]: the process was waited for, so its number may belong to another process.
const GONE: u32 = 1 << 31;

/// A process that this program started. No method except [`Child::wait`] waits.
pub(super) struct Child {
    pid: u32,
    file: OwnedFd,
    /// Directories that the process may write to.
    writes_to: Vec<PathBuf>,
    /// Whether this program told the process to end.
    is_told: AtomicBool,
    /// When the process was told to end.
    told_at: OnceLock<Instant>,
    /// How the process ended, once it has ended.
    end: OnceLock<End>,
    /// How many threads use the number of the process at present, or [`GONE`].
    users: AtomicU32,
    /// What is to be done when the process has ended.
    when_ended: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// For threads that wait for the end of the process.
    waiting: Mutex<()>,
    ended: Condvar,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With this exit status.
    Known(ExitStatus),
    /// Not known, because other code in this program has waited for the process.
    Unknown,
}

impl Child {
    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    /// Tells the process to end. The process does nothing more once the signal wakes it, but a process that sleeps in
    /// the kernel may never wake.
    pub(super) fn end(&self) {
        let _ = self.told_at.set(Instant::now());
        self.is_told.store(true, Ordering::SeqCst);
        // Sending the signal fails only if the process has ended.
        let _ = pidfd_send_signal(&self.file, Signal::KILL);
    }

    /// Whether this program told the process to end. Nothing that the process says counts after that.
    pub(super) fn is_told(&self) -> bool {
        self.is_told.load(Ordering::SeqCst)
    }

    /// Whether the process has ended, or was told to end.
    pub(super) fn is_over(&self) -> bool {
        self.is_told() || self.end.get().is_some()
    }

    /// How the process ended, if it has ended.
    pub(super) fn how(&self) -> Option<End> {
        self.end.get().copied()
    }

    /// Has something done once the process has ended, at once if it has ended already. It is done by the thread that
    /// waits for all processes, so it must not wait. A process has one such thing to be done; it may be done twice.
    pub(super) fn when_ended(&self, work: Box<dyn Fn() + Send + Sync>) {
        let work = self.when_ended.get_or_init(|| work);
        if self.end.get().is_some() {
            work();
        }
    }

    /// How the process ended, after waiting for its end up to `patience`.
    pub(super) fn wait(&self, patience: Duration) -> Option<End> {
        let nothing = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_timeout_while(nothing, patience, |()| self.end.get().is_none());
        drop(waited);
        self.how()
    }

    /// Does `work` with the number of the process, which cannot become another process's number meanwhile.
    pub(super) fn while_it_runs<T>(&self, work: impl FnOnce(Pid) -> io::Result<T>) -> io::Result<T> {
        let gone = || io::Error::other("the process has ended");
        let taken = self.users.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |users| {
            (users & GONE == 0).then_some(users + 1)
        });
        let Ok(_) = taken else { return Err(gone()) };
        let _done = InUse(&self.users);
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        work(pid.ok_or_else(gone)?)
    }

    /// Collects the exit status if the process has ended and no thread uses its number. Returns whether the status is
    /// collected.
    fn reap(&self) -> bool {
        if self.users.compare_exchange(0, GONE, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return self.end.get().is_some();
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let end = match waitid(WaitId::PidFd(self.file.as_fd()), options) {
            Ok(Some(status)) => End::Known(exit_status(&status)),
            Err(Errno::CHILD) => End::Unknown,
            Ok(None) | Err(_) => {
                self.users.store(0, Ordering::SeqCst);
                return false;
            }
        };
        let nothing = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // This is the only place that sets how the process ended.
        let _ = self.end.set(end);
        drop(nothing);
        self.ended.notify_all();
        if let Some(work) = self.when_ended.get() {
            work();
        }
        true
    }

    /// Whether the process could still write to one of these directories although it was told to end.
    fn could_write_to(&self, directories: &[&Path]) -> bool {
        let overlaps = |own: &PathBuf| {
            directories.iter().any(|directory| directory.starts_with(own) || own.starts_with(directory))
        };
        self.is_told() && self.end.get().is_none() && self.writes_to.iter().any(overlaps)
    }
}

impl Mortal for Child {
    fn ending(&self) -> Option<u32> {
        let is_late = self.told_at.get().is_some_and(|at| at.elapsed() > END_PATIENCE);
        (is_late && self.end.get().is_none()).then_some(self.pid)
    }
}

/// The use of a process's number, until the value is dropped.
struct InUse<'u>(&'u AtomicU32);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(status) => status.fmt(f),
            Self::Unknown => f.write_str("in a way that is not known"),
        }
    }
}

/// A status in the form that `wait` gives.
fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    ExitStatus::from_raw(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code << 8,
        (None, Some(signal)) => signal,
        (None, None) => 0,
    })
}

/// The processes of all hosts in this program, and the thread that waits for them.
pub(super) struct Children(Arc<Shared>);

struct Shared {
    epoll: OwnedFd,
    alarm: OwnedFd,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    /// The processes that were not waited for yet.
    running: BTreeMap<u64, Arc<Child>>,
    /// Number of hosts that may start processes.
    hosts: usize,
}

impl Table {
    /// Numbers of the processes that were told to end and have not been waited for.
    fn told(&self) -> Vec<u64> {
        self.running.iter().filter(|(_, child)| child.is_told()).map(|(number, _)| *number).collect()
    }
}

/// The processes that all hosts share, because a directory may be given to plugins of more than one host, for example
/// while a configuration is changed.
static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

impl Children {
    /// The shared processes, with one more host.
    pub(super) fn share() -> io::Result<Self> {
        let mut known = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.upgrade() {
            shared.table().hosts += 1;
            return Ok(Self(shared));
        }
        let alarm = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &alarm, epoll::EventData::new_u64(ALARM), epoll::EventFlags::IN)?;
        let table = Mutex::new(Table { hosts: 1, ..Table::default() });
        let shared = Arc::new(Shared { epoll, alarm, table });
        let own = Arc::clone(&shared);
        thread::Builder::new().name("conductor-reap".into()).spawn(move || own.run())?;
        *known = Arc::downgrade(&shared);
        Ok(Self(shared))
    }

    /// Takes over a process that was just started and may write to these directories.
    pub(super) fn adopt(&self, mut spawned: Spawned, writes_to: Vec<PathBuf>) -> io::Result<Arc<Child>> {
        let pid = spawned.id();
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let opened = match number {
            // Nobody has waited for the process, so the number is still its own.
            Some(number) => pidfd_open(number, PidfdFlags::empty()).map_err(io::Error::from),
            None => Err(io::Error::other("the process has no number")),
        };
        let file = opened.inspect_err(|_| {
            // The process has just started, so it cannot be sleeping on a file system yet.
            let _ = spawned.kill();
            let _ = spawned.wait();
        })?;
        let child = Arc::new(Child {
            pid,
            file,
            writes_to,
            is_told: AtomicBool::new(false),
            told_at: OnceLock::new(),
            end: OnceLock::new(),
            users: AtomicU32::new(0),
            when_ended: OnceLock::new(),
            waiting: Mutex::new(()),
            ended: Condvar::new(),
        });
        let mut table = self.0.table();
        let number = table.next;
        table.next += 1;
        table.running.insert(number, Arc::clone(&child));
        drop(table);
        let data = epoll::EventData::new_u64(number);
        if let Err(errno) = epoll::add(&self.0.epoll, &child.file, data, epoll::EventFlags::IN) {
            // The thread looks at processes that were told to end even without a notification.
            child.end();
            self.0.wake();
            return Err(errno.into());
        }
        Ok(child)
    }

    /// Waits for processes that were told to end and could still write to one of these directories, up to the time in
    /// which they are expected to die.
    pub(super) fn await_end_in(&self, directories: &[&Path]) -> Result<(), WorkerFault> {
        loop {
            let ending =
                self.0.table().running.values().find(|child| child.could_write_to(directories)).cloned();
            let Some(child) = ending else { return Ok(()) };
            let left =
                child.told_at.get().map_or(Duration::ZERO, |at| END_PATIENCE.saturating_sub(at.elapsed()));
            if child.wait(left).is_none() {
                return Err(WorkerFault::Ending { pid: child.pid });
            }
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.0.table().hosts -= 1;
        self.0.wake();
    }
}

impl Shared {
    /// Waits for processes until none is left and no host could start another.
    fn run(&self) {
        let mut ready: Vec<epoll::Event> = Vec::with_capacity(64);
        while !self.is_over() {
            let patience = self.patience();
            ready.clear();
            if epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), patience.as_ref())
                .is_err()
            {
                // The wait was interrupted, or the kernel is short of memory.
                thread::sleep(TRY_AGAIN);
            }
            let mut is_in_use = false;
            for event in &ready {
                let number = event.data.u64();
                if number == ALARM {
                    let _ = rustix::io::read(&self.alarm, &mut [0; 8]);
                } else {
                    is_in_use |= !self.reap(number);
                }
            }
            if ready.is_empty() {
                let told = self.table().told();
                for number in told {
                    // A process that has not ended yet is looked at again later.
                    let _ = self.reap(number);
                }
            }
            if is_in_use {
                thread::sleep(TRY_AGAIN);
            }
        }
    }

    /// Whether the thread is no longer needed; if so, no further host shares these processes.
    fn is_over(&self) -> bool {
        let mut known = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let table = self.table();
        let is_over = table.hosts == 0 && table.running.is_empty();
        if is_over && std::ptr::eq(known.as_ptr(), self) {
            *known = Weak::new();
        }
        is_over
    }

    /// Collects the exit status of one process; returns whether that succeeded.
    fn reap(&self, number: u64) -> bool {
        let child = self.table().running.get(&number).cloned();
        let Some(child) = child else { return true };
        let is_reaped = child.reap();
        if is_reaped {
            let _ = epoll::delete(&self.epoll, &child.file);
            self.table().running.remove(&number);
        }
        is_reaped
    }

    /// How long to wait for notifications of the kernel.
    fn patience(&self) -> Option<Timespec> {
        let is_told = self.table().running.values().any(|child| child.is_told());
        is_told.then(|| Timespec { tv_sec: LOOK_AGAIN.as_secs() as i64, tv_nsec: 0 })
    }

    fn wake(&self) {
        // Writing fails only if the counter is full, and a full counter wakes the thread as well.
        let _ = rustix::io::write(&self.alarm, &1u64.to_ne_bytes());
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// A process that outlives the test unless it is ended.
    fn waits() -> Spawned {
        Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().expect("a process")
    }

    /// Whether a process exists, whether it was waited for or not.
    fn is_there(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn what_is_told_to_end_ends_and_is_waited_for_by_nobody_else() {
        let children = Children::share().expect("shared");
        let child = children.adopt(waits(), Vec::new()).expect("adopted");
        assert!(!child.is_over() && child.how().is_none());
        child
            .while_it_runs(|pid| {
                assert!(is_there(pid.as_raw_nonzero().get() as u32));
                Ok(())
            })
            .expect("it runs");
        child.end();
        assert!(child.is_over(), "from the moment at which it was told");
        let end = child.wait(Duration::from_secs(20)).expect("it ends");
        assert_eq!(end.to_string(), "signal: 9 (SIGKILL)");
        assert!(!is_there(child.pid()), "it was waited for");
        assert!(child.while_it_runs(|_| Ok(())).is_err(), "its number is free for another one");
    }

    #[test]
    fn how_a_process_ended_by_itself_is_known() {
        let children = Children::share().expect("shared");
        let spawned = Command::new("sh").args(["-c", "exit 7"]).spawn().expect("a process");
        let child = children.adopt(spawned, Vec::new()).expect("adopted");
        assert_eq!(child.wait(Duration::from_secs(20)).expect("it ends").to_string(), "exit status: 7");
        assert!(child.is_over());
    }

    #[test]
    fn a_number_in_use_is_not_given_away_and_whoever_ends_the_process_does_not_wait_for_that() {
        let children = Children::share().expect("shared");
        let child = children.adopt(waits(), Vec::new()).expect("adopted");
        let used = child.while_it_runs(|pid| {
            child.end();
            // The process ends, but remains until its number is no longer used.
            assert_eq!(child.wait(Duration::from_millis(300)), None);
            assert!(is_there(pid.as_raw_nonzero().get() as u32));
            Ok(())
        });
        used.expect("it runs");
        assert!(child.wait(Duration::from_secs(20)).is_some());
    }

    #[test]
    fn a_directory_is_taken_until_what_could_write_to_it_has_ended() {
        let children = Children::share().expect("shared");
        let own = Path::new("/plugins/own");
        let child = children.adopt(waits(), vec![own.to_owned()]).expect("adopted");
        children.await_end_in(&[own]).expect("it was not told to end");
        let used = child.while_it_runs(|_| {
            // The process stands for one that cannot die.
            child.end();
            let pid = child.pid();
            for taken in ["/plugins/own", "/plugins", "/plugins/own/inner"] {
                assert_eq!(
                    children.await_end_in(&[Path::new(taken)]),
                    Err(WorkerFault::Ending { pid }),
                    "{taken}"
                );
            }
            let other = Children::share().expect("shared");
            assert_eq!(other.await_end_in(&[own]), Err(WorkerFault::Ending { pid }), "of another host");
            children.await_end_in(&[Path::new("/plugins/other")]).expect("it is free");
            Ok(())
        });
        used.expect("it runs");
        assert!(child.wait(Duration::from_secs(20)).is_some());
        children.await_end_in(&[own]).expect("it has ended");
    }
}
