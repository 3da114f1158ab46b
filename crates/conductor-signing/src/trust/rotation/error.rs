//! Why a rotation is not valid.

use conductor_store::escape;

use crate::document::{ALGORITHM, FormatError};
use crate::key::PublicKey;

use super::{MAX_ROTATION_BYTES, MAX_ROTATION_LINKS, MAX_ROTATION_STATEMENT_BYTES, ROTATION_VERSION};

/// Why a chain of rotations is not valid, or contradicts the accepted rotations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// The chain is larger than [`MAX_ROTATION_BYTES`].
    #[error("chain is larger than {MAX_ROTATION_BYTES} bytes")]
    TooLarge,
    /// The chain does not follow the format.
    #[error("chain is malformed: {0}")]
    Format(#[from] FormatError),
    /// The chain has another version.
    #[error("chain has version {found}, this program knows version {ROTATION_VERSION}")]
    Version {
        /// Version found.
        found: u64,
    },
    /// The chain names another signature algorithm.
    #[error("chain has algorithm `{}`, this program knows {ALGORITHM}", escape::terminal(found))]
    Algorithm {
        /// Algorithm found.
        found: String,
    },
    /// The chain has no link.
    #[error("chain has no link")]
    Empty,
    /// The chain has more than [`MAX_ROTATION_LINKS`] links, or a link with a higher number.
    #[error("chain has more than {MAX_ROTATION_LINKS} links")]
    TooLong,
    /// A signature is not valid for its key.
    #[error("signature of key {key} under the rotation is not valid")]
    SignatureInvalid {
        /// The key.
        key: PublicKey,
    },
    /// A statement is longer than [`MAX_ROTATION_STATEMENT_BYTES`].
    #[error(
        "statement of the rotation from {old} to {new} is longer than {MAX_ROTATION_STATEMENT_BYTES} bytes"
    )]
    StatementTooLong {
        /// The old key.
        old: PublicKey,
        /// The new key.
        new: PublicKey,
    },
    /// A signed statement does not follow the format.
    #[error("statement of the rotation from {old} to {new} is malformed: {cause}")]
    Statement {
        /// The old key.
        old: PublicKey,
        /// The new key.
        new: PublicKey,
        /// The cause.
        cause: FormatError,
    },
    /// A statement names other keys than those that signed it.
    #[error("statement of the rotation from {old} to {new} names other keys")]
    StatementDisagrees {
        /// The old key.
        old: PublicKey,
        /// The new key.
        new: PublicKey,
    },
    /// The old key and the new key of a rotation are the same.
    #[error("key {key} passes on to itself")]
    SameKey {
        /// The key.
        key: PublicKey,
    },
    /// A link does not begin with the key that the link before ends with.
    #[error("chain is broken: after {after} comes a rotation of {found}")]
    Broken {
        /// The key that the link before ends with.
        after: PublicKey,
        /// The key that this link begins with.
        found: PublicKey,
    },
    /// Two links follow each other, but their numbers do not.
    #[error("rotation from {old} to {new} has the number {found}, where {expected} would be next")]
    Gap {
        /// The old key.
        old: PublicKey,
        /// The new key.
        new: PublicKey,
        /// The number that must come next.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A link is valid from an earlier time than the link before.
    #[error("rotation from {old} to {new} holds from an earlier time than the one before it")]
    Backdated {
        /// The old key.
        old: PublicKey,
        /// The new key.
        new: PublicKey,
    },
    /// A key of the chain occurs again as a new key.
    #[error("chain leads back to key {key}")]
    Loop {
        /// The key.
        key: PublicKey,
    },
    /// A key has rotations to two new keys.
    #[error("fork: key {old} passed on to {accepted}, and here to {offered}")]
    Fork {
        /// The old key.
        old: PublicKey,
        /// The new key of the accepted rotation.
        accepted: PublicKey,
        /// The new key of the offered rotation.
        offered: PublicKey,
    },
    /// Two keys have rotations to the same new key.
    #[error("fork: key {new} follows from {accepted}, and here from {offered}")]
    TwoOrigins {
        /// The new key.
        new: PublicKey,
        /// The old key of the accepted rotation.
        accepted: PublicKey,
        /// The old key of the offered rotation.
        offered: PublicKey,
    },
    /// The chain ends with a lower number than was accepted.
    #[error("replay: the chain ends with number {found}, number {accepted} was accepted already")]
    Replay {
        /// Number of the last link.
        found: u64,
        /// Highest number accepted.
        accepted: u64,
    },
    /// No key of the chain is known here.
    #[error("chain leads from {key}, which is neither trusted here nor follows from a key that is")]
    Unknown {
        /// The first key of the chain.
        key: PublicKey,
    },
    /// The old key was revoked as compromised before the rotation was accepted.
    #[error("key {old} was revoked as compromised before it was known to pass on to {new}")]
    FromCompromised {
        /// The old key, which was revoked.
        old: PublicKey,
        /// The new key.
        new: PublicKey,
    },
}

impl RotationError {
    /// What to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooLarge
            | Self::Format(_)
            | Self::Version { .. }
            | Self::Algorithm { .. }
            | Self::Empty
            | Self::TooLong
            | Self::SignatureInvalid { .. }
            | Self::StatementTooLong { .. }
            | Self::Statement { .. }
            | Self::StatementDisagrees { .. }
            | Self::SameKey { .. }
            | Self::Broken { .. }
            | Self::Gap { .. }
            | Self::Backdated { .. }
            | Self::Loop { .. } => Some("get the chain again from the publisher".to_owned()),
            Self::Fork { .. } | Self::TwoOrigins { .. } => Some(
                "one of the keys may be a thief's: ask the publisher which one is right; if it is the accepted one, get \
                 the plugin again; if not: conductor-sign trust revoke <old key> --reason <why>, then trust add <key> <name>"
                    .to_owned(),
            ),
            Self::Replay { .. } => {
                Some("nothing is to be done: a later rotation is known already".to_owned())
            }
            Self::Unknown { .. } => Some(
                "get the publisher's key from the publisher and trust it first; or take the chain over with --force"
                    .to_owned(),
            ),
            Self::FromCompromised { .. } => Some(
                "ask the publisher for the key that is used now: conductor-sign trust add <key> <name>".to_owned(),
            ),
        }
    }
}
