//! What a supervisor tells its workers to do: one that compiles, and one that runs what was compiled.

use std::io;
use std::os::fd::OwnedFd;

use conductor_call::Flavour;
use serde::{Deserialize, Serialize};

use crate::local::Surroundings;
use crate::sealed::SealedFile;

/// What to compile, and what that may take. The module comes beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CompileOrder {
    pub(super) digest: [u8; 32],
    pub(super) max_stack_bytes: u32,
    pub(super) max_seconds: u64,
    pub(super) max_bytes: u64,
    /// Whether the worker may go on where the kernel cannot lock it.
    pub(super) allow_weak_isolation: bool,
}

/// What to run and how. The code comes beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) flavour: Flavour,
    pub(super) surroundings: Surroundings,
    /// Whether the plugin's directory holds more than its quota: nothing is written to it then.
    pub(super) is_full: bool,
    /// Bytes of the code.
    pub(super) code_bytes: u64,
    /// Whether the worker may go on where the kernel cannot lock it.
    pub(super) allow_weak_isolation: bool,
}

/// What a worker is given on its standard error: a sealed file.
pub(super) fn given(file: OwnedFd) -> io::Result<SealedFile> {
    SealedFile::take(file)
}
