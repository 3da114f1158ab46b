//! The documents that belong to a plugin: the signature document beside the file, its statements, and the manifest in
//! the module. This room knows `text` and `key`. What was parsed here is well-formed; whether it is true is decided
//! elsewhere.

mod cosigner_statement;
mod developer;
pub mod dsse;
mod json;
mod manifest_edit;
pub(crate) mod module_scan;
mod nearest_key;
mod signature_document;
pub(crate) mod statement;

pub use cosigner_statement::{COSIGNATURE_PAYLOAD_TYPE, CosignerStatement};
pub use developer::{Developer, DeveloperError};
pub use json::{FormatError, ValueError};
pub(crate) use json::{Members, bounded, parse_base64, parse_signature};
pub use manifest_edit::{ManifestEditError, add_manifest, manifest_from_toml};
pub use module_scan::{FileKind, ModuleError, manifest_section};
pub use signature_document::{
    ALGORITHM, Cosignature, DOCUMENT_VERSION, DocumentError, Endorsement, MAX_COSIGNATURES,
    MAX_DOCUMENT_BYTES, SignatureDocument, SignedStatement, signature_path,
};
pub use statement::{PAYLOAD_TYPE, Statement};
