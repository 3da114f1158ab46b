//! Addresses and address patterns of Open Sound Control 1.0 ("OSC Message Dispatching and Pattern Matching").
//!
//! An address is judged once, when its message comes, and then compared with the pattern of every mapping. Comparing goes
//! through pattern and address once, with the set of all places that the pattern's beginning can reach; nothing is tried and
//! taken back, so that no pattern and no address takes longer than the product of their lengths.

use std::fmt;

/// Longest address in bytes; each is kept with its event and compared with every mapping.
pub const MAX_ADDRESS_BYTES: usize = 1024;

/// Longest pattern in bytes; an address that is longer comes from nobody.
const MAX_PATTERN_BYTES: usize = MAX_ADDRESS_BYTES;

/// Characters that have a meaning in patterns or elsewhere in OSC, so that no name has them.
const RESERVED: &[u8] = b" #*,/?[]{}";

/// The address of a message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: Box<str>,
    /// Whether it is an address at all: names after slashes, without what only patterns have.
    is_plain: bool,
}

impl Address {
    /// The address of a message; `None` if it is longer than [`MAX_ADDRESS_BYTES`]. One that is no address is kept as it is, and
    /// no pattern matches it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let names = text.strip_prefix('/').map(|names| names.split('/'));
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_of_name);
        let is_plain = names.is_some_and(|mut names| names.all(is_name));
        (text.len() <= MAX_ADDRESS_BYTES).then(|| Self { text: text.into(), is_plain })
    }

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.text
    }
}

/// Printable ASCII that is not reserved.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_graphic() && !RESERVED.contains(&byte)
}

/// A pattern over addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What every address begins with that it matches.
    beginning: Box<str>,
    rest: Box<[Piece]>,
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// These characters.
    Text(Box<str>),
    /// Any character of a name.
    One,
    /// Any characters of a name, also none.
    Many,
    /// One of these characters, by their ASCII codes.
    Class(u128),
    /// One of these texts.
    Choice(Box<[Box<str>]>),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// Says why it is none.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        let names = pattern.strip_prefix('/').ok_or(PatternError::NoSlash)?;
        if names.split('/').any(str::is_empty) {
            return Err(PatternError::EmptyName);
        }
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while !rest.is_empty() {
            let (piece, after) = Piece::first_of(rest)?;
            pieces.push(piece);
            rest = after;
        }
        let has_beginning = matches!(pieces.first(), Some(Piece::Text(_)));
        let rest = pieces.split_off(usize::from(has_beginning));
        let beginning = match pieces.pop() {
            Some(Piece::Text(text)) => text,
            Some(Piece::One | Piece::Many | Piece::Class(_) | Piece::Choice(_)) | None => Box::default(),
        };
        Ok(Self { beginning, rest: rest.into() })
    }

    /// Whether `address` is one of those meant.
    #[must_use]
    pub fn matches(&self, address: &Address) -> bool {
        if !address.is_plain {
            return false;
        }
        let Some(rest) = address.text.strip_prefix(&*self.beginning) else { return false };
        let mut places = Places::start();
        for piece in &self.rest {
            places = piece.reach(&places, rest.as_bytes());
            if places.is_empty() {
                return false;
            }
        }
        places.has(rest.len())
    }
}

impl Piece {
    /// The piece that a pattern begins with, and what follows it.
    fn first_of(pattern: &str) -> Result<(Self, &str), PatternError> {
        let is_text = |c: char| c == '/' || (c.is_ascii() && is_of_name(c as u8));
        let text = pattern.find(|c| !is_text(c)).unwrap_or(pattern.len());
        if text > 0 {
            let (text, rest) = pattern.split_at(text);
            return Ok((Self::Text(text.into()), rest));
        }
        let mut rest = pattern.chars();
        match rest.next() {
            Some('?') => Ok((Self::One, rest.as_str())),
            Some('*') => Ok((Self::Many, rest.as_str())),
            Some('[') => {
                let (class, rest) = rest.as_str().split_once(']').ok_or(PatternError::Unclosed('['))?;
                Ok((Self::Class(class_of(class)?), rest))
            }
            Some('{') => {
                let (choice, rest) = rest.as_str().split_once('}').ok_or(PatternError::Unclosed('{'))?;
                if let Some(other) = choice.chars().find(|c| *c != ',' && (!is_text(*c) || *c == '/')) {
                    return Err(PatternError::Character(other));
                }
                Ok((Self::Choice(choice.split(',').map(Into::into).collect()), rest))
            }
            other => Err(PatternError::Character(other.unwrap_or('/'))),
        }
    }

