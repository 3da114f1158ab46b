//! What the load of a plugin adds to the trust store: a pin, and rotations.

use crate::trust::{Loaded, NewPin, NewRotations, TrustStore};
use crate::verdict::verified::VerifiedPlugin;

impl TrustStore {
    /// What is to be recorded once this plugin was loaded; `None` if nothing is new.
    ///
    /// A module without a manifest is called by its statement, and by the name of its file once the statement is
    /// dropped, so that it had a statement is recorded of both names.
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

    /// What is to be recorded of the rotations that a plugin brought once it was loaded; `None` if nothing is new that
    /// leads on from a key that is trusted or from the plugin's publisher.
    #[must_use]
    pub fn new_rotations(&self, plugin: &VerifiedPlugin) -> Option<NewRotations> {
        plugin.continuity()?;
        self.rotations_after(plugin.file().rotation().ok().flatten()?)
    }
}
