//! Digests over what the user is shown, which come back with the decision: what was shown is what is decided.
//!
//! An id is SHA-256 over a JSON array, whose first element says of what it is one. It is not secret, and whoever may decide may
//! ask for it; it tells two moments apart, not two askers.

use conductor_core::grant::Requested;
use conductor_signing::Digest;
use serde_json::{Value as Json, json};

use super::message::{PluginPreview, Refusal, RefusalCause, RequestStatus};
use crate::dispatch::Loaded;

/// What all ids of a loaded plugin's requests have in common: which plugin asks, and whom a grant would be bound to.
///
/// The digest of the module is part of it, also where a version is said: a version can be built twice.
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

    /// The id of a request: over the plugin, and over capability, scope, risk and reason as they are shown. What was decided
    /// before is not part of it, because the new decision replaces it.
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

/// The id of a preview: over the plugin's name here and its own, its module, whether and why it is let in, who signed it, what
/// it asks for, in place of what it would come, and what would have to be accepted for that.
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
        preview.changes,
        preview.waits.as_ref().map(|change| &change.shown),
    ]))
}

/// Says that it is no longer what was shown.
pub(super) fn is_other(message: String, look: String) -> Refusal {
    Refusal { hint: Some(look), ..Refusal::new(RefusalCause::NotAsShown, message) }
}

fn id(of: &Json) -> String {
    Digest::from_bytes(of.to_string().as_bytes()).to_string()
}
