//! Where a signer stands with the user.

use conductor_abi::Risk;
use conductor_store::{UtcTime, escape};

use super::rules::TrustedSigner;
use super::signature::Statements;
use super::{CheckedCosigner, CheckedSignature, Question, VerifyError};
use crate::decision::{Check, Step};
use crate::document::{Cosignature, CosignerStatement, SignatureDocument};
use crate::key::PublicKey;
use crate::rotation::{Lineage, RotationChain, RotationError};
use crate::text::PluginName;
use crate::trust::{Act, Done, KeyRole, Pin, TrustedKey};
use crate::{SignaturePolicy, Signer};

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
        /// Highest risk that it was trusted with: less trust gives no more.
        max_risk: Option<Risk>,
    },
    /// The key is trusted for plugins of other names.
    OtherPlugins {
        /// What the user calls the key.
        key_name: String,
        /// Highest risk that it is trusted with there.
        max_risk: Option<Risk>,
    },
    /// The key is trusted to do something else than it did here: to publish, or to cosign.
    OtherRole {
        /// What the user calls the key.
        key_name: String,
        /// What the key may do.
        role: KeyRole,
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
        /// Whether the rotation was accepted before; the user's decision is enough then.
        accepted: bool,
    },
}

impl Standing {
    /// The error that a policy which demands a trusted signer ends in.
    #[must_use]
    pub fn refusal(&self, signer: &Signer) -> Option<VerifyError> {
        let key = signer.key;
        match self {
            Self::Trusted { .. } => None,
            Self::Untrusted => {
                Some(VerifyError::Untrusted { key, developer: signer.developer.name().to_owned() })
            }
            Self::TrustExpired { key_name, at, .. } => {
                Some(VerifyError::TrustExpired { key, key_name: key_name.clone(), at: at.clone() })
            }
            Self::OtherPlugins { key_name, .. } => {
                Some(VerifyError::OtherPlugins { key, key_name: key_name.clone() })
            }
            Self::OtherRole { key_name, role } => {
                Some(VerifyError::OtherRole { key, key_name: key_name.clone(), role: *role })
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
            | Self::OtherPlugins { key_name, .. }
            | Self::OtherRole { key_name, .. } => Some(key_name),
            Self::Untrusted
            | Self::Superseded { .. }
            | Self::NotYetActive { .. }
            | Self::FromCompromised { .. } => None,
        }
    }

    /// Highest risk of a capability that the user lets plugins of the key have, or did while it was trusted; `None` sets no limit.
    #[must_use]
    pub const fn max_risk(&self) -> Option<Risk> {
        match self {
            Self::Trusted { max_risk, .. }
            | Self::TrustExpired { max_risk, .. }
            | Self::OtherPlugins { max_risk, .. } => *max_risk,
            Self::Untrusted
            | Self::OtherRole { .. }
            | Self::Superseded { .. }
            | Self::NotYetActive { .. }
            | Self::FromCompromised { .. } => None,
        }
    }

    /// Whether the user's trust holds for what the key did here.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        match self {
            Self::Trusted { .. } => true,
            Self::Untrusted
            | Self::TrustExpired { .. }
            | Self::OtherPlugins { .. }
            | Self::OtherRole { .. }
            | Self::Superseded { .. }
            | Self::NotYetActive { .. }
            | Self::FromCompromised { .. } => false,
        }
    }

    /// Whether a signature counts for anything, whatever the policy: the signer's own word that the key signs no more holds, and
    /// so does the user's about what it is for.
    #[must_use]
    pub(crate) const fn may_count(&self) -> bool {
        match self {
            Self::Superseded { .. } | Self::OtherRole { .. } => false,
            Self::Trusted { .. }
            | Self::Untrusted
            | Self::TrustExpired { .. }
            | Self::OtherPlugins { .. }
            | Self::NotYetActive { .. }
            | Self::FromCompromised { .. } => true,
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
            Self::OtherRole { .. } => "other-role",
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
            Self::TrustExpired { key_name, at, .. } => {
                format!("trust in `{}` ended at {at}", escape::terminal(key_name))
            }
            Self::OtherPlugins { key_name, .. } => {
                format!("`{}` is trusted for other plugins", escape::terminal(key_name))
            }
            Self::OtherRole { key_name, role } => {
                format!("`{}` is trusted to {role} only", escape::terminal(key_name))
            }
            Self::Superseded { by, since } => format!("superseded since {since} by {by}"),
            Self::NotYetActive { old, from } => format!("follows from {old}, but only from {from} on"),
            Self::FromCompromised { old, accepted: true } => {
                format!("follows from {old}, which was revoked; needs your approval")
            }
            Self::FromCompromised { old, accepted: false } => {
                format!("follows from {old}, which was revoked before it was known to pass on")
            }
        }
    }
}

