//! A text that must not be shown.

use std::fmt;

use zeroize::Zeroizing;

/// A text that must not be shown: it is overwritten when it is dropped, and has no form for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes a text. Other copies of it are the caller's to overwrite.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_show_itself() {
        let text = SecretText::new("hush".to_owned());
        assert_eq!(text.expose(), "hush");
        assert!(!format!("{text:?}").contains("hush"));
    }
}
