//! Opens files that decide about security, and refuses those that somebody else could have written or read.
//!
//! [`read_decisions`] serves other crates, for files that are as trusted as the trust store.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use crate::FileError;
use crate::atomic_file;

/// What is required of a file before its content is believed.
#[derive(Clone, Copy)]
pub(crate) enum Guard {
    /// A private key: owned by this user, and no other user has any permission.
    Secret,
    /// A trust file: owned by this user or root, and no other user may write to the file.
    Trust,
}

impl Guard {
    /// Permission bits that the file may not have.
    const fn forbidden(self) -> u32 {
        match self {
            Self::Secret => 0o077,
            Self::Trust => 0o022,
        }
    }

    pub(crate) const fn owner_is_right(self, owner: u32, user: u32) -> bool {
        match self {
            Self::Secret => owner == user,
            Self::Trust => owner == user || owner == 0,
        }
    }
}

/// Opens a file for reading, without following a link and without waiting for the writer of a FIFO.
pub(crate) fn open(path: &Path, guard: Guard) -> Result<File, FileError> {
    open_as(path, guard, rustix::process::geteuid().as_raw())
}

fn open_as(path: &Path, guard: Guard, user: u32) -> Result<File, FileError> {
    let file = open_any(path)?;
    let metadata = file.metadata().map_err(|source| unreadable(path, source))?;
    check_owner_and_mode(path, &metadata, guard, 0o600, user)?;
    Ok(file)
}

/// Opens a regular file without checking owner and mode.
pub(crate) fn open_any(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map(File::from).map_err(|errno| {
        if errno == rustix::io::Errno::LOOP {
            FileError::Symlink { path: path.into() }
        } else {
            unreadable(path, errno.into())
        }
    })?;
    let metadata = file.metadata().map_err(|source| unreadable(path, source))?;
    if metadata.is_dir() {
        return Err(FileError::Directory { path: path.into() });
    }
    if !metadata.is_file() {
        return Err(FileError::NotRegular { path: path.into() });
    }
    Ok(file)
}

/// Reads a file of at most `max` bytes.
///
/// The buffer has its full size from the start: a buffer that grows would leave copies of its content in memory.
pub(crate) fn read(path: &Path, guard: Guard, max: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = open(path, guard)?;
    let size = file.metadata().map_err(|source| unreadable(path, source))?.len().min(max) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default()));
    file.take(max + 1).read_to_end(&mut bytes).map_err(|source| unreadable(path, source))?;
    if bytes.len() as u64 > max {
        return Err(FileError::TooLarge { path: path.into(), max });
    }
    Ok(bytes)
}

/// Checks a directory whose entries are believed: whoever may write to the directory could replace or delete every file
/// in it.
pub(crate) fn check_directory(path: &Path) -> Result<(), FileError> {
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if !metadata.is_dir() {
        return Err(FileError::NotDirectory { path: path.into() });
    }
    check_owner_and_mode(path, &metadata, Guard::Trust, 0o700, rustix::process::geteuid().as_raw())
}

/// Reads a file of the user's decisions, at most `max` bytes; a missing file gives no bytes.
///
/// # Errors
///
/// Fails if the file cannot be read, is too large, is not a regular file, or could have been written by others.
pub fn read_decisions(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    match read(path, Guard::Trust, max) {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(FileError::Missing { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Creates a directory where it is missing, accessible to its owner only, and checks it.
pub(crate) fn prepare_directory(directory: &Path) -> Result<(), FileError> {
    atomic_file::create_private_directory(directory).map_err(|source| unreadable(directory, source))?;
    check_directory(directory)
}

fn check_owner_and_mode(
    path: &Path,
    metadata: &fs::Metadata,
    guard: Guard,
    wanted: u32,
    user: u32,
) -> Result<(), FileError> {
    if !guard.owner_is_right(metadata.uid(), user) {
        return Err(FileError::Owner { path: path.into(), found: metadata.uid(), expected: user });
    }
    let found = metadata.mode() & 0o7777;
    if found & guard.forbidden() != 0 {
        let private = matches!(guard, Guard::Secret);
        return Err(FileError::Mode { path: path.into(), found, wanted, private });
    }
    Ok(())
}

fn unreadable(path: &Path, source: io::Error) -> FileError {
    if source.kind() == io::ErrorKind::NotFound {
        FileError::Missing { path: path.into() }
    } else {
        FileError::Unreadable { path: path.into(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn file(mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        fs::write(&path, b"content").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode set");
        (dir, path)
    }

    #[test]
    fn modes_decide() {
        for (mode, secret, trust) in [
            (0o600, true, true),
            (0o400, true, true),
            (0o640, false, true),
            (0o604, false, true),
            (0o610, false, true),
            (0o644, false, true),
            (0o620, false, false),
            (0o602, false, false),
        ] {
            let (_dir, path) = file(mode);
            for (guard, accepted) in [(Guard::Secret, secret), (Guard::Trust, trust)] {
                match open(&path, guard) {
                    Ok(_) => assert!(accepted, "{mode:o}"),
                    Err(error) => {
                        assert!(!accepted, "{mode:o}: {error}");
                        assert_eq!(error.hint(), Some(format!("chmod 600 {}", path.display())));
                    }
                }
            }
        }
    }

    #[test]
    fn another_owner_is_refused() {
        let (_dir, path) = file(0o600);
        let owner = fs::metadata(&path).expect("metadata").uid();
        let error = open_as(&path, Guard::Secret, owner + 1).expect_err("foreign");
        assert!(
            matches!(error, FileError::Owner { found, expected, .. } if found == owner && expected == owner + 1)
        );
        assert_eq!(
            error
                .hint()
                .expect("a hint")
                .split(": ")
                .nth(1)
                .map(|command| command.starts_with("sudo chown ")),
            Some(true)
        );
        // Root can change every file anyway, so a trust file of root is as good as the user's own.
        assert_eq!(open_as(&path, Guard::Trust, owner + 1).is_ok(), owner == 0);
        assert!(!Guard::Trust.owner_is_right(1001, 1000));
        assert!(Guard::Trust.owner_is_right(0, 1000));
        assert!(!Guard::Secret.owner_is_right(0, 1000));
    }

    #[test]
    fn links_directories_and_fifos_are_refused() {
        let (dir, path) = file(0o600);
        let link = dir.path().join("link");
        symlink(&path, &link).expect("linked");
        assert!(matches!(open(&link, Guard::Trust), Err(FileError::Symlink { .. })));
        assert!(matches!(open(dir.path(), Guard::Trust), Err(FileError::Directory { .. })));
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .expect("a FIFO");
        assert!(matches!(open(&fifo, Guard::Trust), Err(FileError::NotRegular { .. })));
        assert!(matches!(open(&dir.path().join("none"), Guard::Trust), Err(FileError::Missing { .. })));
        assert!(matches!(open(&path.join("below"), Guard::Trust), Err(FileError::Unreadable { .. })));
    }

    #[test]
    fn sizes_are_capped() {
        let (_dir, path) = file(0o600);
        assert_eq!(read(&path, Guard::Trust, 7).expect("read").as_slice(), b"content");
        assert!(matches!(read(&path, Guard::Trust, 6), Err(FileError::TooLarge { max: 6, .. })));
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(check_directory(dir.path()).is_ok());
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("mode set");
        let error = check_directory(dir.path()).expect_err("open to all");
        assert_eq!(error.hint(), Some(format!("chmod 700 {}", dir.path().display())));
    }
}
