//! Where the secrets are that the user entered for plugins.

use conductor_policy::secret::SecretPlace;
use conductor_signing::SecretText;
use thiserror::Error;

/// Reads secrets that the user entered for plugins.
pub trait SecretValues: Send + Sync {
    /// Reads a secret. It may wait a few seconds for another program, and never for a person: the broker calls it on a
    /// thread of its own while a plugin waits.
    ///
    /// # Errors
    ///
    /// Says why there is none, without the secret.
    fn read(&self, place: &SecretPlace) -> Result<SecretText, SecretValueError>;
}

/// Why a secret cannot be read. The secret is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SecretValueError {
    /// The user's collection of secrets is locked.
    #[error("the collection in which it is kept is locked")]
    Locked,
    /// It is not where it was kept.
    #[error("it is not where it was kept")]
    Missing,
    /// The place cannot be read.
    #[error("{reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
}

/// A host that keeps no secrets.
pub(super) struct NoSecrets;

impl SecretValues for NoSecrets {
    fn read(&self, _place: &SecretPlace) -> Result<SecretText, SecretValueError> {
        Err(SecretValueError::Unavailable { reason: "no secrets are kept here".to_owned() })
    }
}
