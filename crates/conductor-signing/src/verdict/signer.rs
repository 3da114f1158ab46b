//! Who signed a plugin, and who answers for it from one version to the next.

use conductor_store::UtcTime;

use crate::document::Developer;
use crate::key::PublicKey;
use crate::trust::Continuity;

/// Who signed a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The key.
    pub key: PublicKey,
    /// Who the document says holds the key.
    pub developer: Developer,
    /// When the document says it was made.
    pub signed_at: UtcTime,
    /// Whether developer and date are signed too. Without a statement only the bytes of the plugin are.
    pub authenticated: bool,
}

/// Who answers for a plugin from one version to the next.
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

    /// Whether this is the publisher's key, or one that it follows from by rotation.
    #[must_use]
    pub fn is(&self, key: &PublicKey) -> bool {
        self.key == *key || self.predecessors.contains(key)
    }
}
