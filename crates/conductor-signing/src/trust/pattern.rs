//! Patterns of plugin names.

use std::str::FromStr;

use crate::text::PluginName;

/// Longest pattern in bytes, as long as a name; matching costs at most the product of both lengths.
const MAX_PATTERN_BYTES: usize = 64;

/// A plugin name in which `*` stands for any number of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name fits the pattern: it begins with the text before the first star, ends with the text after the
    /// last star, and holds the texts between stars in their order.
    #[must_use]
    pub fn matches(&self, name: &PluginName) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == name.as_str() };
        let Some(mut left) = name.as_str().strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            match left.split_once(part) {
                Some((_, after)) => left = after,
                None => return false,
            }
        }
        left.ends_with(last)
    }
}

impl FromStr for NamePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte);
        let sound = (1..=MAX_PATTERN_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        if sound { Ok(Self(text.to_owned())) } else { Err(PatternError) }
    }
}

/// A text that is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pattern holds 1 to {MAX_PATTERN_BYTES} letters, digits, `-`, `_`, `.` and `*`")]
pub struct PatternError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_number_of_characters() {
        for (pattern, name, fits) in [
            ("chord", "chord", true),
            ("chord", "chord2", false),
            ("chord", "Chord", false),
            ("*", "chord", true),
            ("acme-*", "acme-chord", true),
            ("acme-*", "acme-", true),
            ("acme-*", "notacme-chord", false),
            ("*-fx", "acme-fx", true),
            ("*-fx", "acme-fx2", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "ac", false),
            ("a*a", "a", false),
            ("**a**", "bab", true),
        ] {
            let pattern = pattern.parse::<NamePattern>().expect("a pattern");
            assert_eq!(pattern.matches(&name.parse().expect("a name")), fits, "{pattern:?} {name}");
        }
        for text in ["", "a b", "a/*", "[a]", "é", &"x".repeat(65)] {
            assert_eq!(text.parse::<NamePattern>(), Err(PatternError), "{text}");
        }
    }
}
