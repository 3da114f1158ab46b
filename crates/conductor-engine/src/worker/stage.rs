//! The stages of a worker, for tests of a worker that was taken over.

use std::os::fd::BorrowedFd;

/// How far a worker has come.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The worker is to compile; its system calls are filtered next.
    Prepared,
    /// The worker is to compile; it is locked in and has touched nothing of the plugin.
    Compiling,
    /// The worker is to run a plugin; it is locked in and has touched nothing of the code.
    Locked,
    /// The code is mapped, and no further memory can become executable.
    Loaded,
    /// The plugin has started and waits for calls.
    Started,
    /// A request has arrived.
    Called,
}

/// The descriptors of the channel.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Ends<'c> {
    /// The pipe of frames from the supervisor.
    pub requests: BorrowedFd<'c>,
    /// The pipe of frames to the supervisor.
    pub answers: BorrowedFd<'c>,
}
