//! What a supervisor hands its worker: the plugin's bytes and how to run them.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use conductor_signing::{Digest, VerifiedPlugin};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use serde::{Deserialize, Serialize};

use crate::code_cache::Place;
use crate::host::Flavour;
use crate::local::Surroundings;

/// The seals of a handed-over plugin: nobody can change what was verified, the supervisor included.
const SEALS: SealFlags =
    SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// What to run and how.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) digest: [u8; 32],
    pub(super) bytes: u64,
    pub(super) flavour: Flavour,
    pub(super) surroundings: Surroundings,
    pub(super) cache: Option<Place>,
    pub(super) max_compile_seconds: u64,
    pub(super) max_compile_bytes: u64,
    /// Whether the worker may go on where the kernel cannot lock it.
    pub(super) allow_weak_isolation: bool,
}

/// A verified plugin's bytes in a sealed file in memory.
pub(super) struct SealedPlugin {
    file: File,
}

impl SealedPlugin {
    /// No plugin at all: for a worker that is only to say how it was locked.
    pub(super) fn none() -> io::Result<Self> {
        Self::seal(&[])
    }

    /// Copies the bytes and seals them.
    pub(super) fn new(plugin: &VerifiedPlugin) -> io::Result<Self> {
        Self::seal(plugin.bytes())
    }

    fn seal(bytes: &[u8]) -> io::Result<Self> {
        let file = memfd_create("conductor-plugin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = File::from(file);
        file.write_all(bytes)?;
        fcntl_add_seals(&file, SEALS)?;
        Ok(Self { file })
    }

    /// The file, for a worker that is about to be started.
    pub(super) fn file(&self) -> io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }
}

/// A plugin as a worker is given it: a sealed file that is said to hold bytes which a supervisor verified.
pub(super) struct Given {
    file: File,
    bytes: u64,
    digest: [u8; 32],
}

impl Given {
    /// Takes a file, which must be sealed.
    pub(super) fn take(file: OwnedFd, order: &Order) -> io::Result<Self> {
        if !fcntl_get_seals(&file)?.contains(SEALS) {
            return Err(wrong("the plugin is not sealed"));
        }
        let file = File::from(file);
        if file.metadata()?.len() != order.bytes {
            return Err(wrong("the plugin is not as long as it was said to be"));
        }
        Ok(Self { file, bytes: order.bytes, digest: order.digest })
    }

    /// The digest that the supervisor named.
    pub(super) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Reads the bytes and holds them against the digest.
    pub(super) fn read(&self) -> io::Result<HandedOver> {
        let mut bytes = vec![0; usize::try_from(self.bytes).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, 0)?;
        if *Digest::from_bytes(&bytes).as_bytes() != self.digest {
            return Err(wrong("the plugin is not the one that was ordered"));
        }
        Ok(HandedOver { bytes })
    }
}

/// A plugin as a worker has it: bytes that a supervisor verified, sealed and handed over, and whose digest is the one that
/// it named. Nothing else can be compiled in a worker.
pub(crate) struct HandedOver {
    bytes: Vec<u8>,
}

impl HandedOver {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
