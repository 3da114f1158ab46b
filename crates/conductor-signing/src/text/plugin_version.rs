//! Compares two versions of a plugin, to find the older version.
//!
//! Authors write versions as they like. Most are numbers followed by some text; they are parsed as
//! `[v]NUMBERS[TAIL][+BUILD]`:
//!
//! - A `v` or `V` in front of the numbers is ignored, and so is everything behind `+`.
//! - Numbers are compared from the left; a missing number counts as 0.
//! - A version without a tail, or with the tail `final`, `ga` or `release`, is the release itself. `post` (PEP 440)
//!   comes after the release.
//! - A tail behind `-` (semantic versions) or `~` (Debian) is a pre-release, and so are the words of [`stage`] however
//!   they are attached. Pre-releases come before the release. They are compared by stage, then by what follows.
//! - Any other tail can be ordered only among tails of its kind, such as `1.0a` and `1.0b`.
//!
//! Texts that do not begin with a number can be ordered where they differ in a number, as `r9` and `r10` do. Where no
//! order is certain, none is guessed: the user decides.

use std::cmp::Ordering;

/// Compares two versions; `None` if no order is certain.
pub(crate) fn compare(a: &str, b: &str) -> Option<Ordering> {
    if a == b {
        return Some(Ordering::Equal);
    }
    match (Version::of(a), Version::of(b)) {
        (Some(a), Some(b)) => a.compare(&b),
        (None, None) => compare_tokens(&tokens(a), &tokens(b), Words::Unknown),
        (Some(_), None) | (None, Some(_)) => None,
    }
}

/// A version that begins with a number.
struct Version<'a> {
    numbers: Vec<&'a str>,
    tail: Tail,
}

/// The part of a version behind its numbers.
enum Tail {
    /// Nothing: the release.
    Release,
    /// A pre-release, which comes before the release; `is_semantic` says whether its parts are compared by the rules of
    /// semantic versions.
    Before { tokens: Vec<Token>, is_semantic: bool },
    /// A tail that comes after the release.
    After(Vec<Token>),
    /// A tail whose place is not known.
    Unknown(Vec<Token>),
}

/// A run of digits without leading zeros, or of letters in lower case.
#[derive(PartialEq, Eq)]
enum Token {
    Number(String),
    Word(String),
}

/// How words that differ are compared. Whatever the style, what is ordered is ordered as the letters are: so there are no
/// circles.
#[derive(Clone, Copy)]
enum Words {
    /// By their letters, as semantic versioning prescribes.
    Semantic,
    /// By stage alone, where letters agree.
    Stages,
    /// Not at all, except for single letters.
    Unknown,
}

impl<'a> Version<'a> {
    /// Parses a version; `None` if the text does not begin with a number, or has characters that versions do not have.
    fn of(text: &'a str) -> Option<Self> {
        let text = text.split_once('+').map_or(text, |(version, _build)| version);
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let is_known = |c: char| c.is_ascii_alphanumeric() || ".-_~ ".contains(c);
        if !text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(is_known) {
            return None;
        }
        let mut numbers = Vec::new();
        let mut rest = text;
        loop {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, tail) = rest.split_at(end);
            numbers.push(number.trim_start_matches('0'));
            match tail.strip_prefix('.') {
                Some(next) if next.starts_with(|c: char| c.is_ascii_digit()) => rest = next,
                Some(_) | None => return Some(Self { numbers, tail: Tail::of(tail) }),
            }
        }
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        let places = self.numbers.len().max(other.numbers.len());
        let number = |version: &Self, place: usize| version.numbers.get(place).copied().unwrap_or_default();
        let numbers = (0..places).map(|place| by_value(number(self, place), number(other, place)));
        match numbers.fold(Ordering::Equal, Ordering::then) {
            Ordering::Equal => self.tail.compare(&other.tail),
            decided @ (Ordering::Less | Ordering::Greater) => Some(decided),
        }
    }
}

impl Tail {
    fn of(text: &str) -> Self {
        let tokens = tokens(text.strip_prefix('~').unwrap_or(text));
        let separator = text.chars().next().filter(|c| !c.is_ascii_alphanumeric());
        let (word, is_followed) = match tokens.as_slice() {
            [Token::Word(word), rest @ ..] => (word.as_str(), !rest.is_empty()),
            [] | [Token::Number(_), ..] => ("", false),
        };
        // A single letter that is attached to the numbers and has no number behind it, as in 1.0a, may mean a patch as
        // well as a stage.
        let is_stage = stage(word).is_some() && (word.len() > 1 || separator.is_some() || is_followed);
        match (separator, word) {
            (_, "") if tokens.is_empty() => Self::Release,
            (Some('~'), _) => Self::Before { tokens, is_semantic: false },
            (_, "final" | "ga" | "release") if !is_followed => Self::Release,
            // Some schemes place these tails after the release, semantic versions before it.
            (Some('-'), "post" | "patch" | "p" | "sp" | "hotfix" | "rev" | "r") => Self::Unknown(tokens),
            (Some('-'), _) => Self::Before { tokens, is_semantic: !text.contains('~') },
            _ if is_stage => Self::Before { tokens, is_semantic: false },
            (_, "post") => Self::After(tokens),
            _ => Self::Unknown(tokens),
        }
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Release, Self::Release) => Some(Ordering::Equal),
            (Self::Before { .. }, Self::Release | Self::After(_)) | (Self::Release, Self::After(_)) => {
                Some(Ordering::Less)
            }
            (Self::Release | Self::After(_), Self::Before { .. }) | (Self::After(_), Self::Release) => {
                Some(Ordering::Greater)
            }
            (
                Self::Before { tokens: a, is_semantic: a_is_semantic },
                Self::Before { tokens: b, is_semantic: b_is_semantic },
            ) => {
                let words = if *a_is_semantic && *b_is_semantic { Words::Semantic } else { Words::Stages };
                compare_tokens(a, b, words)
            }
            (Self::After(a), Self::After(b)) | (Self::Unknown(a), Self::Unknown(b)) => {
                compare_tokens(a, b, Words::Unknown)
            }
            (Self::Unknown(_), Self::Release | Self::Before { .. } | Self::After(_))
            | (Self::Release | Self::Before { .. } | Self::After(_), Self::Unknown(_)) => None,
        }
    }
}

