//! Which of two versions of a plugin is the older one.
//!
//! Authors write versions as they like. Those that are semantic versions (<https://semver.org/spec/v2.0.0.html>), with
//! missing numbers taken as 0, are compared as such, without regard to build metadata; all others by their runs of digits
//! and of other characters, from the left, digits by value.

use std::cmp::Ordering;

use semver::Version;

/// Compares two versions.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    match (semantic(a), semantic(b)) {
        (Some(a), Some(b)) => a.cmp_precedence(&b),
        (Some(_), None) | (None, Some(_)) | (None, None) => natural(a, b),
    }
}

/// Reads `1`, `1.2`, `v1.2.3` and `1.2-beta.1` as well as full semantic versions.
fn semantic(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let missing = match numbers.split('.').count() {
        1 => ".0.0",
        2 => ".0",
        _ => "",
    };
    Version::parse(&format!("{numbers}{missing}{rest}")).ok()
}

fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (runs(a), runs(b));
    loop {
        let ordering = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(Run::Number(a)), Some(Run::Number(b))) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (Some(Run::Text(a)), Some(Run::Text(b))) => a.cmp(b),
            // A number comes after text, as a release comes after its candidates.
            (Some(Run::Number(_)), Some(Run::Text(_))) => Ordering::Greater,
            (Some(Run::Text(_)), Some(Run::Number(_))) => Ordering::Less,
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
}

/// A run of digits, without leading zeros, or of anything else.
enum Run<'a> {
    Number(&'a str),
    Text(&'a str),
}

fn runs(mut text: &str) -> impl Iterator<Item = Run<'_>> {
    std::iter::from_fn(move || {
        let is_number = text.chars().next()?.is_ascii_digit();
        let end = text.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(text.len());
        let (run, rest) = text.split_at(end);
        text = rest;
        Some(if is_number { Run::Number(run.trim_start_matches('0')) } else { Run::Text(run) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_ordered_as_their_authors_mean_them() {
        for pair in [
            ["1.0.0-alpha", "1.0.0-alpha.1"],
            ["1.0.0-rc.1", "1.0.0"],
            ["1.9", "1.10"],
            ["1", "1.0.1"],
            ["v1.2.3", "1.2.4"],
            ["0.9.9", "1"],
            ["2024.11", "2025.1"],
            ["2024.01.09", "2024.01.10"],
            ["2024.01.09.1", "2024.01.10.0"],
            ["r9", "r10"],
            ["1.0a", "1.0b"],
            ["18446744073709551616", "18446744073709551617"],
        ] {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        for pair in [["1", "1.0.0"], ["v2", "2.0"], ["1.0.0+a", "1.0.0+b"], ["x", "x"], ["x01", "x1"]] {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Equal, "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn order_has_two_sides(a in "[v0-9a.+-]{0,8}", b in "[v0-9a.+-]{0,8}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        }
    }
}
