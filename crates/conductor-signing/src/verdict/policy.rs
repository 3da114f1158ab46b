//! How much a signature must prove before a plugin is loaded, and what it proved.

mod signer_rule;

use std::fmt;
use std::str::FromStr;

pub use signer_rule::{MAX_RULE_KEYS, MAX_SIGNER_RULES, SignerRule, SignerRuleError};

use crate::text::RuleSource;

/// Everything that is demanded of a plugin before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationPolicy {
    /// Whose signature is demanded.
    pub signature: SignaturePolicy,
    /// Whether a signature must carry a statement.
    pub statement: RequireStatement,
    /// Which plugins need more than one signer.
    pub rules: Vec<SignerRule>,
    /// Where `signature` was set; it does not enter into the decision.
    pub signature_source: Option<RuleSource>,
    /// Where `statement` was set; it does not enter into the decision.
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
    /// Load anything that was not revoked, signed or not; for development.
    AcceptUnsigned,
    /// Load what carries a valid signature, whoever made it.
    AnySigner,
    /// Load what carries a valid signature by a trusted key.
    TrustedSigner,
}

impl SignaturePolicy {
    /// The model that the settings `require_signature` and `allow_self_signed` stand for.
    #[must_use]
    pub const fn from_flags(require_signature: bool, allow_self_signed: bool) -> Self {
        match (require_signature, allow_self_signed) {
            (false, _) => Self::AcceptUnsigned,
            (true, true) => Self::AnySigner,
            (true, false) => Self::TrustedSigner,
        }
    }
}

/// Whether a signature must carry a signed statement. Without one it vouches for the bytes alone: what the signer said
/// about expiry and host version is not there, and nobody can tell whether it ever was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RequireStatement {
    /// Once a plugin of this name was loaded with one: whoever drops it from the document is refused.
    #[default]
    OnceSeen,
    /// Of every signature.
    Always,
    /// Of none.
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

/// A word that is none of those of [`RequireStatement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown requirement; known are once-seen, always and never")]
pub struct UnknownRequirement;

/// What is known about who made a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustLevel {
    /// Nothing: there is no signature, or one that does not hold and was ignored because the policy accepts that.
    Unsigned,
    /// The file is what somebody signed, by a key that is not trusted for it.
    SelfSigned,
    /// The file is what the holder of a trusted key signed.
    Trusted {
        /// The name that the user gave the key.
        key_name: String,
    },
}

impl SignaturePolicy {
    /// The settings that make this model, as the configuration writes them.
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
