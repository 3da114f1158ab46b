//! What a signature must prove before a plugin is loaded, and what it proved.

mod signer_rule;

use std::fmt;
use std::str::FromStr;

pub use signer_rule::{MAX_RULE_KEYS, MAX_SIGNER_RULES, SignerRule, SignerRuleError};

use crate::text::RuleSource;

/// Everything that a plugin must meet before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationPolicy {
    /// Which signature is demanded.
    pub signature: SignaturePolicy,
    /// Whether a signature must have a statement.
    pub statement: RequireStatement,
    /// Which plugins need more than one signer.
    pub rules: Vec<SignerRule>,
    /// The place where `signature` was set; it does not affect the decision.
    pub signature_source: Option<RuleSource>,
    /// The place where `statement` was set; it does not affect the decision.
    pub statement_source: Option<RuleSource>,
}

impl From<SignaturePolicy> for VerificationPolicy {
    fn from(signature: SignaturePolicy) -> Self {
        Self {
            signature,
            statement: RequireStatement::default(),
            rules: Vec::new(),
            signature_source: None,
            statement_source: None,
        }
    }
}

/// The three trust models of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignaturePolicy {
    /// Load any plugin that was not revoked, signed or not; for development.
    AcceptUnsigned,
    /// Load a plugin with a valid signature, whoever made it.
    AnySigner,
    /// Load a plugin with a valid signature by a trusted key.
    TrustedSigner,
}

impl SignaturePolicy {
    /// The model for the settings `require_signature` and `allow_self_signed`.
    #[must_use]
    pub const fn from_flags(require_signature: bool, allow_self_signed: bool) -> Self {
        match (require_signature, allow_self_signed) {
            (false, _) => Self::AcceptUnsigned,
            (true, true) => Self::AnySigner,
            (true, false) => Self::TrustedSigner,
        }
    }
}

/// Whether a signature must have a signed statement. A signature without a statement vouches only for the bytes: it
/// says nothing about expiry and host version, and nobody can tell whether the signer once stated them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RequireStatement {
    /// A signature needs a statement once a plugin of the same name was loaded with one, so that nobody can drop the
    /// statement.
    #[default]
    OnceSeen,
    /// Every signature needs a statement.
    Always,
    /// No signature needs a statement.
    Never,
}

impl RequireStatement {
    const ALL: [Self; 3] = [Self::OnceSeen, Self::Always, Self::Never];

    const fn word(self) -> &'static str {
        match self {
            Self::OnceSeen => "once-seen",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for RequireStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for RequireStatement {
    type Err = UnknownRequirement;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|requirement| requirement.word() == text).ok_or(UnknownRequirement)
    }
}

/// A word that names no [`RequireStatement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown requirement; known are once-seen, always and never")]
pub struct UnknownRequirement;

/// How far somebody vouches for a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustLevel {
    /// Nobody vouches for the plugin: it has no signature, or its signature is not valid and was ignored, because the
    /// policy accepts unsigned plugins.
    Unsigned,
    /// The file was signed, by a key that is not trusted for it.
    SelfSigned,
    /// The file was signed by a trusted key.
    Trusted {
        /// The name that the user gave the key.
        key_name: String,
    },
}

impl SignaturePolicy {
    /// The settings that make this model, in the words of the configuration.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::AcceptUnsigned => "require_signature = false",
            Self::AnySigner => "require_signature = true, allow_self_signed = true",
            Self::TrustedSigner => "require_signature = true, allow_self_signed = false",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_read_as_they_are_shown() {
        for (word, requirement) in [
            ("once-seen", RequireStatement::OnceSeen),
            ("always", RequireStatement::Always),
            ("never", RequireStatement::Never),
        ] {
            assert_eq!(word.parse(), Ok(requirement));
            assert_eq!(requirement.to_string(), word);
        }
        for word in ["", "Always", "once_seen", "never "] {
            assert_eq!(word.parse::<RequireStatement>(), Err(UnknownRequirement));
        }
        assert_eq!(RequireStatement::default(), RequireStatement::OnceSeen);
    }

    #[test]
    fn self_signed_counts_only_where_signatures_are_required() {
        assert_eq!(SignaturePolicy::from_flags(false, false), SignaturePolicy::AcceptUnsigned);
        assert_eq!(SignaturePolicy::from_flags(false, true), SignaturePolicy::AcceptUnsigned);
        assert_eq!(SignaturePolicy::from_flags(true, true), SignaturePolicy::AnySigner);
        assert_eq!(SignaturePolicy::from_flags(true, false), SignaturePolicy::TrustedSigner);
    }
}
