//! What clients are told about a change of the configuration.

use serde::{Deserialize, Serialize};

/// What a change of the configuration did, by alias. Disabled plugins are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Loaded, or loaded anew.
    pub started: Vec<String>,
    /// Not loaded: the alias is bound to another plugin, and the change needs the user's approval.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Refused, as before the change.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Ended, or replaced.
    pub stopped: Vec<String>,
    /// Left as they were.
    pub untouched: Vec<String>,
}

/// What the removal of a plugin did. What is kept is there again for the next plugin of the same name and publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// What became of the plugins.
    #[serde(flatten)]
    pub reloaded: Reloaded,
    /// What the user granted to the plugin.
    #[serde(default)]
    pub grants_kept: Vec<String>,
    /// The names of the secrets that the user entered for the plugin and that are kept.
    #[serde(default)]
    pub secrets_kept: Vec<String>,
    /// The names of those that were deleted.
    #[serde(default)]
    pub secrets_deleted: Vec<String>,
}
