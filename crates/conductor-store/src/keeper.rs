//! Files of the user's decisions: one way to read and to change them, whatever is decided in them.
//!
//! What is about to be written is first read by the reader of the file: what cannot be read again, or would be read as
//! something else, is not written. A missing file holds no decision, an empty one is damaged. The wait for another writer has
//! an end, and whoever holds the lock asks nobody and signs nothing.

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

/// Time for which a lock is left to others after it was held.
const COURTESY: Duration = Duration::from_millis(2);

/// The content of one file of decisions.
pub trait Decisions: Clone + Default + PartialEq {
    /// Name of the file.
    const FILE: &'static str;

    /// Name of the lock that its writers take.
    const LOCK: &'static str;

    /// Names of all files that are written under that lock.
    const UNDER_LOCK: &'static [&'static str] = &[Self::FILE];

    /// Largest file in bytes; stops one that somebody else wrote from filling the memory.
    const MAX_BYTES: u64;

    /// Why it is not read or written.
    type Error: From<KeeperError>;

    /// Reads the file; every fault names its place.
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

/// Keeps the decisions of one configuration directory.
#[derive(Clone)]
pub struct Keeper {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
}

/// The right to change a file of decisions, held until it is dropped.
#[derive(Debug)]
pub struct Held {
    _lock: Lock,
    /// Passed on once the lock was let go.
    _turn: MyTurn,
}

impl Keeper {
    /// Keeps the decisions of a directory.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self::on(directory, Arc::new(System))
    }

    /// Keeps them on a disk of the caller's.
    #[must_use]
    pub fn on(directory: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { directory: directory.into(), disk }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The disk that they are on.
    #[must_use]
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Where a file of decisions is.
    #[must_use]
    pub fn file<T: Decisions>(&self) -> PathBuf {
        self.directory.join(T::FILE)
    }

    /// The time by the clock that decisions are dated with, in whole seconds.
    #[must_use]
    pub fn now(&self) -> UtcTime {
        self.disk.now()
    }

    /// Reads a file of decisions.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, if others could have written it or put it there, if it is empty, or if something in it
    /// is wrong.
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

    /// Holds off whoever else would change a file of decisions. Makes the directory where it is missing, and removes what a
    /// killed writer left behind.
    ///
    /// # Errors
    ///
    /// Fails if others could write to the directory, if another writer does not end, or with what the system says.
    pub fn hold<T: Decisions>(&self) -> Result<Held, KeeperError> {
        self.disk.prepare(&self.directory).map_err(|source| KeeperError::File { source })?;
        let held = self.wait_for(T::LOCK)?;
        self.clear::<T>();
        Ok(held)
    }

    /// Removes what killed writers left behind, unless somebody writes at this moment.
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
            // Whatever keeps it there keeps the next one from being made, which is told.
            let _ = self.disk.remove_temporary(&self.directory.join(file));
        }
    }

    /// Waits for the lock of this name in the directory.
    ///
    /// # Errors
    ///
    /// Fails if another writer does not end, or with what the system says.
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

    /// Changes a file of decisions, under its lock. A change that changes nothing is not written.
    ///
    /// # Errors
    ///
    /// Fails as [`Keeper::load`] and [`Keeper::hold`] do, with what `action` says, and where the changed file could not be
    /// read again. The old decisions stand then.
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

    /// Lets go of a lock, and lets others take it: whoever waits is woken, and would come too late if it were taken again at
    /// once.
    pub fn release(&self, held: Held) {
        drop(held);
        self.disk.pause(COURTESY);
    }

    /// Replaces a file of decisions. The caller holds it.
    ///
    /// # Errors
    ///
    /// Fails if the new file could not be read again, or with what the system says. The old one is there then.
    pub fn write<T: Decisions>(&self, decisions: &T) -> Result<(), T::Error> {
        let path = self.file::<T>();
        let text = decisions.to_text()?;
        if text.len() as u64 > T::MAX_BYTES {
            return Err(KeeperError::File { source: FileError::TooLarge { path, max: T::MAX_BYTES } }.into());
        }
        if T::parse(&path, &text)? != *decisions {
            return Err(KeeperError::Misread { path }.into());
        }
        self.replace(&path, text.as_bytes()).map_err(|source| KeeperError::Write { path, source }.into())
    }

    /// Puts the old content or the new at the path in the directory, never half of either. The caller holds the lock of the file.
    ///
    /// # Errors
    ///
    /// Passes on what the system says; the old content is then still there.
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

/// Why decisions were not read or written. Whoever keeps a file makes an error of its own of this one, so a new cause is to break
/// the build there.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The file or its directory cannot be read, is too large, or others could have written it.
    #[error("{source}")]
    File {
        /// What is wrong.
        source: FileError,
    },
    /// The file is empty, which no writer leaves behind.
    #[error("{} is empty, so what was decided is lost", escape::path(path))]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is no text.
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
    /// What was to be written would not be read as what was decided.
    #[error("{} is not written, because it would not be read as it was decided", escape::path(path))]
    Misread {
        /// The file.
        path: PathBuf,
    },
    /// The system refused to write.
    #[error("cannot write {}: {source}", escape::path(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl KeeperError {
    /// What to do about it.
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
            Self::Misread { .. } | Self::Write { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
