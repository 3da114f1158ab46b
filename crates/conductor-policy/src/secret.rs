//! Secrets that the user entered for a plugin: who may have them used, and where to. The plugin never gets them.
//!
//! A secret is bound to the plugin's name and publisher, as a grant is. It goes only to hosts that the plugin declares and
//! that the user confirmed when entering it: what a later version declares in addition waits for the user.
//!
//! In reading order: `host`, one host of a secret; `held`, what a loaded plugin may have used; `store` and `file`, the
//! user's decisions in `secrets.toml`. The secrets themselves are kept elsewhere, by their [`SecretId`].

mod file;
mod held;
mod host;
mod store;

use std::fmt;
use std::str::FromStr;

use conductor_signing::SecretText;

pub use held::{Declared, HeldSecrets, SecretUse, SecretView};
pub use host::{SecretHost, SecretHostError};
pub use store::{
    KeptIn, MAX_SECRETS_OF_HOLDER, MAX_STORED_SECRETS, SECRETS_FILE, SecretPlace, SecretStore,
    SecretStoreError, StoredSecret, Whose,
};

/// Longest secret in bytes; header fields have a bound, and a secret is at most a part of one.
pub const MAX_SECRET_BYTES: usize = 4096;

/// Digits of the name under which a secret is kept.
const ID_DIGITS: usize = 32;

/// The name under which a secret is kept: random, so that it says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretId(String);

impl SecretId {
    /// A name of random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; ID_DIGITS / 2]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == ID_DIGITS && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err("expected 32 hexadecimal digits")
        }
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text cannot be a secret. The text is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretTextError {
    /// There is nothing.
    #[error("the secret is empty")]
    Empty,
    /// The text is longer than [`MAX_SECRET_BYTES`].
    #[error("the secret is longer than {MAX_SECRET_BYTES} bytes")]
    TooLong,
    /// The text has a character that could end a header field, or that header fields do not have.
    #[error(
        "the secret has a character that header fields cannot have: visible ASCII characters and spaces are allowed"
    )]
    Character,
    /// The text begins or ends with a space, which servers leave out.
    #[error("the secret begins or ends with a space")]
    Space,
}

/// Checks that a text can stand in the value of a header field (RFC 9110, section 5.5) and cannot end it.
///
/// # Errors
///
/// Says what is wrong, without the text.
pub fn check_text(text: &SecretText) -> Result<(), SecretTextError> {
    let text = text.expose();
    if text.is_empty() {
        return Err(SecretTextError::Empty);
    }
    if text.len() > MAX_SECRET_BYTES {
        return Err(SecretTextError::TooLong);
    }
    if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(SecretTextError::Character);
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err(SecretTextError::Space);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_a_header_field_is_no_secret() {
        let check = |text: &str| check_text(&SecretText::new(text.to_owned()));
        assert_eq!(check("Basic dXNlcjpwYXNz"), Ok(()));
        assert_eq!(check("two words"), Ok(()));
        assert_eq!(check(&"x".repeat(MAX_SECRET_BYTES)), Ok(()));
        assert_eq!(check(""), Err(SecretTextError::Empty));
        assert_eq!(check(&"x".repeat(MAX_SECRET_BYTES + 1)), Err(SecretTextError::TooLong));
        for text in ["a\r\nhost: b", "a\n", "a\rb", "a\0", "a\tb", "a\u{7f}", "café", "a\u{2028}b"] {
            assert_eq!(check(text), Err(SecretTextError::Character), "{text:?}");
        }
        assert_eq!(check(" a"), Err(SecretTextError::Space));
        assert_eq!(check("a "), Err(SecretTextError::Space));
    }

    #[test]
    fn an_id_is_hexadecimal() {
        let id = SecretId::from_random([0xa5; 16]);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        for text in ["", "a5", &"A5".repeat(16), &"..".repeat(16)] {
            assert!(text.parse::<SecretId>().is_err(), "{text}");
        }
    }
}
