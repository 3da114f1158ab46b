//! Revocations of keys and plugins.

use std::fmt;
use std::str::FromStr;

use conductor_store::{UtcTime, escape};

use crate::document::ValueError;
use crate::key::PublicKey;
use crate::text::Digest;
use crate::text::shown_text::{self, MAX_SHOWN_BYTES};
use crate::trust::entry::Line;

/// One entry of `revoked_keys.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The key or file that was revoked.
    pub revoked: Revoked,
    /// When it was revoked.
    pub revoked_at: UtcTime,
    /// Why it was revoked; escape the text before showing it.
    pub reason: String,
    /// Whether a key is compromised or superseded; a file always counts as compromised.
    pub kind: RevocationKind,
    /// What the user called the key; escape it before showing it.
    pub name: Option<String>,
    /// The issuer of the list that the entry came from; `None` for the user's own entry.
    pub issuer: Option<PublicKey>,
    pub(crate) line: Line,
}

impl Revocation {
    /// The revoked key, if a key was revoked.
    #[must_use]
    pub const fn key(&self) -> Option<&PublicKey> {
        match &self.revoked {
            Revoked::Key(key) => Some(key),
            Revoked::Digest(_) => None,
        }
    }

    /// The entry as it may be given to others. A reason that breaks the rule for reasons, because it is older than the
    /// rule, is escaped.
    pub(crate) fn fit_to_show(&self) -> Self {
        let mut entry = self.clone();
        if shown_text::check_sentence(&entry.reason).is_err() {
            let reason = escape::terminal(&self.reason).to_string();
            let words: Vec<&str> = reason.split_whitespace().collect();
            let reason: String =
                words.join(" ").chars().filter(char::is_ascii).take(MAX_SHOWN_BYTES).collect();
            entry.reason = reason.trim_end().to_owned();
        }
        if shown_text::check_sentence(&entry.reason).is_err() {
            "no reason that can be shown".clone_into(&mut entry.reason);
        }
        entry
    }

    /// The line of `revoked_keys.toml` on which the entry stands.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line.0
    }
}

/// The subject of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// A key: nothing that the key signed is accepted.
    Key(PublicKey),
    /// One plugin file, whoever signed it.
    Digest(Digest),
}

impl fmt::Display for Revoked {
    /// Shows the 64 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// What is the matter with a revoked key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationKind {
    /// A thief may have the key. A rotation from it that was not accepted before is never accepted, and one that was
    /// needs the user's decision.
    #[default]
    Compromised,
    /// The key is no longer used. Rotations from it stay valid.
    Superseded,
}

impl RevocationKind {
    /// The word in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compromised => "compromised",
            Self::Superseded => "superseded",
        }
    }
}

impl fmt::Display for RevocationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RevocationKind {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Compromised, Self::Superseded]
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or(ValueError::Word { known: "`compromised` or `superseded`" })
    }
}
