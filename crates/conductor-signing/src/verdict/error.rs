//! Why a plugin was refused.

use conductor_store::UtcTime;
use conductor_store::escape::{self, quoted};

use crate::document::{DocumentError, FormatError, ModuleError};
use crate::key::PublicKey;
use crate::text::{Digest, HostVersion, NameError, PluginName, RuleSource};
use crate::trust::{KeyRole, Revocation, RotationError};

/// Why a plugin was refused; each variant is one cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The user revoked this exact file.
    #[error("plugin {digest} was revoked on {}: {}", revocation.revoked_at, escape::terminal(&revocation.reason))]
    DigestRevoked {
        /// Digest of the file.
        digest: Digest,
        /// The revocation.
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
    /// The file differs from the file that was signed.
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
    /// The signature over the digest is not valid for the key.
    #[error("signature is not valid for key {key}")]
    SignatureInvalid {
        /// The key.
        key: PublicKey,
    },
    /// The signature over the statement is not valid for the key.
    #[error("statement signature is not valid for key {key}")]
    StatementSignatureInvalid {
        /// The key.
        key: PublicKey,
    },
    /// A cosignature is not valid for its key.
    #[error("cosignature is not valid for key {key}")]
    CosignatureInvalid {
        /// The key.
        key: PublicKey,
    },
    /// A cosigner endorsed a release of another publisher.
    #[error("key {key} endorses what {endorsed} published, and this is signed by {publisher}")]
    EndorsesAnother {
        /// The cosigner's key.
        key: PublicKey,
        /// The publisher whom the cosigner endorses.
        endorsed: PublicKey,
        /// The publisher of this document.
        publisher: PublicKey,
    },
    /// A key endorses the same document twice.
    #[error("key {key} signed more than once in the same document")]
    SignerRepeated {
        /// The key.
        key: PublicKey,
    },
    /// A signed statement does not follow the format.
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
    /// A cosigner's statement contradicts the publisher's.
    #[error("statements of the signers disagree about `{field}`")]
    CosignerDisagrees {
        /// The member.
        field: &'static str,
    },
    /// The file is not a module, or its manifest cannot be read.
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
        /// The revocation.
        revocation: Box<Revocation>,
    },
    /// The statement has expired.
    #[error("signature expired at {at}")]
    Expired {
        /// When the statement expired.
        at: UtcTime,
    },
    /// The signer demands a newer host.
    #[error("plugin needs Conductor {needed} or newer, this is {}", HostVersion::current())]
    HostTooOld {
        /// Oldest version that may load the plugin.
        needed: HostVersion,
    },
    /// A plugin of this name was loaded with a signed statement before, and this signature has no statement.
    #[error(
        "statement stripped: plugin `{name}` had a signed statement on {seen_at}, this signature has none"
    )]
    StatementStripped {
        /// Name of the plugin.
        name: PluginName,
        /// When a plugin of this name was first loaded with a statement.
        seen_at: UtcTime,
    },
    /// Every signature must have a statement, and this signature has none.
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
        /// The rule that the name breaks.
        cause: NameError,
    },
    /// The signature is valid, but the key is not trusted.
    #[error("key {key} is not trusted")]
    Untrusted {
        /// The key.
        key: PublicKey,
        /// The developer whom the document names.
        developer: String,
    },
    /// The key was trusted until a time that has passed.
    #[error("trust in key {key} (`{}`) ended at {at}", escape::terminal(key_name))]
    TrustExpired {
        /// The key.
        key: PublicKey,
        /// What the user calls the key.
        key_name: String,
        /// When the trust ended.
        at: UtcTime,
    },
    /// The key is trusted for plugins of other names.
    #[error("key {key} (`{}`) is not trusted for a plugin of this name", escape::terminal(key_name))]
    OtherPlugins {
        /// The key.
        key: PublicKey,
        /// What the user calls the key.
        key_name: String,
    },
    /// The key is not trusted to publish, only to cosign.
    #[error(
        "key {key} (`{}`) is trusted to {role} only, and signed as the publisher",
        escape::terminal(key_name)
    )]
    OtherRole {
        /// The key.
        key: PublicKey,
        /// What the user calls the key.
        key_name: String,
        /// What the key may do.
        role: KeyRole,
    },
    /// The rotations beside the plugin are not valid, or contradict the accepted rotations.
    #[error("key rotation: {0}")]
    Rotation(Box<RotationError>),
    /// The key was rotated to a new key and may not sign any more.
    #[error("key {key} signs no more: it passed on to {by} at {since}")]
    KeySuperseded {
        /// The key that signed.
        key: PublicKey,
        /// The new key.
        by: PublicKey,
        /// The time from which the rotation is valid.
        since: UtcTime,
    },
    /// A trusted key is rotated to this key, but the rotation is not valid yet.
    #[error("key {key} signs too early: {old} passes on to it at {from}")]
    KeyNotYetActive {
        /// The key that signed.
        key: PublicKey,
        /// The old key.
        old: PublicKey,
        /// The time from which the rotation is valid.
        from: UtcTime,
    },
    /// The key follows from a key that was revoked as compromised.
    #[error(
        "key {key} follows from {old}, which was revoked as compromised{}",
        if *accepted { "; it needs your approval" } else { ", and was not known before that" }
    )]
    RotationFromCompromised {
        /// The key that signed.
        key: PublicKey,
        /// The revoked key.
        old: PublicKey,
        /// Whether the rotation was accepted before the revocation.
        accepted: bool,
    },
    /// The plugin's name is pinned to another publisher.
    #[error(
        "plugin `{name}` comes from another publisher: pinned to {pinned} since {since}, signed by {found}"
    )]
    PublisherChanged {
        /// Name of the plugin.
        name: PluginName,
        /// The pinned key.
        pinned: PublicKey,
        /// When the name was pinned.
        since: UtcTime,
        /// The key that signed.
        found: PublicKey,
    },
    /// A key that must sign has not signed.
    #[error(
        "cosignature missing: key {key} has to sign, {}",
        match seen_of { Some(_) => "as it did before", None => "says the statement" }
    )]
    CosignerMissing {
        /// The key.
        key: PublicKey,
        /// The plugin whose pin demands the key; `None` if the statement demands it.
        seen_of: Option<PluginName>,
    },
    /// A later version of the plugin was loaded before.
    #[error(
        "plugin `{name}` is of version {}, older than {}, which was loaded before",
        escape::terminal(found),
        escape::terminal(highest)
    )]
    Downgrade {
        /// Name of the plugin.
        name: PluginName,
        /// Highest version so far.
        highest: String,
        /// Version of this file.
        found: String,
    },
    /// Nothing shows whether the version is older or newer than the version that was loaded before.
    #[error(
        "plugin `{name}` is of version {}, which may be older or newer than {}, which was loaded before",
        escape::terminal(found),
        escape::terminal(highest)
    )]
    VersionUnordered {
        /// Name of the plugin.
        name: PluginName,
        /// Version that was loaded before.
        highest: String,
        /// Version of this file.
        found: String,
    },
    /// The plugin has no version, and an earlier file of the plugin had one.
    #[error("plugin `{name}` has no signed version; {} was loaded before", escape::terminal(highest))]
    VersionMissing {
        /// Name of the plugin.
        name: PluginName,
        /// Highest version so far.
        highest: String,
    },
    /// A rule of the policy demands more trusted signers.
    #[error("{found} of {needed} trusted signers; the policy demands {rule}")]
    TooFewSigners {
        /// The rule in words.
        rule: String,
        /// Signers demanded.
        needed: usize,
        /// Trusted signers that count.
        found: usize,
        /// The place of the rule.
        place: Option<RuleSource>,
    },
}

