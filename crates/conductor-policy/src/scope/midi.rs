//! Scope of Midi: ports and System Exclusive.

use std::fmt;

use super::error::ScopeError;
use super::grammar::{Fields, Parts};
use super::pattern::NamePattern;

/// Ports that may be listed, sent to and listened to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MidiScope {
    ports: Vec<NamePattern>,
    sysex: bool,
}

impl MidiScope {
    pub(super) const KEYS: &'static [&'static str] = &["ports", "sysex"];

    pub(super) fn from_fields(fields: Fields) -> Result<Self, ScopeError> {
        let allowed = "write the name of a port, a beginning followed by `*`, or `*`";
        Ok(Self { ports: fields.list("ports", allowed, NamePattern::parse)?, sysex: fields.flag("sysex")? })
    }

    /// Whether the port is covered.
    #[must_use]
    pub fn allows(&self, port: &str) -> bool {
        self.ports.is_empty() || self.ports.iter().any(|pattern| pattern.covers(port))
    }

    /// Whether System Exclusive messages may be sent and received. They can rewrite the memory and the firmware of a
    /// device.
    #[must_use]
    pub const fn sysex(&self) -> bool {
        self.sysex
    }
}

impl fmt::Display for MidiScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f);
        parts.first(&self.ports)?;
        parts.flag("sysex", self.sysex)
    }
}
