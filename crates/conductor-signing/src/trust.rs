//! The keys that the user trusts, the keys and plugins that were revoked, and what was seen of each plugin before.
//!
//! The files are believed only if nobody else could have written them. A missing file is an empty list; one that cannot
//! be read or understood is an error, so that damage never reads as "nothing was revoked".

mod error;
mod pattern;
mod pins;
mod source;
mod trust_file;

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use conductor_abi::Risk;
use jiff::Timestamp;

pub use error::TrustError;
use pattern::NamePattern;
pub use pins::NewPin;
use pins::Pins;

use crate::atomic_file::{self, Lock, PRIVATE};
use crate::guarded::{self, Guard};
use crate::verify::Standing;
use crate::{Digest, FileError, PluginName, PublicKey, Revocation, Revoked, UtcTime};

/// Largest file of the trust store in bytes, some thousands of keys or pins; it is read whole before any plugin is loaded.
const MAX_TRUST_FILE_BYTES: u64 = 1024 * 1024;

/// Fewest digits of a key that may stand for the whole key.
pub const MIN_KEY_PREFIX: usize = 8;

const TRUSTED_FILE: &str = "trusted_keys.toml";
const REVOKED_FILE: &str = "revoked_keys.toml";
const PINS_FILE: &str = "pins.toml";
const LOCK_FILE: &str = ".trust.lock";

/// Trusted keys, revocations and pins as they were when they were loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustStore {
    keys: Vec<TrustedKey>,
    revocations: Vec<Revocation>,
    pins: Pins,
}

/// A key that the user trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// What the user calls the key; escape it before showing it.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
    /// When the user began to trust it.
    pub added_at: UtcTime,
    /// Address of the key's holder, as the user knows it; escape it before showing it.
    pub email: Option<String>,
    /// When the trust ends.
    pub expires_at: Option<UtcTime>,
    /// Highest risk of a capability that plugins of this key may be granted.
    pub max_risk: Option<Risk>,
    plugins: Option<Vec<NamePattern>>,
}

impl TrustedKey {
    /// The patterns of plugin names that the key may sign; `None` means any.
    #[must_use]
    pub fn plugins(&self) -> Option<Vec<&str>> {
        self.plugins.as_ref().map(|patterns| patterns.iter().map(NamePattern::as_str).collect())
    }

    /// Whether the key may sign this plugin. A key that is bound to names signs nothing that has no signed name.
    #[must_use]
    pub fn may_sign(&self, plugin: Option<&PluginName>) -> bool {
        match (&self.plugins, plugin) {
            (None, _) => true,
            (Some(patterns), Some(name)) => patterns.iter().any(|pattern| pattern.matches(name)),
            (Some(_), None) => false,
        }
    }
}

/// A key that is about to be trusted.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What to call it.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
    /// Address of the key's holder.
    pub email: Option<String>,
}

