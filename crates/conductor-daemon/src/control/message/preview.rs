//! What clients are told about a plugin before it is installed.

use serde::{Deserialize, Serialize};

use super::binding::BindingChangeStatus;
use super::plugin::{ActionStatus, RequestStatus};
use super::trust::{PublisherStatus, TrustWord};

/// A plugin as it would be installed. Nothing of it has run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginPreview {
    /// The id of this preview of this plugin: 64 hex digits, which a client that installs the plugin sends along.
    #[serde(default)]
    pub id: String,
    /// The user's name for the plugin.
    pub plugin: String,
    /// The plugin's own name, if it has one.
    pub name: Option<String>,
    /// The plugin's version, if it has one.
    pub version: Option<String>,
    /// What the plugin is, in its own words.
    pub description: Option<String>,
    /// Who wrote the plugin, in its own words.
    pub author: Option<String>,
    /// The plugin's licence, in its own words.
    pub license: Option<String>,
    /// Bytes of the module.
    pub bytes: u64,
    /// SHA-256 of the module.
    pub digest: String,
    /// Whether the policy lets the plugin in.
    pub accepted: bool,
    /// Why the policy does not, or why the plugin's signature does not count.
    pub why: Option<String>,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// Who vouches for the plugin, in words.
    pub trust: String,
    /// Who vouches for the plugin, as a word.
    pub trust_level: TrustWord,
    /// Who signed the plugin, if the signature holds.
    pub publisher: Option<PublisherStatus>,
    /// What the plugin asks for, as far as that is known before it runs.
    pub requested: Vec<RequestStatus>,
    /// The plugin's actions; `null` if it accepts any action.
    pub actions: Option<Vec<ActionStatus>>,
    /// The plugin's own settings.
    #[serde(default)]
    pub settings: Vec<DeclaredSetting>,
    /// The secrets that the plugin would use and never get.
    #[serde(default)]
    pub secrets: Vec<DeclaredSecret>,
    /// The plugin that would be replaced, if there is one and it is loaded.
    pub installed: Option<InstalledStatus>,
    /// The differences from the replaced plugin, in words.
    pub changes: Vec<String>,
    /// What the user would have to accept before the plugin is loaded, if it is another plugin than its alias is bound
    /// to.
    #[serde(default)]
    pub waits: Option<BindingChangeStatus>,
}

/// The installed version of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledStatus {
    /// The plugin's own name.
    pub name: String,
    /// The plugin's version, if it has one.
    pub version: Option<String>,
    /// Who signed the plugin.
    pub publisher: Option<PublisherStatus>,
    /// What the plugin asks for.
    pub requested: Vec<RequestStatus>,
    /// The plugin's own settings.
    #[serde(default)]
    pub settings: Vec<DeclaredSetting>,
    /// The secrets that the plugin uses and never gets.
    #[serde(default)]
    pub secrets: Vec<DeclaredSecret>,
}

/// A setting that a plugin declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredSetting {
    /// Its name.
    pub name: String,
    /// Its type: `bool`, `integer`, `number`, `text` or `choice`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is for, in the plugin's words.
    pub description: Option<String>,
    /// The values that are allowed, in words.
    pub range: Option<String>,
    /// Its default as JSON, if it has one and is not secret.
    pub default: Option<String>,
    /// Whether its value is not shown.
    pub secret: bool,
}

/// A secret that a plugin declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredSecret {
    /// Its name.
    pub name: String,
    /// Why the plugin needs it, in the plugin's words.
    pub reason: Option<String>,
    /// Hosts that the plugin would send it to.
    pub hosts: Vec<String>,
}
