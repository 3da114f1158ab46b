//! The keys that the user trusts, the keys and plugins that were revoked, the rotations that were accepted, and what is
//! remembered of each plugin name. This room knows `text`, `key` and `document`, and decides about no plugin.
//!
//! The files are believed only if nobody else could have written them. A missing file is an empty list. A file that
//! cannot be read or parsed is an error, so that a damaged file never reads as "nothing was revoked".
//!
//! Four files make up the store: `trusted_keys.toml` ([`trusted_keys`], each entry a [`trusted_key`], changed by
//! [`trusting`]), `revoked_keys.toml` ([`revoked_keys`], each entry a [`revocation`], which a [`revocation_list`] holds
//! as well), `rotations.toml` ([`accepted_rotations`], each entry a [`rotation`]) and `pins.toml` ([`pins`]).
//! [`toml_file`] and [`entry`] hold what the files have in common. The files together give the [`standing`] of a key,
//! which is found by way of its [`descent`].

mod accepted_rotations;
mod descent;
mod entry;
mod error;
mod likeness;
mod pattern;
mod pins;
mod revocation;
mod revocation_list;
mod revoked_keys;
mod role;
mod rotation;
mod selector;
mod standing;
mod toml_file;
mod trusted_key;
mod trusted_keys;
mod trusting;

use std::path::{Path, PathBuf};

use conductor_store::UtcTime;
use conductor_store::keeper::{Decisions, Keeper};
use jiff::Timestamp;

use accepted_rotations::Rotations;
pub use accepted_rotations::{AcceptedChain, NewRotations};
pub(crate) use descent::{Act, Done};
pub use error::TrustError;
pub use likeness::{KnownAs, Likeness, Resemblance};
pub use pattern::{NamePattern, PatternError};
use pins::Pins;
pub(crate) use pins::{Continuity, Loaded};
pub use pins::{NewPin, Pin, PublisherPin};
pub use revocation::{Revocation, RevocationKind, Revoked};
pub use revocation_list::{
    MAX_LIST_SEQUENCE, MAX_LISTED_REVOCATIONS, MAX_REVOCATION_LIST_BYTES, REVOCATION_LIST_VERSION,
    REVOCATIONS_PAYLOAD_TYPE, RevocationList, RevocationListError,
};
use revoked_keys::Revocations;
pub use revoked_keys::{ImportedList, MAX_ISSUER_BYTES, OWN_REVOCATIONS_RESERVE_BYTES};
pub use role::{KeyRole, UnknownRole};
pub use rotation::{
    Ancestor, Lineage, MAX_ROTATION_BYTES, MAX_ROTATION_LINKS, MAX_ROTATION_STATEMENT_BYTES, Purpose,
    ROTATION_PAYLOAD_TYPE, ROTATION_VERSION, RotateError, RotationChain, RotationError, RotationLink,
    RotationRequest, rotation_path,
};
pub use selector::KeySelector;
pub use standing::Standing;
pub use trusted_key::{NewKey, RemovedKey, TrustedKey};
use trusted_keys::Keys;
pub use trusting::MAX_REMOVED_KEYS;

use crate::key::PublicKey;
use crate::text::RuleSource;

/// Largest file of the trust store in bytes, some thousands of keys or pins. The file is read whole before any plugin
/// is loaded, so a file that grew without a bound would hold up every load.
const MAX_TRUST_FILE_BYTES: u64 = 1024 * 1024;

/// Most accepted rotations; each costs two verifications whenever the store is loaded.
pub const MAX_ACCEPTED_ROTATIONS: usize = 1024;

/// Most issuers of revocation lists whose last list number is kept.
pub const MAX_REVOCATION_LISTS: usize = 256;

/// Fewest digits that may stand for a whole key.
pub const MIN_KEY_PREFIX: usize = 8;

const TRUSTED_FILE: &str = "trusted_keys.toml";
const REVOKED_FILE: &str = "revoked_keys.toml";
const PINS_FILE: &str = "pins.toml";
const ROTATIONS_FILE: &str = "rotations.toml";
const LOCK_FILE: &str = ".trust.lock";

/// Names of all files of the store.
const FILES: [&str; 4] = [TRUSTED_FILE, REVOKED_FILE, PINS_FILE, ROTATIONS_FILE];

/// Trusted keys, revocations, rotations and pins, as they were when the store was loaded.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    keys: Keys,
    revocations: Revocations,
    pins: Pins,
    rotations: Rotations,
    directory: Option<PathBuf>,
}

