//! How the user names a key.

use std::str::FromStr;

use super::{MIN_KEY_PREFIX, TrustError};
use crate::key::PublicKey;

/// A whole key in hex, or at least [`MIN_KEY_PREFIX`] digits that the key starts with. Dots behind the digits are
/// dropped, because shortened keys are shown with dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySelector(String);

impl KeySelector {
    /// Whether the selector fits the key.
    #[must_use]
    pub fn matches(&self, key: &PublicKey) -> bool {
        key.to_string().starts_with(&self.0)
    }

    /// The place of the only key that the selector fits.
    ///
    /// # Errors
    ///
    /// Fails if the selector fits no key, or more than one.
    pub(super) fn choose<'k>(&self, keys: impl Iterator<Item = &'k PublicKey>) -> Result<usize, TrustError> {
        let mut places = keys.enumerate().filter(|(_, key)| self.matches(key)).map(|(place, _)| place);
        let place = places.next().ok_or_else(|| TrustError::NotTrusted { selector: self.0.clone() })?;
        match places.next() {
            None => Ok(place),
            Some(_) => Err(TrustError::Ambiguous { selector: self.0.clone() }),
        }
    }
}

#[cfg(test)]
impl KeySelector {
    /// The selector without digits, which fits every key.
    pub(super) fn any() -> Self {
        Self(String::new())
    }
}

impl FromStr for KeySelector {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim_end_matches(['.', '…']);
        let hex = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if hex && (MIN_KEY_PREFIX..=64).contains(&digits.len()) {
            Ok(Self(digits.to_owned()))
        } else {
            Err(TrustError::Selector { text: text.to_owned() })
        }
    }
}
