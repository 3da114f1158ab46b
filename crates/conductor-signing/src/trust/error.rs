//! Why the trust store could not be read or changed.

use std::io;
use std::path::PathBuf;

use conductor_store::FileError;
use conductor_store::escape::{self, quoted};
use conductor_store::keeper::KeeperError;

use crate::key::PublicKey;
use crate::text::PluginName;
use crate::text::shown_text::ShownTextError;
use crate::trust::revocation::Revoked;
use crate::trust::revocation_list::RevocationListError;
use crate::trust::rotation::RotationError;

use super::{MAX_ACCEPTED_ROTATIONS, MAX_REVOCATION_LISTS, MIN_KEY_PREFIX, Resemblance};

/// Why the trust files could not be read, or a change of them was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A file or the directory could have been written by somebody else, or cannot be read.
    #[error("trust not used: {0}")]
    File(#[from] FileError),
    /// A file is not UTF-8.
    #[error("{} is not UTF-8 text", escape::path(path))]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A file is empty, is locked for too long, or would not be read as what was decided.
    #[error("trust: {0}")]
    Kept(KeeperError),
    /// A file is not TOML, or has a key that this version does not know.
    #[error("{}:{line}: {}", escape::path(path), escape::terminal(cause))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The message of the parser.
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
        /// The rule that the value breaks.
        cause: String,
    },
    /// A key has two entries in a file.
    #[error("{}:{line}: key {key} stands here twice", escape::path(path))]
    Repeated {
        /// The file.
        path: PathBuf,
        /// Line of the second entry, from 1.
        line: usize,
        /// The key.
        key: PublicKey,
    },
    /// A plugin has two pins in a file.
    #[error("{}:{line}: plugin `{name}` stands here twice", escape::path(path))]
    PinRepeated {
        /// The file.
        path: PathBuf,
        /// Line of the second entry, from 1.
        line: usize,
        /// The plugin.
        name: PluginName,
    },
    /// The key could be mistaken for a key that the user knows.
    #[error("{resemblance}")]
    Resembles {
        /// The known key, and how alike they are.
        resemblance: Box<Resemblance>,
    },
    /// The key or file is revoked already, and the existing revocation is at least as severe.
    #[error("{revoked} is revoked already")]
    AlreadyRevoked {
        /// The key or digest.
        revoked: Revoked,
    },
    /// The key or file is not revoked.
    #[error("{} is not revoked", escape::terminal(what))]
    NotRevoked {
        /// The key or digest.
        what: String,
    },
    /// There are no revocations of the user's own for a list.
    #[error("nothing is revoked here that a list could hold")]
    NothingRevoked,
    /// The text is too long for a version of a plugin.
    #[error("a plugin's version is at most 64 bytes")]
    PluginVersion,
    /// The reason may not be shown as it is.
    #[error("reason: {cause}")]
    Reason {
        /// The rule that the reason breaks.
        cause: ShownTextError,
    },
    /// A revocation list was not imported, or not made.
    #[error("{0}")]
    RevocationList(Box<RevocationListError>),
    /// The file has as many issuers of lists as allowed.
    #[error("more than {MAX_REVOCATION_LISTS} issuers of revocation lists cannot be kept track of")]
    TooManyLists,
    /// The lists of one issuer would take more than their share of the file.
    #[error("the revocations of {issuer} would take more than {max} bytes")]
    IssuerShare {
        /// The issuer.
        issuer: PublicKey,
        /// Most bytes.
        max: u64,
    },
    /// All imported lists together would take the part of the file that is reserved for the user's own revocations.
    #[error("all imported revocations together would take more than {max} bytes")]
    ListsFull {
        /// Most bytes.
        max: u64,
    },
    /// A chain of rotations was not accepted.
    #[error("{0}")]
    Rotation(Box<RotationError>),
    /// The file has as many rotations as allowed.
    #[error("more than {MAX_ACCEPTED_ROTATIONS} rotations cannot be kept")]
    TooManyRotations,
    /// Nothing is known about a plugin name.
    #[error("nothing is known about a plugin `{name}`")]
    NotPinned {
        /// The name.
        name: PluginName,
    },
    /// Another process has just pinned the plugin name to another publisher.
    #[error("plugin `{name}` was pinned to another publisher at this moment")]
    PinRaced {
        /// The name.
        name: PluginName,
    },
    /// The key is trusted already.
    #[error("key {key} is trusted already, as `{}`", escape::terminal(name))]
    AlreadyTrusted {
        /// The key.
        key: PublicKey,
        /// Name of the key.
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
    /// The selector fits no trusted key.
    #[error("no trusted key starts with {selector}")]
    NotTrusted {
        /// The digits given.
        selector: String,
    },
    /// The selector fits more than one trusted key.
    #[error("more than one trusted key starts with {selector}")]
    Ambiguous {
        /// The digits given.
        selector: String,
    },
    /// The text cannot stand for a key.
    #[error(
        "`{}` is neither a key nor the first {MIN_KEY_PREFIX} or more lower-case hex digits of one",
        escape::terminal(text)
    )]
    Selector {
        /// The text.
        text: String,
    },
    /// The name of a key may not be shown as it is.
    #[error("name of the key: {cause}")]
    Name {
        /// The rule that the name breaks.
        cause: ShownTextError,
    },
    /// The address of a key's holder may not be shown as it is.
    #[error("address of the key's holder: {cause}")]
    Email {
        /// The rule that the address breaks.
        cause: ShownTextError,
    },
    /// The name mixes several alphabets, as hardly any name does.
    #[error(
        "the name `{}` mixes alphabets, as names do that are made to look like others",
        escape::terminal(name)
    )]
    MixedScripts {
        /// The name.
        name: String,
    },
    /// The content of the file could not be written as TOML.
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
    /// What to do about the error, with the exact command where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Kept(error) => error.hint(),
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
            Self::Rotation(error) => error.hint(),
            Self::RevocationList(error) => error.hint(),
            Self::Resembles { .. } => Some(
                "compare both keys with what the publisher says; if you mean to trust this one as well: --force".to_owned(),
            ),
            Self::MixedScripts { .. } => Some(
                "compare the key with what the publisher says; if you mean to trust it by this name: --force".to_owned(),
            ),
            Self::AlreadyRevoked { .. } | Self::NotRevoked { .. } | Self::NothingRevoked => {
                Some("see what is revoked with: conductor-sign trust revoked".to_owned())
            }
            Self::NotPinned { .. } => Some("see the pins with: conductor-sign trust pins".to_owned()),
            Self::PinRaced { name } => Some(format!(
                "find out which file is the right one; the pin is shown by: conductor-sign trust pins {name}"
            )),
            Self::Revoked { key, .. } => Some(format!(
                "ask the developer for the key that replaces it; if it was revoked by mistake: conductor-sign trust unrevoke \
                 {key}"
            )),
            Self::NotTrusted { .. } => Some("see the keys with: conductor-sign trust list".to_owned()),
            Self::Ambiguous { .. } => {
                Some("give more digits; see them with: conductor-sign trust list".to_owned())
            }
            Self::IssuerShare { .. } | Self::ListsFull { .. } => Some(
                "take back what is not needed, such as what the same list says of keys that are not trusted here: \
                 conductor-sign trust unrevoke"
                    .to_owned(),
            ),
            Self::TooManyRotations
            | Self::TooManyLists
            | Self::Reason { .. }
            | Self::PluginVersion
            | Self::Selector { .. }
            | Self::Name { .. }
            | Self::Email { .. }
            | Self::Encode { .. }
            | Self::Write { .. } => None,
        }
    }

    /// Whether the request was at fault, rather than the files, so that other plugins can still be judged.
    #[must_use]
    pub const fn is_about_request(&self) -> bool {
        match self {
            Self::Rotation(_)
            | Self::RevocationList(_)
            | Self::Resembles { .. }
            | Self::AlreadyRevoked { .. }
            | Self::NotRevoked { .. }
            | Self::NothingRevoked
            | Self::Reason { .. }
            | Self::PluginVersion
            | Self::TooManyLists
            | Self::IssuerShare { .. }
            | Self::ListsFull { .. }
            | Self::TooManyRotations
            | Self::NotPinned { .. }
            | Self::PinRaced { .. }
            | Self::AlreadyTrusted { .. }
            | Self::Revoked { .. }
            | Self::NotTrusted { .. }
            | Self::Ambiguous { .. }
            | Self::Selector { .. }
            | Self::Name { .. }
            | Self::Email { .. }
            | Self::MixedScripts { .. } => true,
            Self::File(_)
            | Self::Kept(_)
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

impl From<KeeperError> for TrustError {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::File { source } => Self::File(source),
            KeeperError::NotText { path } => Self::NotText { path },
            KeeperError::Write { path, source } => Self::Write { path, source },
            KeeperError::Empty { .. }
            | KeeperError::Busy { .. }
            | KeeperError::Misread { .. }
            | KeeperError::Unsynced { .. } => Self::Kept(error),
        }
    }
}
