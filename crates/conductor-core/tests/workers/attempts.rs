//! What a worker that was taken over attempts, and how the kernel must refuse each attempt.
//!
//! Each attempt has arguments that would be harmless, or would lead to another error, if the wall did not stand.

mod files;
mod memory;
mod processes;
mod system;

use std::ffi::CString;
use std::os::fd::RawFd;
use std::path::Path;

/// The targets of the attempts.
pub(crate) struct Targets {
    /// The process that started the worker.
    pub(crate) supervisor: i32,
    /// The worker of another plugin.
    pub(crate) other: i32,
    /// Absolute paths of files that the worker must not reach.
    pub(crate) outside: Vec<CString>,
    /// The worker's own directory, by its path inside the worker.
    pub(crate) own: CString,
    /// The channel to the supervisor.
    pub(crate) channel: RawFd,
}

/// How an attempt must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The filter of system calls refuses the attempt.
    Filtered,
    /// The path does not exist if the worker's own directory is its root; otherwise landlock refuses.
    OutOfReach,
    /// The worker has nothing open from which the path exists, or landlock refuses.
    Nowhere,
    /// The path does not exist if the worker's own directory is its root; otherwise landlock does not restrict the
    /// attempt.
    Hidden,
    /// A permitted operation that must work, because otherwise the attempts beside it would prove nothing.
    Works,
}

impl Verdict {
    pub(crate) const ALL: [Self; 5] =
        [Self::Filtered, Self::OutOfReach, Self::Nowhere, Self::Hidden, Self::Works];

    /// Whether the error number, 0 for success, is the one that must be.
    pub(crate) const fn holds(self, errno: i32, own_root: bool) -> bool {
        match self {
            Self::Filtered => errno == libc::EPERM,
            Self::OutOfReach if own_root => errno == libc::ENOENT,
            // Landlock answers EXDEV to a link or rename out of a directory with fewer rights.
            Self::OutOfReach => matches!(errno, libc::EACCES | libc::EXDEV),
            Self::Nowhere => matches!(errno, libc::EBADF | libc::ENOTDIR | libc::ENOENT | libc::EACCES),
            Self::Hidden => errno == if own_root { libc::ENOENT } else { 0 },
            Self::Works => errno == 0,
        }
    }
}

/// An attempt that was made.
pub(crate) struct Tried {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) errno: i32,
}

/// Makes all attempts. With `code_is_done`, also those that are refused only once the plugin is compiled.
pub(crate) fn all(targets: &Targets, code_is_done: bool) -> Vec<Tried> {
    let mut tried = Log(Vec::new());
    files::attempt(targets, code_is_done, &mut tried);
    processes::attempt(targets, &mut tried);
    memory::attempt(targets, code_is_done, &mut tried);
    system::attempt(targets, code_is_done, &mut tried);
    tried.0
}

/// Collects attempts.
struct Log(Vec<Tried>);

impl Log {
    fn note(&mut self, name: impl Into<String>, verdict: Verdict, errno: i32) {
        self.0.push(Tried { name: name.into(), verdict, errno });
    }

    fn filtered(&mut self, name: impl Into<String>, errno: i32) {
        self.note(name, Verdict::Filtered, errno);
    }
}

/// A path in the form that the kernel expects.
pub(crate) fn c_path(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_encoded_bytes()).expect("no zero byte")
}
