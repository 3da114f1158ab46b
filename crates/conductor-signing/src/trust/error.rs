//! Why trust could not be read or changed.

use std::io;
use std::path::PathBuf;

use crate::file_error::quoted;
use crate::{FileError, PluginName, PublicKey, escape};

use super::MIN_KEY_PREFIX;

/// Why the trust files could not be read, or a change of them was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A file or the directory is not fit to be believed.
    #[error("trust not used: {0}")]
    File(#[from] FileError),
    /// A file is not UTF-8.
    #[error("{} is not UTF-8 text", escape::path(path))]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A file is not TOML, or has a key that this version does not know.
    #[error("{}:{line}: {}", escape::path(path), escape::terminal(cause))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What the parser said.
        cause: String,
    },
    /// A file is of another version.
    #[error("{}:{line}: version {found} is not known, this program knows version 1", escape::path(path))]
    Version {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Version found.
        found: i64,
    },
    /// A value breaks its rule.
    #[error("{}:{line}: `{field}`: {cause}", escape::path(path))]
    Value {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Key in the file.
        field: &'static str,
        /// The rule.
        cause: String,
    },
    /// A key stands in a file twice.
    #[error("{}:{line}: key {key} stands here twice", escape::path(path))]
    Repeated {
        /// The file.
        path: PathBuf,
        /// Line of the second entry, from 1.
        line: usize,
        /// The key.
        key: PublicKey,
    },
    /// A plugin is pinned in a file twice.
    #[error("{}:{line}: plugin `{name}` stands here twice", escape::path(path))]
    PinRepeated {
        /// The file.
        path: PathBuf,
        /// Line of the second entry, from 1.
        line: usize,
        /// The plugin.
        name: PluginName,
    },
    /// The key is trusted already.
    #[error("key {key} is trusted already, as `{}`", escape::terminal(name))]
    AlreadyTrusted {
        /// The key.
        key: PublicKey,
        /// Its name.
        name: String,
    },
    /// The key was revoked.
    #[error("key {key} is revoked: {}", escape::terminal(reason))]
    Revoked {
        /// The key.
        key: PublicKey,
        /// Why it was revoked.
        reason: String,
    },
    /// No trusted key is meant.
    #[error("no trusted key starts with {selector}")]
    NotTrusted {
        /// The digits given.
        selector: String,
    },
    /// More than one trusted key is meant.
    #[error("more than one trusted key starts with {selector}")]
    Ambiguous {
        /// The digits given.
        selector: String,
    },
    /// Digits that cannot stand for a key.
    #[error(
        "`{}` is neither a key nor the first {MIN_KEY_PREFIX} or more lower-case hex digits of one",
        escape::terminal(text)
    )]
    Selector {
        /// What was given.
        text: String,
    },
    /// A name that is not fit to be shown.
    #[error("the name of a key is 1 to 256 bytes of visible text")]
    Name,
    /// The file could not be put together.
    #[error("cannot put the file together as TOML: {source}")]
    Encode {
        /// The cause.
        source: toml::ser::Error,
    },
    /// A file or directory could not be written.
    #[error("cannot write {}: {source}", escape::path(path))]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl TrustError {
    /// What to do about it, with the exact command where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::NotText { path }
            | Self::Syntax { path, .. }
            | Self::Version { path, .. }
            | Self::Value { path, .. }
            | Self::Repeated { path, .. }
            | Self::PinRepeated { path, .. } => Some(format!(
                "correct that line, or restore the file from a copy; no plugin loads until then: {}",
                quoted(path)
            )),
            Self::AlreadyTrusted { key, .. } => {
                Some(format!("to change its name: conductor-sign trust remove {key}, then add it again"))
            }
            Self::Revoked { .. } => Some("ask the developer for the key that replaces it".to_owned()),
            Self::NotTrusted { .. } => Some("see the keys with: conductor-sign trust list".to_owned()),
            Self::Ambiguous { .. } => {
                Some("give more digits; see them with: conductor-sign trust list".to_owned())
            }
            Self::Selector { .. } | Self::Name | Self::Encode { .. } | Self::Write { .. } => None,
        }
    }

    /// Whether the request was at fault, as opposed to the files: nothing stops other plugins from being judged.
    #[must_use]
    pub const fn is_about_request(&self) -> bool {
        match self {
            Self::AlreadyTrusted { .. }
            | Self::Revoked { .. }
            | Self::NotTrusted { .. }
            | Self::Ambiguous { .. }
            | Self::Selector { .. }
            | Self::Name => true,
            Self::File(_)
            | Self::NotText { .. }
            | Self::Syntax { .. }
            | Self::Version { .. }
            | Self::Value { .. }
            | Self::Repeated { .. }
            | Self::PinRepeated { .. }
            | Self::Encode { .. }
            | Self::Write { .. } => false,
        }
    }
}
