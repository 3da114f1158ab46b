//! Compiled code that outlives the process.
//!
//! A file of machine code is as dangerous as the code in it, so a file is believed only with a code of authentication under
//! a key that the host derives for this plugin's digest, and for where its code runs: a worker is given the key of its own
//! plugin and no other, and what workers write is never believed by a host that runs plugins in its own process. What is
//! authenticated is what is run: the bytes are read once, into memory of the process.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use conductor_signing::{Digest, FileError, secret};
use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::engine::{Code, Engine};
use crate::host::Flavour;

/// Most bytes of one file of compiled code; stops a worker that was taken over from filling the disk through its cache, and
/// a file from filling its memory.
pub(crate) const MAX_CODE_BYTES: u64 = 256 * 1024 * 1024;

/// First bytes of a file: what it is, and its version.
const MAGIC: &[u8; 8] = b"CNDCODE2";

/// Bytes of the code of authentication.
const TAG_BYTES: usize = 32;

/// Where in a file the code begins.
const CODE_AT: usize = MAGIC.len() + TAG_BYTES;

/// Names that what is authenticated is this and nothing else.
const CONTEXT: &[u8] = b"conductor code cache v2\0";

/// The same, for where the code runs. A worker that was taken over can write what it likes under its key.
const IN_WORKER: &[u8] = b"worker\0";
const IN_PROCESS: &[u8] = b"in process\0";

/// The same for the shape of a module.
const SHAPE_CONTEXT: &[u8] = b"conductor module shape v1\0";

/// How the flavour of a module is written down.
const REACTOR: u8 = 1;
const COMMAND: u8 = 2;

/// Where compiled code is kept between runs: a directory with one directory for each plugin, and a secret.
///
/// The secret must be out of reach of the workers, and so must this directory as a whole; each worker is given its own part
/// and a key derived for it.
pub struct CodeCache {
    directory: PathBuf,
    secret: Zeroizing<[u8; 32]>,
}

impl CodeCache {
    /// Opens a cache in `directory`, with the secret in the file `secret`. Both are made if they are missing, readable by
    /// this user alone.
    ///
    /// # Errors
    ///
    /// Fails if the directory cannot be made, or if the secret can be read by others, is no such secret, or cannot be made.
    pub fn open(directory: &Path, secret: &Path) -> Result<Self, CodeCacheError> {
        make_directory(directory)
            .map_err(|source| CodeCacheError::Directory { path: directory.into(), source })?;
        let secret = secret::read_or_create(secret).map_err(|source| CodeCacheError::Secret { source })?;
        Ok(Self { directory: directory.to_owned(), secret })
    }

    /// The place of one plugin's code that runs in a worker. Makes its directory.
    pub(crate) fn in_worker(&self, digest: &Digest) -> io::Result<Place> {
        self.place(digest, digest.to_string(), IN_WORKER)
    }

    /// The place of one plugin's code that runs in this process. Makes its directory.
    pub(crate) fn in_process(&self, digest: &Digest) -> io::Result<Place> {
        self.place(digest, format!("{digest}-in-process"), IN_PROCESS)
    }

    /// The flavour of a module whose shape was found to be one that a plugin may have, by this version of the host.
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

    /// Remembers the flavour of a module whose shape was checked. What cannot be remembered is checked again.
    pub(crate) fn remember_shape(&self, digest: &Digest, flavour: Flavour) {
        let path = self.shape_file(digest);
        let mut bytes = self.shape_tag(digest, flavour).finalize().into_bytes().to_vec();
        bytes.push(number(flavour));
        let written =
            path.parent().map_or(Ok(()), make_directory).and_then(|()| std::fs::write(&path, bytes));
        if let Err(error) = written {
            tracing::debug!("the shape of a module is not remembered in {}: {error}", path.display());
        }
    }

    /// Out of reach of workers, as all that is not in the directory of their own plugin.
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

    fn place(&self, digest: &Digest, name: String, runs: &[u8]) -> io::Result<Place> {
        let directory = self.directory.join(name);
        make_directory(&directory)?;
        let mut mac = keyed(&self.secret);
        mac.update(CONTEXT);
        mac.update(runs);
        mac.update(digest.as_bytes());
        Ok(Place { directory, key: mac.finalize().into_bytes().into() })
    }
}

const fn number(flavour: Flavour) -> u8 {
    match flavour {
        Flavour::Reactor => REACTOR,
        Flavour::Command => COMMAND,
    }
}

/// Where the code of one plugin is kept, and the key that says that it is its own.
#[derive(Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) key: [u8; 32],
}

