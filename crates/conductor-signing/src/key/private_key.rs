//! Private keys, wherever they are kept: in a file, on a token, in an agent.

use std::error::Error;

use crate::key::public_key::{PublicKey, Signature};

/// A private key that may be kept outside this process.
pub trait PrivateKey {
    /// The public half.
    fn public_key(&self) -> PublicKey;

    /// Makes an Ed25519 signature over the message (RFC 8032, not prehashed).
    ///
    /// # Errors
    ///
    /// Fails if the device or program that keeps the key refuses or does not answer.
    fn sign(&self, message: &[u8]) -> Result<Signature, PrivateKeyError>;
}

/// Signs, and verifies the new signature: a token or an agent may have signed with another key, or signed something
/// else.
pub(crate) fn sign(key: &dyn PrivateKey, message: &[u8]) -> Result<Signature, PrivateKeyError> {
    let signature = key.sign(message)?;
    if key.public_key().accepts(message, &signature) {
        Ok(signature)
    } else {
        Err(PrivateKeyError::Wrong { key: key.public_key() })
    }
}

/// Checks that a key signs, with a message that has no meaning.
///
/// # Errors
///
/// Fails if the key does not sign, or if the answer is not a valid signature of the key.
pub fn check_private_key(key: &dyn PrivateKey) -> Result<(), PrivateKeyError> {
    sign(key, b"conductor: does this key sign?").map(|_| ())
}

/// Why a private key did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The device or program that keeps the key did not sign.
    #[error("key {key} did not sign: {source}")]
    Refused {
        /// The public half.
        key: PublicKey,
        /// The reason for the refusal.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The signature that came back is not valid for the key and the message.
    #[error("what was given for a signature of key {key} is none; nothing was written")]
    Wrong {
        /// The public half.
        key: PublicKey,
    },
}
