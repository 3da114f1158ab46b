//! Ed25519 public keys and signatures (RFC 8032), checked strictly.
//!
//! Lax verifiers disagree about keys of small order, keys with a small-order component and encodings that are not
//! reduced; with the identity as key, one constant signature is valid for every message. Such keys are refused when
//! they are read, so that no later step can meet them.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use ed25519_dalek::VerifyingKey;

use crate::text::decode_hex;

/// A public key: 32 bytes in canonical encoding, a point of the prime-order group. Keys are equal if their bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Checks a public key.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        let point = key.to_edwards();
        if point.compress().as_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        if point.is_small_order() {
            return Err(KeyError::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(KeyError::MixedOrder);
        }
        Ok(Self(*bytes))
    }

    /// Reads a key that is only compared with other keys, such as a key that was revoked or removed. The key verifies
    /// nothing, so its point is not checked; the check would take some 50 µs for each entry of a list.
    pub(crate) fn for_comparison(text: &str) -> Result<Self, KeyError> {
        decode_hex(text).map(Self).ok_or(KeyError::Hex)
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public half of a signing key, which is sound by construction.
    pub(crate) fn of(key: &ed25519_dalek::SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }

    /// Whether `signature` was made over `message` with the private half of this key.
    #[must_use]
    pub fn accepts(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads exactly 64 lower-case hex digits; each key has one spelling.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(&decode_hex(text).ok_or(KeyError::Hex)?)
    }
}

/// Why a public key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not 64 lower-case hex digits.
    #[error("a public key is 64 lower-case hex digits")]
    Hex,
    /// The bytes encode no point of the curve.
    #[error("public key is not a point of the curve")]
    NotAPoint,
    /// The bytes are not the canonical encoding of their point.
    #[error("public key is not in canonical encoding")]
    NotCanonical,
    /// Anybody can make signatures that are valid for such a key.
    #[error("public key has small order, anyone could sign for it")]
    SmallOrder,
    /// Verifiers disagree about such a key.
    #[error("public key has a small-order component, verifiers would disagree about it")]
    MixedOrder,
}

/// The 64 bytes of a signature; only verifying shows whether they fit a key and a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// A signature as it was read or made.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// Reads 128 lower-case hex digits.
impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        decode_hex(text).map(Self).ok_or(SignatureError)
    }
}

/// A text that is not a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 128 lower-case hex digits")]
pub struct SignatureError;

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

#[cfg(test)]
mod weak_key;
#[cfg(test)]
mod wycheproof;
