//! Private keys, wherever they are kept: in a file, on a token, in an agent.

use std::error::Error;

use crate::key::public_key::{PublicKey, Signature};

/// A private key that may be out of this process' reach.
pub trait PrivateKey {
    /// The public half.
    fn public_key(&self) -> PublicKey;

    /// Makes an Ed25519 signature over the message (RFC 8032, not prehashed).
    ///
    /// # Errors
    ///
    /// Fails if whoever keeps the key does not answer or refuses.
    fn sign(&self, message: &[u8]) -> Result<Signature, PrivateKeyError>;
}

/// Signs, and believes the signature only once it was verified: a token or an agent may have signed with another key, or
/// something else.
pub(crate) fn sign(key: &dyn PrivateKey, message: &[u8]) -> Result<Signature, PrivateKeyError> {
    let signature = key.sign(message)?;
    if key.public_key().accepts(message, &signature) {
        Ok(signature)
    } else {
        Err(PrivateKeyError::Wrong { key: key.public_key() })
    }
}

/// Makes sure that a key signs, with a message that means nothing.
///
/// # Errors
///
/// Fails if the key does not sign, or what it gives is no signature of its own.
pub fn check_private_key(key: &dyn PrivateKey) -> Result<(), PrivateKeyError> {
    sign(key, b"conductor: does this key sign?").map(|_| ())
}

/// Why a private key did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// Whoever keeps the key did not sign.
    #[error("key {key} did not sign: {source}")]
    Refused {
        /// The public half.
        key: PublicKey,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The signature that came back does not fit the key and the message.
    #[error("what was given for a signature of key {key} is none; nothing was written")]
    Wrong {
        /// The public half.
        key: PublicKey,
    },
}
