//! Beginning to trust a key, going on, and ceasing to.

use conductor_abi::Risk;
use conductor_store::UtcTime;
use conductor_store::keeper::Keeper;

use super::toml_file::Line;
use super::trusted_keys::Keys;
use super::{KeyRole, KeySelector, NamePattern, TrustError, TrustStore};
use crate::key::PublicKey;
use crate::text::{PluginName, shown_text};

/// Most removed keys that are remembered; the oldest are forgotten first.
pub const MAX_REMOVED_KEYS: usize = 1024;

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
    /// What the key may do.
    pub role: KeyRole,
    /// Highest risk of a capability that plugins of this key may be granted.
    pub max_risk: Option<Risk>,
    pub(super) plugins: Option<Vec<NamePattern>>,
    pub(super) line: Line,
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

    /// The line of `trusted_keys.toml` on which the entry stands.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line.0
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
    /// What it may do.
    pub role: KeyRole,
    /// Patterns of the plugin names that it may sign; any where absent.
    pub plugins: Option<Vec<NamePattern>>,
    /// Highest risk of a capability that its plugins may be granted.
    pub max_risk: Option<Risk>,
    /// When the trust ends.
    pub expires_at: Option<UtcTime>,
}

impl NewKey {
    /// A key that is trusted without limits.
    #[must_use]
    pub fn new(name: &str, public_key: PublicKey) -> Self {
        let name = name.to_owned();
        let role = KeyRole::default();
        Self { name, public_key, email: None, role, plugins: None, max_risk: None, expires_at: None }
    }
}

/// A key that the user trusted once and removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedKey {
    /// What the user called it; escape it before showing it.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
    /// When the user removed it.
    pub removed_at: UtcTime,
}

impl TrustStore {
    /// Begins to trust a key, and writes that down.
    ///
    /// # Errors
    ///
    /// Fails if the key is trusted already or revoked, if it could be taken for another
    /// ([`TrustError::Resembles`]), if its name mixes alphabets ([`TrustError::MixedScripts`]), if its name is not fit to be shown, or if the files cannot be read or written.
    pub fn add(config_dir: impl Into<Keeper>, key: NewKey) -> Result<TrustedKey, TrustError> {
        Self::add_key(config_dir, key, |store, key| match store.resemblance(key) {
            Some(resemblance) => Err(TrustError::Resembles { resemblance: Box::new(resemblance) }),
            None if shown_text::mixes_scripts(&key.name) => {
                Err(TrustError::MixedScripts { name: key.name.clone() })
            }
            None => Ok(()),
        })
    }

    /// As [`TrustStore::add`], also for a key that could be taken for another or whose name mixes alphabets: the user has
    /// looked at it.
    ///
    /// # Errors
    ///
    /// As for [`TrustStore::add`], save for these two.
    pub fn add_despite_resemblance(
        config_dir: impl Into<Keeper>,
        key: NewKey,
    ) -> Result<TrustedKey, TrustError> {
        Self::add_key(config_dir, key, |_, _| Ok(()))
    }

    fn add_key(
        config_dir: impl Into<Keeper>,
        key: NewKey,
        check: impl FnOnce(&Self, &NewKey) -> Result<(), TrustError>,
    ) -> Result<TrustedKey, TrustError> {
        shown_text::check_name(&key.name).map_err(|cause| TrustError::Name { cause })?;
        if let Some(email) = &key.email {
            shown_text::check_address(email).map_err(|cause| TrustError::Email { cause })?;
        }
        Self::change::<Keys, _>(config_dir, |store, keeper| {
            if let Some(revocation) = store.revoked_key(&key.public_key) {
                return Err(TrustError::Revoked { key: key.public_key, reason: revocation.reason.clone() });
            }
            if let Some(trusted) = store.get(&key.public_key) {
                return Err(TrustError::AlreadyTrusted { key: key.public_key, name: trusted.name.clone() });
            }
            check(store, &key)?;
            store.keys.removed.retain(|removed| removed.public_key != key.public_key);
            let trusted = TrustedKey {
                name: key.name,
                public_key: key.public_key,
                added_at: keeper.now(),
                email: key.email,
                expires_at: key.expires_at,
                role: key.role,
                max_risk: key.max_risk,
                plugins: key.plugins,
                line: Line::default(),
            };
            store.keys.trusted.push(trusted.clone());
            Ok(trusted)
        })
    }

    /// Ceases to trust a key, and writes that down. Its name is remembered, so that another key under that name stands out.
    ///
    /// # Errors
    ///
    /// Fails if no key or more than one is meant, or the files cannot be read or written.
    pub fn remove(config_dir: impl Into<Keeper>, selector: &KeySelector) -> Result<TrustedKey, TrustError> {
        Self::change::<Keys, _>(config_dir, |store, keeper| {
            let place = selector.choose(store.keys.trusted.iter().map(|key| &key.public_key))?;
            let key = store.keys.trusted.remove(place);
            store.keys.removed.push(RemovedKey {
                name: key.name.clone(),
                public_key: key.public_key,
                removed_at: keeper.now(),
            });
            let too_many = store.keys.removed.len().saturating_sub(MAX_REMOVED_KEYS);
            store.keys.removed.drain(..too_many);
            Ok(key)
        })
    }

    /// Goes on trusting a key until `expires_at`, or without an end.
    ///
    /// # Errors
    ///
    /// Fails if no key or more than one is meant, if it was revoked, or if the files cannot be read or written.
    pub fn renew(
        config_dir: impl Into<Keeper>,
        selector: &KeySelector,
        expires_at: Option<UtcTime>,
    ) -> Result<TrustedKey, TrustError> {
        Self::change::<Keys, _>(config_dir, |store, _| {
            let place = selector.choose(store.keys.trusted.iter().map(|key| &key.public_key))?;
            let key = store.keys.trusted.get(place).map(|key| key.public_key);
            if let Some(key) = key
                && let Some(revocation) = store.revoked_key(&key)
            {
                return Err(TrustError::Revoked { key, reason: revocation.reason.clone() });
            }
            let Some(entry) = store.keys.trusted.get_mut(place) else {
                return Err(TrustError::NotTrusted { selector: String::new() });
            };
            entry.expires_at = expires_at;
            Ok(entry.clone())
        })
    }

    /// The trusted key that is meant.
    ///
    /// # Errors
    ///
    /// Fails if no key or more than one is meant.
    pub fn find(&self, selector: &KeySelector) -> Result<&TrustedKey, TrustError> {
        let place = selector.choose(self.keys.trusted.iter().map(|key| &key.public_key))?;
        self.keys.trusted.get(place).ok_or(TrustError::NotTrusted { selector: String::new() })
    }

    /// Keys that were trusted once, the one removed last at the end.
    #[must_use]
    pub fn removed_keys(&self) -> &[RemovedKey] {
        &self.keys.removed
    }
}
