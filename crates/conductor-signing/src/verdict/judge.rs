//! Decides whether a plugin is let in, by checks in a fixed order.
//!
//! 1. The file's digest is not revoked.
//! 2. There is a document, and it is well-formed.
//! 3. The document is about these bytes.
//! 4. Every signature in the document is valid for its place: a cosigner's signature is valid in no other place.
//! 5. Every statement is well-formed and agrees with the document, the file and the other statements; every cosigner
//!    endorses this publisher.
//! 6. The manifest is sound and agrees with the statements.
//! 7. No signing key is revoked.
//! 8. No statement has expired or asks for a newer host.
//! 9. The signer's statement is there, if the policy or the pin of this plugin demands one.
//! 10. Rotations that come with the plugin are sound and do not contradict the accepted rotations.
//! 11. The standing of each signer with the user; this check refuses nobody.
//! 12. The signer satisfies the policy, and is not a key that the user trusts only to cosign.
//! 13. The signer is the publisher that the plugin's name is pinned to, or follows from that key by rotation.
//! 14. Every key that the statement or the pin demands has signed.
//! 15. The version is not below the highest that was loaded.
//! 16. Every rule about the number of signers is satisfied.
//!
//! Where the policy accepts unsigned plugins, a plugin that fails one of checks 2 to 15 counts as unsigned, unless it
//! was revoked.

mod continuity;
mod signature;
mod signers;

use conductor_abi::{CapabilityRequest, Manifest};
use conductor_store::UtcTime;
use jiff::Timestamp;

use self::signers::About;
use crate::document::Statement;
use crate::text::{NameError, PluginName};
use crate::trust::{Continuity, TrustStore};
use crate::verdict::admission::{Admission, Decision};
use crate::verdict::checked_signature::CheckedSignature;
use crate::verdict::checks::{Check, Trail};
use crate::verdict::error::VerifyError;
use crate::verdict::plugin_file::PluginFile;
use crate::verdict::policy::{SignaturePolicy, VerificationPolicy};
use crate::verdict::signer_count::{self, TrustedSigner};

impl PluginFile {
    /// Decides about the file at this moment, as loading would.
    #[must_use]
    pub fn judge(&self, policy: &VerificationPolicy, trust: &TrustStore) -> Decision {
        judge(self, policy, trust, UtcTime::now().timestamp())
    }

    /// Decides at this moment about a file that was let in before and runs. The file was signed before anything that
    /// was learnt since, so what later loads have shown about its name or its key does not end it.
    ///
    /// # Errors
    ///
    /// Fails with the first reason for which the plugin must stop.
    pub fn judge_running(
        &self,
        policy: &VerificationPolicy,
        trust: &TrustStore,
    ) -> Result<Admission, VerifyError> {
        judge_running(self, policy, trust, UtcTime::now().timestamp())
    }
}

/// The input of the checks.
struct Question<'a> {
    file: &'a PluginFile,
    policy: &'a VerificationPolicy,
    trust: &'a TrustStore,
    now: Timestamp,
    /// Whether the plugin was let in before and runs.
    runs: bool,
}

/// Runs the checks on a file as of `now`.
fn judge(file: &PluginFile, policy: &VerificationPolicy, trust: &TrustStore, now: Timestamp) -> Decision {
    let mut trail = Trail::default();
    let mut signature = None;
    let outcome = Question { file, policy, trust, now, runs: false }.decide(&mut trail, &mut signature);
    Decision { steps: trail.finish(), signature, outcome }
}

/// Runs the checks on a file of a running plugin.
fn judge_running(
    file: &PluginFile,
    policy: &VerificationPolicy,
    trust: &TrustStore,
    now: Timestamp,
) -> Result<Admission, VerifyError> {
    Question { file, policy, trust, now, runs: true }.decide(&mut Trail::default(), &mut None)
}

