//! Whether a signature document holds for a plugin file, in a fixed order of checks.
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
//!
//! Where the signer stands comes after all of these.

use conductor_abi::{Manifest, Risk};
use jiff::Timestamp;

use crate::document::{Cosignature, DocumentError, SignatureDocument};
use crate::dsse::pre_authentication_encoding;
use crate::file_error::quoted;
use crate::json::FormatError;
use crate::plugin_file::PluginFile;
use crate::statement::PAYLOAD_TYPE;
use crate::{
    Digest, HostVersion, ModuleError, NameError, PluginName, PublicKey, RequireStatement, Revocation,
    Statement, TrustStore, UtcTime, escape,
};

/// A signature document that holds for the file it was checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedSignature {
    document: SignatureDocument,
    statement: Option<Statement>,
    standing: Standing,
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
    pub(crate) fn into_parts(self) -> (SignatureDocument, Option<Statement>, Standing) {
        (self.document, self.statement, self.standing)
    }
}

/// Where a signer stands with the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The key is trusted for this plugin.
    Trusted {
        /// What the user calls the key.
        key_name: String,
        /// Highest risk of a capability that may be granted.
        max_risk: Option<Risk>,
    },
    /// The key is not trusted.
    Untrusted,
    /// The key was trusted until a time that has passed.
    TrustExpired {
        /// What the user calls the key.
        key_name: String,
        /// When the trust ended.
        at: UtcTime,
    },
    /// The key is trusted for plugins of other names.
    OtherPlugins {
        /// What the user calls the key.
        key_name: String,
    },
}

impl Standing {
    /// The error that a policy which demands a trusted signer ends in.
    #[must_use]
    pub fn refusal(&self, signer: &Cosignature) -> Option<VerifyError> {
        let key = signer.public_key;
        match self {
            Self::Trusted { .. } => None,
            Self::Untrusted => {
                Some(VerifyError::Untrusted { key, developer: signer.developer.name().to_owned() })
            }
            Self::TrustExpired { key_name, at } => {
                Some(VerifyError::TrustExpired { key, key_name: key_name.clone(), at: at.clone() })
            }
            Self::OtherPlugins { key_name } => {
                Some(VerifyError::OtherPlugins { key, key_name: key_name.clone() })
            }
        }
    }
}

/// Runs the checks on a file as of `now`.
pub(crate) fn check(
    file: &PluginFile,
    requirement: RequireStatement,
    trust: &TrustStore,
    now: Timestamp,
) -> Result<CheckedSignature, VerifyError> {
    check_revoked_digest(file, trust)?;
    let document =
        file.document()?.ok_or_else(|| VerifyError::NoSignature { file_name: file.file_name.clone() })?;
    check_subject(file, document.plugin_hash, document.plugin_size)?;
    let endorsements = || std::iter::once(&document.signer).chain(&document.cosignatures);
    check_signatures(file, endorsements())?;
    let statements = endorsements().map(|e| statement_of(file, e)).collect::<Result<Vec<_>, _>>()?;
    check_agreement(&statements)?;
    let manifest = check_manifest(file, &statements)?;
    for Cosignature { public_key, .. } in endorsements() {
        if let Some(revocation) = trust.revoked_key(public_key) {
            return Err(VerifyError::KeyRevoked {
                key: *public_key,
                revocation: Box::new(revocation.clone()),
            });
        }
    }
    statements.iter().flatten().try_for_each(|statement| check_validity(statement, now))?;
    let statement = statements.into_iter().next().flatten();
    if statement.is_none() {
        check_may_lack_statement(file, manifest.as_ref(), requirement, trust)?;
    }
    let name = signed_name(manifest.as_ref(), statement.as_ref());
    let standing = trust.standing(&document.signer.public_key, name.as_ref(), now);
    Ok(CheckedSignature { document, statement, standing })
}

/// Refuses a file whose digest was revoked, whatever the policy.
pub(crate) fn check_revoked_digest(file: &PluginFile, trust: &TrustStore) -> Result<(), VerifyError> {
    match trust.revoked_digest(&file.digest) {
        Some(revocation) => {
            Err(VerifyError::DigestRevoked { digest: file.digest, revocation: Box::new(revocation.clone()) })
        }
        None => Ok(()),
    }
}

