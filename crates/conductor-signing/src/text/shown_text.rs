//! Rules for texts that are shown where people expect a name.
//!
//! A stranger's key comes to be trusted when its name is mistaken for another name, or is not seen at all. So a name
//! that is entered or accepted may hold only the letters, marks and digits that Unicode allows in identifiers (Unicode
//! Technical Standard 39, section 3), the ASCII characters listed here, and single spaces inside. Names that are in
//! stores and documents already are read as they are, and shown escaped.

use conductor_store::escape;
use unicode_security::{GeneralSecurityProfile as _, RestrictionLevel, RestrictionLevelDetection as _};

/// Longest text in bytes; texts are shown in table columns.
pub(crate) const MAX_SHOWN_BYTES: usize = 256;

/// ASCII characters that names may have beside letters and digits. Backquotes, angle, square and curly brackets and the
/// backslash are not among them: messages put them around names, and escapes begin with a backslash.
const LISTED: &str = "!\"#$%&'()*+,-./:;=?@_";

/// Most characters in a row that are neither a letter nor a digit of their own, such as the marks of Vietnamese or
/// Thai; more marks would pile up over the lines above.
const MAX_MARKS: usize = 4;

/// Checks the name of a key or a person.
pub(crate) fn check_name(text: &str) -> Result<(), ShownTextError> {
    check(text, |c| LISTED.contains(c))
}

/// Checks a sentence that is shown beside names, such as the reason of a revocation; a sentence may hold all visible
/// ASCII.
pub(crate) fn check_sentence(text: &str) -> Result<(), ShownTextError> {
    check(text, |c| c.is_ascii_graphic())
}

/// Checks an address, which is shown in angle brackets.
pub(crate) fn check_address(text: &str) -> Result<(), ShownTextError> {
    match text.chars().find(|c| matches!(c, ' ' | '<' | '>')) {
        Some(found) => Err(ShownTextError::Character { found }),
        None => check(text, |c| c.is_ascii_graphic()),
    }
}

/// Whether a name mixes alphabets as hardly any language does: beyond the level that Unicode Technical Standard 39
/// calls highly restrictive, which allows Latin together with Chinese, Japanese or Korean.
pub(crate) fn mixes_scripts(text: &str) -> bool {
    let letters: String = text.chars().filter(|c| !c.is_ascii() || c.is_ascii_alphabetic()).collect();
    !letters.as_str().check_restriction_level(RestrictionLevel::HighlyRestrictive)
}

/// Whether a character of any script may be part of a name.
pub(crate) fn is_of_names(character: char) -> bool {
    character.identifier_allowed() && !escape::is_dangerous(character)
}

fn check(text: &str, is_listed: impl Fn(char) -> bool) -> Result<(), ShownTextError> {
    if text.len() > MAX_SHOWN_BYTES {
        return Err(ShownTextError::TooLong);
    }
    let is_allowed = |c: char| c == ' ' || is_of_names(c) || (c.is_ascii() && is_listed(c));
    if let Some(found) = text.chars().find(|c| !is_allowed(*c)) {
        return Err(ShownTextError::Character { found });
    }
    if text.starts_with(' ') || text.ends_with(' ') || text.contains("  ") {
        return Err(ShownTextError::Spaces);
    }
    if !text.chars().any(char::is_alphanumeric) {
        return Err(ShownTextError::Nothing);
    }
    let (mut marks, mut has_base) = (0, false);
    for character in text.chars() {
        let is_mark = !character.is_ascii() && !character.is_alphanumeric();
        marks = if is_mark { marks + 1 } else { 0 };
        if marks > MAX_MARKS || (is_mark && !has_base) {
            return Err(ShownTextError::Character { found: character });
        }
        has_base = character != ' ';
    }
    Ok(())
}

