//! Who vouches for a plugin, in words.

use conductor_signing::TrustLevel;

/// The trust level in words. They contain the name of a key as the user wrote it, not escaped.
pub(crate) fn in_words(level: &TrustLevel) -> String {
    match level {
        TrustLevel::Unsigned => "unsigned".to_owned(),
        TrustLevel::SelfSigned => "signed by an untrusted key".to_owned(),
        TrustLevel::Trusted { key_name } => format!("signed by the trusted key {key_name}"),
    }
}
