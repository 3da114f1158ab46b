//! Why a scope was not understood.

use conductor_abi::Capability;
use thiserror::Error;

use super::excerpt::Excerpt;
use super::limits::{MAX_SCOPE_BYTES, MAX_VALUE_BYTES, MAX_VALUES};

/// Why a scope was not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// The scope is empty or has only blanks.
    #[error("scope of {capability} is empty; leave it out to name nothing")]
    Empty {
        /// The capability.
        capability: Capability,
    },
    /// The scope is longer than [`MAX_SCOPE_BYTES`].
    #[error("scope of {capability} has {bytes} bytes, more than {MAX_SCOPE_BYTES}")]
    TooLong {
        /// The capability.
        capability: Capability,
        /// Length found.
        bytes: usize,
    },
    /// A key that the capability does not have.
    #[error("unknown key {key} in scope of {capability}; known are {}", known.join(", "))]
    UnknownKey {
        /// The capability.
        capability: Capability,
        /// The key as written.
        key: Excerpt,
        /// Keys of the capability.
        known: &'static [&'static str],
    },
    /// A key was given twice.
    #[error("key `{key}` appears twice in scope of {capability}")]
    DuplicateKey {
        /// The capability.
        capability: Capability,
        /// The key.
        key: &'static str,
    },
    /// A value is missing between two separators.
    #[error("`{key}` in scope of {capability} has an empty value")]
    EmptyValue {
        /// The capability.
        capability: Capability,
        /// The key.
        key: &'static str,
    },
    /// A key has more than [`MAX_VALUES`] values.
    #[error("`{key}` in scope of {capability} has more than {MAX_VALUES} values")]
    TooManyValues {
        /// The capability.
        capability: Capability,
        /// The key.
        key: &'static str,
    },
    /// A value is longer than [`MAX_VALUE_BYTES`].
    #[error("`{key}` in scope of {capability} has a value of more than {MAX_VALUE_BYTES} bytes")]
    ValueTooLong {
        /// The capability.
        capability: Capability,
        /// The key.
        key: &'static str,
    },
    /// A value has a character that is never shown to a person unchanged, or a malformed `%` escape.
    #[error(
        "{value} for `{key}` in scope of {capability} may hold letters, digits, blanks, ASCII punctuation and `%25` for `%`, \
         `%2C` for `,`, `%3B` for `;`, `%3D` for `=`"
    )]
    Character {
        /// The capability.
        capability: Capability,
        /// The key.
        key: &'static str,
        /// The value as written.
        value: Excerpt,
    },
    /// A key that takes one value has several.
    #[error("`{key}` in scope of {capability} takes one value")]
    Several {
        /// The capability.
        capability: Capability,
        /// The key.
        key: &'static str,
    },
    /// A value that the key does not take.
    #[error("{value} is not allowed for `{key}` in scope of {capability}: {allowed}")]
    Value {
        /// The capability.
        capability: Capability,
        /// The key.
        key: &'static str,
        /// The value as written.
        value: Excerpt,
        /// What is allowed.
        allowed: &'static str,
    },
}
