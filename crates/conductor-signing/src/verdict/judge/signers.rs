//! Where each signer stands with the user.

use conductor_store::UtcTime;

use super::Question;
use super::signature::Statements;
use crate::document::{Cosignature, CosignerStatement, SignatureDocument};
use crate::key::PublicKey;
use crate::text::PluginName;
use crate::trust::{Act, Done, Lineage, Pin, RotationChain, RotationError, Standing, TrustedKey};
use crate::verdict::checked_signature::{CheckedCosigner, CheckedSignature};
use crate::verdict::checks::{Check, Step};
use crate::verdict::error::VerifyError;
use crate::verdict::policy::SignaturePolicy;
use crate::verdict::signer::Signer;
use crate::verdict::signer_count::TrustedSigner;

impl Standing {
    /// The error for a signer with this standing, under a policy that demands a trusted signer.
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
}

/// What is known of a plugin when the standing of its signers is determined.
pub(super) struct About<'a> {
    /// The plugin's name, if it is signed.
    pub(super) signed_name: Option<PluginName>,
    /// The plugin's version, if it is signed.
    pub(super) version: Option<String>,
    /// The pin of the name that the plugin has.
    pub(super) pin: Option<&'a Pin>,
}

impl<'a> Question<'a> {
    /// Joins the rotations that came with the plugin to the accepted rotations.
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

    /// Determines the standing of every signer.
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

    /// The standing of one signer, and the entry that decides it.
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

    /// The standing of a cosigner. The date of a cosigner's statement is only the cosigner's claim, so a key that was
    /// rotated cannot endorse a new file of a plugin that was loaded before.
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
        // The action below never fails, so dropping its result loses nothing.
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

    /// The trusted lines of keys of all signers, each line once. A signer without a statement is left out.
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

    /// Checks the publisher's standing against the policy.
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
            // Two refusals stand under every policy: the key's holder has rotated the key, or the user has given the
            // key another role.
            (_, Some(refusal @ (VerifyError::KeySuperseded { .. } | VerifyError::OtherRole { .. }))) => {
                Err(refusal)
            }
            (SignaturePolicy::AnySigner | SignaturePolicy::AcceptUnsigned, Some(_)) => Ok(()),
        }
    }
}
