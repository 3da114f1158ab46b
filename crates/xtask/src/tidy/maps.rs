//! The head of a library: one sentence that says what the crate is, and then a map of its modules.

use std::collections::BTreeSet;

use crate::tidy::Violation;
use crate::tidy::modules::ModuleTree;
use crate::tidy::not_yet::Exceptions;
use crate::tidy::source::Source;

/// Checks the comment at the head of each `lib.rs`.
pub(crate) fn check(sources: &[Source], trees: &[ModuleTree], known: &Exceptions) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut breaking = BTreeSet::new();
    for tree in trees.iter().filter(|tree| tree.is_library()) {
        let Some(source) = sources.iter().find(|source| source.path == tree.root) else { continue };
        let found = check_library(source, tree);
        if !found.is_empty() {
            breaking.insert(tree.crate_name.clone());
        }
        if !known.holds(&tree.crate_name) {
            violations.extend(found);
        }
    }
    violations.extend(known.unneeded(&breaking, "lacks neither sentence nor map"));
    violations
}

fn check_library(source: &Source, tree: &ModuleTree) -> Vec<Violation> {
    let head: Vec<&str> =
        source.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    // A missing head breaks the rule about headers, so it is not reported here.
    let Some((first, rest)) = head.split_first() else { return Vec::new() };
    let mut violations = Vec::new();
    if !is_one_sentence(first) || rest.first().is_some_and(|second| !second.is_empty()) {
        let rule = "the first line of the head is one sentence that says what the crate is, with nothing else in its \
                    paragraph";
        violations.push(source.violation(1, rule));
    }
    let missing: Vec<String> = (tree.first_level().iter().map(|module| format!("`{module}`")))
        .filter(|module| !head.iter().any(|line| line.contains(module.as_str())))
        .collect();
    if !missing.is_empty() {
        let rule = format!(
            "the head has no map of the modules: name {} there in backticks, each with what it holds",
            missing.join(", ")
        );
        violations.push(source.violation(1, rule));
    }
    violations
}

fn is_one_sentence(line: &str) -> bool {
    line.len() > 1 && line.ends_with('.') && ![". ", "! ", "? "].iter().any(|end| line.contains(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::modules;
    use crate::tidy::small_tree::SmallTree;

    const MODULES: &str = "pub mod a;\nmod b {}\n#[cfg(test)]\nmod fake;\n";

    fn rules(head: &str, known: &Exceptions) -> Vec<String> {
        let tree = SmallTree::new(&[
            ("crates/x/src/lib.rs", &format!("{head}\n{MODULES}")),
            ("crates/x/src/a.rs", "mod inner {}\n"),
            ("crates/y/src/main.rs", "//! Program\nmod c {}\n"),
        ]);
        let sources = tree.sources();
        let found = check(&sources, &modules::read(&sources), known);
        found.iter().map(ToString::to_string).collect()
    }

    const GOOD: &str = "//! Words between a, and b.\n//!\n//! - [`a`]: one\n//! - `b`: another\n";

    #[test]
    fn a_sentence_and_a_map_pass() {
        assert_eq!(rules(GOOD, &Exceptions::NONE), [""; 0]);
    }

    #[test]
    fn a_module_that_the_map_lacks_is_found() {
        let found = rules(&GOOD.replace("`b`", "b"), &Exceptions::NONE);
        assert_eq!(
            found,
            [
                "crates/x/src/lib.rs:1: the head has no map of the modules: name `b` there in backticks, each with what it \
                 holds"
            ]
        );
    }

    #[test]
    fn a_head_that_does_not_open_with_one_sentence_is_found() {
        for first in [
            "//! Words",
            "//! Words. More.",
            "//! Words\n//! between.",
            "//! Words.\n//! More.",
            "//!\n//! Words.",
        ] {
            let found = rules(&GOOD.replace("//! Words between a, and b.", first), &Exceptions::NONE);
            assert_eq!(
                found,
                [
                    "crates/x/src/lib.rs:1: the first line of the head is one sentence that says what the crate is, with \
                     nothing else in its paragraph"
                ],
                "{first}"
            );
        }
    }

    #[test]
    fn a_known_exception_passes_for_as_long_as_it_is_one() {
        assert_eq!(rules("//! X", &Exceptions::of(&["x"])), [""; 0]);
        let found = rules(GOOD, &Exceptions::of(&["x"]));
        assert_eq!(
            found,
            [
                "crates/xtask/src/tidy/not_yet.rs: `x` lacks neither sentence nor map any more: take it out of `TEST`"
            ]
        );
    }
}