    /// Where in `text` one can be after this piece, having been at one of `before`.
    fn reach(&self, before: &Places, text: &[u8]) -> Places {
        let mut after = Places::none();
        let mut goes_on = false;
        for (place, rest) in (0..=text.len()).map(|place| (place, text.get(place..).unwrap_or_default())) {
            let is_here = before.has(place);
            match self {
                Self::Text(wanted) if is_here && rest.starts_with(wanted.as_bytes()) => {
                    after.add(place + wanted.len());
                }
                Self::One if is_here && rest.first().is_some_and(|byte| *byte != b'/') => {
                    after.add(place + 1);
                }
                Self::Class(class)
                    if is_here && rest.first().is_some_and(|byte| class >> (byte & 0x7f) & 1 == 1) =>
                {
                    after.add(place + 1);
                }
                Self::Choice(texts) if is_here => {
                    for wanted in texts.iter().filter(|wanted| rest.starts_with(wanted.as_bytes())) {
                        after.add(place + wanted.len());
                    }
                }
                Self::Many => {
                    goes_on |= is_here;
                    if goes_on {
                        after.add(place);
                    }
                    goes_on &= rest.first() != Some(&b'/');
                }
                Self::Text(_) | Self::One | Self::Class(_) | Self::Choice(_) => {}
            }
        }
        after
    }
}

/// The characters of names that a class in brackets means, one bit for each.
fn class_of(class: &str) -> Result<u128, PatternError> {
    let bit = |byte: u8| 1_u128 << (byte & 0x7f);
    let (negated, listed) = match class.strip_prefix('!') {
        Some(listed) => (true, listed),
        None => (false, class),
    };
    if let Some(other) = listed.chars().find(|c| !c.is_ascii() || !is_of_name(*c as u8)) {
        return Err(PatternError::Character(other));
    }
    let mut set = 0;
    let mut rest = listed.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [first, b'-', last, rest @ ..] => {
                if first > last {
                    return Err(PatternError::Reversed(char::from(*first), char::from(*last)));
                }
                set |=
                    (*first..=*last).filter(|byte| is_of_name(*byte)).map(bit).fold(0, |set, bit| set | bit);
                rest
            }
            [byte, rest @ ..] => {
                set |= bit(*byte);
                rest
            }
        };
    }
    let all = (0..0x7f).filter(|byte| is_of_name(*byte)).map(bit).fold(0, |set, bit| set | bit);
    let matched = if negated { all & !set } else { set };
    // `[!]` lists nothing to be left out, and `[!!-~]` leaves out everything.
    if set == 0 || matched == 0 { Err(PatternError::EmptyClass) } else { Ok(matched) }
}

/// A set of places in an address: before its first byte, between two of them, after its last.
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

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It is longer than an address can be.
    TooLong,
    /// It does not begin with a slash.
    NoSlash,
    /// There is nothing between two slashes, or after the last.
    EmptyName,
    /// A bracket or brace is not closed.
    Unclosed(char),
    /// A character that no address has, or that has no meaning there.
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
            Self::EmptyName => f.write_str("a name is missing after a `/`"),
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
            ("/*", "/", false),
            ("/a", "/a", true),
            ("/a", "/a?", false),
        ] {
            assert_eq!(matches(pattern, address), expected, "{pattern} {address}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        for (pattern, error) in [
            ("", PatternError::NoSlash),
            ("a", PatternError::NoSlash),
            ("/", PatternError::EmptyName),
            ("/a//b", PatternError::EmptyName),
            ("/[ab", PatternError::Unclosed('[')),
            ("/{ab", PatternError::Unclosed('{')),
            ("/a]", PatternError::Character(']')),
            ("/a b", PatternError::Character(' ')),
            ("/é", PatternError::Character('é')),
            ("/{a*,b}", PatternError::Character('*')),
            ("/{a,[b]}", PatternError::Character('[')),
            ("/[]", PatternError::EmptyClass),
            ("/[!]", PatternError::EmptyClass),
            ("/[!!-~]", PatternError::EmptyClass),
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

    /// A slow matcher, written from the specification: as many parts, and each part of the pattern matches that of the address
    /// if its characters can be shared out among consecutive substrings.
    fn slow(pattern: &str, address: &str) -> bool {
        let (pattern, address): (Vec<&str>, Vec<&str>) =
            (pattern.split('/').collect(), address.split('/').collect());
        pattern.len() == address.len()
            && pattern.iter().zip(address).all(|(pattern, address)| slow_part(pattern, address))
    }

    fn slow_part(pattern: &str, address: &str) -> bool {
        let Some(first) = pattern.chars().next() else { return address.is_empty() };
        let rest = &pattern[1..];
        match first {
            '?' => !address.is_empty() && slow_part(rest, &address[1..]),
            '*' => (0..=address.len()).any(|skipped| slow_part(rest, &address[skipped..])),
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
                address.chars().next().is_some_and(is_meant) && slow_part(rest, &address[1..])
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
            pattern in r"(/([abc]|\?|\*|\[!?[a-c]\]|\[!?a-c\]|\[!?b[a-c]-\]|\[!?[!a][!b]\]|\{[ab]{0,2}(,[abc]{0,3}){0,2}\}){1,4}){1,3}",
            address in r"(/[abc!-]{1,5}){1,3}",
        ) {
            prop_assert_eq!(matches(&pattern, &address), slow(&pattern, &address));
        }
    }
}
