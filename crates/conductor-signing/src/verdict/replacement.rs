//! What a plugin has in common with the plugin that it is to replace: publisher and cosigners.

use conductor_store::UtcTime;

use crate::document::SignatureDocument;
use crate::key::PublicKey;
use crate::text::PluginName;
use crate::trust::TrustStore;
use crate::verdict::verified::VerifiedPlugin;

/// Which of the demanded cosigners have signed a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CosignersKept {
    /// Keys that signed for a demanded cosigner.
    pub present: Vec<PublicKey>,
    /// Keys that are demanded and for which nobody signed.
    pub missing: Vec<PublicKey>,
}

impl TrustStore {
    /// Whether the plugin's publisher holds `key`: it is the publisher's key, or one of the two follows from the other
    /// by valid rotations. `false` where rotations contradict each other.
    #[must_use]
    pub fn is_of_line(&self, plugin: &VerifiedPlugin, key: &PublicKey) -> bool {
        let Some(publisher) = plugin.publisher() else { return false };
        if publisher.is(key) {
            return true;
        }
        let Ok(chain) = plugin.file().rotation() else { return false };
        let Ok(lineage) = self.lineage(chain.as_ref()) else { return false };
        let now = UtcTime::now().timestamp();
        self.descent(&lineage, key, now).predecessors().any(|earlier| earlier == publisher.key())
    }

    /// Which of the cosigners that the pin of `name` demands have signed this plugin, and which have not. A cosigner
    /// has signed if any key of the line signed: the pinned key, or a key that follows from it, or that it follows
    /// from, by valid rotations.
    #[must_use]
    pub fn cosigners_kept(&self, name: &PluginName, plugin: &VerifiedPlugin) -> CosignersKept {
        let mut kept = CosignersKept::default();
        let Some(pin) = self.pin(name) else { return kept };
        let publisher = pin.publisher().map(|publisher| publisher.key);
        let document = plugin.signer().and_then(|_| plugin.file().document().ok().flatten());
        let signed: Vec<PublicKey> = document.iter().flat_map(SignatureDocument::keys).copied().collect();
        let chain = plugin.file().rotation().ok().flatten();
        let lineage = self.lineage(chain.as_ref()).ok();
        let now = UtcTime::now().timestamp();
        let follows = |key: &PublicKey, other: &PublicKey| {
            let mut descents = lineage.iter().map(|lineage| self.descent(lineage, key, now));
            descents.any(|descent| descent.predecessors().any(|earlier| earlier == other))
        };
        for cosigner in pin.signers().iter().filter(|key| Some(**key) != publisher) {
            let is_one =
                |key: &&PublicKey| *key == cosigner || follows(key, cosigner) || follows(cosigner, key);
            match signed.iter().find(is_one) {
                Some(key) => kept.present.push(*key),
                None => kept.missing.push(*cosigner),
            }
        }
        kept
    }
}
