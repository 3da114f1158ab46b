//! Scopes: which part of a capability is asked for or granted.
//!
//! One grammar serves the manifest, the configuration and `--grant`:
//!
//! ```text
//! SCOPE = PART (";" PART)*
//! PART  = VALUE ("," VALUE)*             values of the capability's first key
//!       | KEY "=" VALUE ("," VALUE)*
//! ```
//!
//! Inside a value, `%`, `,`, `;` and `=` are written `%25`, `%2C`, `%3B` and `%3D`. A key that is left out does not
//! narrow the capability, with one exception: a grant of Network without hosts is a grant of `*`, every host on the
//! ports of the web.

mod address;
mod audio;
mod error;
mod excerpt;
mod filesystem;
mod grammar;
mod host;
mod limits;
mod midi;
mod network;
mod number;
mod pattern;
mod prefix;
mod subprocess;
mod system_control;

use std::fmt;

use conductor_abi::{Capability, Risk};

pub use address::AddressKind;
pub use audio::AudioScope;
pub use error::ScopeError;
pub use excerpt::Excerpt;
pub use filesystem::{FileAccess, FilesystemScope};
pub use grammar::encode as written;
pub use host::{HostPattern, is_inside_host, literal, normal_host};
pub use limits::{MAX_SCOPE_BYTES, MAX_VALUE_BYTES, MAX_VALUES};
pub use midi::MidiScope;
pub use network::{NetworkMethod, NetworkScope};
pub use pattern::NamePattern;
pub use prefix::{NetworkPrefix, PrefixError};
pub use subprocess::SubprocessScope;
pub use system_control::{SystemControlScope, SystemOperation};

use grammar::Fields;

/// A part of one capability, read from the scope grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Hosts and methods.
    Network(NetworkScope),
    /// Output devices, gain and time.
    Audio(AudioScope),
    /// Output ports and System Exclusive.
    Midi(MidiScope),
    /// Access to the data directory and its quota.
    Filesystem(FilesystemScope),
    /// Programs and arguments, time and output.
    Subprocess(SubprocessScope),
    /// Operations.
    SystemControl(SystemControlScope),
}

impl Scope {
    /// Reads a scope of a capability.
    ///
    /// # Errors
    ///
    /// Names the part that is not understood, and says what is allowed there. A scope is also refused as too long if
    /// its written form could not be read again: escapes and international host names in DNS letters make it longer.
    pub fn parse(capability: Capability, text: &str) -> Result<Self, ScopeError> {
        let scope = Self::read(capability, text)?;
        let bytes = scope.to_string().len();
        if bytes > MAX_SCOPE_BYTES { Err(ScopeError::TooLong { capability, bytes }) } else { Ok(scope) }
    }

    fn read(capability: Capability, text: &str) -> Result<Self, ScopeError> {
        Ok(match capability {
            Capability::Network => Self::Network(NetworkScope::from_fields(Fields::parse(
                capability,
                NetworkScope::KEYS,
                text,
            )?)?),
            Capability::Audio => {
                Self::Audio(AudioScope::from_fields(Fields::parse(capability, AudioScope::KEYS, text)?)?)
            }
            Capability::Midi => {
                Self::Midi(MidiScope::from_fields(Fields::parse(capability, MidiScope::KEYS, text)?)?)
            }
            Capability::Filesystem => Self::Filesystem(FilesystemScope::from_fields(Fields::parse(
                capability,
                FilesystemScope::KEYS,
                text,
            )?)?),
            Capability::Subprocess => Self::Subprocess(SubprocessScope::from_fields(Fields::parse(
                capability,
                SubprocessScope::KEYS,
                text,
            )?)?),
            Capability::SystemControl => Self::SystemControl(SystemControlScope::from_fields(
                Fields::parse(capability, SystemControlScope::KEYS, text)?,
            )?),
        })
    }

