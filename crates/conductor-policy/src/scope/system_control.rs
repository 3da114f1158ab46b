//! Scope of SystemControl: operations.

use std::fmt;

use super::error::ScopeError;
use super::grammar::{Fields, Parts};

/// Operations on the user's desktop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemControlScope {
    operations: Vec<SystemOperation>,
}

impl SystemControlScope {
    pub(super) const KEYS: &'static [&'static str] = &["operations"];

    pub(super) fn from_fields(fields: Fields) -> Result<Self, ScopeError> {
        let allowed = "write `volume`, `mute`, `media`, `notify`, `lock` or `open-url`";
        Ok(Self { operations: fields.list("operations", allowed, SystemOperation::parse)? })
    }

    /// The operations. If there are none, nothing may be done.
    #[must_use]
    pub fn operations(&self) -> &[SystemOperation] {
        &self.operations
    }
}

impl fmt::Display for SystemControlScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Parts::new(f).first(&self.operations)
    }
}

/// One operation on the user's desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SystemOperation {
    /// Read and set the output volume.
    Volume,
    /// Mute and unmute the output.
    Mute,
    /// Play, pause, next and previous.
    Media,
    /// Show a notification.
    Notify,
    /// Lock the screen.
    Lock,
    /// Open a URL in the browser.
    OpenUrl,
}

impl SystemOperation {
    /// Every operation.
    pub const ALL: [Self; 6] =
        [Self::Volume, Self::Mute, Self::Media, Self::Notify, Self::Lock, Self::OpenUrl];

    /// The word as it is written in a scope.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Mute => "mute",
            Self::Media => "media",
            Self::Notify => "notify",
            Self::Lock => "lock",
            Self::OpenUrl => "open-url",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == text)
    }
}

impl fmt::Display for SystemOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
