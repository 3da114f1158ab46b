//! The signers of a plugin, and the publisher, who is the same for each version.

use conductor_store::UtcTime;

use crate::document::Developer;
use crate::key::PublicKey;
use crate::trust::Continuity;

/// A signer of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The key.
    pub key: PublicKey,
    /// The holder of the key, as the document states.
    pub developer: Developer,
    /// When the signature was made, as the document states.
    pub signed_at: UtcTime,
    /// Whether developer and date are signed as well. Without a statement, only the bytes of the plugin are signed.
    pub authenticated: bool,
}

/// The publisher of a plugin, who is the same for each version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    key: PublicKey,
    predecessors: Vec<PublicKey>,
}

impl Publisher {
    pub(crate) fn of(continuity: &Continuity) -> Self {
        let Continuity { publisher, predecessors, .. } = continuity;
        Self { key: *publisher, predecessors: predecessors.clone() }
    }

    /// The key that the plugin's name is pinned to.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether `key` is the publisher's key, or a key that it follows from by rotation.
    #[must_use]
    pub fn is(&self, key: &PublicKey) -> bool {
        self.key == *key || self.predecessors.contains(key)
    }
}
