//! What a trusted key may do.

use std::fmt;
use std::str::FromStr;

/// What the user trusts a key to do. A key with the role `Cosign` cannot publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyRole {
    /// Publish plugins.
    Publish,
    /// Endorse what other keys publish.
    Cosign,
    /// Publish and cosign.
    #[default]
    Both,
}

impl KeyRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Publish, Self::Cosign, Self::Both];

    /// The word in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Cosign => "cosign",
            Self::Both => "both",
        }
    }

    /// Whether a key of this role may publish.
    #[must_use]
    pub const fn publishes(self) -> bool {
        match self {
            Self::Publish | Self::Both => true,
            Self::Cosign => false,
        }
    }

    /// Whether a key of this role may endorse what other keys publish.
    #[must_use]
    pub const fn cosigns(self) -> bool {
        match self {
            Self::Cosign | Self::Both => true,
            Self::Publish => false,
        }
    }
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for KeyRole {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(UnknownRole)
    }
}

/// A word that is not a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role; known are publish, cosign and both")]
pub struct UnknownRole;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_as_they_are_shown() {
        for role in KeyRole::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        for word in ["", "Publish", "sign", "both "] {
            assert_eq!(word.parse::<KeyRole>(), Err(UnknownRole), "{word}");
        }
    }
}
