//! Access to the file systems that plugins' files and directories are on.
//!
//! Such a file system may not answer for as long as it likes, and whoever asks it then sleeps in the kernel. A host
//! with workers therefore lets separate processes ask; a host that runs plugins in its own process asks by itself.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conductor_signing::{ReadError, UnverifiedPlugin};
use serde::{Deserialize, Serialize};

use crate::guest::{SetupError, data_directory};

/// Asks the file systems that plugins' paths are on.
pub trait Files: Send + Sync {
    /// Reads a plugin and its companions, however long that takes.
    ///
    /// # Errors
    ///
    /// Fails if one of the files cannot be read or the plugin is larger than `max_bytes`.
    fn read(&self, path: &Path, max_bytes: u64) -> Result<UnverifiedPlugin, ReadError>;

    /// Creates a plugin's own directory if it is missing.
    ///
    /// # Errors
    ///
    /// Fails if the directory cannot be created, or if the path is not a directory.
    fn data_directory(&self, parent: &Path, name: &str) -> Result<PathBuf, SetupError>;

    /// The path of a directory, with all links resolved.
    ///
    /// # Errors
    ///
    /// Fails if there is no such directory.
    fn canonical(&self, directory: &Path) -> Result<PathBuf, SetupError>;

    /// The present state of the files of each group; `None` for a group whose file systems did not answer in time.
    fn states(&self, groups: &[Vec<PathBuf>], patience: Duration) -> Vec<Option<Vec<Option<FileState>>>>;
}

/// State by which two contents of a file are told apart. A file that was replaced as a whole has a new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileState {
    device: u64,
    number: u64,
    size: u64,
    mode: u32,
    modified: (i64, i64),
    changed: (i64, i64),
    /// Number and change time of the link that leads to the file, if a link was followed.
    link: Option<(u64, (i64, i64))>,
}

impl FileState {
    /// The present state of a file; `None` if there is no such file. A link is not followed. Waits for the file system.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().map(|metadata| Self::new(&metadata, None))
    }

    /// As [`FileState::of`], for files that are read through links: the state of the file behind the link together with
    /// that of the link, because either may change.
    pub(crate) fn behind_links(path: &Path) -> Option<Self> {
        let own = fs::symlink_metadata(path).ok()?;
        if !own.is_symlink() {
            return Some(Self::new(&own, None));
        }
        let link = Some((own.ino(), (own.ctime(), own.ctime_nsec())));
        Some(Self::new(&fs::metadata(path).unwrap_or(own), link))
    }

    fn new(metadata: &Metadata, link: Option<(u64, (i64, i64))>) -> Self {
        Self {
            device: metadata.dev(),
            number: metadata.ino(),
            size: metadata.size(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            link,
        }
    }
}

/// Asks in this thread, which then waits for the file system.
pub(crate) struct AskedHere;

impl Files for AskedHere {
    fn read(&self, path: &Path, max_bytes: u64) -> Result<UnverifiedPlugin, ReadError> {
        UnverifiedPlugin::read(path, max_bytes)
    }

    fn data_directory(&self, parent: &Path, name: &str) -> Result<PathBuf, SetupError> {
        data_directory(parent, name)
    }

    fn canonical(&self, directory: &Path) -> Result<PathBuf, SetupError> {
        directory
            .canonicalize()
            .map_err(|source| SetupError::Directory { path: directory.to_owned(), source })
    }

    fn states(&self, groups: &[Vec<PathBuf>], _patience: Duration) -> Vec<Option<Vec<Option<FileState>>>> {
        groups
            .iter()
            .map(|group| Some(group.iter().map(|path| FileState::behind_links(path)).collect()))
            .collect()
    }
}
