//! Whether a plugin is let in, and the proof of that. This room knows every room below it: `text`, `key`, `document`
//! and `trust`.
//!
//! [`plugin_parts`] holds the bytes of a module and its companions ([`companion`]) before anything is checked;
//! [`plugin_file`] holds what is known of the file once it was read. [`judge`] makes the [`checks`] that a [`policy`]
//! demands, counts signers for the policy's rules ([`signer_count`]), and decides: an [`admission`] or an [`error`].
//! Only a plugin that was let in becomes a [`VerifiedPlugin`]. [`after_load`] says what loading it adds to the trust
//! store, and [`replacement`] compares it with a plugin whose place it is to take.

mod admission;
mod after_load;
mod checked_signature;
mod checks;
mod companion;
mod error;
mod judge;
mod plugin_file;
mod plugin_parts;
mod policy;
mod replacement;
mod signer;
mod signer_count;
mod verified;

pub use admission::{Admission, Decision};
pub use checked_signature::{CheckedCosigner, CheckedSignature};
pub use checks::{Check, Step, Verdict};
pub use companion::Companion;
pub use error::VerifyError;
pub(crate) use judge::{signed_name, signed_version};
pub(crate) use plugin_file::DocumentFile;
pub use plugin_file::{PluginFile, ReadError};
pub use plugin_parts::{PluginFiles, PluginParts};
pub use policy::{
    MAX_RULE_KEYS, MAX_SIGNER_RULES, RequireStatement, SignaturePolicy, SignerRule, SignerRuleError,
    TrustLevel, UnknownRequirement, VerificationPolicy,
};
pub use replacement::CosignersKept;
pub use signer::{Publisher, Signer};
pub use verified::{UnverifiedPlugin, VerifiedPlugin};
