//! The keys that the user trusts, the keys and plugins that were revoked, the rotations that were accepted, and what was
//! seen of each plugin before. It knows `text`, `key` and `document`, and decides about no plugin.
//!
//! The files are believed only if nobody else could have written them. A missing file is an empty list; one that cannot
//! be read or understood is an error, so that damage never reads as "nothing was revoked".
//!
//! Four files make up the store: `trusted_keys.toml` ([`trusted_keys`], an entry is a [`trusted_key`], [`trusting`] changes them),
//! `revoked_keys.toml` ([`revoked_keys`], its entries [`revocation`], which also travel in a [`revocation_list`]),
//! `rotations.toml` ([`accepted_rotations`], of which each is a [`rotation`]) and `pins.toml` ([`pins`]). They are alike in
//! [`toml_file`] and [`entry`]. What they say of a key together is its [`standing`], found by way of its [`descent`].

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

/// Largest file of the trust store in bytes, some thousands of keys or pins; it is read whole before any plugin is loaded, so
/// one that grew without a bound would hold up every load.
const MAX_TRUST_FILE_BYTES: u64 = 1024 * 1024;

/// Most accepted rotations; each costs two verifications whenever the store is loaded.
pub const MAX_ACCEPTED_ROTATIONS: usize = 1024;

/// Most issuers of lists whose numbers are kept.
pub const MAX_REVOCATION_LISTS: usize = 256;

/// Fewest digits of a key that may stand for the whole key.
pub const MIN_KEY_PREFIX: usize = 8;

const TRUSTED_FILE: &str = "trusted_keys.toml";
const REVOKED_FILE: &str = "revoked_keys.toml";
const PINS_FILE: &str = "pins.toml";
const ROTATIONS_FILE: &str = "rotations.toml";
const LOCK_FILE: &str = ".trust.lock";

/// All files of the store.
const FILES: [&str; 4] = [TRUSTED_FILE, REVOKED_FILE, PINS_FILE, ROTATIONS_FILE];

/// Trusted keys, revocations, rotations and pins as they were when they were loaded.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    keys: Keys,
    revocations: Revocations,
    pins: Pins,
    rotations: Rotations,
    directory: Option<PathBuf>,
}

impl PartialEq for TrustStore {
    /// Compares what the files say, wherever they are.
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

    /// What the four files would say if these were their contents, in the order of [`TrustStore::files`].
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
        FILES.map(|name| config_dir.join(name))
    }

    /// Removes what killed writers left behind in a configuration directory.
    pub fn remove_leftovers(config_dir: impl Into<Keeper>) {
        config_dir.into().remove_leftovers::<Keys>();
    }

    /// All trusted keys, in the order of the file.
    #[must_use]
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys.trusted
    }

    /// When time alone changes next how this store judges: trust in a key ends, or a rotation begins to hold.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.keys().iter().filter_map(|key| key.expires_at.as_ref());
        let begins = self.rotations().map(|(link, _)| &link.valid_from);
        ends.chain(begins).map(UtcTime::timestamp).filter(|at| *at > now).min()
    }

    /// The entry of a key that is trusted; it may have expired since.
    #[must_use]
    pub fn get(&self, key: &PublicKey) -> Option<&TrustedKey> {
        self.keys.trusted.iter().find(|trusted| trusted.public_key == *key)
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

    /// Changes one file of the store while no other writer can; `action` sees all of the store. A change that changes nothing
    /// is not written.
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

/// What one file of the store says.
trait Part: Decisions<Error = TrustError> {
    /// That part of the store.
    fn of(store: &TrustStore) -> &Self;
}

#[cfg(test)]
mod tests;