impl Drop for Place {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("directory", &self.directory).finish_non_exhaustive()
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
    /// The directory cannot be made.
    #[error("cannot make the directory {} for compiled code", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The secret cannot be used.
    #[error("{source}")]
    Secret {
        /// Which file and why.
        source: FileError,
    },
}

/// One plugin's part of the cache, open.
pub(crate) struct Shelf {
    directory: OwnedFd,
    key: Zeroizing<[u8; 32]>,
}

impl Shelf {
    pub(crate) const fn new(directory: OwnedFd, key: Zeroizing<[u8; 32]>) -> Self {
        Self { directory, key }
    }

    /// Opens a place of this process.
    pub(crate) fn open(place: &Place) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&place.directory, flags, Mode::empty())?;
        Ok(Self::new(directory, Zeroizing::new(place.key)))
    }

    /// The code of the plugin with this digest, if it is there and sound.
    pub(crate) fn find(&self, engine: &Engine, digest: &[u8; 32]) -> Option<Code> {
        let bytes = self.read(&file_name(engine), digest)?;
        load(engine, bytes.get(CODE_AT..)?)
    }

    /// Keeps the code of a plugin for the next time. A cache that cannot be written costs time, not the plugin.
    pub(crate) fn keep(&self, engine: &Engine, code: &Code, digest: &[u8; 32]) {
        if let Ok(bytes) = code.serialize() {
            let _ = self.write(&file_name(engine), &bytes, digest);
        }
    }

    fn tag(&self, name: &CStr, code: &[u8], digest: &[u8; 32]) -> Hmac<Sha256> {
        let mut mac = keyed(&self.key);
        mac.update(CONTEXT);
        mac.update(digest);
        mac.update(name.to_bytes_with_nul());
        mac.update(code);
        mac
    }

    /// A file with machine code, from [`CODE_AT`] on, that was written for this plugin and this engine; nothing if there is
    /// none or it was touched.
    fn read(&self, name: &CStr, digest: &[u8; 32]) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&self.directory, name, flags, Mode::empty()).ok()?);
        let found = file.metadata().ok()?;
        if !found.is_file() || found.len() > MAX_CODE_BYTES {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).ok()?);
        file.take(MAX_CODE_BYTES).read_to_end(&mut bytes).ok()?;
        let (tag, code) = bytes.strip_prefix(MAGIC)?.split_at_checked(TAG_BYTES)?;
        self.tag(name, code, digest).verify_slice(tag).ok()?;
        Some(bytes)
    }

    /// Replaces whatever the directory holds by one file.
    fn write(&self, name: &CStr, code: &[u8], digest: &[u8; 32]) -> io::Result<()> {
        let at = self.directory.as_fd();
        for entry in rustix::fs::Dir::read_from(at)? {
            let entry = entry?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                // What cannot be removed, a directory say, is not in the way.
                let _ = unlinkat(at, entry.file_name(), AtFlags::empty());
            }
        }
        let temporary = c"new";
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(at, temporary, flags, Mode::from_raw_mode(0o600))?);
        file.write_all(MAGIC)?;
        file.write_all(&self.tag(name, code, digest).finalize().into_bytes())?;
        file.write_all(code)?;
        file.sync_data()?;
        renameat(at, temporary, at, name)?;
        Ok(())
    }
}

/// Turns authenticated bytes into code; nothing if they are of another engine after all.
fn load(engine: &Engine, code: &[u8]) -> Option<Code> {
    #[expect(unsafe_code, clippy::disallowed_methods, reason = "the one place that maps compiled code")]
    // SAFETY: `Module::deserialize` runs whatever machine code it is given, so the bytes must come from
    // `Module::serialize` unchanged. `Shelf::read` upholds that: they carry a code of authentication under a key that only
    // the locked-down workers of this very plugin are given or, for code of this process, nobody else, they were copied into this process before they were
    // authenticated, and wasmtime itself refuses those of another version, configuration or processor.
    let module = unsafe { wasmtime::Module::deserialize(engine.inner(), code) }.ok()?;
    Code::link(engine, &module).ok()
}

/// A name for code of exactly this engine: its version, its configuration and the processor.
fn file_name(engine: &Engine) -> CString {
    let mut hasher = DefaultHasher::new();
    engine.inner().precompile_compatibility_hash().hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    CString::new(format!("{:016x}.code", hasher.finish())).unwrap_or_default()
}

/// HMAC-SHA256 (RFC 2104), which takes a key shorter than a block as if zeros followed it.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    Hmac::new((&*block).into())
}

fn make_directory(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
