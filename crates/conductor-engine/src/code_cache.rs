//! A cache of compiled code, which outlives the process.
//!
//! A file of machine code is as dangerous as the code in it. So a file is believed only with an authentication code
//! (HMAC) under a key that only this process has: no worker is given the key, and no worker can reach the directory.
//! The authenticated bytes are exactly the bytes that run: a file is copied into memory that nobody else has, and each
//! piece is authenticated as it is copied. Workers get sealed memory. Code that workers made and code that this process
//! made for itself are kept apart, so that a worker's code never runs here.
//! the former never runs here.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use conductor_call::Flavour;
use conductor_signing::{Digest, FileError, atomic_file, secret};
use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::OFlags;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::fingerprint::Fingerprint;
use crate::mapped::Runnable;
use crate::sealed::SealedFile;

/// Most bytes of one plugin's compiled code; stops a compiler that was taken over from filling memory and disk, and a
/// file from filling memory.
pub(crate) const MAX_CODE_BYTES: u64 = 256 * 1024 * 1024;

/// Most bytes of all files of compiled code; stops plugins that come and go from filling the disk. The files that were
/// not used for the longest time are removed first.
const MAX_KEPT_BYTES: u64 = 1024 * 1024 * 1024;

/// First bytes of a file: its type and version.
const MAGIC: &[u8; 8] = b"CNDCODE3";

/// Length of the authentication code in bytes.
const TAG_BYTES: usize = 32;

/// Bytes of a file that are read, authenticated and copied at once: few enough to stay in the processor's cache
/// meanwhile.
const PIECE_BYTES: usize = 64 * 1024;

/// Offset in a file at which the code begins.
const CODE_AT: usize = MAGIC.len() + TAG_BYTES;

/// Start of the authenticated bytes for compiled code, so that an authentication code made for another purpose is never
/// valid.
const CONTEXT: &[u8] = b"conductor code cache v3\0";

/// Start of the authenticated bytes for the shape of a module.
const SHAPE_CONTEXT: &[u8] = b"conductor module shape v1\0";

/// Numbers for the flavour of a module in a file.
const REACTOR: u8 = 1;
const COMMAND: u8 = 2;

/// A directory in which compiled code is kept between runs, and the secret that authenticates the code. Both must be
/// out of the workers' reach, and the workers are given neither.
pub struct CodeCache {
    directory: PathBuf,
    secret: Zeroizing<[u8; 32]>,
    /// Most bytes of all files together.
    most: u64,
    /// Makes the names of files that are being written differ.
    written: AtomicU64,
}

/// Identifies code: its plugin, its engine, and where it runs.
#[derive(Clone, Copy)]
struct Wanted<'w> {
    digest: &'w Digest,
    fingerprint: &'w Fingerprint,
    runs: Runs,
}

/// The process that runs the code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    InWorkers,
    InProcess,
}

impl Wanted<'_> {
    fn file_name(&self) -> String {
        let (digest, fingerprint) = (self.digest, self.fingerprint);
        match self.runs {
            Runs::InWorkers => format!("{digest}-{fingerprint}.code"),
            Runs::InProcess => format!("{digest}-{fingerprint}.own-code"),
        }
    }
}

impl CodeCache {
    /// Opens a cache in `directory`, with the secret in the file `secret`. Both are created if they are missing,
    /// readable by this user only.
    ///
    /// # Errors
    ///
    /// Fails if the directory cannot be created, or if the secret can be read by others, has a wrong length, or cannot
    /// be created.
    pub fn open(directory: &Path, secret: &Path) -> Result<Self, CodeCacheError> {
        atomic_file::create_private_directory(directory)
            .map_err(|source| CodeCacheError::Directory { path: directory.into(), source })?;
        let secret = secret::read_or_create(secret).map_err(|source| CodeCacheError::Secret { source })?;
        let directory = directory.to_owned();
        Ok(Self { directory, secret, most: MAX_KEPT_BYTES, written: AtomicU64::new(0) })
    }

    /// The cache with another bound on the bytes of all code.
    #[must_use]
    pub fn at_most(self, bytes: u64) -> Self {
        Self { most: bytes, ..self }
    }

