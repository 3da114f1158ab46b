//! How much a directory holds.
//!
//! The directory belongs to a plugin, which may change it meanwhile. Every step therefore goes through a descriptor of
//! the directory before it and follows no link, and each step back up checks that it arrives at the directory it came
//! from, so that the walk cannot be led out of the directory. The walk holds at most three descriptors at any depth: a
//! worker is allowed no more for it, because a worker that was taken over could use more descriptors to keep files.
//! over could use to keep files.

use std::collections::HashSet;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Deepest nesting that is walked. A directory with a deeper one in it counts as full.
const MAX_DEPTH: usize = 64;

/// Bytes that a directory, or a file beyond its length, may take without being counted: a block of most file systems.
/// The number of entries bounds how many such blocks there are.
const UNCOUNTED_BYTES: u64 = 4096;

/// Bytes that an entry takes in its directory beside its name, on the file systems that take most.
const ENTRY_BYTES: u64 = 32;

/// Largest ratio of the size of a directory to the size of its names: a file system that splits full blocks leaves them
/// half empty.
const SPREAD: u64 = 2;

/// How much a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Bytes of all files, holes included; a file with several names counts once. A directory counts with what it takes
    /// beyond its first block, because a directory keeps the blocks of names that are gone.
    pub bytes: u64,
    /// Number of entries: files, directories and links.
    pub files: u64,
}

impl Used {
    /// An empty directory.
    pub const NOTHING: Self = Self::bytes(0);

    /// Bytes without an entry.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self { bytes, files: 0 }
    }

    /// Bytes that a new entry with a name of `bytes` bytes may add to its directory. The directory grows by them, and
    /// does not shrink when the entry is removed.
    #[must_use]
    pub const fn name(bytes: u64) -> Self {
        Self::bytes(bytes.saturating_add(ENTRY_BYTES).saturating_mul(SPREAD))
    }

    /// The sum of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), files: self.files.saturating_add(other.files) }
    }
}

/// What a measurement found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The sum of everything in the directory.
    pub used: Used,
    /// Bytes of the longest file.
    pub longest: u64,
}

/// Adds up sizes and entries below `directory`. Stops beyond twice `max_files` entries. A directory that could not be
/// read to its end counts as full, because the rest of it may not fit.
#[must_use]
pub fn measure(directory: &Path, max_files: u32) -> Used {
    look_through(directory, max_files).used
}

/// As [`measure`], with the length of the longest file.
#[must_use]
pub fn look_through(directory: &Path, max_files: u32) -> Found {
    let most = u64::from(max_files).saturating_mul(2);
    let mut walk = Walk { used: Used::NOTHING, longest: 0, most, seen: HashSet::new() };
    let opened = openat(CWD, directory, DIRECTORY, Mode::empty());
    if opened.and_then(|directory| walk.run(directory)).is_err() {
        walk.used.bytes = u64::MAX;
    }
    Found { used: walk.used, longest: walk.longest }
}

const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// Identity of a file: its device and its number there.
type Identity = (u64, u64);

struct Walk {
    used: Used,
    longest: u64,
    most: u64,
    /// Files that were counted, so that a file with several names counts once.
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
                    // The entry is gone, or is no longer a directory.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                    Err(error) => return Err(error),
                }
            } else {
                levels.pop();
                if let Some(above) = levels.last() {
                    here = openat(&here, c"..", DIRECTORY, Mode::empty())?;
                    if identity(&fstat(&here)?) != above.identity {
                        // The directory was moved elsewhere while it was read.
                        return Err(Errno::AGAIN);
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts what is in one directory, and collects the directories in it.
    fn read(&mut self, directory: &OwnedFd) -> rustix::io::Result<Level> {
        let own = fstat(directory)?;
        self.used = self.used.and(Used::bytes(taken_by_directory(&own)));
        let mut level = Level { identity: identity(&own), inner: Vec::new() };
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
                // An entry that was deleted meanwhile no longer counts.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            };
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                level.inner.push(name.to_owned());
            } else if self.seen.insert(identity(&found)) {
                let (length, taken) = taken_by_file(&found);
                self.longest = self.longest.max(length);
                self.used = self.used.and(Used::bytes(taken));
            }
        }
        Ok(level)
    }
}