impl PartialEq for TrustStore {
    /// Compares the content of the files, whichever directory they are in.
    fn eq(&self, other: &Self) -> bool {
        let Self { keys, revocations, pins, rotations, directory: _ } = self;
        *keys == other.keys
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
    pub fn load(config_dir: impl Into<Keeper>) -> Result<Self, TrustError> {
        let keeper = config_dir.into();
        Ok(Self {
            keys: keeper.load()?,
            revocations: keeper.load()?,
            pins: keeper.load()?,
            rotations: keeper.load()?,
            directory: Some(keeper.directory().to_owned()),
        })
    }

    /// The store that the four files would give with these contents, in the order of [`TrustStore::files`].
    #[doc(hidden)]
    pub fn from_texts(texts: [&str; 4]) -> Result<Self, TrustError> {
        let [trusted, revoked, pins, rotations] = Self::files(Path::new(""));
        Ok(Self {
            keys: Keys::parse(&trusted, texts[0])?,
            revocations: Revocations::parse(&revoked, texts[1])?,
            pins: Pins::parse(&pins, texts[2])?,
            rotations: Rotations::parse(&rotations, texts[3])?,
            directory: None,
        })
    }

    /// Path of the file of trusted keys in a configuration directory.
    #[must_use]
    pub fn trusted_keys_path(config_dir: &Path) -> PathBuf {
        config_dir.join(TRUSTED_FILE)
    }

    /// Path of the file of revocations in a configuration directory.
    #[must_use]
    pub fn revoked_keys_path(config_dir: &Path) -> PathBuf {
        config_dir.join(REVOKED_FILE)
    }

    /// Paths of the four files of the store in a configuration directory, whether they exist or not: trusted keys,
    /// revocations, pins, rotations.
    #[must_use]
    pub fn files(config_dir: &Path) -> [PathBuf; 4] {
        FILES.map(|name| config_dir.join(name))
    }

    /// Removes temporary files that killed writers left behind in a configuration directory.
    pub fn remove_leftovers(config_dir: impl Into<Keeper>) {
        config_dir.into().remove_leftovers::<Keys>();
    }

    /// All trusted keys, in the order of the file.
    #[must_use]
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys.trusted
    }

    /// The next time at which the passing of time alone changes how this store judges: trust in a key ends, or a
    /// rotation becomes valid.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.keys().iter().filter_map(|key| key.expires_at.as_ref());
        let begins = self.rotations().map(|(link, _)| &link.valid_from);
        ends.chain(begins).map(UtcTime::timestamp).filter(|at| *at > now).min()
    }

    /// The entry of a trusted key; the trust may have expired.
    #[must_use]
    pub fn get(&self, key: &PublicKey) -> Option<&TrustedKey> {
        self.keys.trusted.iter().find(|trusted| trusted.public_key == *key)
    }

    /// The place of the entry of a trusted key.
    #[must_use]
    pub fn source_of_key(&self, key: &TrustedKey) -> Option<RuleSource> {
        self.source(TRUSTED_FILE, key.line()?)
    }

    /// The place of the entry of a revocation.
    #[must_use]
    pub fn source_of_revocation(&self, revocation: &Revocation) -> Option<RuleSource> {
        self.source(REVOKED_FILE, revocation.line()?)
    }

    /// The place of the entry of a pin.
    #[must_use]
    pub fn source_of_pin(&self, pin: &Pin) -> Option<RuleSource> {
        self.source(PINS_FILE, pin.line()?)
    }

    fn source(&self, file: &str, line: usize) -> Option<RuleSource> {
        Some(RuleSource { path: self.directory.as_ref()?.join(file), line })
    }

    /// Changes one file of the store while no other writer can; `action` sees the whole store. If `action` changes
    /// nothing, nothing is written.
    fn change<P: Part, T>(
        config_dir: impl Into<Keeper>,
        action: impl FnOnce(&mut Self, &Keeper) -> Result<T, TrustError>,
    ) -> Result<T, TrustError> {
        let keeper = config_dir.into();
        let held = keeper.hold::<P>()?;
        let mut store = Self::load(&keeper)?;
        let before = P::of(&store).clone();
        let result = action(&mut store, &keeper)?;
        let after = P::of(&store);
        if *after != before {
            keeper.write(after)?;
        }
        keeper.release(held);
        Ok(result)
    }
}

/// The content of one file of the store.
trait Part: Decisions<Error = TrustError> {
    /// The part of the store that the file holds.
    fn of(store: &TrustStore) -> &Self;
}

#[cfg(test)]
mod tests;
