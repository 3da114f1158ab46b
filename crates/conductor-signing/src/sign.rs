//! Making signature documents.

use conductor_abi::{CapabilityRequest, Manifest};
use conductor_store::{UtcTime, escape};

use crate::document::dsse::pre_authentication_encoding;
use crate::document::statement::plugin_version;
use crate::document::{
    COSIGNATURE_PAYLOAD_TYPE, Cosignature, CosignerStatement, Developer, Endorsement, MAX_COSIGNATURES,
    ModuleError, PAYLOAD_TYPE, SignatureDocument, SignedStatement, Statement, ValueError,
};
use crate::key::{PrivateKey, PrivateKeyError, PublicKey, private_key};
use crate::text::{HostVersion, NameError, PluginName};
use crate::trust::TrustStore;
use crate::verdict::{
    CheckedSignature, DocumentFile, PluginFile, SignaturePolicy, VerifyError, signed_name, signed_version,
};

/// What a signer states beyond the content of the file.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    /// Who signs.
    pub developer: Developer,
    /// Name of a plugin without a manifest; the stem of the file name where absent.
    pub plugin_name: Option<PluginName>,
    /// Version of a plugin without a manifest.
    pub plugin_version: Option<String>,
    /// When the statement expires.
    pub expires_at: Option<UtcTime>,
    /// Oldest version of the host that may load the plugin.
    pub min_host_version: Option<HostVersion>,
    /// Keys that must cosign.
    pub cosigners: Vec<PublicKey>,
}

impl SigningRequest {
    /// A request of a developer that states nothing beyond the content of the file.
    #[must_use]
    pub const fn of(developer: Developer) -> Self {
        Self {
            developer,
            plugin_name: None,
            plugin_version: None,
            expires_at: None,
            min_host_version: None,
            cosigners: Vec::new(),
        }
    }
}

/// What a cosigner states beyond the publisher's statement.
#[derive(Clone, Debug)]
pub struct CosigningRequest {
    /// Who cosigns.
    pub developer: Developer,
    /// When the cosignature expires.
    pub expires_at: Option<UtcTime>,
    /// Oldest version of the host that may load the plugin.
    pub min_host_version: Option<HostVersion>,
}

impl CosigningRequest {
    /// A request of a developer for a cosignature that never expires.
    #[must_use]
    pub const fn of(developer: Developer) -> Self {
        Self { developer, expires_at: None, min_host_version: None }
    }
}

impl PluginFile {
    /// Signs the file as it was read, and verifies the new document.
    ///
    /// # Errors
    ///
    /// Fails if the request contradicts the manifest, the file has no usable name, or the document does not verify.
    pub fn sign(
        &self,
        key: &dyn PrivateKey,
        request: SigningRequest,
    ) -> Result<SignatureDocument, SignError> {
        if let Some(key) = request.cosigners.iter().find(|cosigner| **cosigner == key.public_key()) {
            return Err(SignError::OwnCosigner { key: *key });
        }
        let statement = self.statement(request)?;
        let document = SignatureDocument {
            plugin_hash: self.digest,
            plugin_size: self.size,
            signer: self.endorsement(key, statement)?,
            cosignatures: Vec::new(),
        };
        self.check_new(&document)?;
        Ok(document)
    }

    /// Makes a cosignature of the publisher's release in the document beside the file. [`PluginFile::with_cosignature`]
    /// puts the cosignature into the document. The two are separate because a person may have to be asked between them,
    /// and others may cosign meanwhile.
    ///
    /// # Errors
    ///
    /// Fails if there is no document, if the document is not valid for the file, if the key has signed already, if the
    /// document has as many cosignatures as allowed, or if the key does not sign.
    pub fn endorse(&self, key: &dyn PrivateKey, request: CosigningRequest) -> Result<Cosignature, SignError> {
        let signed = self.held()?;
        let public_key = key.public_key();
        check_room(signed.document(), &public_key)?;
        let manifest = self.sound_manifest()?;
        let stated = signed.statement();
        let statement = CosignerStatement {
            endorses: signed.document().signer.public_key,
            plugin_hash: self.digest,
            plugin_name: signed_name(manifest.as_ref(), stated),
            plugin_version: signed_version(manifest.as_ref(), stated).map(str::to_owned),
            developer: request.developer,
            signed_at: UtcTime::now(),
            expires_at: request.expires_at,
            min_host_version: request.min_host_version,
        };
        let bytes = statement.to_json().map_err(|source| SignError::Encode { source })?;
        let signature =
            private_key::sign(key, &pre_authentication_encoding(COSIGNATURE_PAYLOAD_TYPE, &bytes))?;
        Ok(Cosignature { public_key, statement: SignedStatement { bytes, signature } })
    }

