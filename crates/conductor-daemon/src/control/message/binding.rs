//! What clients are told about a plugin that is another one than its alias is bound to.

use serde::{Deserialize, Serialize};

/// Another plugin than the one that its alias is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingChangeStatus {
    /// A digest over the other fields, which a client that accepts the change sends along: 64 hex digits.
    pub shown: String,
    /// The plugin that the alias is bound to.
    pub before: BoundStatus,
    /// The plugin that is there now.
    pub now: BoundStatus,
    /// SHA-256 of the module of the plugin that is there now.
    pub digest: String,
    /// Who vouches for that plugin, in words.
    pub trust: String,
    /// Why that plugin's signature does not count, if it has one that does not.
    pub ignored: Option<String>,
    /// What the configuration grants to whatever is behind the alias.
    pub granted: Vec<String>,
    /// What was denied to the plugin before, and stays denied.
    pub denied: Vec<String>,
    /// The differences, in words.
    pub differences: Vec<String>,
}

/// A plugin as an alias is bound to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundStatus {
    /// The plugin's own name.
    pub name: String,
    /// The plugin's version, if it has one.
    pub version: Option<String>,
    /// The key of the plugin's publisher; `null` if nobody signed the plugin.
    pub publisher: Option<String>,
    /// The fingerprint of that key in words.
    pub words: Option<String>,
}

/// A plugin that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The user's name for the plugin.
    pub plugin: String,
    /// The plugin's own name.
    pub name: String,
}
