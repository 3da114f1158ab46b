//! Finds modules that use each other in a circle. No module of a circle can be read, tested or changed alone.
//!
//! The modules that a root or a module declares are siblings. A sibling stands for itself and all modules below it.
//! Siblings must not use each other in a circle. A parent and its children may: they are one idea in several files.

mod knot;

use std::collections::BTreeSet;

use crate::tidy::Violation;
use crate::tidy::circles::knot::{Knot, knots};
use crate::tidy::modules::ModuleTree;
use crate::tidy::not_yet::Exceptions;

/// Finds circles everywhere except in the places that are known to have one.
pub(crate) fn check(trees: &[ModuleTree], known: &Exceptions) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut places = BTreeSet::new();
    for tree in trees {
        violations.extend(tree.unread.iter().cloned());
        for knot in knots(tree) {
            let place = knot.place();
            if !known.holds(&place) {
                violations.extend(violation(&knot));
            }
            places.insert(place);
        }
    }
    violations.extend(known.unneeded(&places, "has no circle"));
    violations
}

fn violation(knot: &Knot<'_>) -> Option<Violation> {
    let (_, first) = knot.circle().into_iter().next()?;
    let mut rule = format!("modules of `{}` use each other in a circle: {}", knot.place(), knot.way());
    for (arrow, mention) in knot.circle() {
        rule.push_str(&format!(
            "\n    {arrow}: {}:{} `{}`",
            mention.file.display(),
            mention.line,
            mention.path()
        ));
    }
    if knot.members().len() > knot.circle().len() {
        rule.push_str(&format!(
            "\n    it is the shortest of the circles among {}",
            knot.members().join(", ")
        ));
    }
    rule.push_str(
        "\n    cut one arrow: move what it names down into a module that both use, or hand it over as an argument; \
         `cargo xtask tidy --circles` lists every arrow",
    );
    Some(Violation { path: first.file.clone(), line: first.line, rule })
}

/// Every circle of one tree, known or not, with all its arrows.
pub(crate) fn list(tree: &ModuleTree) -> String {
    let mut list = String::new();
    for knot in knots(tree) {
        let members = knot.members();
        list.push_str(&format!(
            "  {}: {} modules in a circle: {}\n",
            knot.place(),
            members.len(),
            members.join(", ")
        ));
        list.push_str(&format!("    shortest: {}\n", knot.way()));
        for (arrow, mentions) in knot.arrows() {
            let (times, first) = (mentions.len(), mentions.first());
            let first =
                first.map(|first| format!("{}:{} `{}`", first.file.display(), first.line, first.path()));
            list.push_str(&format!("    {arrow}, {times}x, first {}\n", first.unwrap_or_default()));
        }
    }
    list
}

/// How many first-level modules of a tree are in a circle, and how many modules have children in a circle.
pub(crate) fn count(tree: &ModuleTree) -> (usize, usize) {
    let knots = knots(tree);
    let (first, below): (Vec<_>, Vec<_>) = knots.iter().partition(|knot| knot.is_first_level());
    let places: BTreeSet<String> = below.iter().map(|knot| knot.place()).collect();
    (first.iter().map(|knot| knot.members().len()).sum(), places.len())
}

#[cfg(test)]
mod tests;
