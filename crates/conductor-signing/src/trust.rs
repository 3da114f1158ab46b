//! The keys that the user trusts, the keys and plugins that were revoked, the rotations that were accepted, and what was
//! seen of each plugin before.
//!
//! The files are believed only if nobody else could have written them. A missing file is an empty list; one that cannot
//! be read or understood is an error, so that damage never reads as "nothing was revoked".

mod descent;
mod error;
mod key_entry;
mod likeness;
mod pattern;
mod pins;
mod revocations;
mod role;
mod rotations;
mod selector;
mod source;
mod trust_file;

use std::io;
use std::path::{Path, PathBuf};

pub(crate) use descent::{Act, Done};
pub use error::TrustError;
pub use key_entry::{MAX_REMOVED_KEYS, NewKey, RemovedKey, TrustedKey};
pub use likeness::{KnownAs, Likeness, Resemblance};
pub use pattern::{NamePattern, PatternError};
use pins::Pins;
pub use pins::{NewPin, Pin, PublisherPin};
use revocations::Revocations;
pub use revocations::{ImportedList, MAX_REVOCATION_LISTS};
pub use role::{KeyRole, UnknownRole};
use rotations::Rotations;
pub use rotations::{AcceptedChain, MAX_ACCEPTED_ROTATIONS, NewRotations};
pub use selector::{KeySelector, MIN_KEY_PREFIX};
pub(crate) use source::{Line, MAX_TEXT_BYTES};

use crate::atomic_file::{self, PRIVATE};
use crate::guarded::{self, Guard};
use crate::keeper::Keeper;
use crate::{FileError, PublicKey, Revocation, RuleSource};

/// Largest file of the trust store in bytes, some thousands of keys or pins; it is read whole before any plugin is loaded.
const MAX_TRUST_FILE_BYTES: u64 = 1024 * 1024;

const TRUSTED_FILE: &str = "trusted_keys.toml";
const REVOKED_FILE: &str = "revoked_keys.toml";
const PINS_FILE: &str = "pins.toml";
const ROTATIONS_FILE: &str = "rotations.toml";
const LOCK_FILE: &str = ".trust.lock";

/// Trusted keys, revocations, rotations and pins as they were when they were loaded.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    keys: Vec<TrustedKey>,
    removed: Vec<RemovedKey>,
    revocations: Revocations,
    pins: Pins,
    rotations: Rotations,
    directory: Option<PathBuf>,
}

impl PartialEq for TrustStore {
    /// Compares what the files say, wherever they are.
    fn eq(&self, other: &Self) -> bool {
        let Self { keys, removed, revocations, pins, rotations, directory: _ } = self;
        *keys == other.keys
            && *removed == other.removed
            && *revocations == other.revocations
            && *pins == other.pins
            && *rotations == other.rotations
    }
}

impl Eq for TrustStore {}

impl TrustStore {
    /// Loads `trusted_keys.toml`, `revoked_keys.toml`, `pins.toml` and `rotations.toml` of a configuration directory.
    ///
    /// # Errors
    ///
    /// Fails if the directory or a file could have been written by somebody else, or a file cannot be read or
    /// understood.
    pub fn load(config_dir: &Path) -> Result<Self, TrustError> {
        match guarded::check_directory(config_dir) {
            Ok(()) => {}
            Err(FileError::Missing { .. }) => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        }
        let [trusted, revoked, pins, rotations] = Self::files(config_dir);
        let (keys, removed) = read(&trusted, trust_file::parse)?;
        Ok(Self {
            keys,
            removed,
            revocations: read(&revoked, Revocations::parse)?,
            pins: read(&pins, Pins::parse)?,
            rotations: read(&rotations, Rotations::parse)?,
            directory: Some(config_dir.to_owned()),
        })
    }

    /// What the four files would say if these were their contents, in the order of [`TrustStore::files`].
    #[doc(hidden)]
    pub fn from_texts(texts: [&str; 4]) -> Result<Self, TrustError> {
        let [trusted, revoked, pins, rotations] = Self::files(Path::new(""));
        let (keys, removed) = trust_file::parse(&trusted, texts[0])?;
        Ok(Self {
            keys,
            removed,
            revocations: Revocations::parse(&revoked, texts[1])?,
            pins: Pins::parse(&pins, texts[2])?,
            rotations: Rotations::parse(&rotations, texts[3])?,
            directory: None,
        })
    }