impl Question<'_> {
    /// The result of a check, except that a running plugin is not refused for what was learnt since it was let in.
    fn unless_it_runs(&self, found: Result<(), VerifyError>) -> Result<(), VerifyError> {
        match found {
            Err(refusal) if self.runs && !refusal.ends_what_runs() => Ok(()),
            found => found,
        }
    }

    fn decide(
        &self,
        trail: &mut Trail,
        found: &mut Option<CheckedSignature>,
    ) -> Result<Admission, VerifyError> {
        trail.run(Check::DigestRevocation, |step| self.check_revoked_digest(step))?;
        let accepts_unsigned = match self.policy.signature {
            SignaturePolicy::AcceptUnsigned => true,
            SignaturePolicy::AnySigner | SignaturePolicy::TrustedSigner => false,
        };
        let (vouched, ignored) = match self.vouched(trail, found) {
            Ok(vouched) => (Some(vouched), None),
            Err(error) if accepts_unsigned && !error.is_revocation() => (None, Some(error)),
            Err(error) => return Err(error),
        };
        let manifest = self.file.manifest().ok().flatten();
        let statement = vouched.as_ref().and_then(|vouched| vouched.signature.statement());
        let names = Names::of(self.file, manifest.as_ref(), statement);
        let declared = declared(manifest.as_ref(), statement);
        let trusted_signers = vouched.as_ref().map_or(&[][..], |vouched| &vouched.trusted_signers).to_vec();
        let unmet_rules = trail.run(Check::Rules, |step| {
            signer_count::check(
                step,
                &self.policy.rules,
                names.name.as_ref().ok(),
                declared,
                &trusted_signers,
            )
        })?;
        let (signature, continuity) = match vouched {
            Some(Vouched { signature, continuity, .. }) => (Some(signature), continuity),
            None => (None, None),
        };
        Ok(Admission {
            signature,
            ignored: ignored.filter(|error| !matches!(error, VerifyError::NoSignature { .. })),
            name: names.name,
            name_without_statement: names.without_statement,
            continuity,
            unmet_rules,
            trusted_signers,
        })
    }

    /// Checks 2 to 15, which decide whether somebody vouches for the plugin.
    fn vouched(
        &self,
        trail: &mut Trail,
        found: &mut Option<CheckedSignature>,
    ) -> Result<Vouched, VerifyError> {
        let document = trail.run(Check::Document, |step| self.document(step))?;
        trail.run(Check::Subject, |step| self.check_subject(step, &document))?;
        trail.run(Check::Signatures, |step| self.check_signatures(step, &document))?;
        let statements = trail.run(Check::Statements, |step| self.statements(step, &document))?;
        let manifest = trail.run(Check::Manifest, |step| self.check_manifest(step, &statements))?;
        trail.run(Check::KeyRevocation, |step| self.check_revoked_keys(step, &document))?;
        trail.run(Check::Validity, |step| self.check_validity(step, &statements))?;
        trail.run(Check::StatementRequirement, |step| {
            let statement = statements.publisher.as_ref();
            self.unless_it_runs(self.check_may_lack_statement(step, manifest.as_ref(), statement))
        })?;
        let chain = self.file.rotation();
        let lineage = trail.run(Check::Rotation, |step| self.lineage(step, chain.as_ref()))?;
        let publisher = statements.publisher.as_ref();
        let names = Names::of(self.file, manifest.as_ref(), publisher);
        let about = About {
            signed_name: signed_name(manifest.as_ref(), publisher),
            version: signed_version(manifest.as_ref(), publisher).map(str::to_owned),
            pin: names.name.as_ref().ok().and_then(|name| self.trust.pin(name)),
        };
        let signature = trail.run(Check::Signers, |step| {
            Ok(self.with_standings(step, &lineage, document, statements, &about))
        })?;
        *found = Some(signature.clone());
        trail.run(Check::Policy, |step| self.check_policy(step, &signature))?;
        let version = signed_version(manifest.as_ref(), signature.statement());
        let continuity = match &names.name {
            Ok(name) => Some(self.continuity(trail, &lineage, &signature, name, version)?),
            Err(_) => None,
        };
        let trusted_signers = self.trusted_signers(&lineage, &signature);
        Ok(Vouched { signature, continuity, trusted_signers })
    }
}

/// A signature that passed checks 2 to 15, and what to remember of it.
struct Vouched {
    signature: CheckedSignature,
    continuity: Option<Continuity>,
    trusted_signers: Vec<TrustedSigner>,
}

/// The names of a plugin.
struct Names {
    name: Result<PluginName, NameError>,
    without_statement: Option<PluginName>,
}

impl Names {
    fn of(file: &PluginFile, manifest: Option<&Manifest>, statement: Option<&Statement>) -> Self {
        let bare =
            signed_name(manifest, None).map_or_else(|| PluginName::from_file_name(&file.file_name), Ok);
        let name = signed_name(manifest, statement).map_or_else(|| bare.clone(), Ok);
        Self { name, without_statement: bare.ok() }
    }
}

/// The name that a signature covers: the manifest's, which is part of the signed file, or that of the signed statement.
pub(crate) fn signed_name(manifest: Option<&Manifest>, statement: Option<&Statement>) -> Option<PluginName> {
    let stated = || statement.and_then(|statement| statement.plugin_name.clone());
    manifest.and_then(|manifest| manifest.name.parse().ok()).or_else(stated)
}

/// The version that a signature covers.
pub(crate) fn signed_version<'a>(
    manifest: Option<&'a Manifest>,
    statement: Option<&'a Statement>,
) -> Option<&'a str> {
    let stated = || statement.and_then(|statement| statement.plugin_version.as_deref());
    manifest.map(|manifest| manifest.version.as_str()).or_else(stated)
}

/// The capabilities that a plugin declares in its manifest or statement; `None` if it has neither.
fn declared<'a>(
    manifest: Option<&'a Manifest>,
    statement: Option<&'a Statement>,
) -> Option<&'a [CapabilityRequest]> {
    let stated = || statement.and_then(|statement| statement.capabilities.as_deref());
    manifest.map(|manifest| manifest.capabilities.as_slice()).or_else(stated)
}
