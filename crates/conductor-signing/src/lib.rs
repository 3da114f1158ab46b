//! Who vouches for which bytes: verdicts and proofs.
//!
//! This crate knows no engine, no limits and no grants: what an accepted plugin may do is decided elsewhere. It opens
//! no network connection and does not ask the user.
//!
//! The rooms of this crate, the lowest first; each room knows only the rooms above it in this table:
//!
//! | room | what is in it |
//! |---|---|
//! | `text` | short values with one written form, such as digests, names and versions, and rules for texts that are
//! shown to people |
//! | `key` | public and private keys, fingerprints, key files |
//! | `document` | signature documents, statements, and manifests in modules |
//! | `trust` | the trust store: trusted keys, revocations, rotations, pins, and the standing of a key by them |
//! | `verdict` | policies, checks, and the one decision about a plugin; makes [`VerifiedPlugin`] |
//! | `sign` | making signature documents; each is verified before it is returned |
//!
//! A plugin file is read once into an [`UnverifiedPlugin`]. [`UnverifiedPlugin::verify`] checks it against a
//! [`VerificationPolicy`] and a [`TrustStore`] and returns a [`VerifiedPlugin`], which has no other constructor:
//!
//! ```no_run
//! use std::path::Path;
//!
//! use conductor_signing::{SignaturePolicy, TrustStore, UnverifiedPlugin};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config_dir = Path::new("/home/me/.config/conductor");
//! let trust = TrustStore::load(config_dir)?;
//! let plugin = UnverifiedPlugin::read("chord.wasm".as_ref(), 64 * 1024 * 1024)?;
//! let plugin = plugin.verify(&SignaturePolicy::TrustedSigner.into(), &trust)?;
//! println!("{} {}", plugin.name(), plugin.digest());
//! // ... and once it was loaded, so that its statement cannot be dropped later:
//! if let Some(pin) = trust.new_pin(&plugin) {
//!     pin.record(config_dir)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Bytes that nobody verified cannot become a [`VerifiedPlugin`]:
//!
//! ```compile_fail,E0451
//! use conductor_signing::VerifiedPlugin;
//! let bytes = std::fs::read("chord.wasm").unwrap();
//! let plugin = VerifiedPlugin { bytes };
//! ```
//!
//! The tools that sign and inspect use [`PluginFile`], which hashes a file of any size in pieces and never holds the
//! whole file. It gives out no bytes, so nothing can be loaded from it.

#![forbid(unsafe_code)]

mod document;
mod key;
mod sign;
mod text;
mod trust;
mod verdict;

pub use conductor_store::owner_and_mode as guarded;
pub use conductor_store::{
    FileError, Followed, SecretText, TimeError, UtcTime, atomic_file, escape, keeper, read_followed, secret,
};
pub use document::{
    ALGORITHM, COSIGNATURE_PAYLOAD_TYPE, Cosignature, CosignerStatement, DOCUMENT_VERSION, Developer,
    DeveloperError, DocumentError, Endorsement, FileKind, FormatError, MAX_COSIGNATURES, MAX_DOCUMENT_BYTES,
    ManifestEditError, ModuleError, PAYLOAD_TYPE, SignatureDocument, SignedStatement, Statement, ValueError,
    add_manifest, dsse, manifest_from_toml, manifest_section, signature_path,
};
pub use key::{
    Fingerprint, FoundKey, KeyError, KeyFileError, KeyPaths, PrivateKey, PrivateKeyError, PublicKey,
    Signature, SignatureError, SigningKey, check_private_key,
};
pub use sign::{CosigningRequest, SignError, SigningRequest};
pub use text::{
    Digest, DigestError, HostVersion, NameError, PluginName, RuleSource, ShownTextError, VersionError,
};
pub use trust::{
    AcceptedChain, Ancestor, ImportedList, KeyRole, KeySelector, KnownAs, Likeness, Lineage,
    MAX_ACCEPTED_ROTATIONS, MAX_ISSUER_BYTES, MAX_LIST_SEQUENCE, MAX_LISTED_REVOCATIONS, MAX_REMOVED_KEYS,
    MAX_REVOCATION_LIST_BYTES, MAX_REVOCATION_LISTS, MAX_ROTATION_BYTES, MAX_ROTATION_LINKS,
    MAX_ROTATION_STATEMENT_BYTES, MIN_KEY_PREFIX, NamePattern, NewKey, NewPin, NewRotations,
    OWN_REVOCATIONS_RESERVE_BYTES, PatternError, Pin, PublisherPin, Purpose, REVOCATION_LIST_VERSION,
    REVOCATIONS_PAYLOAD_TYPE, ROTATION_PAYLOAD_TYPE, ROTATION_VERSION, RemovedKey, Resemblance, Revocation,
    RevocationKind, RevocationList, RevocationListError, Revoked, RotateError, RotationChain, RotationError,
    RotationLink, RotationRequest, Standing, TrustError, TrustStore, TrustedKey, UnknownRole, rotation_path,
};
pub use verdict::{
    Admission, Check, CheckedCosigner, CheckedSignature, Companion, CosignersKept, Decision, MAX_RULE_KEYS,
    MAX_SIGNER_RULES, PluginFile, PluginFiles, PluginParts, Publisher, ReadError, RequireStatement,
    SignaturePolicy, Signer, SignerRule, SignerRuleError, Step, TrustLevel, UnknownRequirement,
    UnverifiedPlugin, Verdict, VerificationPolicy, VerifiedPlugin, VerifyError,
};
