//! What is told of a plugin that is another one than its alias is bound to.

use serde::{Deserialize, Serialize};

/// Another plugin at an alias than the one that it is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingChangeStatus {
    /// A digest over all of this, which whoever accepts it sends along: 64 hex digits.
    pub shown: String,
    /// The plugin that the alias is bound to.
    pub before: BoundStatus,
    /// The plugin that is there now.
    pub now: BoundStatus,
    /// SHA-256 of its module.
    pub digest: String,
    /// Who vouches for it, in words.
    pub trust: String,
    /// Why its signature does not count, if it has one that does not.
    pub ignored: Option<String>,
    /// What the configuration grants to whatever is behind the alias.
    pub granted: Vec<String>,
    /// What was denied to the plugin before, and stays denied.
    pub denied: Vec<String>,
    /// What is different, in words.
    pub differences: Vec<String>,
}

/// A plugin as an alias is bound to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundStatus {
    /// Its own name.
    pub name: String,
    /// Its version, if it says one.
    pub version: Option<String>,
    /// The key of its publisher; `null` if nobody signed it.
    pub publisher: Option<String>,
    /// The fingerprint of that key in words.
    pub words: Option<String>,
}

/// A plugin that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The user's name for it.
    pub plugin: String,
    /// Its own name.
    pub name: String,
}
