//! Whether a plugin is let in, in a fixed order of checks.
//!
//! 1. The digest is not revoked.
//! 2. There is a document, and it is well-formed.
//! 3. It is about these bytes.
//! 4. Every signature in it is valid.
//! 5. Every statement is well-formed and agrees with the document, the file and the other statements.
//! 6. The manifest is sound and agrees.
//! 7. No signing key is revoked.
//! 8. No statement has expired or asks for a newer host.
//! 9. The signer's statement is there if the requirement, or the pin of this plugin, demands one.
//! 10. Rotations that come with the plugin are sound and do not contradict those that were accepted.
//! 11. Where each signer stands with the user; this refuses nobody.
//! 12. The policy is satisfied with the signer.
//! 13. The signer is the publisher that the plugin's name is pinned to, or follows from it by rotation.
//! 14. Everybody has signed whom the statement or the pin demands.
//! 15. The version is not below the highest that was loaded.
//! 16. Every rule about the number of signers is satisfied.
//!
//! Where the policy accepts unsigned plugins, one whose checks 2 to 15 fail counts as unsigned, unless it was revoked.

mod continuity;
mod error;
mod rules;
mod signature;
mod standing;

use conductor_abi::{CapabilityRequest, Manifest};
use jiff::Timestamp;

pub(crate) use continuity::Continuity;
pub use error::VerifyError;
pub(crate) use rules::{TrustedSigner, refusal_of_declared};
pub use standing::Standing;

use crate::decision::{Check, Decision, Trail};
use crate::document::{Cosignature, SignatureDocument};
use crate::plugin_file::PluginFile;
use crate::{NameError, PluginName, SignaturePolicy, SignerRule, Statement, TrustStore, VerificationPolicy};

/// A signature document that holds for the file it was checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedSignature {
    document: SignatureDocument,
    statement: Option<Statement>,
    standing: Standing,
    cosigner_standings: Vec<Standing>,
}

impl CheckedSignature {
    /// The document. Without a statement, its date and developer are nobody's word.
    #[must_use]
    pub const fn document(&self) -> &SignatureDocument {
        &self.document
    }

    /// What the signer states.
    #[must_use]
    pub const fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }

    /// Where the signer stands with the user.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Takes the check apart.
    pub(crate) fn into_parts(self) -> (SignatureDocument, Option<Statement>) {
        (self.document, self.statement)
    }

    /// Everybody who signed, the signer first, and where they stand with the user.
    pub fn signers(&self) -> impl Iterator<Item = (&Cosignature, &Standing)> {
        let standings = std::iter::once(&self.standing).chain(&self.cosigner_standings);
        self.document.endorsements().zip(standings)
    }
}

/// What a plugin was let in as.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    pub(crate) signature: Option<CheckedSignature>,
    pub(crate) ignored: Option<VerifyError>,
    pub(crate) name: Result<PluginName, NameError>,
    pub(crate) name_without_statement: Option<PluginName>,
    pub(crate) continuity: Option<Continuity>,
    pub(crate) unmet_rules: Vec<SignerRule>,
    pub(crate) trusted_signers: Vec<TrustedSigner>,
}

/// What the checks need, gathered.
pub(crate) struct Question<'a> {
    pub(crate) file: &'a PluginFile,
    pub(crate) policy: &'a VerificationPolicy,
    pub(crate) trust: &'a TrustStore,
    pub(crate) now: Timestamp,
}

/// Runs the checks on a file as of `now`.
pub(crate) fn judge(
    file: &PluginFile,
    policy: &VerificationPolicy,
    trust: &TrustStore,
    now: Timestamp,
) -> Decision {
    let mut trail = Trail::default();
    let mut signature = None;
    let outcome = Question { file, policy, trust, now }.decide(&mut trail, &mut signature);
    Decision { steps: trail.finish(), signature, outcome }
}

impl Question<'_> {
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
        let trusted_signers =
            vouched.as_ref().map_or(Vec::new(), |vouched| vouched.signature.trusted_signers());
        let declared = declared(manifest.as_ref(), statement);
        let unmet_rules = trail.run(Check::Rules, |step| {
            rules::check(step, &self.policy.rules, names.name.as_ref().ok(), declared, &trusted_signers)
        })?;
        let (signature, continuity) = match vouched {
            Some(Vouched { signature, continuity }) => (Some(signature), continuity),
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

    /// Checks 2 to 15: what it takes for somebody to have vouched for the plugin.
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
        let statement = statements.into_iter().next().flatten();
        trail.run(Check::StatementRequirement, |step| {
            self.check_may_lack_statement(step, manifest.as_ref(), statement.as_ref())
        })?;
        let chain = self.file.rotation();
        let lineage = trail.run(Check::Rotation, |step| self.lineage(step, chain.as_ref()))?;
        let signed_name = signed_name(manifest.as_ref(), statement.as_ref());
        let standings = trail.run(Check::Signers, |step| {
            Ok(self.standings(step, &lineage, &document, signed_name.as_ref()))
        })?;
        let mut standings = standings.into_iter();
        let standing = standings.next().unwrap_or(Standing::Untrusted);
        let cosigner_standings = standings.collect();
        let signature = CheckedSignature { document, statement, standing, cosigner_standings };
        *found = Some(signature.clone());
        trail.run(Check::Policy, |step| self.check_policy(step, &signature))?;
        let names = Names::of(self.file, manifest.as_ref(), signature.statement());
        let version = version(manifest.as_ref(), signature.statement());
        let continuity = match &names.name {
            Ok(name) => Some(self.continuity(trail, &lineage, &signature, name, version)?),
            Err(_) => None,
        };
        Ok(Vouched { signature, continuity })
    }
}

/// A signature that is good enough, and what is to be remembered of it.
struct Vouched {
    signature: CheckedSignature,
    continuity: Option<Continuity>,
}

/// What a plugin is called.
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

/// The name that a signature covers: the manifest is part of the signed file, the statement is signed itself.
fn signed_name(manifest: Option<&Manifest>, statement: Option<&Statement>) -> Option<PluginName> {
    let stated = || statement.and_then(|statement| statement.plugin_name.clone());
    manifest.and_then(|manifest| manifest.name.parse().ok()).or_else(stated)
}

/// The version that a signature covers.
fn version<'a>(manifest: Option<&'a Manifest>, statement: Option<&'a Statement>) -> Option<&'a str> {
    let stated = || statement.and_then(|statement| statement.plugin_version.as_deref());
    manifest.map(|manifest| manifest.version.as_str()).or_else(stated)
}

/// The capabilities that a plugin is known to declare before it runs; `None` if that is not known.
fn declared<'a>(
    manifest: Option<&'a Manifest>,
    statement: Option<&'a Statement>,
) -> Option<&'a [CapabilityRequest]> {
    let stated = || statement.and_then(|statement| statement.capabilities.as_deref());
    manifest.map(|manifest| manifest.capabilities.as_slice()).or_else(stated)
}
