//! One text file of the tree, and its code with comments and literals removed.

use std::path::{Path, PathBuf};

use crate::tidy::Violation;

/// One text file.
pub(crate) struct Source {
    /// Path relative to the root.
    pub(crate) path: PathBuf,
    /// The file as it is.
    pub(crate) text: String,
    /// For Rust: the text with comments and the contents of literals blanked. Lines stay the same as in `text`.
    pub(crate) code: String,
}

impl Source {
    /// A file with this path and this text.
    pub(crate) fn new(path: &Path, text: String) -> Self {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        let code = if is_rust { without_comments_and_literals(&text) } else { String::new() };
        Self { path: path.to_owned(), text, code }
    }

    /// Whether this is a Rust file.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    /// The crate that the file belongs to, by its directory.
    pub(crate) fn crate_name(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("crates").ok()?;
        inside.components().next()?.as_os_str().to_str()
    }

    /// A violation in this file; line 0 means the file as a whole.
    pub(crate) fn violation(&self, line: usize, rule: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, rule: rule.into() }
    }
}

/// Whether `word` is in `line` as a whole word, not as part of a longer identifier.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|head| head.chars().next_back());
        let after = line.get(start + word.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Blanks comments and the contents of string and character literals. Line breaks stay where they are.
fn without_comments_and_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = skip_length(rest, out.chars().next_back());
        match rest.split_at_checked(skipped) {
            Some((blank, tail)) if skipped > 0 => {
                out.extend(blank.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
                rest = tail;
            }
            _ => {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}

/// Length of the comment or literal that starts here; 0 if none starts.
fn skip_length(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if rest.starts_with('"') {
        return 1 + until_closed(rest.get(1..).unwrap_or_default(), '"');
    }
    let in_identifier = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_identifier && let Some(length) = raw_string_length(rest) {
        return length;
    }
    if rest.starts_with('\'') {
        return character_length(rest);
    }
    0
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut position) = (0_usize, 0);
    while let Some(tail) = rest.get(position..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Length up to and including the closing quote. A backslash escapes the next character.
fn until_closed(inside: &str, quote: char) -> usize {
    let mut hidden = false;
    for (position, c) in inside.char_indices() {
        if !hidden && c == quote {
            return position + 1;
        }
        hidden = c == '\\' && !hidden;
    }
    inside.len()
}

/// The length of `r"…"`, `r#"…"#` and their byte and C forms.
fn raw_string_length(rest: &str) -> Option<usize> {
    let after_r =
        rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'))?;
    let hashes = after_r.len() - after_r.trim_start_matches('#').len();
    let inside = after_r.get(hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let opened = rest.len() - inside.len();
    Some(inside.find(&close).map_or(rest.len(), |end| opened + end + close.len()))
}

/// The length of a character literal. In a literal, unlike a lifetime, the closing quote follows one character or one
/// escape.
fn character_length(rest: &str) -> usize {
    let inside = rest.get(1..).unwrap_or_default();
    if inside.starts_with('\\') {
        return 1 + until_closed(inside, '\'');
    }
    let mut characters = inside.chars();
    match (characters.next(), characters.next()) {
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        (_, _) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        for (text, code) in [
            ("a // b\nc", "a c"),
            ("a /* b /* c */ d */ e", "a e"),
            (r#"f("a \" b") + g"#, "f( ) + g"),
            ("r#\"a\" // b\"# + c", "+ c"),
            ("'x' + 'y", "+ 'y"),
            (r"'\'' + b'\n' + x", "+ b + x"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("for r in \"x\"", "for r in"),
        ] {
            let blanked = without_comments_and_literals(text);
            assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), code, "{text}");
            assert_eq!(blanked.lines().count(), text.lines().count(), "{text}");
        }
    }

    #[test]
    fn a_word_is_not_a_part_of_a_longer_one() {
        assert!(has_word("use conductor_core::Host;", "conductor_core"));
        assert!(!has_word("use conductor_core_x::Host;", "conductor_core"));
        assert!(!has_word("let my_conductor_core = 1;", "conductor_core"));
    }
}
