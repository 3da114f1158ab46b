//! Text from strangers, made harmless before it reaches a terminal or a log.
//!
//! Plugin names, developers, reasons and paths come from files that anyone may have written. Control characters could
//! drive the terminal, newlines could forge lines of output, and bidirectional or invisible characters could make one
//! key or name look like another (Unicode Technical Report 36).

use std::fmt::{self, Write as _};
use std::path::Path;

/// Shows text on one line, with everything that is not plainly visible written as `\u{…}`, `\n`, `\r` or `\t`.
///
/// ```
/// use conductor_store::escape;
/// assert_eq!(escape::terminal("red \u{1b}[31m\n").to_string(), r"red \u{1b}[31m\n");
/// ```
#[must_use]
pub fn terminal(text: &str) -> Escaped<'_> {
    Escaped(text)
}

/// Shows a path as [`terminal`] does; bytes that are not UTF-8 become U+FFFD.
#[must_use]
pub fn path(path: &Path) -> String {
    terminal(&path.to_string_lossy()).to_string()
}

/// A path as one word of a POSIX shell, escaped for the terminal.
#[must_use]
pub fn quoted(file: &Path) -> String {
    quoted_text(&path(file))
}

/// Rewrites JSON so that characters that are dangerous in a terminal are written as `\uXXXX`. The meaning stays the
/// same, because JSON has none of these characters outside strings, apart from line breaks and tabs.
#[must_use]
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_dangerous(character) && !matches!(character, '\n' | '\r' | '\t') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Text that is escaped as it is shown; made by [`terminal`].
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                other if is_dangerous(other) => write!(f, "\\u{{{:x}}}", u32::from(other))?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A text as one word of a POSIX shell.
fn quoted_text(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&byte);
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Whether the character is a control character, a format character that reorders, hides or joins the text around it,
/// or is blank or invisible. Unassigned and private-use characters count as dangerous too.
#[must_use]
pub fn is_dangerous(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let is_blank = matches!(
        character,
        '\u{34f}'                                    // combining grapheme joiner
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
            | '\u{17b4}' | '\u{17b5}'                // Khmer inherent vowels
            | '\u{180b}'..='\u{180f}'                // Mongolian selectors
            | '\u{2800}'                             // braille pattern without dots
            | '\u{fe00}'..='\u{fe0f}'                // variation selectors
            | '\u{fffc}'                             // stands for an object that is not there
            | '\u{1d159}'                            // musical note without a head
            | '\u{e0000}'..='\u{e0fff}'              // tags, further variation selectors
    );
    is_blank || !is_printable(character)
}

/// Whether Unicode counts the character as printed: no control or format character, no separator, not unassigned and
/// not for private use. The standard library has the table: it escapes an unprintable character that follows another
/// letter.
fn is_printable(character: char) -> bool {
    let behind: String = ['a', character].iter().collect();
    behind.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_the_cursor_or_the_eye_gets_through() {
        let text = "a\u{1b}[2Jb\nc\rd\te\u{9b}f\u{202e}g\u{2066}h\u{200b}i\u{7f}j\u{e0041}k\0";
        assert_eq!(
            terminal(text).to_string(),
            r"a\u{1b}[2Jb\nc\rd\te\u{9b}f\u{202e}g\u{2066}h\u{200b}i\u{7f}j\u{e0041}k\u{0}"
        );
    }

    #[test]
    fn what_looks_like_nothing_is_seen() {
        for c in [
            '\u{2800}',
            '\u{1d159}',
            '\u{13430}',
            '\u{110bd}',
            '\u{600}',
            '\u{fffc}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{2028}',
            '\u{2066}',
            '\u{feff}',
            '\u{fff9}',
            '\u{a0}',
            '\u{3000}',
            '\u{3164}',
            '\u{e000}',
            '\u{378}',
            '\u{fe0f}',
        ] {
            assert_eq!(terminal(&format!("a{c}")).to_string(), format!("a\\u{{{:x}}}", u32::from(c)));
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let text = "Zoë Ångström <zoë@example.org> 東京 Студия हिन्दी e\u{301} ✓ ⚠ – … \\n";
        assert_eq!(terminal(text).to_string(), text);
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({ "a\u{202e}": "x\u{9b}y\u{e0041}\n", "b": [1, "é"] });
        let pretty = serde_json::to_string_pretty(&value).expect("serialises");
        let escaped = json(&pretty);
        assert!(!escaped.chars().any(|c| is_dangerous(c) && c != '\n'), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("parses"), value);
    }
}
