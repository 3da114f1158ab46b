//! The six capabilities and their risk.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Something a plugin may be allowed to do beyond computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    /// HTTP requests through the broker.
    Network,
    /// Playing sound on an output device.
    Audio,
    /// Listing MIDI ports and sending messages to them.
    Midi,
    /// Reading and writing the plugin's own data directory.
    Filesystem,
    /// Running named programs.
    Subprocess,
    /// Volume, media keys, notifications, screen lock, opening URLs.
    SystemControl,
}

impl Capability {
    /// Every capability, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Network, Self::Audio, Self::Midi, Self::Filesystem, Self::Subprocess, Self::SystemControl];

    /// The name as it is written in manifests, configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "Network",
            Self::Audio => "Audio",
            Self::Midi => "Midi",
            Self::Filesystem => "Filesystem",
            Self::Subprocess => "Subprocess",
            Self::SystemControl => "SystemControl",
        }
    }

    /// The risk of the capability itself; a scope can raise it (a private host, SysEx).
    #[must_use]
    pub const fn risk(self) -> Risk {
        match self {
            Self::Network | Self::Audio | Self::Midi => Risk::Low,
            Self::Filesystem => Risk::Medium,
            Self::Subprocess | Self::SystemControl => Risk::High,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    /// Reads a name without regard to case and underscores: `SystemControl`, `system_control` and `SYSTEMCONTROL`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let same = |name: &str| {
            let mut given = text.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase());
            let mut known = name.chars().map(|c| c.to_ascii_lowercase());
            loop {
                match (given.next(), known.next()) {
                    (None, None) => return true,
                    (a, b) if a == b => {}
                    (_, _) => return false,
                }
            }
        };
        Self::ALL.into_iter().find(|capability| same(capability.name())).ok_or(UnknownCapability)
    }
}

impl Serialize for Capability {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = alloc::string::String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// A name that is none of [`Capability::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCapability;

impl fmt::Display for UnknownCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "unknown capability; known are Network, Audio, Midi, Filesystem, Subprocess and SystemControl",
        )
    }
}

impl core::error::Error for UnknownCapability {}

/// How much harm a capability can do, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Granted automatically when the manifest declares it.
    Low,
    /// Needs the user's approval.
    Medium,
    /// Needs the user's approval after a warning.
    High,
}

impl Risk {
    /// The word as it is written in configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Risk {
    type Err = UnknownRisk;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Low, Self::Medium, Self::High].into_iter().find(|risk| risk.name() == text).ok_or(UnknownRisk)
    }
}

/// A word that is none of `low`, `medium` and `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRisk;

impl fmt::Display for UnknownRisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown risk level; known are low, medium and high")
    }
}

impl core::error::Error for UnknownRisk {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_underscores() {
        for text in ["SystemControl", "system_control", "SYSTEM_CONTROL", "systemcontrol"] {
            assert_eq!(text.parse(), Ok(Capability::SystemControl));
        }
        for text in ["", "_", "System Control", "Net", "Networks", "filesystem2"] {
            assert_eq!(text.parse::<Capability>(), Err(UnknownCapability), "{text}");
        }
    }
}
