//! Plugin bytes before and after verification.

use std::path::Path;

use conductor_abi::{CapabilityRequest, Manifest, Risk};

use crate::document::Statement;
use crate::text::{Digest, PluginName};
use crate::trust::{Continuity, TrustStore};
use crate::verdict::error::VerifyError;
use crate::verdict::plugin_file::{self, DocumentFile, PluginFile, ReadError};
use crate::verdict::plugin_parts::PluginParts;
use crate::verdict::policy::{SignerRule, TrustLevel, VerificationPolicy};
use crate::verdict::signer::{Publisher, Signer};
use crate::verdict::signer_count::{self, TrustedSigner};

/// A plugin and its companions, read once and not checked yet.
#[derive(Clone)]
pub struct UnverifiedPlugin {
    bytes: Vec<u8>,
    file: PluginFile,
}

impl UnverifiedPlugin {
    /// Reads a plugin of at most `max_bytes` and its companions. Each file is opened and read once.
    ///
    /// # Errors
    ///
    /// Fails if one of the files cannot be read or the plugin is too large; a missing companion is not an error.
    pub fn read(path: &Path, max_bytes: u64) -> Result<Self, ReadError> {
        PluginParts::read(path, max_bytes).map(Self::of)
    }

    /// The plugin with these bytes.
    #[must_use]
    pub fn of(parts: PluginParts) -> Self {
        let PluginParts { file_name, module, document, rotation } = parts;
        let file = PluginFile::of_bytes(file_name, &module, plugin_file::document_of(document));
        Self { file: file.with_rotation(plugin_file::rotation_of(rotation)), bytes: module }
    }

    /// A plugin from memory, with its document if it has one. `file_name` is used in errors, and as the plugin's name
    /// if neither manifest nor statement gives a name.
    #[must_use]
    pub fn from_parts(file_name: &str, wasm: Vec<u8>, signature: Option<Vec<u8>>) -> Self {
        let document = signature.map_or(DocumentFile::Absent, DocumentFile::Bytes);
        Self { file: PluginFile::of_bytes(file_name.to_owned(), &wasm, document), bytes: wasm }
    }

    /// The same plugin, with the rotations that came with it.
    #[must_use]
    pub fn with_rotation(self, json: Vec<u8>) -> Self {
        Self { file: self.file.with_rotation(DocumentFile::Bytes(json)), ..self }
    }

    /// The same plugin under another file name, such as the name that it will be installed under.
    #[must_use]
    pub fn named(mut self, file_name: &str) -> Self {
        file_name.clone_into(&mut self.file.file_name);
        self
    }

    /// Digest of the plugin.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.file.digest()
    }

    /// Length of the plugin in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the plugin is an empty file.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The facts about the plugin that are known without loading it.
    #[must_use]
    pub const fn file(&self) -> &PluginFile {
        &self.file
    }

    /// Verifies the plugin against the policy and the trust store. The result holds the same bytes. Once it was loaded,
    /// the pin of [`TrustStore::new_pin`] is to be recorded.
    ///
    /// # Errors
    ///
    /// Fails with the first reason for which the plugin is refused. Revoked plugins and keys are refused under every
    /// policy, and so is a file that is not a module or whose manifest breaks a rule.
    pub fn verify(
        self,
        policy: &VerificationPolicy,
        trust: &TrustStore,
    ) -> Result<VerifiedPlugin, VerifyError> {
        let admission = self.file.judge(policy, trust).into_result()?;
        let manifest = self.file.manifest()?;
        let name = admission
            .name
            .clone()
            .map_err(|cause| VerifyError::Name { file_name: self.file.file_name().to_owned(), cause })?;
        let (trust, max_risk) = (admission.trust(), admission.max_risk());
        let (signer, statement) = match &admission.signature {
            Some(checked) => (Some(checked.publisher()), checked.statement().cloned()),
            None => (None, None),
        };
        Ok(VerifiedPlugin {
            digest: self.file.digest(),
            bytes: self.bytes,
            file: self.file,
            name,
            name_without_statement: admission.name_without_statement,
            manifest,
            statement,
            signer,
            trust,
            max_risk,
            ignored_signature: admission.ignored,
            continuity: admission.continuity,
            unmet_rules: admission.unmet_rules,
            trusted_signers: admission.trusted_signers,
        })
    }
}

/// A plugin that the policy lets in. Only [`UnverifiedPlugin::verify`] makes this value, from the bytes that it
/// verified.
#[derive(Clone)]
pub struct VerifiedPlugin {
    bytes: Vec<u8>,
    digest: Digest,
    file: PluginFile,
    name: PluginName,
    name_without_statement: Option<PluginName>,
    manifest: Option<Manifest>,
    statement: Option<Statement>,
    signer: Option<Signer>,
    trust: TrustLevel,
    max_risk: Option<Risk>,
    ignored_signature: Option<VerifyError>,
    continuity: Option<Continuity>,
    unmet_rules: Vec<SignerRule>,
    trusted_signers: Vec<TrustedSigner>,
}

impl VerifiedPlugin {
    /// The module.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Digest of the module.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The plugin's name: the manifest's, else the statement's, else the stem of the file name.
    #[must_use]
    pub const fn name(&self) -> &PluginName {
        &self.name
    }

    /// The name that the same file would have if its document lost the statement; `None` if that is not a valid name.
    pub(crate) const fn name_without_statement(&self) -> Option<&PluginName> {
        self.name_without_statement.as_ref()
    }

    /// The manifest in the module.
    #[must_use]
    pub const fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The signer's statement. A module without a manifest is compared with the statement once it was asked for its
    /// metadata.
    #[must_use]
    pub const fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }

    /// How far somebody vouches for the plugin.
    #[must_use]
    pub const fn trust(&self) -> &TrustLevel {
        &self.trust
    }

    /// The signer; `None` if nobody signed or the signature was ignored.
    #[must_use]
    pub const fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    /// The publisher, who is the same for each version of the plugin; `None` if nobody signed.
    #[must_use]
    pub fn publisher(&self) -> Option<Publisher> {
        self.continuity.as_ref().map(Publisher::of)
    }

    /// Highest risk of a capability that plugins of this signer may be granted; `None` sets no limit.
    #[must_use]
    pub const fn max_risk(&self) -> Option<Risk> {
        self.max_risk
    }

    /// The facts about the file without its bytes, for example to decide whether it would be loaded again.
    #[must_use]
    pub const fn file(&self) -> &PluginFile {
        &self.file
    }

    /// What loading the plugin adds to the pin of its name; `None` if nobody vouched for it.
    pub(crate) const fn continuity(&self) -> Option<&Continuity> {
        self.continuity.as_ref()
    }

    /// Checks the declared capabilities against the rules of the policy about capabilities. For a plugin without
    /// manifest and statement, which declares its capabilities only when it is asked.
    ///
    /// # Errors
    ///
    /// Fails with [`VerifyError::TooFewSigners`] if the plugin declares a capability for which a rule demands more
    /// signers.
    pub fn check_declared(&self, declared: &[CapabilityRequest]) -> Result<(), VerifyError> {
        let refusal = signer_count::refusal_of_declared(&self.unmet_rules, declared, &self.trusted_signers);
        refusal.map_or(Ok(()), Err)
    }

    /// Why the plugin's signature is not valid, where the policy accepts unsigned plugins and the signature was
    /// ignored.
    #[must_use]
    pub const fn ignored_signature(&self) -> Option<&VerifyError> {
        self.ignored_signature.as_ref()
    }
}