    /// The file that trusted keys of a configuration directory are kept in.
    #[must_use]
    pub fn trusted_keys_path(config_dir: &Path) -> PathBuf {
        config_dir.join(TRUSTED_FILE)
    }

    /// The file that revocations of a configuration directory are kept in.
    #[must_use]
    pub fn revoked_keys_path(config_dir: &Path) -> PathBuf {
        config_dir.join(REVOKED_FILE)
    }

    /// The files that the store of a configuration directory consists of, there or not: trusted keys, revocations, pins,
    /// rotations.
    #[must_use]
    pub fn files(config_dir: &Path) -> [PathBuf; 4] {
        [TRUSTED_FILE, REVOKED_FILE, PINS_FILE, ROTATIONS_FILE].map(|name| config_dir.join(name))
    }

    /// All trusted keys, in the order of the file.
    #[must_use]
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// The entry of a key that is trusted; it may have expired since.
    #[must_use]
    pub fn get(&self, key: &PublicKey) -> Option<&TrustedKey> {
        self.keys.iter().find(|trusted| trusted.public_key == *key)
    }

    /// Where the entry of a trusted key stands.
    #[must_use]
    pub fn source_of_key(&self, key: &TrustedKey) -> Option<RuleSource> {
        self.source(TRUSTED_FILE, key.line()?)
    }

    /// Where a revocation stands.
    #[must_use]
    pub fn source_of_revocation(&self, revocation: &Revocation) -> Option<RuleSource> {
        self.source(REVOKED_FILE, revocation.line()?)
    }

    /// Where a pin stands.
    #[must_use]
    pub fn source_of_pin(&self, pin: &Pin) -> Option<RuleSource> {
        self.source(PINS_FILE, pin.line()?)
    }

    fn source(&self, file: &str, line: usize) -> Option<RuleSource> {
        Some(RuleSource { path: self.directory.as_ref()?.join(file), line })
    }

    /// Loads the store under the lock, which is held until `action` ends.
    fn locked<T>(
        config_dir: &Path,
        action: impl FnOnce(Self) -> Result<T, TrustError>,
    ) -> Result<T, TrustError> {
        atomic_file::create_private_directory(config_dir).map_err(write_failed(config_dir))?;
        guarded::check_directory(config_dir)?;
        let keeper = Keeper::of(config_dir);
        let held = keeper.wait_for(LOCK_FILE).map_err(|error| {
            let path = config_dir.join(LOCK_FILE);
            TrustError::Write { path, source: io::Error::other(error) }
        })?;
        let result = action(Self::load(config_dir)?)?;
        keeper.release(held);
        Ok(result)
    }
}

/// Replaces a file of the store; one that could not be read again is not written.
fn write(path: PathBuf, text: &str) -> Result<(), TrustError> {
    if text.len() as u64 > MAX_TRUST_FILE_BYTES {
        return Err(FileError::TooLarge { path, max: MAX_TRUST_FILE_BYTES }.into());
    }
    let is = |name: &str| path.file_name().is_some_and(|file| file == name);
    if is(TRUSTED_FILE) {
        trust_file::parse(&path, text)?;
    } else if is(REVOKED_FILE) {
        Revocations::parse(&path, text)?;
    } else if is(PINS_FILE) {
        Pins::parse(&path, text)?;
    } else if is(ROTATIONS_FILE) {
        Rotations::parse(&path, text)?;
    }
    atomic_file::replace(&path, text.as_bytes(), PRIVATE).map_err(write_failed(&path))
}

fn write_failed(path: &Path) -> impl FnOnce(io::Error) -> TrustError {
    let path = path.to_owned();
    move |source| TrustError::Write { path, source }
}

/// Reads a file of the store; a missing one holds nothing.
fn read<T: Default>(
    path: &Path,
    parse: impl FnOnce(&Path, &str) -> Result<T, TrustError>,
) -> Result<T, TrustError> {
    match guarded::read(path, Guard::Trust, MAX_TRUST_FILE_BYTES) {
        Ok(bytes) => {
            let text =
                std::str::from_utf8(&bytes).map_err(|_| TrustError::NotText { path: path.to_owned() })?;
            parse(path, text)
        }
        Err(FileError::Missing { .. }) => Ok(T::default()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod race;
#[cfg(test)]
mod tests;
