//! Addresses and address patterns of Open Sound Control 1.0 ("OSC Message Dispatching and Pattern Matching").
//!
//! Mappings have patterns, and senders may send patterns as well. Not all senders keep to the characters that the
//! specification allows in an address. Any address can be matched, if need be with `?` and `*`.
//!
//! The comparison passes once through pattern and address, with the set of all places that the beginning of the pattern
//! can reach. It never backtracks, so it takes at most time proportional to the product of both lengths.

use std::{fmt, iter};

/// Longest address in bytes. Each address is kept with its event and compared with every mapping.
pub const MAX_ADDRESS_BYTES: usize = 1024;

/// Longest pattern in bytes. A longer pattern could match no address.
const MAX_PATTERN_BYTES: usize = MAX_ADDRESS_BYTES;

/// Longest address in bytes that is treated as a pattern. Stops senders from making each comparison with a mapping
/// slow.
const MAX_SENT_PATTERN_BYTES: usize = 128;

/// Characters that have a meaning in patterns.
const SPECIAL: [char; 6] = ['?', '*', '[', ']', '{', '}'];

/// The address of a message, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: Box<str>,
    /// Whether the address is a pattern as well.
    is_pattern: bool,
}

impl Address {
    /// The address of a message; `None` if it is longer than [`MAX_ADDRESS_BYTES`].
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let may_be_pattern = text.len() <= MAX_SENT_PATTERN_BYTES && text.contains(SPECIAL);
        let is_pattern = may_be_pattern && pieces(text).all(|piece| piece.is_ok());
        (text.len() <= MAX_ADDRESS_BYTES).then(|| Self { text: text.into(), is_pattern })
    }

    /// The text of the address.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.text
    }
}

/// A pattern over addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    /// Whether the pattern matches a single address.
    is_plain: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// Says why the text is not a pattern.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        if !pattern.starts_with('/') {
            return Err(PatternError::NoSlash);
        }
        pieces(pattern).try_for_each(|piece| piece.map(|_| ()))?;
        Ok(Self { text: pattern.into(), is_plain: !pattern.contains(SPECIAL) })
    }

    /// Whether the pattern matches `address`, taken literally, with or without its leading slash. If this pattern is a
    /// plain address, an `address` that is a pattern may also match it.
    #[must_use]
    pub fn matches(&self, address: &Address) -> bool {
        let (own, sent) = (names(&self.text), names(&address.text));
        own == sent
            || (!self.is_plain && fits(own, sent))
            || (self.is_plain && address.is_pattern && fits(sent, own))
    }
}

/// An address without its leading slash, which some senders leave out.
fn names(address: &str) -> &str {
    address.strip_prefix('/').unwrap_or(address)
}

/// Whether a pattern matches a text.
fn fits(pattern: &str, text: &str) -> bool {
    let (beginning, rest) = pattern.split_at(pattern.find(SPECIAL).unwrap_or(pattern.len()));
    let Some(text) = text.strip_prefix(beginning) else { return false };
    let mut places = Places::start();
    for piece in pieces(rest) {
        let Ok(piece) = piece else { return false };
        places = piece.reach(&places, text);
        if places.is_empty() {
            return false;
        }
    }
    places.has(text.len())
}

/// The pieces of a pattern, up to the first invalid one.
fn pieces(pattern: &str) -> impl Iterator<Item = Result<Piece<'_>, PatternError>> {
    let mut rest = pattern;
    iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let piece = Piece::first_of(rest);
        rest = piece.map_or("", |(_, rest)| rest);
        Some(piece.map(|(piece, _)| piece))
    })
}

