//! Files in memory that nobody can change any more, not even this process: what was checked in such a file is what is
//! used of it, whoever else has the file open.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

/// The seals that make a file unchangeable.
const SEALS: SealFlags =
    SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// A sealed file.
#[derive(Debug)]
pub(crate) struct SealedFile {
    file: File,
    bytes: u64,
}

impl SealedFile {
    /// An empty file, to be written and then sealed.
    pub(crate) fn to_be_written(name: &str) -> io::Result<File> {
        Ok(File::from(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?))
    }

    /// A sealed file with a copy of the bytes.
    pub(crate) fn of(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let mut file = Self::to_be_written(name)?;
        file.write_all(bytes)?;
        Self::seal(file)
    }

    /// Seals a file. Fails while anybody could still change the file through a mapping.
    pub(crate) fn seal(file: File) -> io::Result<Self> {
        fcntl_add_seals(&file, SEALS)?;
        Self::take(file.into())
    }

    /// Takes a file that somebody else made, which must be sealed.
    pub(crate) fn take(file: OwnedFd) -> io::Result<Self> {
        if !fcntl_get_seals(&file)?.contains(SEALS) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is not sealed"));
        }
        let file = File::from(file);
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes })
    }

    /// Length of the file in bytes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Another descriptor of the same file.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.file.try_clone().map(OwnedFd::from)
    }

    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// The whole content of the file.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.bytes).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Passes the content of the file to `look`, piece by piece.
    pub(crate) fn each_piece(&self, mut look: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut buffer = vec![0; PIECE_BYTES.min(usize::try_from(self.bytes).map_err(io::Error::other)?)];
        let mut at = 0;
        while at < self.bytes {
            let left = usize::try_from(self.bytes - at).unwrap_or(usize::MAX).min(buffer.len());
            let piece = buffer.get_mut(..left).unwrap_or_default();
            self.file.read_exact_at(piece, at)?;
            look(piece)?;
            at += left as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_file_stays_as_it_is() {
        let bytes: Vec<u8> = (0..600_000u32).map(|number| number as u8).collect();
        let sealed = SealedFile::of("test", &bytes).expect("sealed");
        let file = File::from(sealed.descriptor().expect("a descriptor"));
        assert!(file.write_at(&[1], 0).is_err());
        assert!(file.set_len(0).is_err() && file.set_len(1 << 20).is_err());
        assert_eq!(sealed.bytes(), 600_000);
        let mut pieces = Vec::new();
        sealed
            .each_piece(|piece| {
                pieces.extend_from_slice(piece);
                Ok(())
            })
            .expect("read");
        assert!(pieces == bytes && sealed.read().expect("read") == bytes);
    }

    #[test]
    fn what_is_not_sealed_is_not_taken() {
        let open = SealedFile::to_be_written("test").expect("made");
        assert!(SealedFile::take(open.try_clone().expect("a descriptor").into()).is_err());
        fcntl_add_seals(&open, SealFlags::WRITE | SealFlags::GROW).expect("sealed in part");
        assert!(SealedFile::take(open.into()).is_err());
        assert!(SealedFile::take(tempfile::tempfile().expect("made").into()).is_err());
    }
}
