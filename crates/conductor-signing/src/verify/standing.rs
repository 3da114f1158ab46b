//! Where a signer stands with the user.

use conductor_abi::Risk;

use super::rules::TrustedSigner;
use super::{CheckedSignature, Question, VerifyError};
use crate::decision::{Check, Step};
use crate::document::{Cosignature, SignatureDocument};
use crate::rotation::{Lineage, RotationChain, RotationError};
use crate::{PluginName, PublicKey, SignaturePolicy, TrustedKey, UtcTime, escape};

/// Where a signer stands with the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The key is trusted for this plugin, by itself or because a trusted key passed on to it.
    Trusted {
        /// What the user calls the key.
        key_name: String,
        /// The key that the user trusts: this one, or the one that it follows from.
        root: PublicKey,
        /// Highest risk of a capability that may be granted.
        max_risk: Option<Risk>,
    },
    /// The key is not trusted.
    Untrusted,
    /// The key was trusted until a time that has passed.
    TrustExpired {
        /// What the user calls the key.
        key_name: String,
        /// When the trust ended.
        at: UtcTime,
    },
    /// The key is trusted for plugins of other names.
    OtherPlugins {
        /// What the user calls the key.
        key_name: String,
    },
    /// The key has passed on to another, and this was not signed before, as far as anybody can tell.
    Superseded {
        /// The key that follows.
        by: PublicKey,
        /// Since when.
        since: UtcTime,
    },
    /// A trusted key passes on to this key at a time that lies ahead.
    NotYetActive {
        /// The key that passes on.
        old: PublicKey,
        /// When.
        from: UtcTime,
    },
    /// The key follows from one that was revoked as compromised: whoever stole that could have passed on to any key.
    FromCompromised {
        /// The revoked key.
        old: PublicKey,
        /// Whether the rotation was accepted before; the user's word is enough then.
        accepted: bool,
    },
}

impl Standing {
    /// The error that a policy which demands a trusted signer ends in.
    #[must_use]
    pub fn refusal(&self, signer: &Cosignature) -> Option<VerifyError> {
        let key = signer.public_key;
        match self {
            Self::Trusted { .. } => None,
            Self::Untrusted => {
                Some(VerifyError::Untrusted { key, developer: signer.developer.name().to_owned() })
            }
            Self::TrustExpired { key_name, at } => {
                Some(VerifyError::TrustExpired { key, key_name: key_name.clone(), at: at.clone() })
            }
            Self::OtherPlugins { key_name } => {
                Some(VerifyError::OtherPlugins { key, key_name: key_name.clone() })
            }
            Self::Superseded { by, since } => {
                Some(VerifyError::KeySuperseded { key, by: *by, since: since.clone() })
            }
            Self::NotYetActive { old, from } => {
                Some(VerifyError::KeyNotYetActive { key, old: *old, from: from.clone() })
            }
            Self::FromCompromised { old, accepted } => {
                Some(VerifyError::RotationFromCompromised { key, old: *old, accepted: *accepted })
            }
        }
    }

    /// What the user calls the key, or the one that it follows from.
    #[must_use]
    pub fn key_name(&self) -> Option<&str> {
        match self {
            Self::Trusted { key_name, .. }
            | Self::TrustExpired { key_name, .. }
            | Self::OtherPlugins { key_name } => Some(key_name),
            Self::Untrusted
            | Self::Superseded { .. }
            | Self::NotYetActive { .. }
            | Self::FromCompromised { .. } => None,
        }
    }

    /// A word for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Trusted { .. } => "trusted",
            Self::Untrusted => "untrusted",
            Self::TrustExpired { .. } => "trust-expired",
            Self::OtherPlugins { .. } => "other-plugins",
            Self::Superseded { .. } => "superseded",
            Self::NotYetActive { .. } => "not-yet-active",
            Self::FromCompromised { .. } => "from-compromised",
        }
    }

    /// In words, after the key.
    #[must_use]
    pub fn in_words(&self, key: &PublicKey) -> String {
        match self {
            Self::Trusted { key_name, root, .. } if root == key => {
                format!("trusted as `{}`", escape::terminal(key_name))
            }
            Self::Trusted { key_name, root, .. } => {
                format!("trusted, follows by rotation from `{}` {root}", escape::terminal(key_name))
            }
            Self::Untrusted => "not trusted".to_owned(),
            Self::TrustExpired { key_name, at } => {
                format!("trust in `{}` ended at {at}", escape::terminal(key_name))
            }
            Self::OtherPlugins { key_name } => {
                format!("`{}` is trusted for other plugins", escape::terminal(key_name))
            }
            Self::Superseded { by, since } => format!("superseded since {since} by {by}"),
            Self::NotYetActive { old, from } => format!("follows from {old}, but only from {from} on"),
            Self::FromCompromised { old, accepted: true } => {
                format!("follows from {old}, which was revoked; waits for your word")
            }
            Self::FromCompromised { old, accepted: false } => {
                format!("follows from {old}, which was revoked before it was known to pass on")
            }
        }
    }
}

