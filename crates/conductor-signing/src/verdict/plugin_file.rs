//! What is known about a plugin file and its signature document once both were read, without the bytes themselves.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use conductor_abi::Manifest;
use conductor_store::escape;
use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};

use crate::document::module_scan::{self, ManifestSection, ModuleScan};
use crate::document::{CosignerStatement, DocumentError, ModuleError, SignatureDocument, Statement};
use crate::text::{Digest, Hasher};
use crate::trust::{RotationChain, RotationError};
use crate::verdict::companion::Companion;

/// Bytes of a file that are in memory at once while the file is hashed.
const PIECE_BYTES: usize = 64 * 1024;

/// Digest, size, manifest and signature document of a plugin file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFile {
    pub(crate) file_name: String,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    pub(crate) section: Result<Option<ManifestSection>, ModuleError>,
    pub(crate) document: DocumentFile,
    pub(crate) rotation: DocumentFile,
}

/// A document beside a plugin file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DocumentFile {
    Absent,
    TooLarge,
    Bytes(Vec<u8>),
}

impl PluginFile {
    /// Reads a file of any size in pieces of 64 KiB, and its [`Companion`]s.
    ///
    /// # Errors
    ///
    /// Fails if one of the files cannot be read; a missing companion is not an error.
    pub fn scan(path: &Path) -> Result<Self, ReadError> {
        let mut file = open(path)?;
        let (mut hasher, mut scan, mut size) = (Hasher::default(), ModuleScan::default(), 0);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = match file.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(ReadError::Unreadable { path: path.into(), source }),
            };
            let bytes = piece.get(..count).unwrap_or_default();
            hasher.update(bytes);
            scan.update(bytes);
            size += count as u64;
        }
        Ok(Self {
            file_name: file_name(path),
            size,
            digest: hasher.finish(),
            section: scan.finish(),
            document: document_of(read_document(path)?),
            rotation: rotation_of(read_rotation(path)?),
        })
    }

    /// Describes a file whose bytes are in memory.
    pub(crate) fn of_bytes(file_name: String, wasm: &[u8], document: DocumentFile) -> Self {
        Self {
            file_name,
            size: wasm.len() as u64,
            digest: Digest::from_bytes(wasm),
            section: module_scan::scan(wasm),
            document,
            rotation: DocumentFile::Absent,
        }
    }

    /// The same file, with the rotations that were read beside it.
    pub(crate) fn with_rotation(self, rotation: DocumentFile) -> Self {
        Self { rotation, ..self }
    }

    /// The name of the file without its directories; escape it before showing it.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Length of the file in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Digest of the file.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The manifest in the file.
    ///
    /// # Errors
    ///
    /// Fails if the file is not a module or its manifest breaks a rule.
    pub fn manifest(&self) -> Result<Option<Manifest>, ModuleError> {
        match &self.section {
            Ok(Some(section)) => module_scan::parse_manifest(&section.content).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error.clone()),
        }
    }

    /// The document beside the file, parsed but not verified.
    ///
    /// # Errors
    ///
    /// Fails if the document is not a signature document.
    pub fn document(&self) -> Result<Option<SignatureDocument>, DocumentError> {
        match &self.document {
            DocumentFile::Absent => Ok(None),
            DocumentFile::TooLarge => Err(DocumentError::TooLarge),
            DocumentFile::Bytes(json) => SignatureDocument::parse(json).map(Some),
        }
    }

    /// The rotations beside the file, verified without the trust store.
    ///
    /// # Errors
    ///
    /// Fails if the rotations are not valid.
    pub fn rotation(&self) -> Result<Option<RotationChain>, RotationError> {
        match &self.rotation {
            DocumentFile::Absent => Ok(None),
            DocumentFile::TooLarge => Err(RotationError::TooLarge),
            DocumentFile::Bytes(json) => RotationChain::parse(json).map(Some),
        }
    }

    /// The next time at which the passing of time alone changes how the file is judged: a statement expires, or a
    /// rotation beside the file becomes valid.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let document = self.document().ok().flatten();
        let publisher = document.iter().filter_map(|document| document.signer.statement.as_ref());
        let publisher = publisher.filter_map(|signed| Statement::parse(&signed.bytes).ok()?.expires_at);
        let cosigners = document.iter().flat_map(|document| &document.cosignatures);
        let cosigners =
            cosigners.filter_map(|it| CosignerStatement::parse(&it.statement.bytes).ok()?.expires_at);
        let chain = self.rotation().ok().flatten();
        let begins = chain.iter().flat_map(RotationChain::links).map(|link| link.valid_from.clone());
        let times = publisher.chain(cosigners).chain(begins).map(|at| at.timestamp());
        times.filter(|at| *at > now).min()
    }
}

