//! Why a configuration could not be used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use conductor_signing::FileError;
use conductor_surface::config::Problem;

use super::MAX_CONFIG_BYTES;

/// Why a configuration could not be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than [`MAX_CONFIG_BYTES`].
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else could have written the file, or put it there.
    File {
        /// The file that was to be read.
        path: PathBuf,
        /// What is wrong, and at which path on the way to the file.
        source: FileError,
    },
    /// The file was read and has faults.
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every fault, in the order of the file.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// The file that the error is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Read { path, .. }
            | Self::TooLarge { path }
            | Self::File { path, .. }
            | Self::Invalid { path, .. } => path,
        }
    }
}

impl fmt::Display for ConfigError {
    /// One line per fault, each `file:line:column: key: what is wrong; what to do`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::File { path, source } => {
                write!(f, "{} is not believed: {source}", path.display())?;
                match source.hint() {
                    Some(hint) => write!(f, "; {hint}"),
                    None => Ok(()),
                }
            }
            Self::TooLarge { path } => {
                write!(f, "{} is larger than {MAX_CONFIG_BYTES} bytes", path.display())
            }
            Self::Invalid { path, problems } => {
                for (index, problem) in problems.iter().enumerate() {
                    if index > 0 {
                        writeln!(f)?;
                    }
                    write!(f, "{}:{}:{}: {problem}", path.display(), problem.line, problem.column)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::File { source, .. } => Some(source),
            Self::TooLarge { .. } | Self::Invalid { .. } => None,
        }
    }
}
