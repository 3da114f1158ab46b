//! What a supervisor hands its worker: the plugin's bytes and how to run them.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use conductor_signing::{Digest, VerifiedPlugin};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
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

    /// Hands the file over.
    pub(super) fn send(&self, to: &UnixStream) -> io::Result<()> {
        let files = [self.file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(io::Error::other("no room for a descriptor"));
        }
        sendmsg(to, &[IoSlice::new(&[1])], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

/// A plugin as a worker has it: bytes that a supervisor verified, sealed and handed over, and whose digest is the one that
/// it named. Nothing else can be compiled in a worker.
pub(crate) struct HandedOver {
    bytes: Vec<u8>,
    digest: Digest,
}

impl HandedOver {
    /// Reads a sealed file.
    pub(super) fn read(file: OwnedFd, order: &Order) -> io::Result<Self> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        if !fcntl_get_seals(&file)?.contains(SEALS) {
            return Err(wrong("the plugin is not sealed"));
        }
        let mut file = File::from(file);
        file.rewind()?;
        let mut bytes = Vec::with_capacity(usize::try_from(order.bytes).map_err(io::Error::other)?);
        file.take(order.bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        let digest = Digest::from_bytes(&bytes);
        if *digest.as_bytes() != order.digest {
            return Err(wrong("the plugin is not the one that was ordered"));
        }
        Ok(Self { bytes, digest })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// Receives the one descriptor that comes before the first frame.
pub(super) fn receive_file(from: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut files = ancillary.drain().filter_map(|message| {
        if let RecvAncillaryMessage::ScmRights(files) = message { Some(files) } else { None }
    });
    let file = files.next().and_then(|mut files| files.next());
    match (received.bytes, file) {
        (1, Some(file)) => Ok(file),
        (_, _) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no plugin was handed over")),
    }
}
