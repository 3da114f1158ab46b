//! Files of the user's decisions: one way to read and to change them, whatever a file decides.
//!
//! Before new content is written, the reader of the file reads it: content that could not be read again, or would be
//! read as something else, is not written. A missing file holds no decisions; an empty file is damaged. Waiting for
//! another writer has a time limit, and a writer that holds the lock neither asks the user anything nor signs anything.

mod disk;
mod faults;
mod turns;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::atomic_file::{Lock, PRIVATE};
use crate::{FileError, UtcTime, escape};

use turns::MyTurn;

pub use disk::{Disk, System};
#[doc(hidden)]
pub use faults::Faults;

/// Longest wait for one other writer; each holds the lock for milliseconds.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Time for which a writer that released a lock leaves the lock to others.
const COURTESY: Duration = Duration::from_millis(2);

/// The content of one file of decisions.
pub trait Decisions: Clone + Default + PartialEq {
    /// Name of the file.
    const FILE: &'static str;

    /// Name of the lock that the writers of the file take.
    const LOCK: &'static str;

    /// Names of all files that are written under the same lock.
    const UNDER_LOCK: &'static [&'static str] = &[Self::FILE];

    /// Largest file in bytes; stops a file that somebody else wrote from filling the memory.
    const MAX_BYTES: u64;

    /// Why the file was not read or written.
    type Error: From<KeeperError>;

    /// Reads the file; every error names the place in the file.
    ///
    /// # Errors
    ///
    /// Says what is wrong in the file.
    fn parse(path: &Path, text: &str) -> Result<Self, Self::Error>;

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// Says what cannot be written.
    fn to_text(&self) -> Result<String, Self::Error>;
}

/// Keeps the files of decisions in one configuration directory.
#[derive(Clone)]
pub struct Keeper {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
}

/// The right to change a file of decisions, for as long as the value lives.
#[derive(Debug)]
pub struct Held {
    _lock: Lock,
    /// Passed on to the next writer after the lock was released.
    _turn: MyTurn,
}

