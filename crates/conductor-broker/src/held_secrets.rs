//! The secrets that a plugin may have used, as they are at each moment.

use std::sync::{Arc, PoisonError, RwLock};

use conductor_policy::secret::HeldSecrets;

/// The present secrets of one plugin. Copies see the same.
#[derive(Clone, Default)]
pub(crate) struct SecretsNow(Arc<RwLock<Arc<HeldSecrets>>>);

impl SecretsNow {
    /// What the plugin may have used now.
    pub(crate) fn get(&self) -> Arc<HeldSecrets> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what the plugin may have used.
    pub(crate) fn set(&self, secrets: HeldSecrets) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(secrets);
    }
}
