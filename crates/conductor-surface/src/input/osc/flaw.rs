//! Why an OSC packet, or a message in one, is dropped.

use std::fmt;

use crate::osc_address::MAX_ADDRESS_BYTES;

/// Deepest nesting of bundles in bundles, and of arrays in arrays. Reading recurses once per level of bundles, and one
/// packet has room for enough levels to exhaust a stack. A plugin that reads the arguments as JSON may recurse as well.
pub(super) const MAX_DEPTH: usize = 8;

/// Most messages in one packet, however they are bundled. A packet has room for 5,000 messages. Each would be an event,
/// and together they would fill the queue of every plugin that they are mapped to. Real bundles hold a few dozen.
pub(super) const MAX_MESSAGES: usize = 256;

/// Why a packet or message is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The packet is empty.
    Empty,
    /// The message does not begin with printable characters and a zero byte.
    NoAddress,
    /// The address of the message is longer than [`MAX_ADDRESS_BYTES`].
    AddressTooLong,
    /// An argument has a type whose length is not known.
    UnknownType(u8),
    /// The message ends before its type tags or arguments do.
    CutOff,
    /// An array is not closed, or closed where none is open.
    Brackets,
    /// A bundle has no time tag, or a size that reaches over its end.
    BrokenBundle,
    /// Bundles or arrays nest too deep.
    TooDeep,
    /// There are too many messages in one packet.
    TooMany,
}

impl Flaw {
    /// The word under which the flaw is counted.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoAddress => "no-address",
            Self::AddressTooLong => "address-too-long",
            Self::UnknownType(_) => "unknown-type",
            Self::CutOff => "cut-off",
            Self::Brackets => "open-array",
            Self::BrokenBundle => "broken-bundle",
            Self::TooDeep => "too-deep",
            Self::TooMany => "too-many-messages",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it has no bytes"),
            Self::NoAddress => f.write_str("it does not begin with an OSC address"),
            Self::AddressTooLong => write!(f, "its address is longer than {MAX_ADDRESS_BYTES} bytes"),
            Self::UnknownType(tag) => {
                write!(f, "an argument is of the unknown type `{}`", tag.escape_ascii())
            }
            Self::CutOff => f.write_str("it ends before its arguments do"),
            Self::Brackets => f.write_str("an array in its type tags is not opened or not closed"),
            Self::BrokenBundle => f.write_str("a bundle has no time tag, or an element reaches over its end"),
            Self::TooDeep => write!(f, "bundles or arrays nest deeper than {MAX_DEPTH} levels"),
            Self::TooMany => write!(f, "it holds more than {MAX_MESSAGES} messages"),
        }
    }
}
