//! What the entries of all files of the trust store have in common: the line that they stand on, and how long a text may be.

/// Longest name, address or reason in bytes; they are shown in table columns.
pub(crate) const MAX_TEXT_BYTES: usize = 256;

/// The line on which an entry stands, if it was read from a file. It is no part of what the entry says, so entries are
/// equal wherever they stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line(pub(crate) Option<usize>);

impl PartialEq for Line {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Line {}
