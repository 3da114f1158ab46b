//! Why a key file or a trust file was not read, and the command that mends the file.

use std::io;
use std::path::PathBuf;

use crate::escape::{self, quoted};

/// A file that is missing, cannot be read, or that somebody else could have written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is no such file.
    #[error("{} does not exist", escape::path(path))]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The path names a symbolic link; who can change the link chooses the file.
    #[error("{} is a symbolic link", escape::path(path))]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// The path names a directory.
    #[error("{} is a directory", escape::path(path))]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// A directory was expected and the path names something else.
    #[error("{} is not a directory", escape::path(path))]
    NotDirectory {
        /// The path.
        path: PathBuf,
    },
    /// The path names a device, a FIFO or a socket.
    #[error("{} is not a regular file", escape::path(path))]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// Somebody else owns the file or directory.
    #[error("{} is owned by user {found}, not by user {expected}", escape::path(path))]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// Owner found.
        found: u32,
        /// The user who runs this program.
        expected: u32,
    },
    /// Other users may read or change the file or directory.
    #[error("{} has mode {found:04o}, others may {}", escape::path(path), if *private { "read it" } else { "change it" })]
    Mode {
        /// The file or directory.
        path: PathBuf,
        /// Permission bits found.
        found: u32,
        /// The permission bits that the file or directory should have.
        wanted: u32,
        /// Whether the file is a secret, which other users may not even read.
        private: bool,
    },
    /// The file is larger than a file of its kind may be.
    #[error("{} is larger than {max} bytes", escape::path(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that the file may have.
        max: u64,
    },
    /// The operating system refused.
    #[error("cannot read {}: {source}", escape::path(path))]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl FileError {
    /// What to do about the error, with the exact command where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } | Self::TooLarge { .. } => None,
            Self::Symlink { path } => Some(match path.canonicalize() {
                Ok(target) => {
                    format!("put the file itself there: mv -f {} {}", quoted(&target), quoted(path))
                }
                Err(_) => format!("remove the dangling link: rm {}", quoted(path)),
            }),
            Self::Directory { path } => Some(format!("move it out of the way: mv {0} {0}.old", quoted(path))),
            Self::NotDirectory { path } => {
                Some(format!("move it out of the way: mv {0} {0}.old", quoted(path)))
            }
            Self::NotRegular { path } => Some(format!("remove it: rm {}", quoted(path))),
            Self::Owner { path, expected, .. } => {
                Some(format!("if its content is yours, take it over: sudo chown {expected} {}", quoted(path)))
            }
            Self::Mode { path, wanted, .. } => Some(format!("chmod {wanted:o} {}", quoted(path))),
            Self::Unreadable { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(format!("chmod u+rX {}", quoted(path)))
            }
            Self::Unreadable { .. } => None,
        }
    }
}