impl CheckedSignature {
    /// The trusted keys behind the signers, each once: a key and the one that it follows from are one.
    pub(super) fn trusted_signers(&self) -> Vec<TrustedSigner> {
        let mut trusted: Vec<TrustedSigner> = Vec::new();
        for (Cosignature { public_key: key, .. }, standing) in self.signers() {
            match standing {
                Standing::Trusted { root, .. } => {
                    match trusted.iter_mut().find(|signer| signer.root == *root) {
                        Some(signer) => signer.keys.push(*key),
                        None => trusted.push(TrustedSigner { root: *root, keys: vec![*key] }),
                    }
                }
                Standing::Untrusted
                | Standing::TrustExpired { .. }
                | Standing::OtherPlugins { .. }
                | Standing::Superseded { .. }
                | Standing::NotYetActive { .. }
                | Standing::FromCompromised { .. } => {}
            }
        }
        trusted
    }
}

impl<'a> Question<'a> {
    /// Joins the rotations that came with the plugin to those that were accepted.
    pub(super) fn lineage<'c>(
        &self,
        step: &mut Step,
        chain: Result<&'c Option<RotationChain>, &RotationError>,
    ) -> Result<Lineage<'c>, VerifyError>
    where
        'a: 'c,
    {
        let chain = chain.map_err(|error| VerifyError::Rotation(Box::new(error.clone())))?;
        match chain {
            Some(chain) => step.found(format_args!("{} beside the plugin", chain.links().len())),
            None => step.not_applicable("none beside the plugin"),
        }
        let trust = self.trust;
        trust.lineage(chain.as_ref()).map_err(|error| VerifyError::Rotation(Box::new(error)))
    }

    /// Where each signer stands, in their order.
    pub(super) fn standings(
        &self,
        step: &mut Step,
        lineage: &Lineage<'_>,
        document: &SignatureDocument,
        name: Option<&PluginName>,
    ) -> Vec<Standing> {
        let mut standings = Vec::new();
        for endorsement in document.endorsements() {
            let key = &endorsement.public_key;
            // Recording a step that cannot fail loses nothing.
            let _ = step.run(Check::Signer, |step| {
                step.about(key);
                let (standing, entry) = self.standing(lineage, endorsement, name);
                step.by(entry.and_then(|entry| self.trust.source_of_key(entry)));
                let in_words = standing.in_words(key);
                match standing {
                    Standing::Trusted { .. } => step.found(in_words),
                    Standing::Untrusted
                    | Standing::TrustExpired { .. }
                    | Standing::OtherPlugins { .. }
                    | Standing::Superseded { .. }
                    | Standing::NotYetActive { .. }
                    | Standing::FromCompromised { .. } => step.noted(in_words),
                }
                standings.push(standing);
                Ok(())
            });
        }
        standings
    }

    fn standing(
        &self,
        lineage: &Lineage<'_>,
        endorsement: &Cosignature,
        name: Option<&PluginName>,
    ) -> (Standing, Option<&'a TrustedKey>) {
        let key = &endorsement.public_key;
        if let Some(superseded) = self.superseded(lineage, endorsement) {
            return (superseded, None);
        }
        if let Some(entry) = self.trust.get(key) {
            return (self.trust.standing(&entry.public_key, name, self.now), Some(entry));
        }
        for ancestor in lineage.ancestors(key) {
            let link = ancestor.link;
            if !link.valid_from.is_past(self.now) {
                return (Standing::NotYetActive { old: link.old, from: link.valid_from.clone() }, None);
            }
            if self.trust.is_compromised(&link.old) {
                let accepted = ancestor.accepted;
                return (Standing::FromCompromised { old: link.old, accepted }, None);
            }
            if let Some(entry) = self.trust.get(&link.old) {
                return (self.trust.standing(&entry.public_key, name, self.now), Some(entry));
            }
        }
        (Standing::Untrusted, None)
    }

    /// Whether the signer has passed on to another key and may not sign any more. What it signed before stays good, if
    /// a statement says when that was.
    fn superseded(&self, lineage: &Lineage<'_>, endorsement: &Cosignature) -> Option<Standing> {
        let (link, _) = lineage.successor(&endorsement.public_key)?;
        let signed_before = endorsement.statement.is_some()
            && endorsement.signed_at.timestamp() < link.valid_from.timestamp();
        if !link.valid_from.is_past(self.now) || link.keeps_signing() || signed_before {
            return None;
        }
        Some(Standing::Superseded { by: link.new, since: link.valid_from.clone() })
    }

    /// Whether the policy lets in what is signed as this is.
    pub(super) fn check_policy(
        &self,
        step: &mut Step,
        signature: &CheckedSignature,
    ) -> Result<(), VerifyError> {
        step.by(self.policy.signature_source.clone());
        step.found(self.policy.signature.in_words());
        let refusal = signature.standing().refusal(&signature.document().signer);
        match (self.policy.signature, refusal) {
            (_, None) => Ok(()),
            (SignaturePolicy::TrustedSigner, Some(refusal)) => Err(refusal),
            // The signer's own word that this key signs no more holds whoever is trusted.
            (_, Some(refusal @ VerifyError::KeySuperseded { .. })) => Err(refusal),
            (SignaturePolicy::AnySigner | SignaturePolicy::AcceptUnsigned, Some(_)) => Ok(()),
        }
    }
}
