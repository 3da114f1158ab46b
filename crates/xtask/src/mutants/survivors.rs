//! Mutants that no test notices because they mean the same as the code, each with the reason.

/// A mutant that survives.
#[derive(Clone, Copy)]
pub(super) struct Survivor {
    /// Its file, from the root of the workspace.
    pub(super) file: &'static str,
    /// What cargo-mutants calls it, without line and column.
    pub(super) mutant: &'static str,
    /// At how many places of the function.
    pub(super) times: usize,
    /// Why it means the same.
    pub(super) why: &'static str,
}

/// All of them. A mutant that can be told from the code has no place here: it needs a test.
pub(super) const ALL: &[Survivor] = &[];
