//! Adding, extending and removing trusted keys.

use conductor_store::UtcTime;
use conductor_store::keeper::Keeper;

use super::entry::Line;
use super::likeness::likeness;
use super::trusted_key::{NewKey, RemovedKey, TrustedKey};
use super::trusted_keys::Keys;
use super::{KeySelector, KnownAs, Likeness, Resemblance, TrustError, TrustStore};
use crate::key::PublicKey;
use crate::text::shown_text;

/// Most removed keys that are remembered; the oldest are forgotten first.
pub const MAX_REMOVED_KEYS: usize = 1024;

impl TrustStore {
    /// Begins to trust a key, and writes the entry down.
    ///
    /// # Errors
    ///
    /// Fails if the key is trusted already or revoked, if it could be mistaken for another key
    /// ([`TrustError::Resembles`]), if its name mixes alphabets ([`TrustError::MixedScripts`]), if its name may not be
    /// shown, or if the files cannot be read or written.
    pub fn add(config_dir: impl Into<Keeper>, key: NewKey) -> Result<TrustedKey, TrustError> {
        Self::add_key(config_dir, key, |store, key| match store.resemblance(key) {
            Some(resemblance) => Err(TrustError::Resembles { resemblance: Box::new(resemblance) }),
            None if shown_text::mixes_scripts(&key.name) => {
                Err(TrustError::MixedScripts { name: key.name.clone() })
            }
            None => Ok(()),
        })
    }

    /// The known key that a new key could be mistaken for.
    #[must_use]
    pub fn resemblance(&self, key: &NewKey) -> Option<Resemblance> {
        let trusted = self.keys.trusted.iter().map(|key| (&key.name, &key.public_key, KnownAs::Trusted));
        let revoked = self
            .revocations()
            .filter_map(|revocation| Some((revocation.name.as_ref()?, revocation.key()?, KnownAs::Revoked)));
        let removed = self.keys.removed.iter().map(|key| (&key.name, &key.public_key, KnownAs::Removed));
        let known = || revoked.clone().chain(trusted.clone()).chain(removed.clone());
        let found = |known: (&String, &PublicKey, KnownAs), likeness| Resemblance {
            name: key.name.clone(),
            known_name: known.0.clone(),
            known_key: *known.1,
            known_as: known.2,
            likeness,
        };
        let same_key = known().find(|known| *known.1 == key.public_key && *known.0 != key.name);
        if let Some(known) = same_key {
            return Some(found(known, Likeness::SameKey));
        }
        let others = known().filter(|known| *known.1 != key.public_key);
        // The closest resemblance is reported.
        let alike = others.filter_map(|known| Some((likeness(&key.name, known.0)?, known)));
        let (likeness, known) = alike.min_by_key(|(likeness, _)| *likeness as u8)?;
        Some(found(known, likeness))
    }

    /// As [`TrustStore::add`], but also accepts a key that could be mistaken for another or whose name mixes alphabets,
    /// because the user has checked it.
    ///
    /// # Errors
    ///
    /// As for [`TrustStore::add`], except for these two reasons.
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

    /// Stops trusting a key, and writes that down. The name is remembered, so that another key under the same name is
    /// noticed.
    ///
    /// # Errors
    ///
    /// Fails if the selector fits no key or more than one, or if the files cannot be read or written.
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

    /// Extends the trust in a key until `expires_at`, or without an end.
    ///
    /// # Errors
    ///
    /// Fails if the selector fits no key or more than one, if the key was revoked, or if the files cannot be read or
    /// written.
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

    /// The trusted key that the selector fits.
    ///
    /// # Errors
    ///
    /// Fails if the selector fits no key or more than one.
    pub fn find(&self, selector: &KeySelector) -> Result<&TrustedKey, TrustError> {
        let place = selector.choose(self.keys.trusted.iter().map(|key| &key.public_key))?;
        self.keys.trusted.get(place).ok_or(TrustError::NotTrusted { selector: String::new() })
    }

    /// Keys that were trusted and then removed, the last removed at the end.
    #[must_use]
    pub fn removed_keys(&self) -> &[RemovedKey] {
        &self.keys.removed
    }
}
