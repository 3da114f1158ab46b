//! What a worker tries that was taken over, and how the kernel must refuse it.
//!
//! Each attempt is made with arguments that would be harmless, or that another error would be the answer to, if the wall were
//! not there.

mod files;
mod memory;
mod processes;
mod system;

use std::ffi::CString;
use std::os::fd::RawFd;
use std::path::Path;

/// What the attempts are made on.
pub(crate) struct Targets {
    /// The process that started the worker.
    pub(crate) supervisor: i32,
    /// The worker of another plugin.
    pub(crate) other: i32,
    /// Files that are none of the worker's business, by their absolute paths.
    pub(crate) outside: Vec<CString>,
    /// The worker's own directory, as it is called from inside.
    pub(crate) own: CString,
    /// The channel to the supervisor.
    pub(crate) channel: RawFd,
}

/// How an attempt must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Refused by the filter of system calls.
    Filtered,
    /// There is no such path where the worker's own directory is its root; elsewhere landlock refuses.
    OutOfReach,
    /// Nothing is open from where there is such a path, or landlock refuses.
    Nowhere,
    /// There is no such path where the worker's own directory is its root; elsewhere landlock has no say.
    Hidden,
    /// Something of the worker's own that must work, or else the attempts beside it prove nothing.
    Works,
}

impl Verdict {
    pub(crate) const ALL: [Self; 5] =
        [Self::Filtered, Self::OutOfReach, Self::Nowhere, Self::Hidden, Self::Works];

    /// Whether the error number, 0 for success, is as it must be.
    pub(crate) const fn holds(self, errno: i32, own_root: bool) -> bool {
        match self {
            Self::Filtered => errno == libc::EPERM,
            Self::OutOfReach if own_root => errno == libc::ENOENT,
            // EXDEV is how landlock refuses to link and rename from a directory where it allows less.
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

/// Makes all attempts. With `code_is_done`, those too that are refused only once the plugin is compiled.
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

/// A path as the kernel takes it.
pub(crate) fn c_path(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_encoded_bytes()).expect("no zero byte")
}
