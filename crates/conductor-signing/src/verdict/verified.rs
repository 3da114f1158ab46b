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

/// A plugin and its signature document as they were read, once, with nothing known about them.
#[derive(Clone)]
pub struct UnverifiedPlugin {
    bytes: Vec<u8>,
    file: PluginFile,
}

impl UnverifiedPlugin {
    /// Reads a plugin of at most `max_bytes` and the document beside it. Both are opened and read once.
    ///
    /// # Errors
    ///
    /// Fails if one of the files cannot be read or the plugin is too large; a missing document is none.
    pub fn read(path: &Path, max_bytes: u64) -> Result<Self, ReadError> {
        PluginParts::read(path, max_bytes).map(Self::of)
    }

    /// The plugin that these parts are.
    #[must_use]
    pub fn of(parts: PluginParts) -> Self {
        let PluginParts { file_name, module, document, rotation } = parts;
        let file = PluginFile::of_bytes(file_name, &module, plugin_file::document_of(document));
        Self { file: file.with_rotation(plugin_file::rotation_of(rotation)), bytes: module }
    }

    /// Takes a plugin that is in memory, with its document if it has one. `file_name` names it in errors and where
    /// neither manifest nor statement does.
    #[must_use]
    pub fn from_parts(file_name: &str, wasm: Vec<u8>, signature: Option<Vec<u8>>) -> Self {
        let document = signature.map_or(DocumentFile::Absent, DocumentFile::Bytes);
        Self { file: PluginFile::of_bytes(file_name.to_owned(), &wasm, document), bytes: wasm }
    }

    /// The same with the rotations that came with it.
    #[must_use]
    pub fn with_rotation(self, json: Vec<u8>) -> Self {
        Self { file: self.file.with_rotation(DocumentFile::Bytes(json)), ..self }
    }

    /// The same under another file name, such as the one that it is to have.
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

    /// Bytes of the plugin.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the plugin is an empty file.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What can be said about the plugin without loading it.
    #[must_use]
    pub const fn file(&self) -> &PluginFile {
        &self.file
    }

    /// Holds the plugin against the policy. What comes back holds the same bytes; once it was loaded, what
    /// [`TrustStore::new_pin`] says of it is to be recorded.
    ///
    /// # Errors
    ///
    /// Names the first cause for which the plugin is refused. Revoked plugins and keys are refused under every policy,
    /// as is a file that is no module or whose manifest breaks a rule.
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

/// A plugin that the policy lets in. Only [`UnverifiedPlugin::verify`] makes one, from the bytes that it verified.
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

    /// The name that the same file would go by if its document lost the statement, if that is a name.
    pub(crate) const fn name_without_statement(&self) -> Option<&PluginName> {
        self.name_without_statement.as_ref()
    }

    /// The manifest in the module.
    #[must_use]
    pub const fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The signer's statement. A module without a manifest is held against it once it was asked for its metadata.
    #[must_use]
    pub const fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }

    /// What is known about who made the plugin.
    #[must_use]
    pub const fn trust(&self) -> &TrustLevel {
        &self.trust
    }

    /// Who signed; `None` if nobody did or the signature was ignored.
    #[must_use]
    pub const fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    /// Who answers for the plugin from one version to the next; `None` if nobody signed it.
    #[must_use]
    pub fn publisher(&self) -> Option<Publisher> {
        self.continuity.as_ref().map(Publisher::of)
    }

    /// Highest risk of a capability that the user lets plugins of this trusted key have; `None` sets no limit.
    #[must_use]
    pub const fn max_risk(&self) -> Option<Risk> {
        self.max_risk
    }

    /// What can be said about the file without its bytes, such as whether it would be loaded again.
    #[must_use]
    pub const fn file(&self) -> &PluginFile {
        &self.file
    }

    /// What its load adds to what is known about its name; `None` if nobody vouched for it.
    pub(crate) const fn continuity(&self) -> Option<&Continuity> {
        self.continuity.as_ref()
    }

    /// Holds what the plugin declares against the rules of the policy that are about capabilities: for a plugin whose
    /// capabilities neither manifest nor statement said, once it was asked.
    ///
    /// # Errors
    ///
    /// Fails with [`VerifyError::TooFewSigners`] if it declares what more signers are demanded for.
    pub fn check_declared(&self, declared: &[CapabilityRequest]) -> Result<(), VerifyError> {
        let refusal = signer_count::refusal_of_declared(&self.unmet_rules, declared, &self.trusted_signers);
        refusal.map_or(Ok(()), Err)
    }

    /// Why a signature that is there does not hold, where the policy accepts unsigned plugins and it was ignored.
    #[must_use]
    pub const fn ignored_signature(&self) -> Option<&VerifyError> {
        self.ignored_signature.as_ref()
    }
}
