//! The place in a file of a rule that decided something.

use std::fmt;
use std::path::PathBuf;

use conductor_store::escape;

/// The place of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSource {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
}

impl fmt::Display for RuleSource {
    /// Shows `path:line`, escaped for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", escape::path(&self.path), self.line)
    }
}
