//! Where the files of a log are: all beside it, with more at the end of its name.

use std::path::{Path, PathBuf};

/// The path with more at its end.
pub(super) fn beside(log: &Path, end: &str) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Where the log before this one is.
pub(super) fn previous(log: &Path) -> PathBuf {
    beside(log, ".1")
}
