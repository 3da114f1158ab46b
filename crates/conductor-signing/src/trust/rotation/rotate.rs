//! Making rotations.

use conductor_store::UtcTime;
use serde::Serialize;

use super::{
    MAX_ROTATION_LINKS, MAX_SEQUENCE, Purpose, ROTATION_PAYLOAD_TYPE, RotationChain, RotationError,
    RotationLink, SignedLink,
};
use crate::document::dsse::pre_authentication_encoding;
use crate::key::{PrivateKey, PrivateKeyError, PublicKey, private_key};

/// What a rotation states beyond its two keys.
#[derive(Clone, Debug)]
pub struct RotationRequest {
    /// The time from which the rotation is valid. If absent: now, or the time from which the rotation before is valid,
    /// whichever is later.
    pub valid_from: Option<UtcTime>,
    /// The purposes that the old key keeps.
    pub keeps: Vec<Purpose>,
}

impl RotationChain {
    /// Makes a rotation from `old` to `new`; `before` is the chain that led to `old`, if there is one. A rotation that
    /// would not be valid is refused before a key is asked to sign, and the signed rotation is checked as everybody
    /// else will check it.
    ///
    /// # Errors
    ///
    /// Fails if the new link would not fit the chain, or if a key does not sign.
    pub fn rotate(
        before: Option<&Self>,
        old: &dyn PrivateKey,
        new: &dyn PrivateKey,
        request: &RotationRequest,
    ) -> Result<Self, RotateError> {
        let mut links = before.map_or(Vec::new(), |chain| chain.links.clone());
        let statement = Statement::following(&links, old.public_key(), new.public_key(), request)?;
        links.push(statement.signed(old, new)?);
        Ok(Self::parse(Self { links }.to_json().as_bytes())?)
    }
}

/// The statement to be signed.
struct Statement {
    old: PublicKey,
    new: PublicKey,
    sequence: u64,
    rotated_at: UtcTime,
    valid_from: UtcTime,
    keeps: Vec<Purpose>,
}

impl Statement {
    /// The statement of the next link after `links`.
    fn following(
        links: &[RotationLink],
        old: PublicKey,
        new: PublicKey,
        request: &RotationRequest,
    ) -> Result<Self, RotateError> {
        if old == new {
            return Err(RotateError::SameKey { key: old });
        }
        let rotated_at = UtcTime::now();
        let mut valid_from = request.valid_from.clone().unwrap_or_else(|| rotated_at.clone());
        let mut sequence = 1;
        if let Some(last) = links.last() {
            if last.new != old {
                return Err(RotateError::NotTheEnd { end: last.new, old });
            }
            if last.sequence >= MAX_SEQUENCE {
                return Err(RotateError::Full);
            }
            if links.iter().any(|link| link.old == new) {
                return Err(RotateError::Used { key: new });
            }
            if valid_from.timestamp() < last.valid_from.timestamp() {
                if request.valid_from.is_some() {
                    return Err(RotateError::TooEarly { asked: valid_from, before: last.valid_from.clone() });
                }
                valid_from = last.valid_from.clone();
            }
            sequence = last.sequence + 1;
        }
        // Each purpose once and in a fixed order, however the request lists them.
        let keeps =
            [Purpose::Sign, Purpose::Revoke].into_iter().filter(|purpose| request.keeps.contains(purpose));
        Ok(Self { old, new, sequence, rotated_at, valid_from, keeps: keeps.collect() })
    }

    /// Lets both keys sign the statement, and returns the link.
    fn signed(&self, old: &dyn PrivateKey, new: &dyn PrivateKey) -> Result<RotationLink, RotateError> {
        let statement = self.to_json()?;
        let encoded = pre_authentication_encoding(ROTATION_PAYLOAD_TYPE, &statement);
        let old_signature = private_key::sign(old, &encoded)?;
        let new_signature = private_key::sign(new, &encoded)?;
        let (old_key, new_key) = (self.old, self.new);
        Ok(RotationLink::verify(SignedLink { old_key, new_key, statement, old_signature, new_signature })?)
    }

    fn to_json(&self) -> Result<Vec<u8>, RotateError> {
        #[derive(Serialize)]
        struct Wire<'a> {
            old_key: String,
            new_key: String,
            sequence: u64,
            rotated_at: String,
            valid_from: String,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            keeps: Vec<&'a str>,
        }
        let wire = Wire {
            old_key: self.old.to_string(),
            new_key: self.new.to_string(),
            sequence: self.sequence,
            rotated_at: self.rotated_at.to_string(),
            valid_from: self.valid_from.to_string(),
            keeps: self.keeps.iter().map(|purpose| purpose.name()).collect(),
        };
        serde_json::to_vec(&wire).map_err(|source| RotateError::Encode { source })
    }
}

/// Why a rotation was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The old key and the new key are the same.
    #[error("the new key is the old one, {key}")]
    SameKey {
        /// The key.
        key: PublicKey,
    },
    /// The chain ends with another key than the old key.
    #[error("the chain leads to key {end}, not to the old key {old}")]
    NotTheEnd {
        /// The last key of the chain.
        end: PublicKey,
        /// The old key.
        old: PublicKey,
    },
    /// The last link of the chain has the highest number that is allowed.
    #[error("the chain ends with number {MAX_ROTATION_LINKS}, which is the highest")]
    Full,
    /// The new key has a rotation in the chain already.
    #[error("key {key} has passed on before, it cannot follow again")]
    Used {
        /// The key.
        key: PublicKey,
    },
    /// The rotation would be valid earlier than the rotation before it.
    #[error("the rotation before holds from {before}, this one cannot hold from {asked}")]
    TooEarly {
        /// The time that was asked for.
        asked: UtcTime,
        /// The time from which the rotation before is valid.
        before: UtcTime,
    },
    /// A key did not sign.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
    /// The statement could not be written as JSON.
    #[error("cannot write the statement as JSON: {source}")]
    Encode {
        /// The cause.
        source: serde_json::Error,
    },
    /// The new chain is not valid; nothing was written.
    #[error("the new chain does not hold: {0}")]
    SelfCheck(#[from] RotationError),
}

impl RotateError {
    /// What to do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SameKey { .. } | Self::Used { .. } => {
                Some("make a key that was never used: conductor-sign generate-key".to_owned())
            }
            Self::NotTheEnd { .. } => Some("name the chain that led to the old key: --chain FILE".to_owned()),
            Self::Full => {
                Some("publish a new key that follows from none; users have to trust it themselves".to_owned())
            }
            Self::TooEarly { before, .. } => Some(format!("choose --valid-from {before} or later")),
            Self::Key(_) | Self::Encode { .. } | Self::SelfCheck(_) => None,
        }
    }
}
