//! What the entries of all files of the trust store have in common: their line, and the longest text.

/// Longest name, address or reason in bytes; these texts are shown in table columns.
pub(crate) const MAX_TEXT_BYTES: usize = 256;

/// The line of an entry, if the entry was read from a file. Two entries are equal even if their lines differ.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line(pub(crate) Option<usize>);

impl PartialEq for Line {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Line {}
