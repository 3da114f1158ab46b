//! That versions are ordered: all short texts, and all versions in the styles that people mix, held against each other.

use super::*;

/// A text, taken apart once.
struct Read<'a> {
    text: &'a str,
    version: Option<Version<'a>>,
    tokens: Vec<Token>,
}

impl<'a> Read<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, version: Version::of(text), tokens: tokens(text) }
    }

    /// As [`compare`] has it, which the first test checks.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (&self.version, &other.version) {
            _ if self.text == other.text => Some(Ordering::Equal),
            (Some(a), Some(b)) => a.compare(b),
            (None, None) => compare_tokens(&self.tokens, &other.tokens, Words::Unknown),
            (Some(_), None) | (None, Some(_)) => None,
        }
    }
}

/// All texts of up to three characters that mean something in a version.
fn short_texts() -> Vec<String> {
    let alphabet = ['0', '1', '9', '.', '-', '+', 'a', '~'];
    let mut all = vec![String::new()];
    let mut longest = all.clone();
    for _ in 0..3 {
        let longer = longest.iter().flat_map(|text| alphabet.map(|letter| format!("{text}{letter}")));
        longest = longer.collect();
        all.extend(longest.iter().cloned());
    }
    all
}

/// Versions of the same releases in every style.
fn styles() -> Vec<String> {
    let words = ["a", "ab", "alpha", "beta", "c", "d", "dev", "pre", "rc", "post", "p", "final"];
    let mut all = vec![];
    for release in ["0.9", "1", "v1.0"] {
        all.push(release.to_owned());
        for style in ["", "-", "~", "."] {
            for word in words {
                all.extend(["", "1", ".2", "-a", "~1"].map(|rest| format!("{release}{style}{word}{rest}")));
            }
        }
    }
    all
}

/// For each text, those that are in some relation to it, as bits.
struct Relation {
    words: usize,
    bits: Vec<u64>,
}

impl Relation {
    fn new(texts: usize) -> Self {
        let words = texts.div_ceil(64);
        Self { words, bits: vec![0; texts * words] }
    }

    fn set(&mut self, from: usize, to: usize) {
        self.bits[from * self.words + to / 64] |= 1 << (to % 64);
    }

    fn holds(&self, from: usize, to: usize) -> bool {
        self.bits[from * self.words + to / 64] & 1 << (to % 64) != 0
    }

    /// Adds what is reached in several steps (Warshall's algorithm).
    fn close(&mut self, texts: usize) {
        for through in 0..texts {
            let reached = self.bits[through * self.words..][..self.words].to_vec();
            for from in 0..texts {
                if self.holds(from, through) {
                    let row = &mut self.bits[from * self.words..][..self.words];
                    row.iter_mut().zip(&reached).for_each(|(known, new)| *known |= new);
                }
            }
        }
    }
}

/// However many releases somebody goes through of which none is older than the one before, none of them is older than
/// the first: otherwise old holes would come back without a word of the user's.
fn no_way_leads_down(texts: &[String]) {
    let read: Vec<Read<'_>> = texts.iter().map(|text| Read::of(text)).collect();
    let all: Vec<Vec<_>> = read.iter().map(|a| read.iter().map(|b| a.compare(b)).collect()).collect();
    let mut not_older = Relation::new(read.len());
    let mut older = Vec::new();
    for (from, row) in all.iter().enumerate() {
        for (to, found) in row.iter().enumerate() {
            assert_eq!(*found, all[to][from].map(Ordering::reverse), "{} {}", texts[from], texts[to]);
            match found {
                Some(Ordering::Less) => older.push((from, to)),
                Some(Ordering::Equal) => {}
                Some(Ordering::Greater) | None => continue,
            }
            not_older.set(from, to);
        }
    }
    not_older.close(read.len());
    for (a, b) in older {
        assert!(
            !not_older.holds(b, a),
            "{} is older than {}, from which a way leads back to it",
            texts[a],
            texts[b]
        );
    }
}

#[test]
fn texts_are_compared_as_they_are_read_here() {
    let texts: Vec<String> =
        short_texts().into_iter().step_by(7).chain(styles().into_iter().step_by(13)).collect();
    for (a, b) in texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b))) {
        assert_eq!(Read::of(a).compare(&Read::of(b)), compare(a, b), "{a} {b}");
    }
}

#[test]
fn no_way_leads_down_through_short_texts() {
    no_way_leads_down(&short_texts());
}

#[test]
fn no_way_leads_down_through_styles() {
    no_way_leads_down(&styles());
}

/// Precedence of semantic versions (Semantic Versioning 2.0.0, clause 11), from its text.
fn precedence(a: (&str, &[&str]), b: (&str, &[&str])) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        version.split('.').map(|number| number.parse().expect("a number")).collect()
    };
    let identifiers = |a: &str, b: &str| match (a.parse::<u64>(), b.parse::<u64>()) {
        // "Identifiers consisting of only digits are compared numerically", and have lower precedence than others,
        // which are compared "in ASCII sort order".
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    };
    // A pre-release comes before its release; a larger set of identifiers comes after a smaller one that it begins
    // with.
    let pre_releases = || match (a.1, b.1) {
        ([], []) => Ordering::Equal,
        ([], _) => Ordering::Greater,
        (_, []) => Ordering::Less,
        (a, b) => {
            let each = a.iter().zip(b).map(|(a, b)| identifiers(a, b));
            each.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
        }
    };
    numbers(a.0).cmp(&numbers(b.0)).then_with(pre_releases)
}

/// Semantic versions are ordered as their standard says. Not ordered is only what differs first in two words for
/// stages of a release, where other schemes say otherwise: `c` and `rc` are one, and `pre` comes before both.
#[test]
fn semantic_versions_are_ordered_by_their_standard() {
    let identifiers = ["0", "1", "9", "10", "ab", "alpha", "b", "c", "pre", "rc", "z"];
    let mut pre_releases: Vec<Vec<&str>> = vec![vec![]];
    pre_releases.extend(identifiers.map(|one| vec![one]));
    pre_releases.extend(identifiers.iter().flat_map(|one| identifiers.map(|other| vec![*one, other])));
    let mut versions = Vec::new();
    for numbers in ["0.9.10", "1.0.0", "1.0.10"] {
        for pre_release in &pre_releases {
            let dash = if pre_release.is_empty() { "" } else { "-" };
            versions.push((format!("{numbers}{dash}{}", pre_release.join(".")), numbers, pre_release));
        }
    }
    let read: Vec<_> = versions.iter().map(|(text, ..)| Read::of(text)).collect();
    for (a, read_a) in versions.iter().zip(&read) {
        for (b, read_b) in versions.iter().zip(&read) {
            let differ = a.2.iter().zip(b.2).find(|(a, b)| a != b);
            let is_disputed = a.1 == b.1
                && differ.is_some_and(|pair| {
                    [("c", "pre"), ("pre", "c"), ("c", "rc"), ("rc", "c")].contains(&(*pair.0, *pair.1))
                });
            let standard = precedence((a.1, a.2), (b.1, b.2));
            assert_eq!(read_a.compare(read_b), (!is_disputed).then_some(standard), "{} {}", a.0, b.0);
        }
    }
}