impl TrustStore {
    /// Loads `trusted_keys.toml`, `revoked_keys.toml` and `pins.toml` of a configuration directory.
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
        let trusted = config_dir.join(TRUSTED_FILE);
        let revoked = config_dir.join(REVOKED_FILE);
        let pins = config_dir.join(PINS_FILE);
        Ok(Self {
            keys: read(&trusted)?
                .map_or(Ok(Vec::new()), |text| trust_file::parse_trusted(&trusted, &text))?,
            revocations: read(&revoked)?
                .map_or(Ok(Vec::new()), |text| trust_file::parse_revoked(&revoked, &text))?,
            pins: read(&pins)?.map_or(Ok(Pins::default()), |text| Pins::parse(&pins, &text))?,
        })
    }

    /// The file that trusted keys of a configuration directory are kept in.
    #[must_use]
    pub fn trusted_keys_path(config_dir: &Path) -> PathBuf {
        config_dir.join(TRUSTED_FILE)
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

    /// The revocation of a key.
    #[must_use]
    pub fn revoked_key(&self, key: &PublicKey) -> Option<&Revocation> {
        self.revocations.iter().find(|revocation| revocation.revoked == Revoked::Key(*key))
    }

    /// The revocation of a plugin file.
    #[must_use]
    pub fn revoked_digest(&self, digest: &Digest) -> Option<&Revocation> {
        self.revocations.iter().find(|revocation| revocation.revoked == Revoked::Digest(*digest))
    }

    /// What this store says at `now` about a plugin that `key` has signed; `plugin` is its name if that is signed.
    pub(crate) fn standing(&self, key: &PublicKey, plugin: Option<&PluginName>, now: Timestamp) -> Standing {
        let Some(trusted) = self.get(key) else { return Standing::Untrusted };
        let key_name = trusted.name.clone();
        match &trusted.expires_at {
            Some(at) if at.is_past(now) => Standing::TrustExpired { key_name, at: at.clone() },
            Some(_) | None if trusted.may_sign(plugin) => {
                Standing::Trusted { key_name, max_risk: trusted.max_risk }
            }
            Some(_) | None => Standing::OtherPlugins { key_name },
        }
    }

    /// Begins to trust a key, and writes that down.
    ///
    /// # Errors
    ///
    /// Fails if the key is trusted already or revoked, the name is not fit to be shown, or the files cannot be read or
    /// written.
    pub fn add(config_dir: &Path, key: NewKey) -> Result<TrustedKey, TrustError> {
        trust_file::check_name(&key.name)?;
        Self::change(config_dir, |store| {
            if let Some(revocation) = store.revoked_key(&key.public_key) {
                return Err(TrustError::Revoked { key: key.public_key, reason: revocation.reason.clone() });
            }
            if let Some(trusted) = store.get(&key.public_key) {
                return Err(TrustError::AlreadyTrusted { key: key.public_key, name: trusted.name.clone() });
            }
            let trusted = TrustedKey {
                name: key.name,
                public_key: key.public_key,
                added_at: UtcTime::now(),
                email: key.email,
                expires_at: None,
                max_risk: None,
                plugins: None,
            };
            store.keys.push(trusted.clone());
            Ok(trusted)
        })
    }

    /// Ceases to trust a key, and writes that down.
    ///
    /// # Errors
    ///
    /// Fails if no key or more than one is meant, or the files cannot be read or written.
    pub fn remove(config_dir: &Path, selector: &KeySelector) -> Result<TrustedKey, TrustError> {
        Self::change(config_dir, |store| {
            let meant = |key: &TrustedKey| selector.matches(&key.public_key);
            let mut places =
                store.keys.iter().enumerate().filter(|(_, key)| meant(key)).map(|(place, _)| place);
            let place =
                places.next().ok_or_else(|| TrustError::NotTrusted { selector: selector.0.clone() })?;
            if places.next().is_some() {
                return Err(TrustError::Ambiguous { selector: selector.0.clone() });
            }
            drop(places);
            Ok(store.keys.remove(place))
        })
    }

    /// Loads, changes and writes the trusted keys while no other writer can.
    fn change<T>(
        config_dir: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, TrustError>,
    ) -> Result<T, TrustError> {
        Self::locked(config_dir, |mut store| {
            let result = change(&mut store)?;
            write(config_dir.join(TRUSTED_FILE), &trust_file::write_trusted(&store.keys)?)?;
            Ok(result)
        })
    }

    /// Loads and changes the pins while no other writer can, and writes them if `change` says that it changed them.
    fn change_pins(config_dir: &Path, change: impl FnOnce(&mut Pins) -> bool) -> Result<(), TrustError> {
        Self::locked(config_dir, |mut store| {
            if change(&mut store.pins) {
                write(config_dir.join(PINS_FILE), &store.pins.to_toml()?)?;
            }
            Ok(())
        })
    }

    /// Loads the store under the lock, which is held until `action` ends.
    fn locked<T>(
        config_dir: &Path,
        action: impl FnOnce(Self) -> Result<T, TrustError>,
    ) -> Result<T, TrustError> {
        atomic_file::create_private_directory(config_dir).map_err(write_failed(config_dir))?;
        guarded::check_directory(config_dir)?;
        let lock = config_dir.join(LOCK_FILE);
        let _lock = Lock::acquire(&lock).map_err(write_failed(&lock))?;
        action(Self::load(config_dir)?)
    }
}

/// Replaces a file of the store; one that could not be read again is not written.
fn write(path: PathBuf, text: &str) -> Result<(), TrustError> {
    if text.len() as u64 > MAX_TRUST_FILE_BYTES {
        return Err(FileError::TooLarge { path, max: MAX_TRUST_FILE_BYTES }.into());
    }
    atomic_file::replace(&path, text.as_bytes(), PRIVATE).map_err(write_failed(&path))
}

fn write_failed(path: &Path) -> impl FnOnce(io::Error) -> TrustError {
    let path = path.to_owned();
    move |source| TrustError::Write { path, source }
}

fn read(path: &Path) -> Result<Option<String>, TrustError> {
    match guarded::read(path, Guard::Trust, MAX_TRUST_FILE_BYTES) {
        Ok(bytes) => {
            String::from_utf8(bytes).map(Some).map_err(|_| TrustError::NotText { path: path.to_owned() })
        }
        Err(FileError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A whole key in hex, or at least [`MIN_KEY_PREFIX`] digits that it starts with; dots behind them are dropped, since
/// shortened keys are shown that way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySelector(String);

impl KeySelector {
    /// Whether the key is meant.
    #[must_use]
    pub fn matches(&self, key: &PublicKey) -> bool {
        key.to_string().starts_with(&self.0)
    }
}

impl FromStr for KeySelector {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim_end_matches(['.', '…']);
        let hex = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if hex && (MIN_KEY_PREFIX..=64).contains(&digits.len()) {
            Ok(Self(digits.to_owned()))
        } else {
            Err(TrustError::Selector { text: text.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests;
