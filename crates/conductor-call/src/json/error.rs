//! Why a request in JSON was not decoded.

use std::fmt;

use conductor_abi::Status;

use super::MAX_DEPTH;

/// Most characters of a message about a field; stops a plugin's own text from making the message as long as the text.
const MAX_REASON_CHARS: usize = 256;

/// Why a request was not decoded. Messages may contain text of the plugin: escape them before showing them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not UTF-8.
    #[error("the request is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Number of bytes before the fault.
        at: usize,
    },
    /// The text is not JSON.
    #[error("the request is not JSON: expected {expected} at byte {at}")]
    Syntax {
        /// Number of bytes before the fault.
        at: usize,
        /// What JSON has at this place.
        expected: &'static str,
    },
    /// Too many lists and objects inside one another.
    #[error("the request has more than {MAX_DEPTH} lists and objects inside one another at byte {at}")]
    TooDeep {
        /// Number of bytes before the one that is too deep.
        at: usize,
    },
    /// The request names no operation.
    #[error("the request names no operation: it has no `op`")]
    NoOperation,
    /// The request names more than one operation.
    #[error("the request has `op` twice")]
    TwoOperations,
    /// The host has no operation of this name.
    #[error("this host has no operation `{name}`")]
    UnknownOperation {
        /// The beginning of the name.
        name: String,
    },
    /// A field is unknown, missing, there twice, of another type or out of range.
    #[error("{reason}")]
    Field {
        /// The operation, the field and what is wrong with it.
        reason: String,
    },
}

impl JsonError {
    /// What the plugin is told beside the message.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::UnknownOperation { .. } => Status::UnknownOp,
            Self::NotUtf8 { .. }
            | Self::Syntax { .. }
            | Self::TooDeep { .. }
            | Self::NoOperation
            | Self::TwoOperations
            | Self::Field { .. } => Status::Invalid,
        }
    }

    pub(super) fn unknown(name: &str) -> Self {
        Self::UnknownOperation { name: shorten(name) }
    }

    pub(super) fn field(reason: &dyn fmt::Display) -> Self {
        Self::Field { reason: shorten(&reason.to_string()) }
    }

    /// The same error, and that it is about something in `place`.
    pub(super) fn within(self, place: &str) -> Self {
        if let Self::Field { reason } = self {
            Self::Field { reason: format!("{place}: {reason}") }
        } else {
            self
        }
    }
}

impl serde::de::Error for JsonError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::field(&reason)
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(MAX_REASON_CHARS).collect()
}