/// What is known of a plugin when it is found out where its signers stand.
pub(super) struct About<'a> {
    /// Its name, if that is signed.
    pub(super) signed_name: Option<PluginName>,
    /// Its version, if that is signed.
    pub(super) version: Option<String>,
    /// What was seen under the name that it is called by.
    pub(super) pin: Option<&'a Pin>,
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

    /// Finds out where everybody stands who signed.
    pub(super) fn with_standings(
        &self,
        step: &mut Step,
        lineage: &Lineage<'_>,
        document: SignatureDocument,
        statements: Statements,
        about: &About<'_>,
    ) -> CheckedSignature {
        let Statements { publisher: statement, cosigners } = statements;
        let signer = &document.signer;
        let stated_at = statement.as_ref().map(|statement| &statement.signed_at);
        let publishes = Act::Publish(about.signed_name.as_ref());
        let (standing, entry) = self.standing(lineage, &signer.public_key, publishes, stated_at);
        self.record(step, &signer.public_key, &standing, entry);
        let cosigner = |(cosignature, statement): (&Cosignature, CosignerStatement)| {
            let (key, act) = (cosignature.public_key, Act::Cosign(about.signed_name.as_ref()));
            let (standing, entry) = self.standing(lineage, &key, act, Some(&statement.signed_at));
            let standing = self.unless_it_comes_late(standing, lineage, &key, about);
            self.record(step, &key, &standing, entry);
            CheckedCosigner { key, statement, standing }
        };
        let cosigners = document.cosignatures.iter().zip(cosigners).map(cosigner).collect();
        CheckedSignature { document, statement, standing, cosigners }
    }

    /// Where one signer stands, and the entry that says so.
    fn standing(
        &self,
        lineage: &Lineage<'_>,
        key: &PublicKey,
        act: Act<'_>,
        stated_at: Option<&UtcTime>,
    ) -> (Standing, Option<&'a TrustedKey>) {
        let done = match stated_at {
            _ if self.runs => Done::Before,
            Some(at) => Done::AsStated(at),
            None => Done::Unknown,
        };
        self.trust.standing(lineage, key, act, done, self.now)
    }

    /// The standing of a cosigner. The date of its statement is its word alone, so a key that has passed on endorses nothing new
    /// of a plugin that is known.
    fn unless_it_comes_late(
        &self,
        standing: Standing,
        lineage: &Lineage<'_>,
        key: &PublicKey,
        about: &About<'_>,
    ) -> Standing {
        let Some(pin) = about.pin.filter(|_| !self.runs && standing.may_count()) else { return standing };
        match self.cosigner_passed_on_before(lineage, key, about.version.as_deref(), pin) {
            Some(link) => Standing::Superseded { by: link.new, since: link.valid_from.clone() },
            None => standing,
        }
    }

    fn record(&self, step: &mut Step, key: &PublicKey, standing: &Standing, entry: Option<&TrustedKey>) {
        let in_words = standing.in_words(key);
        // Recording a step that cannot fail loses nothing.
        let _ = step.run(Check::Signer, |step| {
            step.about(key);
            step.by(entry.and_then(|entry| self.trust.source_of_key(entry)));
            if standing.is_trusted() {
                step.found(in_words)
            } else {
                step.noted(in_words)
            }
            Ok(())
        });
    }

    /// The trusted lines of keys behind those who signed, each once. A signer without a statement is none of them.
    pub(super) fn trusted_signers(
        &self,
        lineage: &Lineage<'_>,
        signature: &CheckedSignature,
    ) -> Vec<TrustedSigner> {
        let mut trusted: Vec<TrustedSigner> = Vec::new();
        for (signer, standing) in signature.signers() {
            if !standing.is_trusted() || !signer.authenticated {
                continue;
            }
            let origin = lineage.origin(&signer.key);
            let mut keys = vec![signer.key];
            keys.extend(self.trust.descent(lineage, &signer.key, self.now).predecessors());
            match trusted.iter_mut().find(|signer| signer.origin == origin) {
                Some(known) => known.keys.extend(keys),
                None => trusted.push(TrustedSigner { origin, keys }),
            }
        }
        trusted
    }

    /// Whether the policy lets in what is signed as this is.
    pub(super) fn check_policy(
        &self,
        step: &mut Step,
        signature: &CheckedSignature,
    ) -> Result<(), VerifyError> {
        step.by(self.policy.signature_source.clone());
        step.found(self.policy.signature.in_words());
        let refusal = signature.standing().refusal(&signature.publisher());
        match (self.policy.signature, refusal) {
            (_, None) => Ok(()),
            (SignaturePolicy::TrustedSigner, Some(refusal)) => Err(refusal),
            // The signer's own word that this key signs no more holds whoever is trusted, and so does the user's that this key
            // publishes nothing.
            (_, Some(refusal @ (VerifyError::KeySuperseded { .. } | VerifyError::OtherRole { .. }))) => {
                Err(refusal)
            }
            (SignaturePolicy::AnySigner | SignaturePolicy::AcceptUnsigned, Some(_)) => Ok(()),
        }
    }
}
