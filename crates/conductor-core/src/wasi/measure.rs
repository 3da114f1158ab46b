//! How much a directory holds.
//!
//! The directory belongs to a plugin, which may change it meanwhile: every step goes through a descriptor of the directory
//! before it and follows no link, so the walk cannot be led out of it.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

/// Deepest nesting that is walked; each level holds a descriptor. What is deeper is not known to fit.
pub(crate) const MAX_DEPTH: u32 = 64;

/// What a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    /// Bytes of all files, holes included.
    pub(crate) bytes: u64,
    /// Entries: files, directories, links.
    pub(crate) files: u64,
}

/// Adds up sizes and entries below `directory`. Stops at twice `max_files` entries. What cannot be read counts as full:
/// what is in it is not known to fit.
pub(crate) fn measure(directory: &Path, max_files: u32) -> Used {
    let mut walk = Walk { used: Used { bytes: 0, files: 0 }, most: u64::from(max_files).saturating_mul(2) };
    let opened = openat(CWD, directory, DIRECTORY, Mode::empty());
    if opened.and_then(|directory| walk.add(directory, 0)).is_err() {
        walk.used.bytes = u64::MAX;
    }
    walk.used
}

const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

struct Walk {
    used: Used,
    most: u64,
}

impl Walk {
    fn add(&mut self, directory: OwnedFd, depth: u32) -> rustix::io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(rustix::io::Errno::NAMETOOLONG);
        }
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.used.files += 1;
            if self.used.files > self.most {
                return Ok(());
            }
            // What was deleted meanwhile no longer counts.
            let Ok(found) = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                match openat(&directory, name, DIRECTORY, Mode::empty()) {
                    Ok(inner) => self.add(inner, depth + 1)?,
                    // It is gone, or no longer a directory.
                    Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {}
                    Err(error) => return Err(error),
                }
            } else {
                self.used.bytes = self.used.bytes.saturating_add(u64::try_from(found.st_size).unwrap_or(0));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_count_as_entries_and_lead_nowhere() {
        let elsewhere = tempfile::tempdir().expect("directory");
        fs::write(elsewhere.path().join("large"), [0; 10_000]).expect("written");
        let own = tempfile::tempdir().expect("directory");
        fs::create_dir(own.path().join("inner")).expect("made");
        fs::write(own.path().join("inner/file"), [0; 100]).expect("written");
        symlink(elsewhere.path(), own.path().join("out")).expect("linked");
        let used = measure(own.path(), 100);
        assert_eq!(used.files, 3);
        assert!(used.bytes < 1_000, "{used:?}");
        assert_eq!(measure(&own.path().join("out"), 100).bytes, u64::MAX, "a link is no directory");
    }

    #[test]
    fn what_is_nested_too_deep_counts_as_full() {
        let own = tempfile::tempdir().expect("directory");
        let path: std::path::PathBuf = (0..=MAX_DEPTH).map(|_| "d").collect();
        fs::create_dir_all(own.path().join(&path)).expect("made");
        assert_eq!(measure(own.path(), 1_000).bytes, u64::MAX);
    }
}
