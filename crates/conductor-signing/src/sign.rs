//! Making signature documents.

use conductor_abi::CapabilityRequest;

use crate::document::{Cosignature, MAX_COSIGNATURES, SignatureDocument, SignedStatement};
use crate::dsse::pre_authentication_encoding;
use crate::json::ValueError;
use crate::plugin_file::{DocumentFile, PluginFile};
use crate::statement::{PAYLOAD_TYPE, plugin_version};
use crate::{
    CheckedSignature, Developer, HostVersion, ModuleError, NameError, PluginName, PrivateKey,
    PrivateKeyError, PublicKey, SignaturePolicy, Statement, TrustStore, UtcTime, VerifyError, escape,
    private_key,
};

/// What a signer states beyond what the file says itself.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    /// Who signs.
    pub developer: Developer,
    /// Name of a plugin without a manifest; the stem of the file name where absent.
    pub plugin_name: Option<PluginName>,
    /// Version of a plugin without a manifest.
    pub plugin_version: Option<String>,
    /// When the statement stops being true.
    pub expires_at: Option<UtcTime>,
    /// Oldest version of the host that may load the plugin.
    pub min_host_version: Option<HostVersion>,
    /// Keys that have to sign as well.
    pub cosigners: Vec<PublicKey>,
}

impl SigningRequest {
    /// Signs for a developer, and states nothing beyond what the file says.
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

impl PluginFile {
    /// Signs the file as it was read, and verifies the document that comes out.
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

    /// Adds a signature to those in the document beside the file, and verifies the document that comes out. The cosigner
    /// states what the signer does, under another name and date.
    ///
    /// # Errors
    ///
    /// Fails if there is no document, if one of its signatures does not hold for the file, if the key has signed already, or
    /// if there are as many signatures as a document may hold.
    pub fn cosign(&self, key: &dyn PrivateKey, developer: Developer) -> Result<SignatureDocument, SignError> {
        let signed = self.held()?;
        let mut document = signed.document().clone();
        let public_key = key.public_key();
        if document.endorsements().any(|endorsement| endorsement.public_key == public_key) {
            return Err(SignError::SignedAlready { key: public_key });
        }
        if document.cosignatures.len() >= MAX_COSIGNATURES {
            return Err(SignError::TooManySigners);
        }
        let statement = match signed.statement() {
            Some(statement) => Statement { developer, signed_at: UtcTime::now(), ..statement.clone() },
            None => self.statement(SigningRequest::of(developer))?,
        };
        document.cosignatures.push(self.endorsement(key, statement)?);
        self.check_new(&document)?;
        Ok(document)
    }

    fn endorsement(&self, key: &dyn PrivateKey, statement: Statement) -> Result<Cosignature, SignError> {
        let bytes = statement.to_json().map_err(|source| SignError::Encode { source })?;
        Ok(Cosignature {
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

    /// The document beside the file, if it holds, whoever signed it and whoever has yet to sign.
    fn held(&self) -> Result<CheckedSignature, SignError> {
        // Rotations are a matter of whoever trusts a key, not of whether its signature holds.
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

    /// Verifies a document that is about to be written.
    fn check_new(&self, document: &SignatureDocument) -> Result<(), SignError> {
        let written = Self { document: DocumentFile::Bytes(document.to_json().into_bytes()), ..self.clone() };
        match written.held() {
            Ok(_) => Ok(()),
            Err(SignError::Existing { cause }) => Err(SignError::SelfCheck { cause }),
            Err(other) => Err(other),
        }
    }

    /// What the signer states about this file.
    fn statement(&self, request: SigningRequest) -> Result<Statement, SignError> {
        let manifest = match self.manifest() {
            Ok(manifest) => manifest,
            Err(error) if error.is_about_module() => None,
            Err(error) => return Err(error.into()),
        };
        let (name, version, capabilities): (_, _, Option<Vec<CapabilityRequest>>) = match manifest {
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
        /// The rule that it breaks.
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
    /// There are as many signatures as a document may hold.
    #[error("the document has {MAX_COSIGNATURES} cosignatures, which is as many as it may hold")]
    TooManySigners,
    /// The document that is there does not hold for the file.
    #[error("nothing to cosign: {cause}")]
    Existing {
        /// The cause.
        cause: Box<VerifyError>,
    },
    /// The document does not verify; nothing was written.
    #[error("the new signature does not verify: {cause}")]
    SelfCheck {
        /// The cause.
        cause: Box<VerifyError>,
    },
}

impl SignError {
    /// What to do about it.
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
