//! The proof that lines are on the disk, without which nobody signs for them.

use std::fs::File;
use std::io;

use super::Head;

/// Files that may not be on the disk yet, with where the chain stood at their end.
pub(super) struct Unsynced {
    files: Vec<File>,
    head: Head,
}

impl Unsynced {
    /// All files whose lines may not be on the disk yet, and the last of these lines.
    pub(super) const fn new(files: Vec<File>, head: Head) -> Self {
        Self { files, head }
    }

    /// Waits until they are: only then may anybody sign for it.
    pub(super) fn sync(self) -> io::Result<Synced> {
        self.files.iter().try_for_each(File::sync_data)?;
        Ok(Synced(self.head))
    }
}

/// Proof that all lines up to this one are on the disk.
#[derive(Clone, Copy)]
pub(super) struct Synced(Head);

impl Synced {
    /// The last of these lines.
    pub(super) const fn head(self) -> Head {
        self.0
    }
}
