//! Why a rotation does not hold.

use conductor_store::escape;

use crate::document::{ALGORITHM, FormatError};
use crate::key::PublicKey;

use super::{MAX_ROTATION_BYTES, MAX_ROTATION_LINKS, MAX_ROTATION_STATEMENT_BYTES, ROTATION_VERSION};

/// Why a chain of rotations does not hold, or does not fit those that were accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// Larger than [`MAX_ROTATION_BYTES`].
    #[error("chain is larger than {MAX_ROTATION_BYTES} bytes")]
    TooLarge,
    /// Not of the format.
    #[error("chain is malformed: {0}")]
    Format(#[from] FormatError),
    /// Of another version.
    #[error("chain has version {found}, this program knows version {ROTATION_VERSION}")]
    Version {
        /// Version found.
        found: u64,
    },
    /// Signed with another algorithm.
    #[error("chain has algorithm `{}`, this program knows {ALGORITHM}", escape::terminal(found))]
    Algorithm {
        /// Algorithm found.
        found: String,
    },
    /// No link.
    #[error("chain has no link")]
    Empty,
    /// More than [`MAX_ROTATION_LINKS`] links, or a link with a higher number.
    #[error("chain has more than {MAX_ROTATION_LINKS} links")]
    TooLong,
    /// A signature was not made by its key.
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
        /// The key that passes on.
        old: PublicKey,
        /// The key that follows.
        new: PublicKey,
    },
    /// A signed statement is not of the format.
    #[error("statement of the rotation from {old} to {new} is malformed: {cause}")]
    Statement {
        /// The key that passes on.
        old: PublicKey,
        /// The key that follows.
        new: PublicKey,
        /// The cause.
        cause: FormatError,
    },
    /// A statement names other keys than those that signed it.
    #[error("statement of the rotation from {old} to {new} names other keys")]
    StatementDisagrees {
        /// The key that passes on.
        old: PublicKey,
        /// The key that follows.
        new: PublicKey,
    },
    /// A key passes on to itself.
    #[error("key {key} passes on to itself")]
    SameKey {
        /// The key.
        key: PublicKey,
    },
    /// A link does not begin where the one before ends.
    #[error("chain is broken: after {after} comes a rotation of {found}")]
    Broken {
        /// Where the link before ends.
        after: PublicKey,
        /// Where this one begins.
        found: PublicKey,
    },
    /// The numbers of two links that follow each other do not.
    #[error("rotation from {old} to {new} has the number {found}, where {expected} would be next")]
    Gap {
        /// The key that passes on.
        old: PublicKey,
        /// The key that follows.
        new: PublicKey,
        /// The number that would be next.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A link holds from an earlier time than the one before.
    #[error("rotation from {old} to {new} holds from an earlier time than the one before it")]
    Backdated {
        /// The key that passes on.
        old: PublicKey,
        /// The key that follows.
        new: PublicKey,
    },
    /// A key comes back.
    #[error("chain leads back to key {key}")]
    Loop {
        /// The key.
        key: PublicKey,
    },
    /// A key passes on to two keys.
    #[error("fork: key {old} passed on to {accepted}, and here to {offered}")]
    Fork {
        /// The key that passes on.
        old: PublicKey,
        /// The key that was accepted.
        accepted: PublicKey,
        /// The key that is offered.
        offered: PublicKey,
    },
    /// Two keys pass on to the same key.
    #[error("fork: key {new} follows from {accepted}, and here from {offered}")]
    TwoOrigins {
        /// The key that follows.
        new: PublicKey,
        /// The key that was accepted as the one before it.
        accepted: PublicKey,
        /// The key that is offered as such.
        offered: PublicKey,
    },
    /// The chain ends before one that was accepted.
    #[error("replay: the chain ends with number {found}, number {accepted} was accepted already")]
    Replay {
        /// Number of the last link.
        found: u64,
        /// Highest number accepted.
        accepted: u64,
    },
    /// None of the keys is known here.
    #[error("chain leads from {key}, which is neither trusted here nor follows from a key that is")]
    Unknown {
        /// The first key.
        key: PublicKey,
    },
    /// The key that passes on was revoked as compromised before the rotation was known.
    #[error("key {old} was revoked as compromised before it was known to pass on to {new}")]
    FromCompromised {
        /// The revoked key.
        old: PublicKey,
        /// The key that follows.
        new: PublicKey,
    },
}

impl RotationError {
    /// What to do about it.
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
