//! Rules about crates and their modules: no circles, no crate that is too large, a map in each library, and a table of
//! all crates.

use std::collections::BTreeMap;

use crate::tidy::modules::{self, ModuleTree};
use crate::tidy::not_yet::NotYet;
use crate::tidy::source::Source;
use crate::tidy::{Violation, circles, crate_table, maps, sizes};

/// Checks all these rules, with the known exceptions.
pub(crate) fn check(sources: &[Source], known: &NotYet) -> Vec<Violation> {
    let trees = modules::read(sources);
    let mut violations = circles::check(&trees, &known.circles);
    violations.extend(sizes::check(sources, &trees, &known.sizes));
    violations.extend(maps::check(sources, &trees, &known.maps));
    violations.extend(crate_table::check(sources));
    violations
}

/// Each crate and program, with its size, its first-level modules and its circles.
pub(crate) fn list(sources: &[Source]) -> String {
    let trees = modules::read(sources);
    let lines = sizes::lines(&trees);
    let mut by_crate = BTreeMap::<&str, Vec<&ModuleTree>>::new();
    for tree in &trees {
        by_crate.entry(&tree.crate_name).or_default().push(tree);
    }
    let mut list = String::new();
    for (name, trees) in by_crate {
        let lines = lines.get(name).copied().unwrap_or_default();
        list.push_str(&format!("{name}: {lines} lines without tests\n"));
        for tree in trees {
            let (first, below) = circles::count(tree);
            let modules = tree.first_level().len();
            list.push_str(&format!(
                "  {}: {modules} first-level modules, {first} of them in circles; circles in {below} folders\n",
                tree.root.display(),
            ));
            list.push_str(&circles::list(tree));
        }
    }
    list
}