    /// What a bare capability name declares: everything that need not be named (public hosts, plain MIDI), and nothing
    /// of a capability of high risk. [`Scope::granted`] is what a grant of it grants.
    #[must_use]
    pub fn unnamed(capability: Capability) -> Self {
        match capability {
            Capability::Network => Self::Network(NetworkScope::default()),
            Capability::Audio => Self::Audio(AudioScope::default()),
            Capability::Midi => Self::Midi(MidiScope::default()),
            Capability::Filesystem => Self::Filesystem(FilesystemScope::default()),
            Capability::Subprocess => Self::Subprocess(SubprocessScope::default()),
            Capability::SystemControl => Self::SystemControl(SystemControlScope::default()),
        }
    }

    /// What a grant of this scope grants. A plugin that declares Network and names no host leaves the naming to the
    /// user. A user who grants that and names no host grants every host on the ports of the web. Every host on every
    /// port is written `*:*`.
    #[must_use]
    pub fn granted(self) -> Self {
        match self {
            Self::Network(scope) => Self::Network(scope.granted()),
            Self::Audio(_)
            | Self::Midi(_)
            | Self::Filesystem(_)
            | Self::Subprocess(_)
            | Self::SystemControl(_) => self,
        }
    }

    /// The capability that this scope is a part of.
    #[must_use]
    pub const fn capability(&self) -> Capability {
        match self {
            Self::Network(_) => Capability::Network,
            Self::Audio(_) => Capability::Audio,
            Self::Midi(_) => Capability::Midi,
            Self::Filesystem(_) => Capability::Filesystem,
            Self::Subprocess(_) => Capability::Subprocess,
            Self::SystemControl(_) => Capability::SystemControl,
        }
    }

    /// The scope, if it is one of Network.
    #[must_use]
    pub const fn as_network(&self) -> Option<&NetworkScope> {
        if let Self::Network(scope) = self { Some(scope) } else { None }
    }

    /// The scope, if it is one of Midi.
    #[must_use]
    pub const fn as_midi(&self) -> Option<&MidiScope> {
        if let Self::Midi(scope) = self { Some(scope) } else { None }
    }

    /// The scope, if it is one of Filesystem.
    #[must_use]
    pub const fn as_filesystem(&self) -> Option<&FilesystemScope> {
        if let Self::Filesystem(scope) = self { Some(scope) } else { None }
    }

    /// The scope, if it is one of Subprocess.
    #[must_use]
    pub const fn as_subprocess(&self) -> Option<&SubprocessScope> {
        if let Self::Subprocess(scope) = self { Some(scope) } else { None }
    }

    /// The scope, if it is one of Audio.
    #[must_use]
    pub const fn as_audio(&self) -> Option<&AudioScope> {
        if let Self::Audio(scope) = self { Some(scope) } else { None }
    }

    /// The scope, if it is one of SystemControl.
    #[must_use]
    pub const fn as_system_control(&self) -> Option<&SystemControlScope> {
        if let Self::SystemControl(scope) = self { Some(scope) } else { None }
    }

    /// The risk of granting this scope: the risk of the capability, raised to medium by a host on the user's own
    /// network and by System Exclusive messages.
    #[must_use]
    pub fn risk(&self) -> Risk {
        let raised = match self {
            Self::Network(scope) => scope.reaches_inside(),
            Self::Midi(scope) => scope.sysex(),
            Self::Audio(_) | Self::Filesystem(_) | Self::Subprocess(_) | Self::SystemControl(_) => false,
        };
        let own = self.capability().risk();
        if raised { own.max(Risk::Medium) } else { own }
    }

    /// Whether the scope permits nothing: a capability of high risk without a program or operation.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::Subprocess(scope) => scope.programs().is_empty(),
            Self::SystemControl(scope) => scope.operations().is_empty(),
            Self::Network(_) | Self::Audio(_) | Self::Midi(_) | Self::Filesystem(_) => false,
        }
    }
}

impl fmt::Display for Scope {
    /// Writes the scope so that [`Scope::parse`] reads the same scope. A scope that names nothing is written as empty
    /// text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(scope) => scope.fmt(f),
            Self::Audio(scope) => scope.fmt(f),
            Self::Midi(scope) => scope.fmt(f),
            Self::Filesystem(scope) => scope.fmt(f),
            Self::Subprocess(scope) => scope.fmt(f),
            Self::SystemControl(scope) => scope.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
