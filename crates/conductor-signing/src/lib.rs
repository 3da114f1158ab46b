//! Signature documents, keys, statements and trust: everything that decides whether a plugin may be loaded.
//!
//! A plugin file is read once into an [`UnverifiedPlugin`]. [`UnverifiedPlugin::verify`] holds it against a
//! [`VerificationPolicy`] and a [`TrustStore`] and gives back a [`VerifiedPlugin`], which has no other constructor:
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
//! Bytes that nobody verified cannot take that form:
//!
//! ```compile_fail,E0451
//! use conductor_signing::VerifiedPlugin;
//! let bytes = std::fs::read("chord.wasm").unwrap();
//! let plugin = VerifiedPlugin { bytes };
//! ```
//!
//! The tools that sign and inspect go through [`PluginFile`], which hashes a file of any size in pieces and never holds
//! it whole; it gives no bytes out, so nothing can be loaded from it.

#![forbid(unsafe_code)]

mod after_load;
mod decision;
mod document;
mod key;
mod plugin_file;
mod plugin_files;
mod policy;
mod replacement;
mod sign;
mod text;
mod trust;
mod verified;
mod verify;

pub use conductor_store::owner_and_mode as guarded;
pub use conductor_store::{
    FileError, Followed, TimeError, UtcTime, atomic_file, escape, keeper, read_followed, secret,
};
pub use decision::{Check, Decision, Step, Verdict};
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
pub use plugin_file::{PluginFile, ReadError};
pub use plugin_files::{Companion, PluginFiles};
pub use policy::{
    MAX_RULE_KEYS, MAX_SIGNER_RULES, RequireStatement, SignaturePolicy, SignerRule, SignerRuleError,
    TrustLevel, UnknownRequirement, VerificationPolicy,
};
pub use replacement::CosignersKept;
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
pub use verified::{PluginParts, Publisher, Signer, UnverifiedPlugin, VerifiedPlugin};
pub use verify::{Admission, CheckedCosigner, CheckedSignature, VerifyError};
