//! Short values with one written form each, and rules for texts that are shown to people. This room knows no other room
//! of this crate.

mod digest;
mod host_version;
mod plugin_name;
pub(crate) mod plugin_version;
mod rule_source;
pub(crate) mod shown_text;

pub use digest::{Digest, DigestError};
pub(crate) use digest::{Hasher, decode_hex};
pub use host_version::{HostVersion, VersionError};
pub use plugin_name::{NameError, PluginName};
pub use rule_source::RuleSource;
pub use shown_text::ShownTextError;
