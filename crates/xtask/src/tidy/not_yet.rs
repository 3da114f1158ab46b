//! Places that do not keep a rule yet. Each leaves its list when it does, and must: an entry that nothing needs is a
//! violation.

use std::collections::BTreeSet;

use crate::tidy::Violation;

/// This file, from the root.
const FILE: &str = "crates/xtask/src/tidy/not_yet.rs";

/// What is known to break each rule about crates and modules.
pub(crate) struct NotYet {
    /// Modules whose children use each other in a circle, by their path; a crate's own name stands for its first level.
    pub(crate) circles: Exceptions,
    /// Crates that are too large.
    pub(crate) sizes: Exceptions,
    /// Crates whose `lib.rs` has no sentence or no map.
    pub(crate) maps: Exceptions,
}

impl NotYet {
    /// What this code base does not keep yet.
    pub(crate) const THIS_CODE_BASE: Self = Self {
        circles: Exceptions {
            list: "circles",
            names: &[
                "conductor-broker",
                "conductor-broker::audit",
                "conductor-broker::launcher",
                "conductor-policy::binding",
                "conductor-policy::grant",
                "conductor-policy::scope",
            ],
        },
        sizes: Exceptions { list: "sizes", names: &[] },
        maps: Exceptions { list: "maps", names: &[] },
    };

    /// Nothing, for trees of tests.
    #[cfg(test)]
    pub(crate) const NOTHING: Self =
        Self { circles: Exceptions::NONE, sizes: Exceptions::NONE, maps: Exceptions::NONE };
}

/// What is known to break one rule.
pub(crate) struct Exceptions {
    /// Name of the list.
    list: &'static str,
    names: &'static [&'static str],
}

impl Exceptions {
    /// Nothing, for trees of tests.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self::of(&[]);

    /// These, for trees of tests.
    #[cfg(test)]
    pub(crate) const fn of(names: &'static [&'static str]) -> Self {
        Self { list: "TEST", names }
    }

    /// Whether this place is known to break the rule.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// Entries whose place is not among those that break the rule; `keeps` says so of a place.
    pub(crate) fn unneeded(&self, breaking: &BTreeSet<String>, keeps: &str) -> Vec<Violation> {
        let unneeded = self.names.iter().filter(|name| !breaking.contains(**name));
        let rule = |name| format!("`{name}` {keeps} any more: take it out of `{}`", self.list);
        unneeded.map(|name| Violation { path: FILE.into(), line: 0, rule: rule(name) }).collect()
    }
}
