//! Reads a file of decisions that the user writes by hand, such as `config.toml`.
//!
//! Links are followed, because programs that manage configuration files use links. But nobody else may be able to
//! replace an entry of a directory that holds the file or a link on the way, and the file must belong to the user or to
//! root. What only the user's own group may write to is read, and is listed in [`Followed::group_writes`].

use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::FileError;
use crate::atomic_file::directory_of;
use crate::own_group::is_own_group;
use crate::owner_and_mode::{self, Guard};

/// Most links on the way to a file, as many as Linux follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Mode bit of a directory in which nobody can remove or rename the files of others.
const STICKY: u32 = 0o1000;

/// Mode bit with which everybody may write.
const OTHERS_WRITE: u32 = 0o002;

/// Mode bit with which the group may write.
const GROUP_WRITES: u32 = 0o020;

/// A file that was read.
#[derive(Debug)]
pub struct Followed {
    /// The content of the file.
    pub bytes: Vec<u8>,
    /// Files and directories on the way that the user's own group may write to.
    pub group_writes: Vec<PathBuf>,
}

/// Reads a file of at most `max` bytes, following links; `None` if there is no file.
///
/// # Errors
///
/// Fails if somebody else owns the file or a directory on the way, or may write there; if a link leads nowhere; if the
/// file is not a regular file or is larger than `max`; or with the error of the system.
pub fn read_followed(path: &Path, max: u64) -> Result<Option<Followed>, FileError> {
    read_as(path, max, rustix::process::geteuid().as_raw(), is_own_group)
}

fn read_as(
    path: &Path,
    max: u64,
    user: u32,
    is_own: fn(u32, u32) -> bool,
) -> Result<Option<Followed>, FileError> {
    let mut checked = Checked { user, is_own, group_writes: Vec::new() };
    let mut file = path.to_owned();
    for _ in 0..=MAX_LINKS {
        let directory = directory_of(&file);
        let found = match fs::symlink_metadata(&file) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound && file == path => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(FileError::Symlink { path: path.to_owned() });
            }
            Err(source) => return Err(FileError::Unreadable { path: file, source }),
        };
        checked.directory(directory)?;
        if !found.is_symlink() {
            return checked.file(&file, max).map(Some);
        }
        let target = fs::read_link(&file);
        file = directory.join(target.map_err(|source| FileError::Unreadable { path: file.clone(), source })?);
    }
    Err(FileError::Symlink { path: path.to_owned() })
}

/// The checks of one read, and what they found so far.
struct Checked {
    user: u32,
    is_own: fn(u32, u32) -> bool,
    group_writes: Vec<PathBuf>,
}

impl Checked {
    fn directory(&mut self, path: &Path) -> Result<(), FileError> {
        let failed = |source| FileError::Unreadable { path: path.to_owned(), source };
        let metadata = fs::metadata(path).map_err(failed)?;
        // In a sticky directory nobody can replace the files of others, and every file on the way is checked itself, so
        // that write permission for others does no harm.
        let mode = if metadata.mode() & STICKY == 0 { metadata.mode() } else { 0 };
        self.check(path, &metadata, mode, 0o700)
    }

    fn file(mut self, path: &Path, max: u64) -> Result<Followed, FileError> {
        let file = owner_and_mode::open_any(path)?;
        let failed = |source| FileError::Unreadable { path: path.to_owned(), source };
        let metadata = file.metadata().map_err(failed)?;
        self.check(path, &metadata, metadata.mode(), 0o600)?;
        let mut bytes = Vec::new();
        file.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > max {
            return Err(FileError::TooLarge { path: path.to_owned(), max });
        }
        Ok(Followed { bytes, group_writes: self.group_writes })
    }

