//! Whether the document holds for the file, whoever signed it.

use conductor_abi::Manifest;

use super::{Question, VerifyError, signed_name};
use crate::decision::Step;
use crate::document::{Cosignature, SignatureDocument};
use crate::dsse::pre_authentication_encoding;
use crate::statement::PAYLOAD_TYPE;
use crate::{HostVersion, PluginName, PublicKey, RequireStatement, Statement};

impl Question<'_> {
    /// Refuses a file whose digest was revoked, whatever the policy.
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

    /// Whether the document speaks of these bytes.
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
        let mut seen: Vec<PublicKey> = Vec::new();
        for Cosignature { public_key: key, signature, statement, .. } in document.endorsements() {
            if seen.contains(key) {
                return Err(VerifyError::SignerRepeated { key: *key });
            }
            seen.push(*key);
            if !key.accepts(self.file.digest.as_bytes(), signature) {
                return Err(VerifyError::SignatureInvalid { key: *key });
            }
            if let Some(signed) = statement
                && !key.accepts(&pre_authentication_encoding(PAYLOAD_TYPE, &signed.bytes), &signed.signature)
            {
                return Err(VerifyError::StatementSignatureInvalid { key: *key });
            }
        }
        step.found("each key signed these bytes, and its statement where it has one");
        Ok(())
    }

    /// The statements of all signers, in their order.
    pub(super) fn statements(
        &self,
        step: &mut Step,
        document: &SignatureDocument,
    ) -> Result<Vec<Option<Statement>>, VerifyError> {
        let statements: Vec<Option<Statement>> = document
            .endorsements()
            .map(|endorsement| self.statement_of(endorsement))
            .collect::<Result<_, _>>()?;
        check_agreement(&statements)?;
        match statements.iter().flatten().count() {
            0 => step.not_applicable("none: name, date and developer are nobody's word"),
            count => step.found(format_args!("{count} of {}", statements.len())),
        }
        Ok(statements)
    }

    /// Parses the statement of an endorsement whose signatures are valid, and holds it against file and document.
    fn statement_of(&self, endorsement: &Cosignature) -> Result<Option<Statement>, VerifyError> {
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

    /// Holds statements against the manifest; members that are `null` say nothing. A file that is no sound module has
    /// no manifest: its signature may hold, and it is refused when it is loaded.
    pub(super) fn check_manifest(
        &self,
        step: &mut Step,
        statements: &[Option<Statement>],
    ) -> Result<Option<Manifest>, VerifyError> {
        let manifest = match self.file.manifest() {
            Ok(Some(manifest)) => manifest,
            Ok(None) => {
                step.not_applicable("the module has none");
                return Ok(None);
            }
            Err(error) if error.is_about_module() => {
                step.noted(format_args!("{error}; no Conductor will load it"));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        for statement in statements.iter().flatten() {
            let field = if statement.plugin_name.as_ref().is_some_and(|name| name.as_str() != manifest.name) {
                "plugin_name"
            } else if statement.plugin_version.as_ref().is_some_and(|version| *version != manifest.version) {
                "plugin_version"
            } else if statement.capabilities.as_ref().is_some_and(|list| *list != manifest.capabilities) {
                "capabilities"
            } else {
                continue;
            };
            return Err(VerifyError::ManifestDisagrees { field });
        }
        step.found(format_args!("{} {}", manifest.name, manifest.version));
        Ok(Some(manifest))
    }

    pub(super) fn check_revoked_keys(
        &self,
        step: &mut Step,
        document: &SignatureDocument,
    ) -> Result<(), VerifyError> {
        for Cosignature { public_key: key, .. } in document.endorsements() {
            if let Some(revocation) = self.trust.revoked_key(key) {
                step.by(self.trust.source_of_revocation(revocation));
                return Err(VerifyError::KeyRevoked { key: *key, revocation: Box::new(revocation.clone()) });
            }
        }
        Ok(())
    }

    pub(super) fn check_validity(
        &self,
        step: &mut Step,
        statements: &[Option<Statement>],
    ) -> Result<(), VerifyError> {
        step.found("no end and no oldest host is stated");
        for statement in statements.iter().flatten() {
            if let Some(at) = &statement.expires_at {
                if at.is_past(self.now) {
                    return Err(VerifyError::Expired { at: at.clone() });
                }
                step.found(format_args!("until {at}"));
            }
            match statement.min_host_version {
                Some(needed) if needed > HostVersion::current() => {
                    return Err(VerifyError::HostTooOld { needed });
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Whether a signature may come without a statement. The plugin is then called as it is when it is loaded: by its
    /// manifest, else by its file.
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

/// Cosigners endorse what the signer states, not something else about the same bytes.
fn check_agreement(statements: &[Option<Statement>]) -> Result<(), VerifyError> {
    let mut stated = statements.iter().flatten();
    let Some(first) = stated.next() else { return Ok(()) };
    for other in stated {
        let field = if other.plugin_name != first.plugin_name {
            "plugin_name"
        } else if other.plugin_version != first.plugin_version {
            "plugin_version"
        } else if other.capabilities != first.capabilities {
            "capabilities"
        } else {
            continue;
        };
        return Err(VerifyError::CosignerDisagrees { field });
    }
    Ok(())
}
