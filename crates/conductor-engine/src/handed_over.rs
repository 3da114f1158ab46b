//! The proof that a worker may compile bytes: a supervisor verified the bytes, sealed them and handed them over.

use std::io;

use conductor_signing::Digest;

use crate::sealed::SealedFile;

/// The bytes of a plugin in a worker: a supervisor verified them, sealed them and handed them over together with their
/// digest, which the worker has compared. Nothing else can be compiled in a worker.
pub(crate) struct HandedOver {
    bytes: Vec<u8>,
}

impl HandedOver {
    /// Reads a file, which must be sealed, and compares it with the digest.
    pub(crate) fn read(file: &SealedFile, digest: &[u8; 32]) -> io::Result<Self> {
        let bytes = file.read()?;
        if Digest::from_bytes(&bytes).as_bytes() != digest {
            let what = "the plugin is not the one that was ordered";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(Self { bytes })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