    fn check(&mut self, path: &Path, found: &Metadata, mode: u32, wanted: u32) -> Result<(), FileError> {
        if !Guard::Trust.owner_is_right(found.uid(), self.user) {
            let (found, expected) = (found.uid(), self.user);
            return Err(FileError::Owner { path: path.to_owned(), found, expected });
        }
        let by_group = mode & GROUP_WRITES != 0;
        if mode & OTHERS_WRITE != 0 || (by_group && !(self.is_own)(found.gid(), self.user)) {
            let found = found.mode() & 0o7777;
            return Err(FileError::Mode { path: path.to_owned(), found, wanted, private: false });
        }
        if by_group {
            self.group_writes.push(path.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode set");
    }

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// A directory `home` with `config.toml` in it, and a directory `dotfiles` beside `home`.
    fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let place = tempfile::tempdir().expect("a directory");
        let [home, dotfiles] = ["home", "dotfiles"].map(|name| place.path().join(name));
        for directory in [&home, &dotfiles] {
            fs::create_dir(directory).expect("made");
            mode(directory, 0o755);
        }
        let file = home.join("config.toml");
        fs::write(&file, "version = 1").expect("written");
        mode(&file, 0o644);
        (place, file, dotfiles.join("conductor.toml"))
    }

    fn read(path: &Path) -> Result<Followed, FileError> {
        read_as(path, 100, me(), |_, _| false).map(|read| read.expect("it is there"))
    }

    #[test]
    fn what_others_may_write_to_is_refused_and_what_the_own_group_may_is_said() {
        let (_place, file, _) = place();
        let directory = file.parent().expect("a directory").to_owned();
        assert_eq!(read(&file).expect("read").bytes, b"version = 1");
        for (path, bits, wanted) in [
            (&file, 0o664, 0o600),
            (&file, 0o646, 0o600),
            (&directory, 0o775, 0o700),
            (&directory, 0o757, 0o700),
        ] {
            let before = fs::metadata(path).expect("metadata").mode();
            mode(path, bits);
            let refused = read(&file).expect_err("others write");
            assert!(matches!(&refused, FileError::Mode { path: found, .. } if found == path), "{refused}");
            assert_eq!(refused.hint(), Some(format!("chmod {wanted:o} {}", path.display())));
            let own = read_as(&file, 100, me(), |_, _| true);
            match bits & OTHERS_WRITE {
                0 => assert_eq!(own.expect("said").expect("there").group_writes, std::slice::from_ref(path)),
                _ => assert!(matches!(own, Err(FileError::Mode { .. })), "others are in no group"),
            }
            mode(path, before);
        }
        mode(&directory, 0o1777);
        assert!(read(&file).expect("what is not theirs stays").group_writes.is_empty());
    }

    #[test]
    fn links_are_followed_and_every_directory_on_the_way_counts() {
        let (place, file, kept) = place();
        fs::rename(&file, &kept).expect("moved");
        let between = place.path().join("between");
        fs::create_dir(&between).expect("made");
        mode(&between, 0o755);
        symlink("../dotfiles/conductor.toml", between.join("link")).expect("linked");
        symlink(between.join("link"), &file).expect("linked");
        assert_eq!(read(&file).expect("read").bytes, b"version = 1");
        for directory in [&between, kept.parent().expect("a directory"), file.parent().expect("a directory")]
        {
            mode(directory, 0o777);
            let refused = read(&file).expect_err("anybody could put something there");
            assert!(matches!(&refused, FileError::Mode { wanted: 0o700, .. }), "{refused}");
            mode(directory, 0o755);
        }
        mode(&kept, 0o666);
        assert!(matches!(read(&file), Err(FileError::Mode { wanted: 0o600, .. })));
        mode(&kept, 0o600);
        assert!(read(&file).is_ok());
        fs::remove_file(&kept).expect("removed");
        assert!(matches!(read(&file), Err(FileError::Symlink { path }) if path == file), "it leads nowhere");
        symlink(&file, &kept).expect("a circle");
        assert!(matches!(read(&file), Err(FileError::Symlink { .. })));
    }

    #[test]
    fn somebody_elses_file_is_refused_unless_it_is_roots() {
        let (_place, file, _) = place();
        let owner = fs::metadata(&file).expect("metadata").uid();
        let other = read_as(&file, 100, owner + 1, |_, _| true);
        if owner == 0 {
            assert!(other.is_ok(), "root can change every file anyway");
        } else {
            assert!(matches!(other, Err(FileError::Owner { found, .. }) if found == owner));
        }
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let (_place, file, _) = place();
        assert!(read_followed(&file.with_extension("none"), 100).expect("none").is_none());
        assert!(matches!(read_followed(&file, 3), Err(FileError::TooLarge { max: 3, .. })));
        fs::remove_file(&file).expect("removed");
        let kind = rustix::fs::FileType::Fifo;
        let bits = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &file, kind, bits, 0).expect("a FIFO");
        assert!(matches!(read_followed(&file, 100), Err(FileError::NotRegular { .. })));
        assert!(matches!(
            read_followed(file.parent().expect("a directory"), 100),
            Err(FileError::Directory { .. })
        ));
    }
}
