//! What is told of plugins before they are installed.

use serde::{Deserialize, Serialize};

use super::binding::BindingChangeStatus;
use super::plugin::{ActionStatus, RequestStatus};
use super::trust::{PublisherStatus, TrustWord};

/// A plugin as it would be installed; nothing of it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginPreview {
    /// Says of which plugin this is a preview, and what it told: 64 hex digits, which whoever installs it sends along.
    #[serde(default)]
    pub id: String,
    /// The user's name for it.
    pub plugin: String,
    /// Its own name, if it has one.
    pub name: Option<String>,
    /// Its version, if it says one.
    pub version: Option<String>,
    /// What it is, in its own words.
    pub description: Option<String>,
    /// Who wrote it, in its own words.
    pub author: Option<String>,
    /// Its licence, in its own words.
    pub license: Option<String>,
    /// Bytes of the module.
    pub bytes: u64,
    /// SHA-256 of the module.
    pub digest: String,
    /// Whether the policy lets it in.
    pub accepted: bool,
    /// Why not, or why its signature does not count.
    pub why: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Who vouches for it, in words.
    pub trust: String,
    /// The same as a word.
    pub trust_level: TrustWord,
    /// Who signed it, where the signature holds.
    pub publisher: Option<PublisherStatus>,
    /// What it asks for, as far as it says so before it runs.
    pub requested: Vec<RequestStatus>,
    /// Its actions; `null` if it takes any.
    pub actions: Option<Vec<ActionStatus>>,
    /// The plugin in whose place it would come, if that is loaded.
    pub installed: Option<InstalledStatus>,
    /// What would be different, in words.
    pub changes: Vec<String>,
    /// What the user would have to accept before it is loaded, if it is another plugin than its alias is bound to.
    #[serde(default)]
    pub waits: Option<BindingChangeStatus>,
}

/// The version of a plugin that is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledStatus {
    /// Its own name.
    pub name: String,
    /// Its version, if it says one.
    pub version: Option<String>,
    /// Who signed it.
    pub publisher: Option<PublisherStatus>,
    /// What it asks for.
    pub requested: Vec<RequestStatus>,
}
