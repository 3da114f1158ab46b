//! Whether a plugin is let in, and the proof that it was. It knows everything below: `text`, `key`, `document` and `trust`.
//!
//! [`plugin_file`] is what is known of a file once it was read, [`plugin_parts`] its bytes and those of its companions
//! ([`companion`]), with nothing known about them. [`judge`] runs the [`checks`] that a [`policy`] asks for, counts signers for
//! its rules ([`signer_count`]), and comes to an [`admission`] or an [`error`]. Only what was judged becomes a
//! [`VerifiedPlugin`]; what its load leaves in the trust store is in [`after_load`], and whether it may take the place of
//! another plugin in [`replacement`].

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