/// Opens a plugin or a document without waiting for the writer of a FIFO.
pub(crate) fn open(path: &Path) -> Result<File, ReadError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let unreadable = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            ReadError::Missing { path: path.into() }
        } else {
            ReadError::Unreadable { path: path.into(), source }
        }
    };
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| unreadable(errno.into()))?;
    let file = File::from(file);
    if file.metadata().map_err(unreadable)?.is_file() {
        Ok(file)
    } else {
        Err(ReadError::NotRegular { path: path.into() })
    }
}

/// Reads the document of a plugin file, once.
pub(crate) fn read_document(plugin: &Path) -> Result<Option<Vec<u8>>, ReadError> {
    read_beside(plugin, Companion::Signature)
}

/// Reads the rotations beside a plugin file, once.
pub(crate) fn read_rotation(plugin: &Path) -> Result<Option<Vec<u8>>, ReadError> {
    read_beside(plugin, Companion::Rotation)
}

/// The signature document from bytes that were read.
pub(crate) fn document_of(read: Option<Vec<u8>>) -> DocumentFile {
    DocumentFile::of(read, Companion::Signature.max_bytes())
}

/// The rotations from bytes that were read.
pub(crate) fn rotation_of(read: Option<Vec<u8>>) -> DocumentFile {
    DocumentFile::of(read, Companion::Rotation.max_bytes())
}

/// The bytes of a companion, if it exists. Of a companion that is too large, one byte more than allowed.
fn read_beside(plugin: &Path, companion: Companion) -> Result<Option<Vec<u8>>, ReadError> {
    let (path, max) = (companion.path(plugin), companion.max_bytes());
    let file = match open(&path) {
        Ok(file) => file,
        Err(ReadError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| ReadError::Unreadable { path, source })?;
    Ok(Some(bytes))
}

impl DocumentFile {
    fn of(read: Option<Vec<u8>>, max: usize) -> Self {
        match read {
            None => Self::Absent,
            Some(bytes) if bytes.len() > max => Self::TooLarge,
            Some(bytes) => Self::Bytes(bytes),
        }
    }
}

/// The last component of a path.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Why a plugin or its signature document could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such file.
    #[error("{} does not exist", escape::path(path))]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The path names a directory, device, FIFO or socket.
    #[error("{} is not a regular file", escape::path(path))]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// The file is larger than a plugin may be.
    #[error("{} is larger than {max} bytes", escape::path(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that the file may have.
        max: u64,
    },
    /// A companion is larger than allowed.
    #[error("{} is larger than {max} bytes", escape::path(path))]
    CompanionTooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that the companion may have.
        max: u64,
    },
    /// The operating system refused.
    #[error("cannot read {}: {source}", escape::path(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl ReadError {
    /// What to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooLarge { .. } => Some("a larger plugin needs a higher `max_module_bytes`".to_owned()),
            Self::Missing { .. }
            | Self::NotRegular { .. }
            | Self::CompanionTooLarge { .. }
            | Self::Unreadable { .. } => None,
        }
    }
}