/// The order of the stages before a release.
fn stage(word: &str) -> Option<u8> {
    match word {
        "alpha" | "a" => Some(1),
        "beta" | "b" => Some(2),
        "pre" | "preview" => Some(3),
        "rc" | "cr" | "c" => Some(4),
        // These are pre-releases, but their order among the other stages differs between authors.
        "dev" | "snapshot" | "nightly" | "canary" | "milestone" | "m" | "ea" => Some(0),
        _ => None,
    }
}

/// The runs of digits and of other characters, without separators. A `~` is a word of its own, because what follows it
/// comes before the version that ends there.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let kind = |c: char| (c.is_ascii_digit(), c == '~');
    for part in text.split(['.', '-', '_', ' ']).filter(|part| !part.is_empty()) {
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c: char| kind(c) != kind(first)).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            rest = after;
            tokens.push(if first.is_ascii_digit() {
                Token::Number(run.trim_start_matches('0').to_owned())
            } else {
                Token::Word(run.to_lowercase())
            });
        }
    }
    tokens
}

fn compare_tokens(a: &[Token], b: &[Token], words: Words) -> Option<Ordering> {
    for (a, b) in a.iter().zip(b) {
        let ordering = match (a, b) {
            (Token::Number(a), Token::Number(b)) => by_value(a, b),
            (Token::Word(a), Token::Word(b)) => compare_words(a, b, words)?,
            (Token::Number(_), Token::Word(_)) | (Token::Word(_), Token::Number(_)) => match words {
                Words::Semantic => {
                    if matches!(a, Token::Number(_)) {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
                }
                Words::Stages | Words::Unknown => return None,
            },
        };
        if ordering != Ordering::Equal {
            return Some(ordering);
        }
    }
    match words {
        Words::Semantic => Some(a.len().cmp(&b.len())),
        // More numbers are later. A further word may be earlier or later: `1.0rc1.dev5` comes before `1.0rc1`, and
        // `1.0rc1.post1` after it.
        Words::Stages => {
            let more = a.iter().skip(b.len()).chain(b.iter().skip(a.len()));
            let are_numbers = more.clone().all(|token| matches!(token, Token::Number(_)));
            are_numbers.then(|| a.len().cmp(&b.len()))
        }
        Words::Unknown => (a.len() == b.len()).then_some(Ordering::Equal),
    }
}

fn compare_words(a: &str, b: &str, words: Words) -> Option<Ordering> {
    if a == b {
        return Some(Ordering::Equal);
    }
    let stages = stage(a).filter(|stage| *stage > 0).zip(stage(b).filter(|stage| *stage > 0));
    match (words, stages) {
        // Where stages and letters disagree, as for `pre` and `c` or `a` and `alpha`, ordering by either would make a
        // circle with words between, or with the same words in another style.
        (Words::Semantic | Words::Stages, Some((stage_a, stage_b))) => {
            (stage_a.cmp(&stage_b) == a.cmp(b)).then(|| a.cmp(b))
        }
        (Words::Semantic, None) => Some(a.cmp(b)),
        (Words::Stages, None) => None,
        (Words::Unknown, _) => (a.len() == 1 && b.len() == 1).then(|| a.cmp(b)),
    }
}

/// Compares digits by their value; they have no leading zeros.
fn by_value(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod every_version;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_ordered_as_their_authors_mean_them() {
        for pair in [
            ["1.0.0-alpha", "1.0.0-alpha.1"],
            ["1.0.0-alpha.1", "1.0.0-alpha.beta"],
            ["1.0.0-1", "1.0.0-alpha"],
            ["1.0.0-rc.1", "1.0.0"],
            ["1.0.0-nightly.5", "1.0.0-rc.1"],
            ["1.0rc1", "1.0"],
            ["1.0rc1", "1.0rc2"],
            ["1.0rc2", "1.0rc10"],
            ["1.0.0-rc2", "1.0.0-rc10"],
            ["1.0b2", "1.0rc1"],
            ["1.0a1", "1.0-beta"],
            ["1.0.0.beta", "1.0.0"],
            ["1.0.0.beta", "1.0.0-rc.1"],
            ["1.1~rc1", "1.1"],
            ["1.0", "1.1~rc1"],
            ["1.1~foo", "1.1"],
            ["1.1~rc1~1", "1.1~rc1~2"],
            ["V1.1", "v1.2"],
            ["V1.0", "1.1"],
            ["1.0 beta 2", "1.0"],
            ["1.0.dev3", "1.0"],
            ["1.0-SNAPSHOT", "1.0"],
            ["1.0", "1.0.post1"],
            ["1.0.post1", "1.0.post2"],
            ["1.0rc1", "1.0.post1"],
            ["1.9", "1.10"],
            ["1", "1.0.1"],
            ["v1.2.3", "1.2.4"],
            ["0.9.9", "1"],
            ["1.0-hotfix", "1.1"],
            ["2024.11", "2025.1"],
            ["2024.01.09", "2024.01.10"],
            ["2024.01.09.1", "2024.01.10.0"],
            ["r9", "r10"],
            ["1.0a", "1.0b"],
            ["18446744073709551616", "18446744073709551617"],
        ] {
            assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Some(Ordering::Greater), "{pair:?}");
        }
        for pair in [
            ["1", "1.0.0"],
            ["v2", "2.0"],
            ["V1.1", "1.1"],
            ["1.0.0+a", "1.0.0+b"],
            ["1.0rc1", "1.0.0-RC.1"],
            ["1.0.Final", "1.0"],
            ["x", "x"],
            ["x01", "x1"],
        ] {
            assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Equal), "{pair:?}");
        }
    }

    #[test]
    fn what_cannot_be_ordered_is_not_guessed() {
        for pair in [
            ["spring", "summer"],
            ["1.0", "spring"],
            ["1.0a", "1.0"],
            ["1.0foo", "1.0"],
            ["1.0-p1", "1.0"],
            ["1.0-hotfix", "1.0"],
            ["1.0.dev1", "1.0a1"],
            ["1.0a1", "1.0alpha1"],
            ["1.0-a.1", "1.0alpha1"],
            ["1.0c1", "1.0rc1"],
            ["1.0pre1", "1.0c1"],
            ["1.0rc1", "1.0rc1.dev5"],
            ["1.0.0-rc.1", "1.0rc1.dev3"],
            ["1.1~rc1", "1.1~rc1~exp1"],
            ["1.1~rc1", "1.1~rc1~1"],
            ["1.0-1", "1.0-1~1"],
            ["1.0.r5", "1.0"],
            ["1:2.0", "3.0"],
            ["1.0ß", "1.0"],
            ["", "1.0"],
        ] {
            assert_eq!(compare(pair[0], pair[1]), None, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), None, "{pair:?}");
        }
    }

    /// Versions that differ little from each other, in every style.
    fn version() -> impl Strategy<Value = String> {
        let words = [
            "", "", "alpha", "a", "b", "beta", "c", "cat", "cr", "d", "dev", "pre", "rc", "post", "p",
            "final", "z",
        ];
        let styles = ["", "-", "~", ".", "_", " "];
        let styles = prop::sample::select(styles.to_vec());
        let (word, number) = (prop::sample::select(words.to_vec()), "[.~-]?[0-2]{0,2}");
        ("[0-1]", styles, word, number)
            .prop_map(|(first, style, word, rest)| format!("{first}{style}{word}{rest}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16384))]

        #[test]
        fn order_has_two_sides(a in "[vV0-9abcr.+~_-]{0,8}", b in "[vV0-9abcr.+~_-]{0,8}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).map(Ordering::reverse));
            prop_assert_eq!(compare(&a, &a), Some(Ordering::Equal));
        }

        /// If a is below b and b below c, then a is below c.
        #[test]
        fn order_has_no_circles(versions in prop::collection::vec(version(), 3)) {
            for [a, b, c] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let [a, b, c] = [&versions[a], &versions[b], &versions[c]];
                if compare(a, b) == Some(Ordering::Less) && compare(b, c) == Some(Ordering::Less) {
                    let outer = compare(a, c);
                    prop_assert!(matches!(outer, Some(Ordering::Less) | None), "{a} < {b} < {c}, but {outer:?}");
                }
            }
        }

        /// A pre-release, however it is written, comes before its own release and after the previous release.
        #[test]
        fn pre_releases_come_before(
            number in 1_u32..100,
            separator in "[-~._ ]?",
            word in prop::sample::select(&["alpha", "beta", "rc", "RC", "dev", "preview"][..]),
            count in "[.-]?[0-9]{1,3}",
            v in "[vV]?",
        ) {
            let before = format!("{v}1.{number}{separator}{word}{count}");
            prop_assert_eq!(compare(&before, &format!("1.{number}")), Some(Ordering::Less));
            prop_assert_eq!(compare(&before, &format!("1.{}", number - 1)), Some(Ordering::Greater));
            prop_assert_eq!(compare(&before, &format!("{before}+build")), Some(Ordering::Equal));
        }
    }
}