/// The name that a signature covers: the manifest is part of the signed file, the statement is signed itself.
pub(crate) fn signed_name(manifest: Option<&Manifest>, statement: Option<&Statement>) -> Option<PluginName> {
    let stated = || statement.and_then(|statement| statement.plugin_name.clone());
    manifest.and_then(|manifest| manifest.name.parse().ok()).or_else(stated)
}

/// Whether a document or statement speaks of these bytes.
fn check_subject(file: &PluginFile, hash: Digest, size: u64) -> Result<(), VerifyError> {
    if hash != file.digest {
        return Err(VerifyError::HashMismatch { signed: hash, found: file.digest });
    }
    if size != file.size {
        return Err(VerifyError::SizeMismatch { signed: size, found: file.size });
    }
    Ok(())
}

fn check_signatures<'a>(
    file: &PluginFile,
    endorsements: impl Iterator<Item = &'a Cosignature>,
) -> Result<(), VerifyError> {
    let mut seen: Vec<PublicKey> = Vec::new();
    for Cosignature { public_key: key, signature, statement, .. } in endorsements {
        if seen.contains(key) {
            return Err(VerifyError::SignerRepeated { key: *key });
        }
        seen.push(*key);
        if !key.accepts(file.digest.as_bytes(), signature) {
            return Err(VerifyError::SignatureInvalid { key: *key });
        }
        if let Some(statement) = statement
            && !key
                .accepts(&pre_authentication_encoding(PAYLOAD_TYPE, &statement.bytes), &statement.signature)
        {
            return Err(VerifyError::StatementSignatureInvalid { key: *key });
        }
    }
    Ok(())
}