impl Keeper {
    /// Keeps the decisions in a directory on the system's disk.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self::on(directory, Arc::new(System))
    }

    /// Keeps the decisions in a directory on the given disk.
    #[must_use]
    pub fn on(directory: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { directory: directory.into(), disk }
    }

    /// The configuration directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The disk that holds the decisions.
    #[must_use]
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Path of a file of decisions.
    #[must_use]
    pub fn file<T: Decisions>(&self) -> PathBuf {
        self.directory.join(T::FILE)
    }

    /// The time, in whole seconds, by the clock that decisions are dated with.
    #[must_use]
    pub fn now(&self) -> UtcTime {
        self.disk.now()
    }

    /// Reads a file of decisions.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, if others could have written the file or put it there, if the file is empty,
    /// or if something in the file is wrong.
    pub fn load<T: Decisions>(&self) -> Result<T, T::Error> {
        match self.disk.check(&self.directory) {
            Ok(()) => {}
            Err(FileError::Missing { .. }) => return Ok(T::default()),
            Err(source) => return Err(KeeperError::File { source }.into()),
        }
        let path = self.file::<T>();
        let bytes = self.disk.read(&path, T::MAX_BYTES).map_err(|source| KeeperError::File { source })?;
        let Some(bytes) = bytes else { return Ok(T::default()) };
        if bytes.is_empty() {
            return Err(KeeperError::Empty { path }.into());
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => T::parse(&path, text),
            Err(_) => Err(KeeperError::NotText { path }.into()),
        }
    }

    /// Takes the lock of a file of decisions, which keeps other writers away. Creates the directory where it is
    /// missing, and removes temporary files that a killed writer left behind.
    ///
    /// # Errors
    ///
    /// Fails if others could write to the directory, if another writer does not release the lock, or with the error of
    /// the system.
    pub fn hold<T: Decisions>(&self) -> Result<Held, KeeperError> {
        self.disk.prepare(&self.directory).map_err(|source| KeeperError::File { source })?;
        let held = self.wait_for(T::LOCK)?;
        self.clear::<T>();
        Ok(held)
    }

    /// Removes the temporary files that killed writers left behind, unless somebody is writing now.
    pub fn remove_leftovers<T: Decisions>(&self) {
        let lock = self.directory.join(T::LOCK);
        if lock.exists()
            && let Ok(Some(_held)) = self.disk.lock(&lock, Duration::ZERO)
        {
            self.clear::<T>();
        }
    }

    fn clear<T: Decisions>(&self) {
        for file in T::UNDER_LOCK {
            // If the leftover cannot be removed, making the next temporary file fails, and that failure is reported.
            let _ = self.disk.remove_temporary(&self.directory.join(file));
        }
    }

    /// Waits for the lock with this name in the directory.
    ///
    /// # Errors
    ///
    /// Fails if another writer does not release the lock, or with the error of the system.
    pub fn wait_for(&self, lock: &str) -> Result<Held, KeeperError> {
        let path = self.directory.join(lock);
        let Some(turn) = MyTurn::at(&path, LOCK_PATIENCE) else { return Err(KeeperError::Busy { path }) };
        match self.disk.lock(&path, turn.patience) {
            Ok(Some(lock)) => {
                turn.gets_on();
                Ok(Held { _lock: lock, _turn: turn })
            }
            Ok(None) => Err(KeeperError::Busy { path }),
            Err(source) => Err(KeeperError::Write { path, source }),
        }
    }

    /// Changes a file of decisions under its lock. If `action` changes nothing, nothing is written.
    ///
    /// # Errors
    ///
    /// Fails as [`Keeper::load`] and [`Keeper::hold`] do, with what `action` says, and where the changed file could not be
    /// read again. The old decisions stand then. With [`KeeperError::Unsynced`] the new ones do.
    pub fn change<T: Decisions, R>(
        &self,
        action: impl FnOnce(&mut T) -> Result<R, T::Error>,
    ) -> Result<R, T::Error> {
        let held = self.hold::<T>()?;
        let before = self.load::<T>()?;
        let mut after = before.clone();
        let result = action(&mut after)?;
        if after != before {
            self.write(&after)?;
        }
        self.release(held);
        Ok(result)
    }

    /// Releases a lock and pauses for a moment, so that a writer that waits can take the lock before this program takes
    /// it again.
    pub fn release(&self, held: Held) {
        drop(held);
        self.disk.pause(COURTESY);
    }

    /// Replaces a file of decisions. The caller holds the lock of the file.
    ///
    /// # Errors
    ///
    /// Fails if the new file could not be read again, or with what the system says. The old one is there then, unless the error
    /// is [`KeeperError::Unsynced`].
    pub fn write<T: Decisions>(&self, decisions: &T) -> Result<(), T::Error> {
        let path = self.file::<T>();
        let text = decisions.to_text()?;
        if text.len() as u64 > T::MAX_BYTES {
            return Err(KeeperError::File { source: FileError::TooLarge { path, max: T::MAX_BYTES } }.into());
        }
        if T::parse(&path, &text)? != *decisions {
            return Err(KeeperError::Misread { path }.into());
        }
        if let Err(source) = self.disk.put(&path, text.as_bytes(), PRIVATE) {
            return Err(KeeperError::Write { path, source }.into());
        }
        let synced = self.disk.sync_directory(&self.directory);
        synced.map_err(|source| KeeperError::Unsynced { path, source }.into())
    }

    /// Puts the old content or the new at `path`, never half of either; `path` is in the directory. The caller holds
    /// the lock of the file.
    ///
    /// # Errors
    ///
    /// Passes on what the system says; the old content is then still there, or the new one may be lost with the power.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.disk.put(path, bytes, PRIVATE)?;
        self.disk.sync_directory(&self.directory)
    }
}

impl From<&Path> for Keeper {
    fn from(directory: &Path) -> Self {
        Self::of(directory)
    }
}

impl From<&PathBuf> for Keeper {
    fn from(directory: &PathBuf) -> Self {
        Self::of(directory)
    }
}

impl From<&Self> for Keeper {
    fn from(keeper: &Self) -> Self {
        keeper.clone()
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Why decisions were not read or written. Each crate that keeps a file converts this error into one of its own and
/// names every variant, so that the compiler points out what a new variant concerns.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The file or its directory cannot be read, is too large, or others could have written it.
    #[error("{source}")]
    File {
        /// What is wrong.
        source: FileError,
    },
    /// The file is empty; no writer leaves an empty file behind.
    #[error("{} is empty, so what was decided is lost", escape::path(path))]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is not UTF-8 text.
    #[error("{} is not UTF-8", escape::path(path))]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// Another program holds the lock.
    #[error("another program has been holding {} for {} s", escape::path(path), LOCK_PATIENCE.as_secs())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// The text to be written would not be read as the decisions that were made.
    #[error("{} is not written, because it would not be read as it was decided", escape::path(path))]
    Misread {
        /// The file.
        path: PathBuf,
    },
    /// The decisions stand, until the power fails: the system did not say that the name of their file is on the disk.
    #[error("{} is written, but a power cut may take that back: {source}", escape::path(path))]
    Unsynced {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused to write.
    #[error("cannot write {}: {source}", escape::path(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl KeeperError {
    /// What to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File { source } => source.hint(),
            Self::Empty { path } => Some(format!(
                "put back a copy of it, or remove {} to decide about everything in it anew",
                escape::path(path)
            )),
            Self::NotText { path } => Some(format!("put back a copy of {}", escape::path(path))),
            Self::Busy { .. } => Some("see what that program waits for, and try again".to_owned()),
            Self::Misread { .. } | Self::Unsynced { .. } | Self::Write { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
