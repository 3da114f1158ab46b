//! Digests over what the user is shown. They come back with the user's decision, so that the decision is about what was
//! shown.
//!
//! An id is SHA-256 over a JSON array, whose first element names the kind of id. An id is not secret: whoever may
//! decide may ask for it. An id tells two moments apart, not two clients.

use conductor_core::UnloadedPlugin;
use conductor_core::grant::Requested;
use conductor_core::secret::{Declared, SecretHost};
use conductor_signing::Digest;
use serde_json::{Value as Json, json};

use super::message::{PluginPreview, Refusal, RefusalCause, RequestStatus};
use crate::dispatch::Loaded;

/// What all ids of a loaded plugin's requests include: which plugin asks, and whom a grant would be bound to.
///
/// The digest of the module is included even if the plugin has a version, because two builds can have the same version.
pub(super) struct Asking {
    name: String,
    version: Option<String>,
    digest: String,
    bound_to: String,
}

impl Asking {
    pub(super) fn of(loaded: &Loaded) -> Self {
        Self {
            name: loaded.info.name.as_str().to_owned(),
            version: loaded.info.version.clone(),
            digest: loaded.info.digest.to_string(),
            bound_to: loaded.permission.holder().to_string(),
        }
    }

    /// What the ids of a plugin that is not loaded include: the same as when it is loaded.
    pub(super) fn of_unloaded(plugin: &UnloadedPlugin) -> Self {
        Self {
            name: plugin.name.to_string(),
            version: plugin.version.clone(),
            digest: plugin.digest.to_string(),
            bound_to: plugin.bound_to(),
        }
    }

    /// The id of a request: over the plugin, and over capability, scope, risk and reason as they are shown. The earlier
    /// decision is not included, because the new decision replaces it.
    pub(super) fn request(&self, requested: &Requested) -> String {
        let Requested { scope, risk, reason, is_pending: _, earlier: _ } = requested;
        id(&json!([
            "conductor request",
            self.name,
            self.version,
            self.digest,
            self.bound_to,
            scope.capability().name(),
            scope.to_string(),
            risk.to_string(),
            reason,
        ]))
    }
}

impl Asking {
    /// The id of a secret: over the plugin, and over name, reason and hosts as they are shown.
    pub(super) fn secret(&self, declared: &Declared) -> String {
        let Declared { name, reason, hosts } = declared;
        id(&json!([
            "conductor secret",
            self.name,
            self.version,
            self.digest,
            self.bound_to,
            name,
            reason,
            hosts.iter().map(SecretHost::to_string).collect::<Vec<_>>(),
        ]))
    }
}

/// The id of a preview: over the alias, the plugin's own name, its module, whether and why it is let in, who signed it,
/// what it asks for, its settings and secrets, which plugin it would replace, and what would have to be accepted for that.
pub(super) fn preview(preview: &PluginPreview) -> String {
    let requested = |request: &RequestStatus| {
        json!([request.capability, request.scope, request.risk, request.reason, request.decision])
    };
    let publisher = preview.publisher.as_ref().map(|publisher| {
        json!([publisher.public_key, publisher.name, publisher.email, publisher.authenticated])
    });
    id(&json!([
        "conductor preview",
        preview.plugin,
        preview.name,
        preview.version,
        preview.digest,
        preview.accepted,
        preview.why,
        preview.trust,
        preview.trust_level,
        publisher,
        preview.requested.iter().map(requested).collect::<Vec<_>>(),
        preview.settings,
        preview.secrets,
        preview.changes,
        preview.waits.as_ref().map(|change| &change.shown),
    ]))
}

/// The refusal that says that something is no longer what was shown.
pub(super) fn is_other(message: String, look: String) -> Refusal {
    Refusal { hint: Some(look), ..Refusal::new(RefusalCause::NotAsShown, message) }
}

fn id(of: &Json) -> String {
    Digest::from_bytes(of.to_string().as_bytes()).to_string()
}