    /// The code of a plugin that runs in workers, if it is cached and authentic.
    pub(crate) fn for_workers(&self, digest: &Digest, fingerprint: &Fingerprint) -> Option<SealedFile> {
        let wanted = Wanted { digest, fingerprint, runs: Runs::InWorkers };
        let copy = self.find(wanted, |_| SealedFile::to_be_written("conductor-code").ok())?;
        SealedFile::seal(copy).ok()
    }

    /// Caches code that a worker made, for workers.
    pub(crate) fn keep_for_workers(&self, digest: &Digest, fingerprint: &Fingerprint, code: &SealedFile) {
        self.keep(Wanted { digest, fingerprint, runs: Runs::InWorkers }, code);
    }

    /// Removes code that a worker could not use.
    pub(crate) fn forget_for_workers(&self, digest: &Digest, fingerprint: &Fingerprint) {
        let wanted = Wanted { digest, fingerprint, runs: Runs::InWorkers };
        // A file that cannot be removed is replaced by the next code.
        let _ = fs::remove_file(self.directory.join(wanted.file_name()));
    }

    /// The code of a plugin that runs in this process, if it is cached and authentic.
    pub(crate) fn for_this_process(&self, digest: &Digest, fingerprint: &Fingerprint) -> Option<Runnable> {
        let wanted = Wanted { digest, fingerprint, runs: Runs::InProcess };
        let room = |bytes| usize::try_from(bytes).ok().map(Vec::with_capacity);
        self.find(wanted, room).map(Runnable::own)
    }

    /// Caches code that this process made for itself.
    pub(crate) fn keep_own(&self, digest: &Digest, fingerprint: &Fingerprint, code: &SealedFile) {
        self.keep(Wanted { digest, fingerprint, runs: Runs::InProcess }, code);
    }

    /// Copies the code in a file to where nobody else can change it; `None` if there is no file or it is not authentic.
    /// The copied pieces are authenticated, not the file. `room` makes the place for a copy of the given length.
    fn find<C: Write>(&self, wanted: Wanted<'_>, room: impl FnOnce(u64) -> Option<C>) -> Option<C> {
        let path = self.directory.join(wanted.file_name());
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
        let found = file.metadata().ok()?;
        if !found.is_file() || found.len() > CODE_AT as u64 + MAX_CODE_BYTES {
            return None;
        }
        let mut head = [0; CODE_AT];
        (&file).read_exact(&mut head).ok()?;
        let tag = head.strip_prefix(MAGIC)?;
        let copy = room(found.len().saturating_sub(CODE_AT as u64))?;
        let mut judged = Judged { copy, tag: self.tag(wanted) };
        let mut pieces = BufReader::with_capacity(PIECE_BYTES, (&file).take(MAX_CODE_BYTES));
        io::copy(&mut pieces, &mut judged).ok()?;
        judged.tag.verify_slice(tag).ok()?;
        // The modification time only records when the code was last used.
        let _ = file.set_modified(SystemTime::now());
        Some(judged.copy)
    }

    /// Caches code for the next time. If writing fails, the code is compiled again next time.
    fn keep(&self, wanted: Wanted<'_>, code: &SealedFile) {
        let name = wanted.file_name();
        let written = self.write(wanted, &name, code).and_then(|()| self.make_room(&name));
        if let Err(error) = written {
            tracing::debug!("compiled code is not kept in {}: {error}", self.directory.display());
        }
    }

    fn write(&self, wanted: Wanted<'_>, name: &str, code: &SealedFile) -> io::Result<()> {
        let mut tag = self.tag(wanted);
        code.each_piece(|piece| {
            tag.update(piece);
            Ok(())
        })?;
        let tag = tag.finalize().into_bytes();
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = self.directory.join(format!("{name}.{}-{number}", std::process::id()));
        let written = self.write_to(&temporary, &tag, code);
        let renamed = written.and_then(|()| fs::rename(&temporary, self.directory.join(name)));
        if renamed.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        renamed
    }

