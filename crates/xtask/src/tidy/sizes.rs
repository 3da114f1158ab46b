//! How large a crate may be before it should be divided.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::Violation;
use crate::tidy::crate_table::{self, Row};
use crate::tidy::modules::ModuleTree;
use crate::tidy::not_yet::Exceptions;
use crate::tidy::source::Source;

/// Largest crate in lines without tests: as much as one person can have read.
const MAX_LINES: usize = 12_000;

/// The text in a crate's row of the table of crates that allows the crate to be larger. A reason follows it.
const REASON: &str = "more than 12,000 lines because ";

/// Lines of each crate without its tests.
pub(crate) fn lines(trees: &[ModuleTree]) -> BTreeMap<&str, usize> {
    let mut files = BTreeMap::<&str, BTreeMap<_, usize>>::new();
    for tree in trees {
        files
            .entry(&tree.crate_name)
            .or_default()
            .extend(tree.lines.iter().map(|(path, lines)| (path, *lines)));
    }
    files.into_iter().map(|(name, files)| (name, files.values().sum())).collect()
}

/// Finds crates that are too large, and reasons that are not needed.
pub(crate) fn check(sources: &[Source], trees: &[ModuleTree], known: &Exceptions) -> Vec<Violation> {
    let document = crate_table::document(sources);
    let rows = document.map(crate_table::rows).unwrap_or_default();
    let mut violations = Vec::new();
    let mut breaking = BTreeSet::new();
    for (name, lines) in lines(trees) {
        let row = rows.iter().find(|row| row.crates.contains(&name));
        let is_reasoned = row.is_some_and(gives_reason);
        if lines > MAX_LINES && !is_reasoned {
            breaking.insert(name.to_owned());
            if !known.holds(name) {
                let rule = format!(
                    "{lines} lines without tests are more than {MAX_LINES}: make two crates of it, or write `{REASON}…` \
                     into its row of the table in ARCHITECTURE.md"
                );
                violations.push(Violation { path: format!("crates/{name}").into(), line: 0, rule });
            }
        }
        if let (true, true, Some(document), Some(row)) = (lines <= MAX_LINES, is_reasoned, document, row) {
            let rule = format!("`{name}` has {lines} lines without tests: take out why it may have more");
            violations.push(document.violation(row.line, rule));
        }
    }
    violations.extend(known.unneeded(&breaking, "is not too large"));
    violations
}

fn gives_reason(row: &Row<'_>) -> bool {
    row.text.split_once(REASON).is_some_and(|(_, reason)| reason.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::modules;
    use crate::tidy::small_tree::SmallTree;

    const PATH: &str = "crates/big/src";

    /// A crate with this many lines, and as many lines again of tests in several forms.
    fn tree(lines: usize, row: &str) -> SmallTree {
        let body = "\n".repeat(lines - 4);
        let tests = "\n".repeat(MAX_LINES);
        let tree = SmallTree::new(&[
            ("ARCHITECTURE.md", &format!("| crate | holds |\n|---|---|\n| `big` | {row} |\n")),
            (
                &format!("{PATH}/lib.rs"),
                &format!(
                    "//! Big.\n#[cfg(test)]\n/// T.\nmod tests {{{tests}}}\nmod a;\n#[cfg(test)]\nmod fake;\n"
                ),
            ),
            (&format!("{PATH}/a.rs"), &body),
        ]);
        for path in
            [format!("{PATH}/fake.rs"), format!("{PATH}/a/tests.rs"), "crates/big/tests/all.rs".to_owned()]
        {
            tree.write(&path, &tests);
        }
        tree
    }

    fn rules(lines: usize, row: &str, known: &Exceptions) -> Vec<String> {
        let sources = tree(lines, row).sources();
        let found = check(&sources, &modules::read(&sources), known);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_crate_of_the_greatest_size_passes_whatever_its_tests_are() {
        assert_eq!(rules(MAX_LINES, "words", &Exceptions::NONE), [""; 0]);
    }

    #[test]
    fn a_larger_crate_is_found() {
        let found = rules(MAX_LINES + 1, "words", &Exceptions::NONE);
        assert_eq!(
            found,
            [
                "crates/big: 12001 lines without tests are more than 12000: make two crates of it, or write `more than \
                 12,000 lines because …` into its row of the table in ARCHITECTURE.md"
            ]
        );
    }

    #[test]
    fn a_larger_crate_with_a_reason_passes() {
        let row = "words; more than 12,000 lines because they are one proof";
        assert_eq!(rules(MAX_LINES + 1, row, &Exceptions::NONE), [""; 0]);
        assert_eq!(
            rules(MAX_LINES + 1, "words; more than 12,000 lines because ", &Exceptions::NONE).len(),
            1
        );
    }

    #[test]
    fn a_reason_that_nothing_needs_is_found() {
        let found = rules(MAX_LINES, "words; more than 12,000 lines because of a proof", &Exceptions::NONE);
        assert_eq!(
            found,
            ["ARCHITECTURE.md:3: `big` has 12000 lines without tests: take out why it may have more"]
        );
    }

    #[test]
    fn a_known_exception_passes_for_as_long_as_it_is_one() {
        assert_eq!(rules(MAX_LINES + 1, "words", &Exceptions::of(&["big"])), [""; 0]);
        let found = rules(MAX_LINES, "words", &Exceptions::of(&["big"]));
        assert_eq!(
            found,
            ["crates/xtask/src/tidy/not_yet.rs: `big` is not too large any more: take it out of `TEST`"]
        );
    }
}