/// Why a text may not be shown as a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShownTextError {
    /// There is no letter and no digit.
    #[error("it has no letter and no digit")]
    Nothing,
    /// The text is longer than 256 bytes.
    #[error("it is longer than {MAX_SHOWN_BYTES} bytes")]
    TooLong,
    /// The text has a character that is not allowed at its place.
    #[error("names do not have `{}` (U+{:04X}) there", escape::terminal(&found.to_string()), u32::from(*found))]
    Character {
        /// The character.
        found: char,
    },
    /// The text has a space at its start or end, or several spaces in a row.
    #[error("spaces stand singly and between words")]
    Spaces,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_and_firms_of_all_countries_are_names() {
        for name in [
            "Ada",
            "Official Plugin",
            "Zoë Ångström Studio",
            "株式会社",
            "Студия",
            "Студия 2",
            "ソニー株式会社",
            "Sony ソニー",
            "한국 소프트",
            "Nguyễn Văn A",
            "O'Brien & Sons, Inc. (UK) #1",
            "हिन्दी संगीत",
            "สวัสดี",
            "\u{e9}",
            "e\u{301}",
        ] {
            assert_eq!(check_name(name), Ok(()), "{name}");
            assert!(!mixes_scripts(name), "{name}");
        }
    }

    #[test]
    fn what_looks_like_nothing_or_like_something_else_is_no_name() {
        for c in [
            '\u{2800}',
            '\u{1d159}',
            '\u{13430}',
            '\u{110bd}',
            '\u{600}',
            '\u{fffc}',
            '\u{a0}',
            '\u{3000}',
            '\u{200b}',
            '\u{200d}',
            '\u{202e}',
            '\u{3164}',
            '\u{115f}',
            '\u{34f}',
            '\u{ad}',
            '\u{fe0f}',
            '\u{e0041}',
            '\u{ff21}',
            '\u{1f600}',
            '\u{e000}',
            '\u{378}',
            '\n',
            '\u{1b}',
            '<',
            '`',
            '\\',
            '\u{2115}',
            '\u{2c8e}',
        ] {
            for text in [
                format!("{c}"),
                format!("Acme{c}"),
                format!("Acme{c}{c}{c}"),
                format!("{c}Acme"),
                format!("A{c}b"),
            ] {
                assert_eq!(check_name(&text), Err(ShownTextError::Character { found: c }), "{c:?}");
            }
        }
        for text in [" Acme", "Acme ", "Acme  Audio"] {
            assert_eq!(check_name(text), Err(ShownTextError::Spaces), "{text:?}");
        }
        for text in ["", "-", "...", "' '"] {
            assert_eq!(check_name(text), Err(ShownTextError::Nothing), "{text:?}");
        }
        for text in ["\u{301}Acme", "A \u{301}", "A\u{301}\u{301}\u{301}\u{301}\u{301}"] {
            assert_eq!(check_name(text), Err(ShownTextError::Character { found: '\u{301}' }), "{text:?}");
        }
        assert_eq!(check_name(&"x".repeat(257)), Err(ShownTextError::TooLong));
    }

    #[test]
    fn mixed_alphabets_stand_out() {
        for name in ["\u{410}cme", "Acm\u{435}", "Студия Acme", "Αcme", "Acmе 株式会社"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
            assert!(mixes_scripts(name), "{name}");
        }
    }

    #[test]
    fn sentences_have_all_of_ascii_and_addresses_no_brackets() {
        assert_eq!(check_sentence("stolen; see <https://a.example/~b?c={d}> [1] \\o/"), Ok(()));
        assert_eq!(check_sentence("\u{2800}"), Err(ShownTextError::Character { found: '\u{2800}' }));
        assert_eq!(check_address("zoë+a{b}~c@example.org"), Ok(()));
        assert_eq!(check_address("a b@c"), Err(ShownTextError::Character { found: ' ' }));
        assert_eq!(check_address("a<b@c"), Err(ShownTextError::Character { found: '<' }));
    }
}
