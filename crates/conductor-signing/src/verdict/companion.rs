//! The files beside a module that verification reads. Only this file names them.

use std::path::{Path, PathBuf};

use crate::document::{MAX_DOCUMENT_BYTES, signature_path};
use crate::trust::{MAX_ROTATION_BYTES, rotation_path};

/// A file beside a module that verification reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companion {
    /// The signature document.
    Signature,
    /// The rotations that lead from the publisher's earlier key to the key that signed.
    Rotation,
}

impl Companion {
    /// Every companion.
    pub const ALL: [Self; 2] = [Self::Signature, Self::Rotation];

    /// Path of the companion of the module at `module`.
    #[must_use]
    pub fn path(self, module: &Path) -> PathBuf {
        match self {
            Self::Signature => signature_path(module),
            Self::Rotation => rotation_path(module),
        }
    }

    /// Most bytes of the companion. Stops a file beside a module from taking all memory.
    #[must_use]
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Signature => MAX_DOCUMENT_BYTES,
            Self::Rotation => MAX_ROTATION_BYTES,
        }
    }

    /// A word for the companion.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Rotation => "rotation",
        }
    }
}
