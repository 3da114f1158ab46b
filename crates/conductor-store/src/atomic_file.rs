//! Writes that leave the old content or the new, never half of either, and locks that keep other writers away.
//!
//! The bytes go into a temporary file in the same directory. The temporary file is synchronised and renamed over the
//! target, and then the directory is synchronised. A crash at any point leaves at worst a file whose name starts with
//! [`TEMPORARY_PREFIX`].

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt as _, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

/// How the names of temporary files start.
pub const TEMPORARY_PREFIX: &str = ".conductor-tmp-";

/// Longest wait for the lock of a directory.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// Mode of files that only their owner may read.
pub const PRIVATE: u32 = 0o600;

/// Mode of directories that only their owner may enter.
const PRIVATE_DIRECTORY: u32 = 0o700;

/// Mode of files that everyone may read.
pub const PUBLIC: u32 = 0o644;

/// Puts `bytes` at `path`, replacing the file that is there; `mode` is narrowed by the umask.
///
/// # Errors
///
/// Passes on the error of the operating system. The old content is then still there, unless only synchronising the
/// directory failed: then the new content is there, but a crash may bring the old content back.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    staged(path, bytes, mode)?.persist(path)?;
    sync_directory(path)
}

/// Puts `bytes` at `path`, where no file may be; `mode` is narrowed by the umask.
///
/// # Errors
///
/// Fails with [`io::ErrorKind::AlreadyExists`] if there is something at the path, or with the error of the operating
/// system.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    staged(path, bytes, mode)?.persist_noclobber(path)?;
    sync_directory(path)
}

/// Creates a directory and its missing parents, accessible to their owner only, whatever the umask is. Directories that
/// already exist keep their mode.
///
/// # Errors
///
/// Passes on the error of the operating system.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_private_directory(parent)?;
    }
    match DirBuilder::new().mode(PRIVATE_DIRECTORY).create(path) {
        // The umask could have taken away even the owner's access.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(PRIVATE_DIRECTORY)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Keeps other writers away until the lock is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock on the file at `path`; `None` if somebody else still holds the lock after `patience`. The file is
    /// created where it is missing, and stays.
    ///
    /// # Errors
    ///
    /// Passes on the error of the operating system.
    pub fn within(path: &Path, patience: Duration) -> io::Result<Option<Self>> {
        let file = Self::open(path)?;
        match file.try_lock() {
            Ok(()) => return Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) if patience.is_zero() => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // A waiter that only tried the lock from time to time would miss every moment in which the lock is free between
        // two holders; a blocked waiter is woken. If the caller stops waiting, the thread goes on waiting for the lock
        // and then releases it.
        let (locked, result) = channel();
        thread::Builder::new().name("lock".to_owned()).spawn(move || {
            let _ = locked.send(file.lock().map(|()| Self { _file: file }));
        })?;
        match result.recv_timeout(patience) {
            Ok(lock) => lock.map(Some),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    fn open(path: &Path) -> io::Result<File> {
        let nofollow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE)
            .custom_flags(nofollow)
            .open(path)
    }
}

/// Keeps other writers of a file away by a lock on the directory of the file, which leaves no lock file behind.
#[derive(Debug)]
pub struct DirectoryLock {
    _directory: File,
}

impl DirectoryLock {
    /// Waits a few seconds for the lock of the directory that `path` is in: anybody who may read the directory can hold
    /// the lock.
    ///
    /// # Errors
    ///
    /// Fails with [`io::ErrorKind::TimedOut`] if somebody else still holds the lock, or with the error of the operating
    /// system.
    pub fn around(path: &Path) -> io::Result<Self> {
        let directory = File::open(directory_of(path))?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match directory.try_lock() {
                Ok(()) => return Ok(Self { _directory: directory }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    let message = "somebody else has locked the directory";
                    return Err(io::Error::new(io::ErrorKind::TimedOut, message));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

/// Opens an existing file to write over its content, without following a link.
pub(crate) fn open_in_place(path: &Path) -> io::Result<File> {
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
    OpenOptions::new().read(true).write(true).custom_flags(nofollow).open(path)
}

/// Removes the temporary files that killed writers left in a directory; temporary files that are being written now
/// stay.
pub fn remove_leftovers(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        // Temporary files with a dot in the rest of their name belong to files of decisions, whose writers remove them
        // themselves.
        let is_ours = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY_PREFIX));
        if is_ours.is_none_or(|rest| rest.contains('.')) {
            continue;
        }
        let nofollow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(nofollow).open(entry.path());
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            // A file that cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A temporary file beside `path`, locked for as long as it is being written.
fn temporary(path: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let make = || {
        tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory_of(path))
    };
    let file = make()?;
    // On a file system without locks, `remove_leftovers` cannot take the lock either, so it removes nothing.
    let is_taken = matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock));
    // `remove_leftovers` may have taken the file for a leftover before the file was locked.
    if is_taken || file.as_file().metadata()?.nlink() == 0 { make() } else { Ok(file) }
}

/// A synchronised temporary file beside `path`.
fn staged(path: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut file = temporary(path, mode)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

/// The directory that contains the path.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_replaced_whole_and_created_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        create(&path, b"old", PRIVATE).expect("created");
        assert_eq!(create(&path, b"other", PRIVATE).expect_err("taken").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).expect("read"), "old");
        replace(&path, b"new", PRIVATE).expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o7777, PRIVATE);
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_failed_write_leaves_the_old_content() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        fs::create_dir(&path).expect("a directory in the way");
        assert!(replace(&path, b"new", PRIVATE).is_err());
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "no temporary file is left");
    }

    #[test]
    fn what_killed_writers_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        let under_way = staged(&at("file"), b"new", PRIVATE).expect("staged");
        for name in [".conductor-tmp-abc123", ".conductor-tmp-grants.toml", ".other"] {
            fs::write(at(name), "").expect("written");
        }
        remove_leftovers(dir.path());
        assert!(!at(".conductor-tmp-abc123").exists());
        assert!(at(".conductor-tmp-grants.toml").exists() && at(".other").exists());
        under_way.persist(at("file")).expect("whoever writes goes on");
        assert_eq!(fs::read_to_string(at("file")).expect("read"), "new");
        remove_leftovers(&at("none"));
    }

    #[test]
    fn directories_are_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let inner = dir.path().join("a/b");
        create_private_directory(&inner).expect("created");
        for path in [dir.path().join("a"), inner] {
            assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o7777, 0o700);
        }
    }
}