/// A piece of a pattern.
#[derive(Clone, Copy)]
enum Piece<'p> {
    /// This text.
    Text(&'p str),
    /// Any single character of a name.
    One,
    /// Any number of characters of a name, even none.
    Many,
    /// One of the listed characters or, if negated, one that is not listed.
    Class { is_negated: bool, list: &'p str },
    /// One of these texts, which are separated by commas.
    Choice(&'p str),
}

impl<'p> Piece<'p> {
    /// The first piece of a pattern, and the rest.
    fn first_of(pattern: &'p str) -> Result<(Self, &'p str), PatternError> {
        let text = pattern.find(SPECIAL).unwrap_or(pattern.len());
        if text > 0 {
            let (text, rest) = pattern.split_at(text);
            return Ok((Self::Text(text), rest));
        }
        let mut rest = pattern.chars();
        let first = rest.next().unwrap_or('/');
        let rest = rest.as_str();
        let closed_by = |close| {
            let (inside, rest) = rest.split_once(close).ok_or(PatternError::Unclosed(first))?;
            match inside.chars().find(|c| *c == '/' || SPECIAL.contains(c)) {
                Some(other) => Err(PatternError::Character(other)),
                None => Ok((inside, rest)),
            }
        };
        match first {
            '?' => Ok((Self::One, rest)),
            '*' => Ok((Self::Many, rest)),
            '[' => closed_by(']').and_then(|(class, rest)| Ok((Self::class(class)?, rest))),
            '{' => closed_by('}').map(|(choice, rest)| (Self::Choice(choice), rest)),
            other => Err(PatternError::Character(other)),
        }
    }

    fn class(class: &'p str) -> Result<Self, PatternError> {
        let (is_negated, list) = match class.strip_prefix('!') {
            Some(list) => (true, list),
            None => (false, class),
        };
        if list.is_empty() {
            return Err(PatternError::EmptyClass);
        }
        match ranges(list).find(|(first, last)| first > last) {
            Some((first, last)) => Err(PatternError::Reversed(first, last)),
            None => Ok(Self::Class { is_negated, list }),
        }
    }

    /// The places in `text` that can be reached after this piece from a place in `before`.
    fn reach(self, before: &Places, text: &str) -> Places {
        let mut after = Places::none();
        let mut goes_on = false;
        for (place, rest) in (0..=text.len()).filter_map(|place| Some((place, text.get(place..)?))) {
            let is_here = before.has(place);
            let next = rest.chars().next().filter(|next| *next != '/');
            match self {
                Self::Many => {
                    goes_on |= is_here;
                    if goes_on {
                        after.add(place);
                    }
                    goes_on &= next.is_some();
                }
                _ if !is_here => {}
                Self::Text(wanted) if rest.starts_with(wanted) => after.add(place + wanted.len()),
                Self::One => next.into_iter().for_each(|next| after.add(place + next.len_utf8())),
                Self::Class { is_negated, list } => {
                    let is_meant = |c: &char| ranges(list).any(|(first, last)| (first..=last).contains(c));
                    let meant = next.filter(|next| is_meant(next) != is_negated);
                    meant.into_iter().for_each(|next| after.add(place + next.len_utf8()));
                }
                Self::Choice(texts) => {
                    let texts = texts.split(',').filter(|wanted| rest.starts_with(wanted));
                    texts.for_each(|wanted| after.add(place + wanted.len()));
                }
                Self::Text(_) => {}
            }
        }
        after
    }
}

/// The ranges of characters in a class. A single character is a range too.
fn ranges(list: &str) -> impl Iterator<Item = (char, char)> {
    let mut rest = list.chars();
    iter::from_fn(move || {
        let first = rest.next()?;
        let mut range = rest.clone();
        if range.next() == Some('-')
            && let Some(last) = range.next()
        {
            rest = range;
            return Some((first, last));
        }
        Some((first, first))
    })
}

/// A set of places in an address: before its first byte, between two bytes, after its last.
#[derive(Clone, Copy)]
struct Places([u64; MAX_ADDRESS_BYTES / 64 + 1]);

impl Places {
    const fn none() -> Self {
        Self([0; MAX_ADDRESS_BYTES / 64 + 1])
    }

    fn start() -> Self {
        let mut places = Self::none();
        places.add(0);
        places
    }

    fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// The text is longer than an address may be.
    TooLong,
    /// The text does not begin with a slash.
    NoSlash,
    /// A bracket or brace is not closed.
    Unclosed(char),
    /// A character that may not stand where it does.
    Character(char),
    /// Brackets without a character in them.
    EmptyClass,
    /// A range that ends before it begins.
    Reversed(char, char),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is longer than {MAX_PATTERN_BYTES} bytes"),
            Self::NoSlash => f.write_str("it does not begin with `/`"),
            Self::Unclosed(open) => write!(f, "`{open}` is not closed"),
            Self::Character(other) => write!(f, "`{}` cannot stand where it does", other.escape_default()),
            Self::EmptyClass => f.write_str("there is no character in the brackets"),
            Self::Reversed(first, last) => write!(f, "the range `{first}-{last}` runs backwards"),
        }
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vector_table;

    fn matches(pattern: &str, address: &str) -> bool {
        Pattern::new(pattern).expect(pattern).matches(&Address::new(address).expect("short"))
    }

    #[test]
    fn patterns_match_as_the_specification_says() {
        for (pattern, address, expected) in [
            ("/ch/[1-4]", "/ch/1", true),
            ("/ch/[1-4]", "/ch/11", false),
            ("/foo*", "/foo", true),
            ("/foo*", "/foobar", true),
            ("/foo*", "/foo/bar", false),
            ("/x/{a,ab}c", "/x/abc", true),
            ("/x/{a,ab}c", "/x/ac", true),
            ("/x/{a,ab}c", "/x/c", false),
            ("/*/fader", "/1/2/fader", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("/a?c", "/a/c", false),
            ("/[!0-9]", "/a", true),
            ("/[!0-9]", "/5", false),
            ("/[a-]", "/-", true),
            ("/[a!]", "/!", true),
            ("/*", "/", true),
            ("/a", "/a", true),
            ("/a", "/ab", false),
        ] {
            assert_eq!(matches(pattern, address), expected, "{pattern} {address}");
        }
    }

    /// A pattern with addresses that it matches, and others.
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vector {
        name: String,
        clause: String,
        /// Which words of the clause are meant.
        #[serde(default)]
        why: String,
        pattern: String,
        #[serde(default)]
        matches: Vec<String>,
        #[serde(default)]
        misses: Vec<String>,
    }

    impl vector_table::Named for Vector {
        fn name(&self) -> &str {
            &self.name
        }
    }

    /// The table `tests/vectors/osc/patterns.toml`.
    #[test]
    fn every_vector_matches_and_misses_what_it_says() {
        for vector in vector_table::read::<Vector>("osc/patterns.toml", 20) {
            let Vector { name, clause, why, pattern, .. } = &vector;
            for (addresses, expected) in [(&vector.matches, true), (&vector.misses, false)] {
                for address in addresses {
                    let is_match = matches(pattern, address);
                    assert_eq!(is_match, expected, "{name} ({clause}; {why}): {pattern} {address}");
                }
            }
        }
    }

    #[test]
    fn addresses_that_the_specification_does_not_allow_can_be_matched() {
        for (pattern, address, expected) in [
            ("/button", "button", true),
            ("/b*", "button", true),
            ("/button", "//button", false),
            ("/looper~ m", "/looper~ m", true),
            ("/a#b", "/a#b", true),
            ("/a,b", "/a,b", true),
            ("/a?b", "/a]b", true),
            ("/Lautstärke", "/Lautstärke", true),
            ("/Lautst?rke", "/Lautstärke", true),
            ("/Lautst?rke", "/Lautst\u{fffd}rke", true),
            ("/Lautst[a-zß-ü]rke", "/Lautstärke", true),
            ("/[!a]", "/ä", true),
            ("/{ä,ö}/*", "/ö/", true),
            ("/1/", "/1/", true),
            ("/1", "/1/", false),
            ("/", "/", true),
            ("/a//b", "/a//b", true),
        ] {
            assert_eq!(matches(pattern, address), expected, "{pattern} {address}");
        }
    }

    #[test]
    fn a_pattern_that_is_sent_means_the_addresses_of_mappings() {
        for (own, sent, expected) in [
            ("/press/bank/1/5", "/press/bank/1/*", true),
            ("/press/bank/2/5", "/press/bank/1/*", false),
            ("/press/bank/*/5", "/press/bank/1/5", true),
            ("/mixer/2/fader", "/mixer/{1,2}/fader", true),
            ("/mixer/3/fader", "/mixer/{1,2}/fader", false),
            ("/mixer/{1,2}/fader", "/mixer/{1,2}/fader", true),
            // Two patterns: the one that was sent is compared literally.
            ("/mixer/*/fader", "/mixer/{1,2}/fader", true),
            ("/mixer/[12]/fader", "/mixer/{1,2}/fader", false),
            ("/mixer/1", "/mixer/{1", false),
            ("/mixer/*", "/mixer/{1", true),
            ("/mixer/1", "mixer/?", true),
        ] {
            assert_eq!(matches(own, sent), expected, "{own} {sent}");
        }
        let long = format!("/{}*", "a".repeat(MAX_SENT_PATTERN_BYTES));
        assert!(
            !matches(&format!("{}b", long.trim_end_matches('*')), &long),
            "no pattern for being too long"
        );
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        for (pattern, error) in [
            ("", PatternError::NoSlash),
            ("a", PatternError::NoSlash),
            ("/[ab", PatternError::Unclosed('[')),
            ("/{ab", PatternError::Unclosed('{')),
            ("/a]", PatternError::Character(']')),
            ("/a}", PatternError::Character('}')),
            ("/[a/b]", PatternError::Character('/')),
            ("/{a*,b}", PatternError::Character('*')),
            ("/{a,[b]}", PatternError::Character('[')),
            ("/[]", PatternError::EmptyClass),
            ("/[!]", PatternError::EmptyClass),
            ("/[z-a]", PatternError::Reversed('z', 'a')),
        ] {
            assert_eq!(Pattern::new(pattern), Err(error), "{pattern}");
        }
        let long = format!("/{}", "a".repeat(MAX_PATTERN_BYTES));
        assert_eq!(Pattern::new(&long), Err(PatternError::TooLong));
        assert_eq!(Address::new(&long), None);
    }

    #[test]
    fn the_worst_pattern_and_address_take_no_longer_than_others() {
        let pattern = format!("/{}b", "*a".repeat(500));
        assert!(!matches(&pattern, &format!("/{}", "a".repeat(1000))));
        let pattern = format!("/{}b", "{a,aa,aaa}".repeat(100));
        assert!(!matches(&pattern, &format!("/{}", "a".repeat(1000))));
    }

    /// A slow matcher, written from the specification: pattern and address have as many parts, and each part of the
    /// pattern matches the part of the address if its characters can be distributed over consecutive substrings.
    fn slow(pattern: &str, address: &str) -> bool {
        let (pattern, address): (Vec<&str>, Vec<&str>) =
            (pattern.split('/').collect(), address.split('/').collect());
        pattern.len() == address.len()
            && pattern.iter().zip(address).all(|(pattern, address)| slow_part(pattern, address))
    }

    fn slow_part(pattern: &str, address: &str) -> bool {
        let Some(first) = pattern.chars().next() else { return address.is_empty() };
        let rest = &pattern[first.len_utf8()..];
        let without_first = |text: &str| text.chars().next().map(|first| text[first.len_utf8()..].to_owned());
        match first {
            '?' => without_first(address).is_some_and(|address| slow_part(rest, &address)),
            '*' => {
                slow_part(rest, address)
                    || without_first(address).is_some_and(|address| slow_part(pattern, &address))
            }
            '[' => {
                let (class, rest) = rest.split_once(']').expect("closed");
                let is_meant = |c: char| {
                    let (negated, list) = (class.starts_with('!'), class.strip_prefix('!').unwrap_or(class));
                    let list: Vec<char> = list.chars().collect();
                    let mut found = false;
                    let mut at = 0;
                    while at < list.len() {
                        if list.get(at + 1) == Some(&'-') && at + 2 < list.len() {
                            found |= (list[at]..=list[at + 2]).contains(&c);
                            at += 3;
                        } else {
                            found |= list[at] == c;
                            at += 1;
                        }
                    }
                    found != negated
                };
                address.chars().next().is_some_and(is_meant)
                    && without_first(address).is_some_and(|address| slow_part(rest, &address))
            }
            '{' => {
                let (list, rest) = rest.split_once('}').expect("closed");
                let mut list = list.split(',');
                list.any(|text| address.strip_prefix(text).is_some_and(|after| slow_part(rest, after)))
            }
            text => address.strip_prefix(text).is_some_and(|after| slow_part(rest, after)),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_matcher_agrees_with_a_slow_one(
            pattern in r"(/([abcä]|\?|\*|\[!?[a-cä]\]|\[!?a-c\]|\[!?b[a-c]-\]|\[!?[!a][!b]\]|\{[ab]{0,2}(,[abcä]{0,3}){0,2}\}){1,4}){1,3}",
            address in r"(/[abcä !-]{0,5}){1,3}",
        ) {
            let expected = slow(&pattern, &address);
            prop_assert_eq!(matches(&pattern, &address), expected);
            prop_assert_eq!(matches(&address, &pattern), expected || address == pattern);
        }

        #[test]
        fn any_texts_can_be_compared(own in "/[^a]{0,40}", sent in "[^a]{0,40}") {
            let address = Address::new(&sent).expect("short");
            if let Ok(pattern) = Pattern::new(&own) {
                prop_assert!(pattern.matches(&address) || own != sent);
            }
            // Whatever address is sent, a mapping can match it.
            let anything: String = sent.chars().map(|c| if SPECIAL.contains(&c) { '?' } else { c }).collect();
            let pattern = Pattern::new(&format!("/{}", names(&anything))).expect("a pattern");
            prop_assert!(pattern.matches(&address), "{} {}", anything, sent);
        }
    }
}
