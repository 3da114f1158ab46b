//! The clock and the file system under decisions, call by call, so that a fault can be put at each.

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

/// What files of decisions are kept with.
pub trait Disk: Send + Sync {
    /// Lets time go by.
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

    /// Takes a lock; `None` if somebody else goes on holding it for so long.
    ///
    /// # Errors
    ///
    /// Passes on what the system says, as all that follow do.
    fn lock(&self, path: &Path, patience: Duration) -> io::Result<Option<Lock>> {
        Lock::within(path, patience)
    }

    /// Reads a file that nobody else may have written; `None` if there is none.
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

    /// Makes the file that is going to take the place of the one at `path`, beside it; it is removed when it is dropped. Its name
    /// is always the same, so that what a killed writer left of it can be told: the caller holds the lock of the file.
    ///
    /// # Errors
    ///
    /// Passes on what the system says.
    fn create_temporary(&self, path: &Path, mode: u32) -> io::Result<NamedTempFile> {
        let (directory, name) = temporary_of(path)?;
        tempfile::Builder::new()
            .prefix(&name)
            .rand_bytes(0)
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory)
    }

    /// Removes what a killed writer left of the file that was going to take the place of the one at `path`. The caller holds the
    /// lock of the file.
    ///
    /// # Errors
    ///
    /// Passes on what the system says.
    fn remove_temporary(&self, path: &Path) -> io::Result<()> {
        let (directory, name) = temporary_of(path)?;
        match fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Puts the old content or the new at `path`, never half of either; the names in the directory are not waited for. The caller
    /// holds the lock of the file.
    ///
    /// # Errors
    ///
    /// Passes on what the system says; the old content is then still there.
    fn put(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        self.remove_temporary(path)?;
        let mut staged = self.create_temporary(path, mode)?;
        self.write(staged.as_file_mut(), bytes)?;
        self.sync(staged.as_file())?;
        self.rename(staged, path)
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// Passes on what the system says.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Writes bytes over those that are there.
    ///
    /// # Errors
    ///
    /// Passes on what the system says.
    fn write_over(&self, file: &File, bytes: &[u8], place: u64) -> io::Result<()> {
        file.write_all_at(bytes, place)
    }

    /// Waits until a file is on the disk.
    ///
    /// # Errors
    ///
    /// Passes on what the system says.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Puts a temporary file in its place.
    ///
    /// # Errors
    ///
    /// Passes on what the system says.
    fn rename(&self, staged: NamedTempFile, path: &Path) -> io::Result<()> {
        staged.persist(path).map(drop).map_err(|error| error.error)
    }

    /// Waits until the names in a directory are on the disk.
    ///
    /// # Errors
    ///
    /// Passes on what the system says.
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    /// Opens a file that is there, to write over what is in it.
    ///
    /// # Errors
    ///
    /// Passes on what the system says.
    fn open_in_place(&self, path: &Path) -> io::Result<File> {
        atomic_file::open_in_place(path)
    }
}

/// Where the file is made that takes the place of another, and what it is called meanwhile.
fn temporary_of(path: &Path) -> io::Result<(&Path, OsString)> {
    let (Some(directory), Some(file)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let mut name = OsString::from(TEMPORARY_PREFIX);
    name.push(file);
    Ok((directory, name))
}

/// The system's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Disk for System {}
