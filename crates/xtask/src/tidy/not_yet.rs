//! Places that do not keep a rule yet. An entry must be removed once its place keeps the rule: an entry that is not
//! needed is a violation.

use std::collections::BTreeSet;

use crate::tidy::Violation;

/// This file, relative to the root.
const FILE: &str = "crates/xtask/src/tidy/not_yet.rs";

/// The places that are known to break each rule about crates and modules.
pub(crate) struct NotYet {
    /// Modules whose children use each other in a circle, by path. A crate's own name stands for its first-level
    /// modules.
    pub(crate) circles: Exceptions,
    /// Crates that are known to be too large.
    pub(crate) sizes: Exceptions,
    /// Crates whose `lib.rs` lacks the sentence or the map.
    pub(crate) maps: Exceptions,
}

impl NotYet {
    /// The exceptions of this code base.
    pub(crate) const THIS_CODE_BASE: Self = Self {
        circles: Exceptions { list: "circles", names: &[] },
        sizes: Exceptions { list: "sizes", names: &[] },
        maps: Exceptions { list: "maps", names: &[] },
    };

    /// No exceptions, for test trees.
    #[cfg(test)]
    pub(crate) const NOTHING: Self =
        Self { circles: Exceptions::NONE, sizes: Exceptions::NONE, maps: Exceptions::NONE };
}

/// The places that are known to break one rule.
pub(crate) struct Exceptions {
    /// Name of the list, for messages.
    list: &'static str,
    names: &'static [&'static str],
}

impl Exceptions {
    /// No exceptions, for test trees.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self::of(&[]);

    /// These exceptions, for test trees.
    #[cfg(test)]
    pub(crate) const fn of(names: &'static [&'static str]) -> Self {
        Self { list: "TEST", names }
    }

    /// Whether this place is known to break the rule.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// Violations for entries whose place no longer breaks the rule. `keeps` says in words that a place keeps the rule.
    pub(crate) fn unneeded(&self, breaking: &BTreeSet<String>, keeps: &str) -> Vec<Violation> {
        let unneeded = self.names.iter().filter(|name| !breaking.contains(**name));
        let rule = |name| format!("`{name}` {keeps} any more: take it out of `{}`", self.list);
        unneeded.map(|name| Violation { path: FILE.into(), line: 0, rule: rule(name) }).collect()
    }
}