/// Parses the statement of an endorsement whose signatures are valid, and holds it against file and document.
fn statement_of(file: &PluginFile, endorsement: &Cosignature) -> Result<Option<Statement>, VerifyError> {
    let key = endorsement.public_key;
    let Some(signed) = &endorsement.statement else { return Ok(None) };
    let statement = Statement::parse(&signed.bytes).map_err(|cause| VerifyError::Statement { key, cause })?;
    let disagrees = |field| VerifyError::StatementDisagrees { key, field };
    if statement.plugin_hash != file.digest {
        return Err(disagrees("plugin_hash"));
    }
    if statement.plugin_size != file.size {
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

/// Holds statements against the manifest; members that are `null` say nothing. A file that is no sound module has no
/// manifest: its signature may hold, and it is refused when it is loaded.
fn check_manifest(
    file: &PluginFile,
    statements: &[Option<Statement>],
) -> Result<Option<Manifest>, VerifyError> {
    let manifest = match file.manifest() {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Ok(None),
        Err(error) if error.is_about_module() => return Ok(None),
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
    Ok(Some(manifest))
}

fn check_validity(statement: &Statement, now: Timestamp) -> Result<(), VerifyError> {
    if let Some(at) = statement.expires_at.as_ref().filter(|at| at.is_past(now)) {
        return Err(VerifyError::Expired { at: at.clone() });
    }
    match statement.min_host_version {
        Some(needed) if needed > HostVersion::current() => Err(VerifyError::HostTooOld { needed }),
        Some(_) | None => Ok(()),
    }
}

/// Whether a signature may come without a statement. The plugin is then called as it is when it is loaded: by its
/// manifest, else by its file.
fn check_may_lack_statement(
    file: &PluginFile,
    manifest: Option<&Manifest>,
    requirement: RequireStatement,
    trust: &TrustStore,
) -> Result<(), VerifyError> {
    match requirement {
        RequireStatement::Never => Ok(()),
        RequireStatement::Always => Err(VerifyError::StatementMissing { file_name: file.file_name.clone() }),
        RequireStatement::OnceSeen => {
            let name =
                signed_name(manifest, None).or_else(|| PluginName::from_file_name(&file.file_name).ok());
            match name.and_then(|name| Some((trust.statement_seen_at(&name)?.clone(), name))) {
                Some((seen_at, name)) => Err(VerifyError::StatementStripped { name, seen_at }),
                None => Ok(()),
            }
        }
    }
}

/// Why a plugin was refused, one variant for each cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The user revoked this very file.
    #[error("plugin {digest} was revoked on {}: {}", revocation.revoked_at, escape::terminal(&revocation.reason))]
    DigestRevoked {
        /// Digest of the file.
        digest: Digest,
        /// The entry.
        revocation: Box<Revocation>,
    },
    /// There is no signature document beside the file.
    #[error("{} has no signature", escape::terminal(file_name))]
    NoSignature {
        /// Name of the plugin file.
        file_name: String,
    },
    /// The document cannot be read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The file is not the one that was signed.
    #[error("plugin file has digest {found}, but {signed} was signed")]
    HashMismatch {
        /// Digest in the document.
        signed: Digest,
        /// Digest of the file.
        found: Digest,
    },
    /// The document gives another size for the same digest.
    #[error("plugin file has {found} bytes, but the signature document says {signed}")]
    SizeMismatch {
        /// Size in the document.
        signed: u64,
        /// Size of the file.
        found: u64,
    },
    /// The signature over the digest was not made by the key.
    #[error("signature is not valid for key {key}")]
    SignatureInvalid {
        /// The key.
        key: PublicKey,
    },
    /// The signature over the statement was not made by the key.
    #[error("statement signature is not valid for key {key}")]
    StatementSignatureInvalid {
        /// The key.
        key: PublicKey,
    },
    /// A key endorses the same document twice.
    #[error("key {key} signed more than once in the same document")]
    SignerRepeated {
        /// The key.
        key: PublicKey,
    },
    /// A signed statement is not of the format.
    #[error("statement of key {key} is malformed: {cause}")]
    Statement {
        /// The key.
        key: PublicKey,
        /// The cause.
        cause: FormatError,
    },
    /// A statement contradicts the document that carries it.
    #[error("statement of key {key} disagrees with the signature document about `{field}`")]
    StatementDisagrees {
        /// The key.
        key: PublicKey,
        /// The member.
        field: &'static str,
    },
    /// A cosigner states something else than the signer.
    #[error("statements of the signers disagree about `{field}`")]
    CosignerDisagrees {
        /// The member.
        field: &'static str,
    },
    /// The file has no manifest that could be read, or is no module.
    #[error("{}", escape::terminal(&.0.to_string()))]
    Module(#[from] ModuleError),
    /// The statement contradicts the manifest in the file.
    #[error("statement disagrees with the manifest about `{field}`")]
    ManifestDisagrees {
        /// The member.
        field: &'static str,
    },
    /// The user revoked a key that signed.
    #[error("key {key} was revoked on {}: {}", revocation.revoked_at, escape::terminal(&revocation.reason))]
    KeyRevoked {
        /// The key.
        key: PublicKey,
        /// The entry.
        revocation: Box<Revocation>,
    },
    /// The signer limited the statement's life, and it is over.
    #[error("signature expired at {at}")]
    Expired {
        /// When.
        at: UtcTime,
    },
    /// The signer asks for a newer host.
    #[error("plugin needs Conductor {needed} or newer, this is {}", HostVersion::current())]
    HostTooOld {
        /// Oldest version that may load the plugin.
        needed: HostVersion,
    },
    /// A plugin of this name was loaded with a signed statement before, and this signature has none.
    #[error(
        "statement stripped: plugin `{name}` had a signed statement on {seen_at}, this signature has none"
    )]
    StatementStripped {
        /// Name of the plugin.
        name: PluginName,
        /// When it was first loaded with a statement.
        seen_at: UtcTime,
    },
    /// Every signature must have a statement, and this one has none.
    #[error("signature of {} has no signed statement", escape::terminal(file_name))]
    StatementMissing {
        /// Name of the plugin file.
        file_name: String,
    },
    /// Neither manifest nor statement nor file name gives a usable name.
    #[error("{} has no usable name: {cause}", escape::terminal(file_name))]
    Name {
        /// Name of the plugin file.
        file_name: String,
        /// The rule that it breaks.
        cause: NameError,
    },
    /// The signature is valid and the key is not trusted.
    #[error("key {key} is not trusted")]
    Untrusted {
        /// The key.
        key: PublicKey,
        /// Who the document says it belongs to.
        developer: String,
    },
    /// The key was trusted until a time that has passed.
    #[error("trust in key {key} (`{}`) ended at {at}", escape::terminal(key_name))]
    TrustExpired {
        /// The key.
        key: PublicKey,
        /// What the user calls it.
        key_name: String,
        /// When the trust ended.
        at: UtcTime,
    },
    /// The key is trusted for plugins of other names.
    #[error("key {key} (`{}`) is not trusted for a plugin of this name", escape::terminal(key_name))]
    OtherPlugins {
        /// The key.
        key: PublicKey,
        /// What the user calls it.
        key_name: String,
    },
}

impl VerifyError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let again = "get plugin and signature again from the developer, together";
        Some(match self {
            Self::DigestRevoked { .. } | Self::KeyRevoked { .. } => {
                "get a release that replaces it from the developer".to_owned()
            }
            Self::NoSignature { file_name } => format!(
                "get {}.sig from the developer, or sign your own plugin: conductor-sign sign",
                quoted(file_name.as_ref())
            ),
            Self::HashMismatch { .. } => {
                format!(
                    "the file was changed after it was signed, or the signature belongs to another; {again}"
                )
            }
            Self::Document(_)
            | Self::SizeMismatch { .. }
            | Self::SignatureInvalid { .. }
            | Self::StatementSignatureInvalid { .. }
            | Self::SignerRepeated { .. }
            | Self::Statement { .. }
            | Self::StatementDisagrees { .. }
            | Self::CosignerDisagrees { .. }
            | Self::ManifestDisagrees { .. } => again.to_owned(),
            Self::Expired { .. } => "get a newer release from the developer".to_owned(),
            Self::HostTooOld { .. } => "update Conductor".to_owned(),
            Self::StatementStripped { name, .. } => format!(
                "{again}; if the developer says that `{name}` has no statement any more, remove its entry from \
                 pins.toml, or set `require_statement = \"never\"` to load any plugin without one"
            ),
            Self::StatementMissing { .. } => "get a signature with a statement from the developer, or set \
                 `require_statement = \"once-seen\"` to demand one only of plugins that had one"
                .to_owned(),
            Self::Name { .. } => "rename the file to letters, digits, `-`, `_` and `.`".to_owned(),
            // Not the command with this key in it: pasting it would trust whoever wrote the file.
            Self::Untrusted { .. } => {
                "get the publisher's key from the publisher, not from this file; if it is the \
                                       same, trust it: conductor-sign trust add <key> <name>"
                    .to_owned()
            }
            Self::TrustExpired { .. } => {
                "if you still trust the key, change its `expires_at` in trusted_keys.toml".to_owned()
            }
            Self::OtherPlugins { .. } => {
                "if the key may sign this plugin, add its name to `plugins` in trusted_keys.toml".to_owned()
            }
            Self::Module(_) => return None,
        })
    }

    /// The exit status of `conductor-sign` for this cause: 3 valid but not trusted, 4 invalid, 5 no signature,
    /// 6 revoked or expired, 1 anything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::HostTooOld { .. } | Self::Name { .. } => 1,
            Self::Untrusted { .. } | Self::OtherPlugins { .. } => 3,
            Self::Document(_)
            | Self::HashMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::SignatureInvalid { .. }
            | Self::StatementSignatureInvalid { .. }
            | Self::SignerRepeated { .. }
            | Self::Statement { .. }
            | Self::StatementDisagrees { .. }
            | Self::CosignerDisagrees { .. }
            | Self::Module(_)
            | Self::ManifestDisagrees { .. }
            | Self::StatementStripped { .. }
            | Self::StatementMissing { .. } => 4,
            Self::NoSignature { .. } => 5,
            Self::DigestRevoked { .. }
            | Self::KeyRevoked { .. }
            | Self::Expired { .. }
            | Self::TrustExpired { .. } => 6,
        }
    }

    /// Whether the user withdrew the plugin or its key, which no policy passes over.
    #[must_use]
    pub const fn is_revocation(&self) -> bool {
        matches!(self, Self::DigestRevoked { .. } | Self::KeyRevoked { .. })
    }
}
