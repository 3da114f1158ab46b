//! Descriptors of processes (`pidfd_open(2)`): each stands for one process, also when its identifier is given out again.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether the process of a descriptor has ended: that is when its descriptor becomes readable.
pub(super) fn has_ended(descriptor: BorrowedFd<'_>) -> bool {
    let mut files = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut files, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// The process that a descriptor stands for (proc(5), `/proc/pid/fdinfo`); none if it has ended or is not to be seen from here.
pub(super) fn pid_of(descriptor: BorrowedFd<'_>) -> io::Result<u32> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd()))?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    pid.filter(|pid| *pid > 0).ok_or_else(|| io::Error::other("the process is gone, or not to be seen"))
}
