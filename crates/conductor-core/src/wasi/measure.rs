//! How much a directory holds.
//!
//! The directory belongs to a plugin, which may change it meanwhile: every step goes through a descriptor of the directory
//! before it and follows no link, and the way back up is held against where it came from, so the walk cannot be led out of
//! the directory. It holds three descriptors however deep it goes: what a worker may have open for this, one that was taken
//! over could use to keep files.

use std::collections::HashSet;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Deepest nesting that is walked. What is deeper is not known to fit.
const MAX_DEPTH: usize = 64;

/// What a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Used {
    /// Bytes of all files, holes included; each file once, however many names it has.
    pub(crate) bytes: u64,
    /// Entries: files, directories, links.
    pub(crate) files: u64,
}

impl Used {
    pub(crate) const NOTHING: Self = Self::bytes(0);

    pub(crate) const fn bytes(bytes: u64) -> Self {
        Self { bytes, files: 0 }
    }

    /// Both together.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), files: self.files.saturating_add(other.files) }
    }
}

/// Adds up sizes and entries below `directory`. Stops beyond twice `max_files` entries. What was not read counts as full: what
/// is in it is not known to fit.
pub(crate) fn measure(directory: &Path, max_files: u32) -> Used {
    let most = u64::from(max_files).saturating_mul(2);
    let mut walk = Walk { used: Used::NOTHING, most, seen: HashSet::new() };
    let opened = openat(CWD, directory, DIRECTORY, Mode::empty());
    if opened.and_then(|directory| walk.run(directory)).is_err() {
        walk.used.bytes = u64::MAX;
    }
    walk.used
}

const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// Which file it is: its device and its number there.
type Identity = (u64, u64);

struct Walk {
    used: Used,
    most: u64,
    /// Files that were counted.
    seen: HashSet<Identity>,
}

/// A directory that was read.
struct Level {
    identity: Identity,
    /// Names of the directories in it that are still to be read.
    inner: Vec<CString>,
}

impl Walk {
    fn run(&mut self, directory: OwnedFd) -> rustix::io::Result<()> {
        let mut levels = vec![self.read(&directory)?];
        let mut here = directory;
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.inner.pop() {
                match openat(&here, name, DIRECTORY, Mode::empty()) {
                    Ok(_) if levels.len() > MAX_DEPTH => return Err(Errno::NAMETOOLONG),
                    Ok(inner) => {
                        levels.push(self.read(&inner)?);
                        here = inner;
                    }
                    // It is gone, or no longer a directory.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                    Err(error) => return Err(error),
                }
            } else {
                levels.pop();
                if let Some(above) = levels.last() {
                    here = openat(&here, c"..", DIRECTORY, Mode::empty())?;
                    if identity(&fstat(&here)?) != above.identity {
                        // It was moved elsewhere while it was read.
                        return Err(Errno::AGAIN);
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts what is in one directory, and notes the directories among it.
    fn read(&mut self, directory: &OwnedFd) -> rustix::io::Result<Level> {
        let mut level = Level { identity: identity(&fstat(directory)?), inner: Vec::new() };
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.used.files += 1;
            if self.used.files > self.most {
                return Err(Errno::NOSPC);
            }
            let found = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) => found,
                // What was deleted meanwhile no longer counts.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            };
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                level.inner.push(name.to_owned());
            } else if self.seen.insert(identity(&found)) {
                let bytes = u64::try_from(found.st_size).unwrap_or(0);
                self.used = self.used.and(Used::bytes(bytes));
            }
        }
        Ok(level)
    }
}

#[expect(clippy::allow_attributes, reason = "whether the types differ depends on the system")]
#[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "their types depend on the system")]
const fn identity(found: &Stat) -> Identity {
    (found.st_dev as u64, found.st_ino as u64)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

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
    fn a_file_counts_once_and_each_of_its_names_is_an_entry() {
        let own = tempfile::tempdir().expect("directory");
        fs::create_dir(own.path().join("inner")).expect("made");
        fs::write(own.path().join("file"), [0; 100]).expect("written");
        fs::hard_link(own.path().join("file"), own.path().join("inner/again")).expect("linked");
        assert_eq!(measure(own.path(), 100), Used { bytes: 100, files: 3 });
    }

    #[test]
    fn every_branch_is_walked_down_to_the_deepest_level_and_no_further() {
        let own = tempfile::tempdir().expect("directory");
        let deep = |levels: usize, name: &str| -> PathBuf { (0..levels).map(|_| name).collect() };
        for branch in ["a", "b", "c"] {
            let path = own.path().join(deep(MAX_DEPTH, branch));
            fs::create_dir_all(&path).expect("made");
            fs::write(path.join("file"), [0; 10]).expect("written");
        }
        assert_eq!(measure(own.path(), 1_000), Used { bytes: 30, files: 3 * (MAX_DEPTH as u64 + 1) });
        fs::create_dir_all(own.path().join(deep(MAX_DEPTH + 1, "b"))).expect("made");
        assert_eq!(measure(own.path(), 1_000).bytes, u64::MAX);
    }

    #[test]
    fn what_has_too_many_entries_to_be_walked_counts_as_full() {
        let own = tempfile::tempdir().expect("directory");
        for number in 0..7 {
            fs::write(own.path().join(number.to_string()), [0; 10]).expect("written");
        }
        assert_eq!(measure(own.path(), 3).bytes, u64::MAX);
        assert_eq!(measure(own.path(), 4).bytes, 70);
    }
}
