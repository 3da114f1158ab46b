//! Rules that demand more than one signer for certain plugins.

use std::fmt;

use conductor_abi::{Capability, CapabilityRequest};

use crate::key::PublicKey;
use crate::text::{PluginName, RuleSource};
use crate::trust::NamePattern;

/// Most rules in a configuration; every plugin is checked against each rule.
pub const MAX_SIGNER_RULES: usize = 256;

/// Most keys that a rule may name.
pub const MAX_RULE_KEYS: usize = 64;

/// A demand for `signers` trusted signers of every plugin that the rule covers: k of n, or k of all trusted keys.
///
/// A rule covers a plugin if its name fits one of `plugins` and the plugin declares one of `capabilities`; an empty
/// list sets no condition. Only trusted keys count, and keys that follow from each other by rotation count once: two
/// keys of one publisher are one signer.
/// keys of one publisher are one signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerRule {
    plugins: Vec<NamePattern>,
    capabilities: Vec<Capability>,
    signers: usize,
    keys: Vec<PublicKey>,
    source: Option<RuleSource>,
}

impl SignerRule {
    /// Makes a rule. `keys` are the keys that count; if the list is empty, all trusted keys count.
    ///
    /// # Errors
    ///
    /// Fails if the rule demands no signer or more signers than it names keys, or if it names a key twice.
    pub fn new(
        plugins: Vec<NamePattern>,
        capabilities: Vec<Capability>,
        signers: usize,
        keys: Vec<PublicKey>,
        source: Option<RuleSource>,
    ) -> Result<Self, SignerRuleError> {
        if signers == 0 {
            return Err(SignerRuleError::Nobody);
        }
        if keys.len() > MAX_RULE_KEYS {
            return Err(SignerRuleError::TooManyKeys);
        }
        let repeated =
            keys.iter().enumerate().find(|(place, key)| keys.iter().take(*place).any(|k| k == *key));
        if let Some((_, key)) = repeated {
            return Err(SignerRuleError::Repeated { key: *key });
        }
        if !keys.is_empty() && signers > keys.len() {
            return Err(SignerRuleError::TooFewKeys { signers, keys: keys.len() });
        }
        Ok(Self { plugins, capabilities, signers, keys, source })
    }

    /// Number of signers that the rule demands.
    #[must_use]
    pub const fn signers(&self) -> usize {
        self.signers
    }

    /// The place of the rule in a file.
    #[must_use]
    pub const fn source(&self) -> Option<&RuleSource> {
        self.source.as_ref()
    }

    /// Whether the name of a plugin fits the rule.
    pub(crate) fn covers_name(&self, name: &PluginName) -> bool {
        self.plugins.is_empty() || self.plugins.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether the rule depends on the capabilities that a plugin declares.
    pub(crate) fn is_about_capabilities(&self) -> bool {
        !self.capabilities.is_empty()
    }

    /// Whether the plugin declares one of the rule's capabilities; true for a rule without capabilities.
    pub(crate) fn covers_declared(&self, declared: &[CapabilityRequest]) -> bool {
        let is_meant = |request: &CapabilityRequest| {
            request.name.parse().is_ok_and(|capability: Capability| self.capabilities.contains(&capability))
        };
        self.capabilities.is_empty() || declared.iter().any(is_meant)
    }

    /// Whether the key counts for the rule.
    pub(crate) fn counts(&self, key: &PublicKey) -> bool {
        self.keys.is_empty() || self.keys.contains(key)
    }
}

impl fmt::Display for SignerRule {
    /// Shows the rule as a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.signers == 1 { "" } else { "s" };
        write!(f, "{} trusted signer{plural}", self.signers)?;
        if !self.keys.is_empty() {
            write!(f, " of {} named keys", self.keys.len())?;
        }
        if !self.plugins.is_empty() {
            let patterns: Vec<&str> = self.plugins.iter().map(NamePattern::as_str).collect();
            write!(f, " for plugins named {}", patterns.join(", "))?;
        }
        if !self.capabilities.is_empty() {
            let names: Vec<&str> = self.capabilities.iter().map(|capability| capability.name()).collect();
            write!(f, " for {}", names.join(", "))?;
        }
        Ok(())
    }
}

/// Why a rule is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerRuleError {
    /// The rule demands no signer.
    #[error("a rule demands at least 1 signer")]
    Nobody,
    /// The rule demands more signers than it names keys.
    #[error("{signers} signers are demanded of {keys} keys, which can never be")]
    TooFewKeys {
        /// Signers demanded.
        signers: usize,
        /// Keys named.
        keys: usize,
    },
    /// The rule names too many keys.
    #[error("a rule names at most {MAX_RULE_KEYS} keys")]
    TooManyKeys,
    /// The rule names a key twice.
    #[error("key {key} is named twice")]
    Repeated {
        /// The key.
        key: PublicKey,
    },
}
