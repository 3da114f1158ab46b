//! Excerpts of untrusted text that are safe for a terminal, a log and an error message.

use std::fmt;

use conductor_signing::escape;

/// Most characters of untrusted text that are shown. Stops a hostile file from filling a screen.
const MAX_EXCERPT_CHARS: usize = 160;

/// A bounded piece of untrusted text, quoted, with control, bidirectional and other unprintable characters escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    /// Takes the beginning of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let cut = text.char_indices().nth(MAX_EXCERPT_CHARS).map(|(index, _)| index);
        let start = cut.and_then(|index| text.get(..index)).unwrap_or(text);
        let ellipsis = if cut.is_some() { "…" } else { "" };
        Self(format!("`{}`{ellipsis}", escape::terminal(start)))
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_unescaped() {
        let shown = Excerpt::new("a\u{1b}[31m\u{202e}\n\u{200b}\u{7}é'").to_string();
        assert_eq!(shown, "`a\\u{1b}[31m\\u{202e}\\n\\u{200b}\\u{7}é'`");
        assert!(Excerpt::new(&"x".repeat(1000)).to_string().chars().count() < 170);
    }
}