    fn write_to(&self, path: &Path, tag: &[u8], code: &SealedFile) -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(MAGIC)?;
        file.write_all(tag)?;
        code.each_piece(|piece| file.write_all(piece))?;
        file.sync_data()
    }

    /// Removes the files that were not used for the longest time, until the rest is within the bound; the file `newest`
    /// stays.
    fn make_room(&self, newest: &str) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let found = entry.metadata()?;
            if found.is_file() {
                files.push((entry.file_name() == newest, found.modified()?, found.len(), entry.path()));
            }
        }
        files.sort();
        let mut kept: u64 = files.iter().map(|(_, _, bytes, _)| bytes).sum();
        for (is_newest, _, bytes, path) in files {
            if kept <= self.most || is_newest {
                break;
            }
            fs::remove_file(path)?;
            kept -= bytes;
        }
        Ok(())
    }

    /// The start of an authentication code, to which the code is still to be added.
    fn tag(&self, wanted: Wanted<'_>) -> Hmac<Sha256> {
        let mut mac = keyed(&self.secret);
        mac.update(CONTEXT);
        mac.update(wanted.digest.as_bytes());
        mac.update(wanted.file_name().as_bytes());
        mac.update(b"\0");
        mac
    }

    /// The flavour of a module, if this version of the host has checked its shape before.
    pub(crate) fn shape(&self, digest: &Digest) -> Option<Flavour> {
        let mut remembered = Vec::with_capacity(TAG_BYTES + 1);
        let file = File::open(self.shape_file(digest)).ok()?;
        file.take(TAG_BYTES as u64 + 2).read_to_end(&mut remembered).ok()?;
        let (tag, flavour) = remembered.split_first_chunk::<TAG_BYTES>()?;
        let flavour = match flavour {
            [REACTOR] => Flavour::Reactor,
            [COMMAND] => Flavour::Command,
            _ => return None,
        };
        self.shape_tag(digest, flavour).verify_slice(tag).ok()?;
        Some(flavour)
    }

    /// Remembers the flavour of a module whose shape was checked. If writing fails, the module is checked again next
    /// time.
    pub(crate) fn remember_shape(&self, digest: &Digest, flavour: Flavour) {
        let path = self.shape_file(digest);
        let mut bytes = self.shape_tag(digest, flavour).finalize().into_bytes().to_vec();
        bytes.push(number(flavour));
        let written = path
            .parent()
            .map_or(Ok(()), atomic_file::create_private_directory)
            .and_then(|()| fs::write(&path, bytes));
        if let Err(error) = written {
            tracing::debug!("the shape of a module is not remembered in {}: {error}", path.display());
        }
    }

    fn shape_file(&self, digest: &Digest) -> PathBuf {
        self.directory.join("shapes").join(digest.to_string())
    }

    fn shape_tag(&self, digest: &Digest, flavour: Flavour) -> Hmac<Sha256> {
        let mut mac = keyed(&self.secret);
        mac.update(SHAPE_CONTEXT);
        mac.update(digest.as_bytes());
        mac.update(env!("CARGO_PKG_VERSION").as_bytes());
        crate::shape::RULES.iter().for_each(|rule| mac.update(&rule.to_le_bytes()));
        mac.update(&[number(flavour)]);
        mac
    }
}

/// A copy of code, with the authentication code of the copied bytes.
struct Judged<C> {
    copy: C,
    tag: Hmac<Sha256>,
}

impl<C: Write> Write for Judged<C> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let count = self.copy.write(piece)?;
        self.tag.update(piece.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.copy.flush()
    }
}

const fn number(flavour: Flavour) -> u8 {
    match flavour {
        Flavour::Reactor => REACTOR,
        Flavour::Command => COMMAND,
    }
}

impl std::fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeCache").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Why a code cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodeCacheError {
    /// The directory cannot be created.
    #[error("cannot make the directory {} for compiled code", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The secret cannot be used.
    #[error("{source}")]
    Secret {
        /// The file, and what is wrong with it.
        source: FileError,
    },
}

/// HMAC-SHA256 (RFC 2104), which takes a key shorter than a block as if zeros followed it.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    Hmac::new((&*block).into())
}
