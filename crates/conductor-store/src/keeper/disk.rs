//! The clock and the file system that keep decisions, one method for each call, so that a test can make any call fail.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::atomic_file::{self, Lock, TEMPORARY_PREFIX};
use crate::owner_and_mode::{self, Guard};
use crate::{FileError, UtcTime};

/// The disk and the clock that files of decisions are kept with.
pub trait Disk: Send + Sync {
    /// Waits for a time.
    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }

    /// The time, in whole seconds.
    fn now(&self) -> UtcTime {
        UtcTime::now()
    }

    /// Checks that nobody else may write to a directory.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the directory.
    fn check(&self, directory: &Path) -> Result<(), FileError> {
        owner_and_mode::check_directory(directory)
    }

    /// Makes a directory for its owner alone where it is missing, and checks that nobody else may write to it.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the directory.
    fn prepare(&self, directory: &Path) -> Result<(), FileError> {
        owner_and_mode::prepare_directory(directory)
    }

    /// Takes a lock; `None` if somebody else still holds the lock after `patience`.
    ///
    /// # Errors
    ///
    /// Passes on the error of the system.
    fn lock(&self, path: &Path, patience: Duration) -> io::Result<Option<Lock>> {
        Lock::within(path, patience)
    }

    /// Reads a file that nobody else may have written; `None` if there is no file.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the file.
    fn read(&self, path: &Path, max: u64) -> Result<Option<Vec<u8>>, FileError> {
        match owner_and_mode::read(path, Guard::Trust, max) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(FileError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates, beside the file at `path`, the temporary file that will replace it; the temporary file is removed when
    /// the value is dropped. Its name is always the same, so that a leftover of a killed writer can be recognised. The
    /// caller holds the lock of the file.
    ///
    /// # Errors
    ///
    /// Passes on the error of the system.
    fn create_temporary(&self, path: &Path, mode: u32) -> io::Result<NamedTempFile> {
        let (directory, name) = temporary_of(path)?;
        tempfile::Builder::new()
            .prefix(&name)
            .rand_bytes(0)
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory)
    }

    /// Removes the temporary file that a killed writer made to replace the file at `path`. The caller holds the lock of
    /// the file.
    ///
    /// # Errors
    ///
    /// Passes on the error of the system.
    fn remove_temporary(&self, path: &Path) -> io::Result<()> {
        let (directory, name) = temporary_of(path)?;
        match fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Puts the old content or the new at `path`, never half of either, without synchronising the directory. The caller
    /// holds the lock of the file.
    ///
    /// # Errors
    ///
    /// Passes on the error of the system; the old content is then still there.
    fn put(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        self.remove_temporary(path)?;
        let mut staged = self.create_temporary(path, mode)?;
        self.write(staged.as_file_mut(), bytes)?;
        self.sync(staged.as_file())?;
        self.rename(staged, path)
    }

    /// Appends bytes to a file.
    ///
    /// # Errors
    ///
    /// Passes on the error of the system.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Writes bytes over the content of a file, from the byte `place` on.
    ///
    /// # Errors
    ///
    /// Passes on the error of the system.
    fn write_over(&self, file: &File, bytes: &[u8], place: u64) -> io::Result<()> {
        file.write_all_at(bytes, place)
    }

    /// Waits until the content of a file is on the disk.
    ///
    /// # Errors
    ///
    /// Passes on the error of the system.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Renames a temporary file to its final path.
    ///
    /// # Errors
    ///
    /// Passes on the error of the system.
    fn rename(&self, staged: NamedTempFile, path: &Path) -> io::Result<()> {
        staged.persist(path).map(drop).map_err(|error| error.error)
    }

    /// Waits until the names in a directory are on the disk.
    ///
    /// # Errors
    ///
    /// Passes on the error of the system.
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    /// Opens an existing file to write over its content.
    ///
    /// # Errors
    ///
    /// Passes on the error of the system.
    fn open_in_place(&self, path: &Path) -> io::Result<File> {
        atomic_file::open_in_place(path)
    }
}

/// Directory and name of the temporary file that will replace the file at `path`.
fn temporary_of(path: &Path) -> io::Result<(&Path, OsString)> {
    let (Some(directory), Some(file)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let mut name = OsString::from(TEMPORARY_PREFIX);
    name.push(file);
    Ok((directory, name))
}

/// The clock and the file system of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Disk for System {}