    /// The document beside the file with one more cosignature; the whole document was verified.
    ///
    /// # Errors
    ///
    /// Fails if there is no document, if the cosignature is not valid in it, or if it has as many cosignatures as
    /// allowed.
    pub fn with_cosignature(&self, cosignature: Cosignature) -> Result<SignatureDocument, SignError> {
        let mut document = self.held()?.document().clone();
        check_room(&document, &cosignature.public_key)?;
        document.cosignatures.push(cosignature);
        self.check_new(&document)?;
        Ok(document)
    }

    /// Cosigns the publisher's release, and adds the cosignature to the document under a lock that keeps other writers
    /// away.
    ///
    /// # Errors
    ///
    /// As for [`PluginFile::endorse`] and [`PluginFile::with_cosignature`].
    pub fn cosign(
        &self,
        key: &dyn PrivateKey,
        request: CosigningRequest,
    ) -> Result<SignatureDocument, SignError> {
        self.with_cosignature(self.endorse(key, request)?)
    }

    fn endorsement(&self, key: &dyn PrivateKey, statement: Statement) -> Result<Endorsement, SignError> {
        let bytes = statement.to_json().map_err(|source| SignError::Encode { source })?;
        Ok(Endorsement {
            public_key: key.public_key(),
            signature: private_key::sign(key, self.digest.as_bytes())?,
            signed_at: statement.signed_at,
            developer: statement.developer,
            statement: Some(SignedStatement {
                signature: private_key::sign(key, &pre_authentication_encoding(PAYLOAD_TYPE, &bytes))?,
                bytes,
            }),
        })
    }

    /// The document beside the file, if its signatures are valid, whoever signed it and whichever cosignatures are
    /// still missing.
    ///
    /// # Errors
    ///
    /// Fails with the first reason why the document is not valid.
    pub fn held(&self) -> Result<CheckedSignature, SignError> {
        // Rotations decide whose key is trusted, not whether a signature is valid.
        let bare = Self { rotation: DocumentFile::Absent, ..self.clone() };
        let decision = bare.judge(&SignaturePolicy::AnySigner.into(), &TrustStore::default());
        match (decision.signature(), decision.refusal()) {
            (Some(checked), None | Some(VerifyError::CosignerMissing { .. })) => Ok(checked.clone()),
            (_, Some(cause)) => Err(SignError::Existing { cause: Box::new(cause.clone()) }),
            (None, None) => {
                let file_name = self.file_name.clone();
                Err(SignError::Existing { cause: Box::new(VerifyError::NoSignature { file_name }) })
            }
        }
    }

    /// Verifies a document before it is written.
    fn check_new(&self, document: &SignatureDocument) -> Result<(), SignError> {
        let written = Self { document: DocumentFile::Bytes(document.to_json().into_bytes()), ..self.clone() };
        match written.held() {
            Ok(_) => Ok(()),
            Err(SignError::Existing { cause }) => Err(SignError::SelfCheck { cause }),
            Err(other) => Err(other),
        }
    }

