//! The keepers of this process, by which its programs end and are told from everything else that runs.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::process_descriptor::{has_ended, pid_of};

/// Process identifiers of the keepers under which something may run.
static KEEPERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A keeper, from when it is ready until it has ended. It is the first process of its namespace, so when it has, the kernel
/// has ended every other of the namespace before.
pub(super) struct Keeper {
    descriptor: OwnedFd,
    pid: u32,
}

impl Keeper {
    /// Takes note of a keeper, under which nothing runs yet.
    pub(super) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let pid = pid_of(descriptor.as_fd())?;
        keepers().insert(pid);
        Ok(Self { descriptor, pid })
    }

    /// Whether it has ended, and everything in its namespace with it.
    pub(super) fn has_ended(&self) -> bool {
        has_ended(self.descriptor.as_fd())
    }
}

impl AsFd for Keeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        keepers().remove(&self.pid);
    }
}

/// Whether this process is a keeper of this program's.
pub(super) fn is_known(pid: u32) -> bool {
    keepers().contains(&pid)
}

fn keepers() -> MutexGuard<'static, BTreeSet<u32>> {
    KEEPERS.lock().unwrap_or_else(PoisonError::into_inner)
}
