//! Why a log could not be opened.

use std::io;
use std::path::PathBuf;

use conductor_signing::{FileError, escape};

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// It cannot be opened or made.
    #[error("the audit log cannot be written: {}: {source}", escape::path(path))]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else could read, change or replace it.
    #[error("the audit log is not safe: {source}")]
    Unsafe {
        /// What is wrong with the file or its directory.
        source: FileError,
    },
    /// Its checkpoints cannot be signed.
    #[error("the audit log's key cannot be used: {cause}")]
    Key {
        /// Why.
        cause: String,
    },
    /// Another process writes it.
    #[error("the audit log {} is being written by another process", escape::path(path))]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

impl AuditError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unsafe { source } => source.hint(),
            Self::Unusable { .. } | Self::Key { .. } | Self::InUse { .. } => None,
        }
    }
}
