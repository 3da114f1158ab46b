//! The two forms that a plugin may have.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Flavour of the plugin ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavour {
    /// Exports `execute`; the instance lives across calls.
    Reactor,
    /// Exports `_start`; request on standard input, reply on standard output, a fresh instance for every call.
    Command,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reactor => "reactor",
            Self::Command => "command",
        })
    }
}
