//! Why a key or trust file was not read, and the command that mends it.

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
    /// Somebody else owns it.
    #[error("{} is owned by user {found}, not by user {expected}", escape::path(path))]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// Owner found.
        found: u32,
        /// The user running this program.
        expected: u32,
    },
    /// Others may read or change it.
    #[error("{} has mode {found:04o}, others may {}", escape::path(path), if *private { "read it" } else { "change it" })]
    Mode {
        /// The file or directory.
        path: PathBuf,
        /// Permission bits found.
        found: u32,
        /// Permission bits that are right.
        wanted: u32,
        /// Whether it is a secret, so that reading is already too much.
        private: bool,
    },
    /// Larger than such a file may be.
    #[error("{} is larger than {max} bytes", escape::path(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes.
        max: u64,
    },
    /// The operating system refused.
    #[error("cannot read {}: {source}", escape::path(path))]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl FileError {
    /// What to do about it, with the exact command where there is one.
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
