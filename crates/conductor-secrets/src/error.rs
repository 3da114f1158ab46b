//! Why a secret was not kept, read or forgotten, and what the user can do about it.

use std::io;
use std::path::PathBuf;

use conductor_signing::{FileError, escape};

/// Why a secret was not kept, read or forgotten. The secret is no part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The file of secrets cannot be read, or others can read it.
    #[error("{source}")]
    File {
        /// The file, and what is wrong with it.
        source: FileError,
    },
    /// The file of secrets is not of the expected form.
    #[error("{}: line {line} is damaged", escape::path(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
    },
    /// The file of secrets cannot be written.
    #[error("{} cannot be written: {source}", escape::path(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has as many secrets as it may have.
    #[error("{} has no room for another secret", escape::path(path))]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The collection of the Secret Service is locked, and was not unlocked.
    #[error("the collection of secrets is locked, and {why}")]
    Locked {
        /// What became of asking for it.
        why: &'static str,
    },
    /// The Secret Service does not do what it is asked.
    #[error("the Secret Service failed: {}", escape::terminal(reason))]
    Service {
        /// What it said.
        reason: String,
    },
}

impl KeepError {
    /// What the user can do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File { source } => source.hint(),
            Self::Damaged { path, .. } => {
                Some(format!("move {} away, and enter the secrets again", escape::path(path)))
            }
            Self::Full { .. } => Some("remove secrets that you no longer need".to_owned()),
            Self::Locked { .. } => Some(
                "unlock your keyring, for instance by logging in to the desktop, and try again".to_owned(),
            ),
            Self::Write { .. } | Self::Service { .. } => None,
        }
    }
}
