//! What tests of a worker that was taken over are told of it.

use std::os::fd::BorrowedFd;

/// How far a worker has come.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is to compile, and its system calls are filtered next.
    Prepared,
    /// It is to compile, and is locked, with nothing of the plugin touched.
    Compiling,
    /// It is to run a plugin, and is locked, with nothing of its code touched.
    Locked,
    /// The code is mapped, and no memory becomes executable any more.
    Loaded,
    /// The plugin has started and waits for calls.
    Started,
    /// A request has come.
    Called,
}

/// The channel as descriptors.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Ends<'c> {
    /// Where frames of the supervisor come from.
    pub requests: BorrowedFd<'c>,
    /// Where frames for it go.
    pub answers: BorrowedFd<'c>,
}
