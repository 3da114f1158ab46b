//! Whether a key that is about to be trusted could be mistaken for another key.
//!
//! An attacker who wants a user to trust a key gives the key a name that looks like a name that the user knows: with
//! other case, with a letter of another alphabet, with one letter more. And a key that the user knows under one name
//! should not come back under another.

use std::fmt;

use conductor_store::escape;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;

use crate::key::PublicKey;
use crate::text::shown_text::is_of_names;

/// A known key that a new key could be mistaken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resemblance {
    /// The name that was given to the new key.
    pub name: String,
    /// The name of the known key.
    pub known_name: String,
    /// The known key.
    pub known_key: PublicKey,
    /// What the user decided about the known key.
    pub known_as: KnownAs,
    /// How alike the new key and the known key are.
    pub likeness: Likeness,
}

/// What the user decided about a known key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownAs {
    /// The key is trusted.
    Trusted,
    /// The key was revoked.
    Revoked,
    /// The key was trusted, and then removed.
    Removed,
}

/// How alike two keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The keys are the same, under two names.
    SameKey,
    /// The keys differ, and their names are the same.
    SameName,
    /// The names differ in case, spaces, punctuation or invisible characters.
    Case,
    /// The names look the same but have different characters (Unicode Technical Standard 39).
    Homoglyphs,
    /// The names differ by a letter or two.
    Spelling,
}

impl fmt::Display for Resemblance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = match self.known_as {
            KnownAs::Trusted => "trusted",
            KnownAs::Revoked => "revoked",
            KnownAs::Removed => "removed",
        };
        let (name, known_name) = (escape::terminal(&self.name), escape::terminal(&self.known_name));
        let how = match self.likeness {
            Likeness::SameKey => return write!(f, "this key was {known} under another name, `{known_name}`"),
            Likeness::SameName => {
                return write!(f, "another key of the name `{known_name}` is {known}: {}", self.known_key);
            }
            Likeness::Case => "differs only in case, spaces or punctuation from",
            Likeness::Homoglyphs => "looks the same as",
            Likeness::Spelling => "is spelled almost like",
        };
        write!(f, "`{name}` {how} `{known_name}`, which is {known}: {}", self.known_key)
    }
}

/// How alike two names of different keys are; `None` if nobody would mistake one name for the other.
pub(super) fn likeness(a: &str, b: &str) -> Option<Likeness> {
    if a == b {
        return Some(Likeness::SameName);
    }
    let (seen_a, seen_b) = (seen(a), seen(b));
    let (a, b) = (seen_a.to_lowercase(), seen_b.to_lowercase());
    if a == b {
        return Some(Likeness::Case);
    }
    let (looks_a, looks_b) = (looks(&a), looks(&b));
    // Some letters look alike only as capitals, and a name may be written in capitals throughout.
    let (capitals_a, capitals_b) = (looks(&seen_a.to_uppercase()), looks(&seen_b.to_uppercase()));
    if looks_a == looks_b || looks(&seen_a) == looks(&seen_b) || capitals_a == capitals_b {
        return Some(Likeness::Homoglyphs);
    }
    // One letter may look like two letters, so the looks are compared as well as the letters.
    let is_near = |a: &str, b: &str| strsim::osa_distance(a, b) <= typing_errors(a, b);
    let are_near = is_near(&a, &b) || is_near(&looks_a, &looks_b) || is_near(&capitals_a, &capitals_b);
    are_near.then_some(Likeness::Spelling)
}

/// Number of letters by which two names may differ and still be mistaken for each other: none in very short names,
/// where every letter counts.
fn typing_errors(a: &str, b: &str) -> usize {
    match a.chars().count().min(b.chars().count()) {
        0..4 => 0,
        4..=8 => 1,
        _ => 2,
    }
}

/// The letters and digits of a name. Spaces, punctuation and invisible characters do not distinguish names. Marks are
/// kept only if names may have them, because a name in the store may be older than the rule for names.
fn seen(name: &str) -> String {
    let is_seen = |c: &char| c.is_alphanumeric() || (is_combining_mark(*c) && is_of_names(*c));
    name.chars().filter(is_seen).collect()
}

/// What a name looks like at a glance: in lower case, because some look-alikes are capitals, and without the marks on
/// its letters.
fn looks(name: &str) -> String {
    // The vowel signs of Hindi and Thai are marks as well, but count as letters.
    let is_ornament = |c: char| is_combining_mark(c) && !c.is_alphabetic();
    skeleton(name).flat_map(char::to_lowercase).nfd().filter(|c| !is_ornament(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_taken_for_each_other_are_found() {
        for (a, b, expected) in [
            ("Acme", "Acme", Some(Likeness::SameName)),
            ("Acme", "ACME", Some(Likeness::Case)),
            ("Acme Audio", "AcmeAudio", Some(Likeness::Case)),
            ("Acme-Audio", "acme_audio", Some(Likeness::Case)),
            ("Acme", "\u{410}cme", Some(Likeness::Homoglyphs)),
            ("Acme", "Acm\u{435}", Some(Likeness::Homoglyphs)),
            ("paypal", "paypa1", Some(Likeness::Homoglyphs)),
            ("Acme", "Acme\u{2800}\u{2800}\u{2800}", Some(Likeness::Case)),
            ("Acme", "Acme\u{1d159}\u{600}\u{fffc}\u{110bd}", Some(Likeness::Case)),
            ("Acme", "\u{ff21}cme", Some(Likeness::Homoglyphs)),
            ("HAL", "\u{397}AL", Some(Likeness::Homoglyphs)),
            ("Acme", "\u{410}\u{421}\u{41c}\u{415}", Some(Likeness::Homoglyphs)),
            ("Matrix", "\u{39c}\u{391}\u{3a4}\u{3a1}\u{399}\u{3a7}", Some(Likeness::Spelling)),
            ("Zo\u{eb}", "Zoe\u{308}", Some(Likeness::Homoglyphs)),
            ("rn studio", "m studio", Some(Likeness::Homoglyphs)),
            ("Acme", "Acmee", Some(Likeness::Spelling)),
            ("Acme", "Amce", Some(Likeness::Spelling)),
            ("Official Plugin", "Oficial Plugins", Some(Likeness::Spelling)),
            ("Official Plugin", "Official Project Name", None),
            ("Acme", "\u{1ea0}c\u{1e43}e", Some(Likeness::Homoglyphs)),
            ("Acme", "A\u{323}cme", Some(Likeness::Homoglyphs)),
            ("Zoe", "Zo\u{eb}", Some(Likeness::Homoglyphs)),
            ("Acme", "//Acme//", Some(Likeness::Case)),
            ("Ada", "Ada!", Some(Likeness::Case)),
            ("Ada", "(Ada)", Some(Likeness::Case)),
            ("Ada", "Ad\u{b7}a", Some(Likeness::Case)),
            ("Ada & Bob", "Ada + Bob", Some(Likeness::Case)),
            ("Ada", "Bob", None),
            ("abc", "abd", None),
            ("Acme", "Zeta", None),
        ] {
            assert_eq!(likeness(a, b), expected, "{a} {b}");
            assert_eq!(likeness(b, a), expected, "{b} {a}");
        }
    }
}
