//! What loading a plugin adds to the trust store: a pin, and rotations.

use crate::trust::{Loaded, NewPin, NewRotations, TrustStore};
use crate::verdict::verified::VerifiedPlugin;

impl TrustStore {
    /// The changes of pins to record once this plugin was loaded; `None` if nothing changes.
    ///
    /// A module without a manifest has the name in its statement, and without the statement it has the name of its
    /// file. So the statement is recorded for both names: dropping it cannot hide that there was one.
    #[must_use]
    pub fn new_pin(&self, plugin: &VerifiedPlugin) -> Option<NewPin> {
        self.pin_after(&Loaded {
            name: plugin.name(),
            name_without_statement: plugin.name_without_statement(),
            digest: plugin.digest(),
            has_statement: plugin.statement().is_some(),
            continuity: plugin.continuity(),
        })
    }

    /// The rotations to record once a plugin was loaded; `None` if no rotation that the plugin brought is new and leads
    /// on from a key that is trusted or pinned as a publisher.
    #[must_use]
    pub fn new_rotations(&self, plugin: &VerifiedPlugin) -> Option<NewRotations> {
        plugin.continuity()?;
        self.rotations_after(plugin.file().rotation().ok().flatten()?)
    }
}