    /// The manifest, if the file is a module. Any other file has no manifest and can be signed as well.
    fn sound_manifest(&self) -> Result<Option<Manifest>, SignError> {
        match self.manifest() {
            Ok(manifest) => Ok(manifest),
            Err(error) if error.is_about_module() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the signer states about this file, from the request and the manifest.
    fn statement(&self, request: SigningRequest) -> Result<Statement, SignError> {
        let (name, version, capabilities): (_, _, Option<Vec<CapabilityRequest>>) =
            match self.sound_manifest()? {
                Some(manifest) => {
                    let name: PluginName = manifest.name.parse()?;
                    if request.plugin_name.is_some_and(|given| given != name) {
                        return Err(SignError::ManifestName { name });
                    }
                    if request.plugin_version.is_some_and(|given| given != manifest.version) {
                        return Err(SignError::ManifestVersion { version: manifest.version });
                    }
                    (name, Some(manifest.version), Some(manifest.capabilities))
                }
                None => {
                    let stem = || PluginName::from_file_name(&self.file_name);
                    (request.plugin_name.map_or_else(stem, Ok)?, request.plugin_version, None)
                }
            };
        let version = version.map(|version| plugin_version(&version)).transpose();
        Ok(Statement {
            plugin_hash: self.digest,
            plugin_size: self.size,
            plugin_name: Some(name),
            plugin_version: version.map_err(|cause| SignError::Version { cause })?,
            capabilities,
            developer: request.developer,
            signed_at: UtcTime::now(),
            expires_at: request.expires_at,
            min_host_version: request.min_host_version,
            cosigners: request.cosigners,
        })
    }
}

/// Checks that a document can take a cosignature of this key.
fn check_room(document: &SignatureDocument, key: &PublicKey) -> Result<(), SignError> {
    if document.keys().any(|signer| signer == key) {
        return Err(SignError::SignedAlready { key: *key });
    }
    if document.cosignatures.len() >= MAX_COSIGNATURES {
        return Err(SignError::TooManySigners);
    }
    Ok(())
}

/// Why a plugin was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The manifest breaks a rule.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The manifest has another name than the one given.
    #[error("the manifest gives the plugin the name `{name}`")]
    ManifestName {
        /// Name in the manifest.
        name: PluginName,
    },
    /// The manifest has another version than the one given.
    #[error("the manifest gives the plugin the version `{}`", escape::terminal(version))]
    ManifestVersion {
        /// Version in the manifest.
        version: String,
    },
    /// The file name gives no name for the plugin.
    #[error("the file name gives no name for the plugin: {0}")]
    Name(#[from] NameError),
    /// The version cannot be stated.
    #[error("plugin version: {cause}")]
    Version {
        /// The rule that the version breaks.
        cause: ValueError,
    },
    /// The statement could not be written as JSON.
    #[error("cannot write the statement as JSON: {source}")]
    Encode {
        /// The cause.
        source: serde_json::Error,
    },
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
    /// A signer is named as a cosigner.
    #[error("key {key} signs and cannot be its own cosigner")]
    OwnCosigner {
        /// The key.
        key: PublicKey,
    },
    /// A key has signed already.
    #[error("key {key} has signed this already")]
    SignedAlready {
        /// The key.
        key: PublicKey,
    },
    /// The document has as many cosignatures as allowed.
    #[error("the document has {MAX_COSIGNATURES} cosignatures, which is as many as it may hold")]
    TooManySigners,
    /// The existing document is not valid for the file.
    #[error("nothing to cosign: {cause}")]
    Existing {
        /// The cause.
        cause: Box<VerifyError>,
    },
    /// The new document does not verify; nothing was written.
    #[error("the new signature does not verify: {cause}")]
    SelfCheck {
        /// The cause.
        cause: Box<VerifyError>,
    },
}

impl SignError {
    /// What to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Name(_) => Some("name the plugin with --plugin-name".to_owned()),
            Self::ManifestName { .. } => {
                Some("leave --plugin-name out; the manifest's name is signed".to_owned())
            }
            Self::ManifestVersion { .. } => {
                Some("leave --plugin-version out; the manifest's version is signed".to_owned())
            }
            Self::SelfCheck { cause } if matches!(**cause, VerifyError::Expired { .. }) => {
                Some("choose a time that lies ahead for --expires-at".to_owned())
            }
            Self::SelfCheck { cause } if matches!(**cause, VerifyError::HostTooOld { .. }) => {
                Some("choose a version that exists for --min-host-version".to_owned())
            }
            Self::Module(_) => {
                Some("correct plugin.toml, then: conductor-sign manifest add --replace".to_owned())
            }
            Self::Existing { cause } => cause.hint(),
            Self::OwnCosigner { .. } | Self::SignedAlready { .. } | Self::TooManySigners => None,
            Self::Version { .. } | Self::Key(_) | Self::Encode { .. } | Self::SelfCheck { .. } => None,
        }
    }
}
