//! Who vouches for a plugin, in words.

use conductor_signing::TrustLevel;

/// The words; the name of a key in them is as the user wrote it.
pub(crate) fn in_words(level: &TrustLevel) -> String {
    match level {
        TrustLevel::Unsigned => "unsigned".to_owned(),
        TrustLevel::SelfSigned => "signed by an untrusted key".to_owned(),
        TrustLevel::Trusted { key_name } => format!("signed by the trusted key {key_name}"),
    }
}
