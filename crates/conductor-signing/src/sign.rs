//! Making signature documents.

use conductor_abi::CapabilityRequest;

use crate::document::{Cosignature, SignatureDocument, SignedStatement};
use crate::dsse::pre_authentication_encoding;
use crate::json::ValueError;
use crate::plugin_file::{DocumentFile, PluginFile};
use crate::statement::{PAYLOAD_TYPE, plugin_version};
use crate::{
    Developer, HostVersion, ModuleError, NameError, PluginName, PrivateKey, PrivateKeyError,
    RequireStatement, Statement, TrustStore, UtcTime, VerifyError, escape, private_key,
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
        let statement = self.statement(request)?;
        let bytes = statement.to_json().map_err(|source| SignError::Encode { source })?;
        let document = SignatureDocument {
            plugin_hash: self.digest,
            plugin_size: self.size,
            signer: Cosignature {
                public_key: key.public_key(),
                signature: private_key::sign(key, self.digest.as_bytes())?,
                signed_at: statement.signed_at,
                developer: statement.developer,
                statement: Some(SignedStatement {
                    signature: private_key::sign(key, &pre_authentication_encoding(PAYLOAD_TYPE, &bytes))?,
                    bytes,
                }),
            },
            cosignatures: Vec::new(),
        };
        let written = Self { document: DocumentFile::Bytes(document.to_json().into_bytes()), ..self.clone() };
        written
            .check(RequireStatement::Always, &TrustStore::default())
            .map_err(|cause| SignError::SelfCheck { cause: Box::new(cause) })?;
        Ok(document)
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
            Self::Version { .. } | Self::Key(_) | Self::Encode { .. } | Self::SelfCheck { .. } => None,
        }
    }
}