impl VerifyError {
    /// What to do about the error.
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
            | Self::CosignatureInvalid { .. }
            | Self::EndorsesAnother { .. }
            | Self::SignerRepeated { .. }
            | Self::Statement { .. }
            | Self::StatementDisagrees { .. }
            | Self::CosignerDisagrees { .. }
            | Self::ManifestDisagrees { .. } => again.to_owned(),
            Self::Expired { .. } => "get a newer release from the developer".to_owned(),
            Self::HostTooOld { .. } => "update Conductor".to_owned(),
            Self::StatementStripped { name, .. } => format!(
                "{again}; if the developer says that `{name}` has no statement any more: conductor-sign trust \
                 unpin {name}"
            ),
            Self::StatementMissing { .. } => "get a signature with a statement from the developer, or set \
                 `require_statement = \"once-seen\"` to demand one only of plugins that had one"
                .to_owned(),
            Self::Name { .. } => "rename the file to letters, digits, `-`, `_` and `.`".to_owned(),
            // The command is not shown with this key filled in: a user who pastes it would trust whoever wrote the
            // file.
            Self::Untrusted { .. } => {
                "get the publisher's key from the publisher, not from this file; if it is the \
                                       same, trust it: conductor-sign trust add <key> <name>"
                    .to_owned()
            }
            Self::TrustExpired { .. } => {
                "if you still trust the key: conductor-sign trust renew <key>".to_owned()
            }
            Self::OtherPlugins { .. } => {
                "if the key may sign this plugin, add its name to `plugins` in trusted_keys.toml".to_owned()
            }
            Self::OtherRole { .. } => "get the signature of the publisher, with this one beside it; if the key may publish as \
                 well: conductor-sign trust remove <key>, then add it again with --role both"
                .to_owned(),
            Self::Rotation(error) => return error.hint(),
            Self::KeySuperseded { .. } => {
                "get a release from the developer that the new key signed".to_owned()
            }
            Self::KeyNotYetActive { from, .. } => {
                format!("wait until {from}, or get a release that the old key signed")
            }
            Self::RotationFromCompromised { .. } => {
                "whoever stole the old key could have made the new one: ask the publisher for the key that is used \
                 now, and only if it is the same: conductor-sign trust add <key> <name>"
                    .to_owned()
            }
            Self::PublisherChanged { name, .. } => format!(
                "ask the publisher whether the plugin changed hands or keys; if the key that the publisher names is the \
                 one that signed: conductor-sign trust pin {name} <key>"
            ),
            Self::CosignerMissing { seen_of: Some(name), .. } => format!(
                "get a release that everybody signed; if the publisher says that this key signs no more: \
                 conductor-sign trust unpin {name}"
            ),
            Self::CosignerMissing { seen_of: None, .. } => {
                "get the signature again from the developer, once everybody has signed".to_owned()
            }
            Self::VersionUnordered { name, .. } => format!(
                "ask the publisher which of the two is newer; if it is this one: conductor-sign trust allow-downgrade {name}"
            ),
            Self::Downgrade { name, .. } | Self::VersionMissing { name, .. } => format!(
                "get the newest release; to go back on purpose: conductor-sign trust allow-downgrade {name}"
            ),
            Self::TooFewSigners { place, .. } => {
                let place = place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
                format!("get a release that enough trusted keys signed, or change the rule{place}")
            }
            Self::Module(_) => return None,
        })
    }

    /// The exit status of `conductor-sign` for this cause: 3 for a valid signature that is not trusted, 4 for an
    /// invalid one, 5 for none, 6 for revoked or expired, 1 for anything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.consequence().exit_code
    }

    /// Whether a running plugin must stop for this cause. What later loads have shown about the plugin's name or its
    /// key does not stop a running plugin, because the user has not decided that it must stop.
    #[must_use]
    pub const fn ends_what_runs(&self) -> bool {
        self.consequence().ends_what_runs
    }

    /// What follows from this cause beside the refusal.
    const fn consequence(&self) -> Consequence {
        let (exit_code, ends_what_runs) = match self {
            Self::HostTooOld { .. } | Self::Name { .. } => (1, true),
            Self::Downgrade { .. } | Self::VersionUnordered { .. } | Self::VersionMissing { .. } => {
                (1, false)
            }
            Self::Untrusted { .. }
            | Self::OtherPlugins { .. }
            | Self::OtherRole { .. }
            | Self::KeyNotYetActive { .. }
            | Self::RotationFromCompromised { .. }
            | Self::PublisherChanged { .. }
            | Self::TooFewSigners { .. } => (3, true),
            Self::Document(_)
            | Self::HashMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::SignatureInvalid { .. }
            | Self::StatementSignatureInvalid { .. }
            | Self::CosignatureInvalid { .. }
            | Self::EndorsesAnother { .. }
            | Self::SignerRepeated { .. }
            | Self::Statement { .. }
            | Self::StatementDisagrees { .. }
            | Self::CosignerDisagrees { .. }
            | Self::Module(_)
            | Self::ManifestDisagrees { .. }
            | Self::StatementMissing { .. }
            | Self::Rotation(_) => (4, true),
            Self::StatementStripped { .. } | Self::CosignerMissing { .. } => (4, false),
            Self::NoSignature { .. } => (5, true),
            Self::DigestRevoked { .. }
            | Self::KeyRevoked { .. }
            | Self::Expired { .. }
            | Self::TrustExpired { .. } => (6, true),
            Self::KeySuperseded { .. } => (6, false),
        };
        Consequence { exit_code, ends_what_runs }
    }

    /// Whether the user revoked the file or its key; no policy ignores a revocation.
    #[must_use]
    pub const fn is_revocation(&self) -> bool {
        matches!(self, Self::DigestRevoked { .. } | Self::KeyRevoked { .. })
    }
}

/// What follows from a cause, as [`VerifyError::exit_code`] and [`VerifyError::ends_what_runs`] say.
struct Consequence {
    exit_code: u8,
    ends_what_runs: bool,
}