/// Bytes that a directory takes beyond its first block: its stated size, or its blocks where those are more.
fn taken_by_directory(found: &Stat) -> u64 {
    length(found).max(blocks(found)).saturating_sub(UNCOUNTED_BYTES)
}

/// The length of a file, and the bytes it takes: its length, or half of its blocks where that is more. Blocks beyond
/// the end of a file can be allocated without making the file longer. File systems themselves allocate up to as much
/// again for a file that grows, so half of the blocks is not counted.
fn taken_by_file(found: &Stat) -> (u64, u64) {
    let own_block = u64::try_from(found.st_blksize).unwrap_or(0).max(UNCOUNTED_BYTES);
    let length = length(found);
    (length, length.max(blocks(found).saturating_sub(own_block) / 2))
}

fn length(found: &Stat) -> u64 {
    u64::try_from(found.st_size).unwrap_or(0)
}

/// Bytes of the blocks of a file or directory.
fn blocks(found: &Stat) -> u64 {
    /// The unit of `st_blocks`, whatever the unit of the file system is.
    const UNIT: u64 = 512;
    u64::try_from(found.st_blocks).unwrap_or(0).saturating_mul(UNIT)
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

    /// On file systems that never shrink a directory, names that were made and removed again leave the directory as
    /// large as they made it. On other file systems they leave nothing, and nothing is counted.
    #[test]
    fn a_directory_counts_by_what_it_takes_after_its_names_are_gone() {
        let own = tempfile::tempdir().expect("directory");
        let inner = own.path().join("inner");
        fs::create_dir(&inner).expect("made");
        fs::write(own.path().join("file"), [0; 100]).expect("written");
        for number in 0..1_000 {
            fs::hard_link(own.path().join("file"), inner.join(format!("{number:0>250}"))).expect("linked");
        }
        let full = measure(own.path(), 10_000);
        let takes = taken_by_directory(&rustix::fs::stat(&inner).expect("there"));
        assert_eq!(full, Used { bytes: 100 + takes, files: 1_002 });
        // If a file system counts names in a directory's size, it counts at least their length.
        assert!(takes == 0 || takes > 200_000, "{takes}");
        for number in 0..1_000 {
            fs::remove_file(inner.join(format!("{number:0>250}"))).expect("removed");
        }
        let takes = taken_by_directory(&rustix::fs::stat(&inner).expect("there"));
        assert_eq!(measure(own.path(), 10_000), Used { bytes: 100 + takes, files: 2 });
        fs::remove_dir(&inner).expect("removed");
        assert_eq!(
            measure(own.path(), 10_000),
            Used { bytes: 100, files: 1 },
            "it is given back with the directory"
        );
    }

    #[test]
    fn the_directory_itself_counts_as_those_in_it() {
        let own = tempfile::tempdir().expect("directory");
        for number in 0..1_000 {
            fs::write(own.path().join(format!("{number:0>250}")), []).expect("written");
        }
        let takes = taken_by_directory(&rustix::fs::stat(own.path()).expect("there"));
        assert_eq!(measure(own.path(), 10_000), Used { bytes: takes, files: 1_000 });
    }

    #[test]
    fn blocks_that_were_set_aside_beyond_the_end_of_a_file_count() {
        use std::os::unix::fs::MetadataExt as _;
        let own = tempfile::tempdir().expect("directory");
        let path = own.path().join("short");
        fs::write(&path, [0; 10]).expect("written");
        assert_eq!(measure(own.path(), 10).bytes, 10);
        let file = fs::OpenOptions::new().write(true).open(&path).expect("opens");
        let aside = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, 1024 * 1024);
        // On a file system that cannot allocate blocks beyond the end of a file, there is nothing to test.
        if aside.is_ok() && file.metadata().expect("there").blocks() > 1024 {
            let used = measure(own.path(), 10).bytes;
            assert!((400_000..1_100_000).contains(&used), "{used}");
        }
        assert_eq!(look_through(own.path(), 10).longest, 10);
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
