//! Patterns for names that are not host names.

use std::fmt;

/// A pattern for names of ports or devices, or for arguments: one text, or all texts with one beginning (`Synth*`).
/// Case matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    start: String,
    open: bool,
}

impl NamePattern {
    /// Reads a pattern. A `*` may only be at its end.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (start, open) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        let names_something = open || !start.is_empty();
        (names_something && !start.contains('*')).then(|| Self { start: start.to_owned(), open })
    }

    /// Whether the name is covered.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        if self.open { name.starts_with(&self.start) } else { name == self.start }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.start)?;
        if self.open { f.write_str("*") } else { Ok(()) }
    }
}
