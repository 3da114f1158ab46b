//! Whether the document is valid for the file, whoever signed it.

use conductor_abi::Manifest;
use conductor_store::UtcTime;

use super::{Question, signed_name, signed_version};
use crate::document::{
    COSIGNATURE_PAYLOAD_TYPE, Cosignature, CosignerStatement, Endorsement, PAYLOAD_TYPE, SignatureDocument,
    Statement, dsse,
};
use crate::key::PublicKey;
use crate::text::{HostVersion, PluginName};
use crate::verdict::checks::Step;
use crate::verdict::error::VerifyError;
use crate::verdict::policy::RequireStatement;

impl Question<'_> {
    /// Refuses a file whose digest was revoked, under every policy.
    pub(super) fn check_revoked_digest(&self, step: &mut Step) -> Result<(), VerifyError> {
        let digest = self.file.digest;
        step.found(format_args!("digest {digest}"));
        match self.trust.revoked_digest(&digest) {
            Some(revocation) => {
                step.by(self.trust.source_of_revocation(revocation));
                Err(VerifyError::DigestRevoked { digest, revocation: Box::new(revocation.clone()) })
            }
            None => Ok(()),
        }
    }

    pub(super) fn document(&self, step: &mut Step) -> Result<SignatureDocument, VerifyError> {
        let missing = || VerifyError::NoSignature { file_name: self.file.file_name.clone() };
        let document = self.file.document()?.ok_or_else(missing)?;
        match document.cosignatures.len() {
            0 => step.found("1 signer"),
            count => step.found(format_args!("{} signers", count + 1)),
        }
        Ok(document)
    }

    /// Checks that the document is about these bytes.
    pub(super) fn check_subject(
        &self,
        step: &mut Step,
        document: &SignatureDocument,
    ) -> Result<(), VerifyError> {
        let (signed, found) = (document.plugin_hash, self.file.digest);
        if signed != found {
            return Err(VerifyError::HashMismatch { signed, found });
        }
        let (signed, found) = (document.plugin_size, self.file.size);
        if signed != found {
            return Err(VerifyError::SizeMismatch { signed, found });
        }
        step.found(format_args!("{found} bytes, SHA-256 as signed"));
        Ok(())
    }

    pub(super) fn check_signatures(
        &self,
        step: &mut Step,
        document: &SignatureDocument,
    ) -> Result<(), VerifyError> {
        let mut seen: Vec<&PublicKey> = Vec::new();
        for key in document.keys() {
            if seen.contains(&key) {
                return Err(VerifyError::SignerRepeated { key: *key });
            }
            seen.push(key);
        }
        let Endorsement { public_key: key, signature, statement, .. } = &document.signer;
        if !key.accepts(self.file.digest.as_bytes(), signature) {
            return Err(VerifyError::SignatureInvalid { key: *key });
        }
        if let Some(signed) = statement
            && !dsse::accepts(key, PAYLOAD_TYPE, &signed.bytes, &signed.signature)
        {
            return Err(VerifyError::StatementSignatureInvalid { key: *key });
        }
        for Cosignature { public_key: key, statement: signed } in &document.cosignatures {
            if !dsse::accepts(key, COSIGNATURE_PAYLOAD_TYPE, &signed.bytes, &signed.signature) {
                return Err(VerifyError::CosignatureInvalid { key: *key });
            }
        }
        step.found("the publisher signed these bytes, and everybody their statement");
        Ok(())
    }

    /// The statements of all signers.
    pub(super) fn statements(
        &self,
        step: &mut Step,
        document: &SignatureDocument,
    ) -> Result<Statements, VerifyError> {
        let publisher = self.statement_of(&document.signer)?;
        let of = |cosignature| self.cosigner_statement(document, cosignature);
        let cosigners: Vec<CosignerStatement> =
            document.cosignatures.iter().map(of).collect::<Result<_, _>>()?;
        let statements = Statements { publisher, cosigners };
        match (&statements.publisher, statements.cosigners.len()) {
            (None, 0) => step.not_applicable("none: name, date and developer are nobody's word"),
            (None, count) => {
                step.found(format_args!(
                    "{count}, none by the publisher: its date and developer are nobody's word"
                ));
            }
            (Some(_), count) => step.found(format_args!("{} of {}", count + 1, count + 1)),
        }
        Ok(statements)
    }

    /// Parses the statement of an endorsement whose signatures are valid, and compares it with file and document.
    fn statement_of(&self, endorsement: &Endorsement) -> Result<Option<Statement>, VerifyError> {
        let key = endorsement.public_key;
        let Some(signed) = &endorsement.statement else { return Ok(None) };
        let statement =
            Statement::parse(&signed.bytes).map_err(|cause| VerifyError::Statement { key, cause })?;
        let disagrees = |field| VerifyError::StatementDisagrees { key, field };
        if statement.plugin_hash != self.file.digest {
            return Err(disagrees("plugin_hash"));
        }
        if statement.plugin_size != self.file.size {
            return Err(disagrees("plugin_size"));
        }
        if statement.developer != endorsement.developer {
            return Err(disagrees("developer"));
        }
        if statement.signed_at != endorsement.signed_at {
            return Err(disagrees("signed_at"));
        }
        Ok(Some(statement))
    }

    /// Parses the statement of a valid cosignature, and compares it with the file and the publisher.
    fn cosigner_statement(
        &self,
        document: &SignatureDocument,
        cosignature: &Cosignature,
    ) -> Result<CosignerStatement, VerifyError> {
        let (key, publisher) = (cosignature.public_key, document.signer.public_key);
        let statement = CosignerStatement::parse(&cosignature.statement.bytes)
            .map_err(|cause| VerifyError::Statement { key, cause })?;
        if statement.plugin_hash != self.file.digest {
            return Err(VerifyError::StatementDisagrees { key, field: "plugin_hash" });
        }
        if statement.endorses != publisher {
            return Err(VerifyError::EndorsesAnother { key, endorsed: statement.endorses, publisher });
        }
        Ok(statement)
    }

    /// Compares the statements with the manifest and with each other. Members of the publisher's statement that are
    /// `null` state nothing. A cosigner's statement gives the same name and version as the publisher's, or none. A file
    /// that is not a sound module has no manifest: its signature may be valid, and loading refuses the file.
    pub(super) fn check_manifest(
        &self,
        step: &mut Step,
        statements: &Statements,
    ) -> Result<Option<Manifest>, VerifyError> {
        let manifest = match self.file.manifest() {
            Ok(Some(manifest)) => {
                step.found(format_args!("{} {}", manifest.name, manifest.version));
                Some(manifest)
            }
            Ok(None) => {
                step.not_applicable("the module has none");
                None
            }
            Err(error) if error.is_about_module() => {
                step.noted(format_args!("{error}; no Conductor will load it"));
                None
            }
            Err(error) => return Err(error.into()),
        };
        if let (Some(manifest), Some(statement)) = (&manifest, &statements.publisher) {
            check_manifest_agrees(manifest, statement)?;
        }
        self.check_cosigners_agree(manifest.as_ref(), statements)?;
        Ok(manifest)
    }

    /// Checks that cosigners endorse what the publisher states, and do not state something else about the same bytes.
    fn check_cosigners_agree(
        &self,
        manifest: Option<&Manifest>,
        statements: &Statements,
    ) -> Result<(), VerifyError> {
        let publisher = statements.publisher.as_ref();
        let name = signed_name(manifest, publisher)
            .or_else(|| PluginName::from_file_name(&self.file.file_name).ok());
        let version = signed_version(manifest, publisher);
        for cosigner in &statements.cosigners {
            if cosigner.plugin_name.is_some() && cosigner.plugin_name != name {
                return Err(VerifyError::CosignerDisagrees { field: "plugin_name" });
            }
            if cosigner.plugin_version.is_some() && cosigner.plugin_version.as_deref() != version {
                return Err(VerifyError::CosignerDisagrees { field: "plugin_version" });
            }
        }
        Ok(())
    }

    pub(super) fn check_revoked_keys(
        &self,
        step: &mut Step,
        document: &SignatureDocument,
    ) -> Result<(), VerifyError> {
        for key in document.keys() {
            if let Some(revocation) = self.trust.revoked_key(key) {
                step.by(self.trust.source_of_revocation(revocation));
                return Err(VerifyError::KeyRevoked { key: *key, revocation: Box::new(revocation.clone()) });
            }
        }
        Ok(())
    }

    pub(super) fn check_validity(&self, step: &mut Step, statements: &Statements) -> Result<(), VerifyError> {
        step.found("no end and no oldest host is stated");
        for (expires_at, min_host_version) in statements.limits() {
            if let Some(at) = expires_at {
                if at.is_past(self.now) {
                    return Err(VerifyError::Expired { at: at.clone() });
                }
                step.found(format_args!("until {at}"));
            }
            match min_host_version {
                Some(needed) if needed > HostVersion::current() => {
                    return Err(VerifyError::HostTooOld { needed });
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Checks whether the signature may lack a statement. Without a statement, the plugin has the name in its manifest
    /// or, without a manifest, the name of its file.
    pub(super) fn check_may_lack_statement(
        &self,
        step: &mut Step,
        manifest: Option<&Manifest>,
        statement: Option<&Statement>,
    ) -> Result<(), VerifyError> {
        let requirement = self.policy.statement;
        step.by(self.policy.statement_source.clone());
        step.found(format_args!("require_statement = \"{requirement}\""));
        match (requirement, statement) {
            (RequireStatement::Never, _) | (_, Some(_)) => Ok(()),
            (RequireStatement::Always, None) => {
                Err(VerifyError::StatementMissing { file_name: self.file.file_name.clone() })
            }
            (RequireStatement::OnceSeen, None) => {
                let name = signed_name(manifest, None)
                    .or_else(|| PluginName::from_file_name(&self.file.file_name).ok());
                let seen = name.and_then(|name| {
                    let pin = self.trust.pin(&name)?;
                    Some((pin, pin.statement_seen_at().cloned()?, name))
                });
                match seen {
                    Some((pin, seen_at, name)) => {
                        step.by(self.trust.source_of_pin(pin));
                        Err(VerifyError::StatementStripped { name, seen_at })
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

/// The statements of the publisher and the cosigners.
pub(super) struct Statements {
    pub(super) publisher: Option<Statement>,
    pub(super) cosigners: Vec<CosignerStatement>,
}

impl Statements {
    /// Expiry and oldest host version of each statement.
    fn limits(&self) -> impl Iterator<Item = (Option<&UtcTime>, Option<HostVersion>)> {
        let publisher =
            self.publisher.iter().map(|stated| (stated.expires_at.as_ref(), stated.min_host_version));
        let cosigners =
            self.cosigners.iter().map(|stated| (stated.expires_at.as_ref(), stated.min_host_version));
        publisher.chain(cosigners)
    }
}

fn check_manifest_agrees(manifest: &Manifest, statement: &Statement) -> Result<(), VerifyError> {
    let field = if statement.plugin_name.as_ref().is_some_and(|name| name.as_str() != manifest.name) {
        "plugin_name"
    } else if statement.plugin_version.as_ref().is_some_and(|version| *version != manifest.version) {
        "plugin_version"
    } else if statement.capabilities.as_ref().is_some_and(|list| *list != manifest.capabilities) {
        "capabilities"
    } else {
        return Ok(());
    };
    Err(VerifyError::ManifestDisagrees { field })
}
