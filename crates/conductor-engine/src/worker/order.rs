//! The orders of a supervisor to its workers: to compile a module, and to run its code.

use std::io;
use std::os::fd::OwnedFd;

use conductor_call::Flavour;
use serde::{Deserialize, Serialize};

use crate::local::Surroundings;
use crate::sealed::SealedFile;

/// What to compile, and within which bounds. The module is in the file that the worker inherits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CompileOrder {
    pub(super) digest: [u8; 32],
    pub(super) max_stack_bytes: u32,
    pub(super) max_seconds: u64,
    pub(super) max_bytes: u64,
    /// Whether the worker may continue if the kernel cannot lock it in.
    pub(super) allow_weak_isolation: bool,
}

/// What to run, and how. The code is in the file that the worker inherits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) flavour: Flavour,
    pub(super) surroundings: Surroundings,
    /// Whether the plugin's directory is beyond its quota, so that nothing may be written to it.
    pub(super) is_full: bool,
    /// Length of the code in bytes.
    pub(super) code_bytes: u64,
    /// Whether the worker may continue if the kernel cannot lock it in.
    pub(super) allow_weak_isolation: bool,
}

/// The sealed file that a worker inherits as its standard error.
pub(super) fn given(file: OwnedFd) -> io::Result<SealedFile> {
    SealedFile::take(file)
}
