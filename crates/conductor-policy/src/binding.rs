//! Which plugin stands behind each of the user's names: an alias is bound to the plugin that was first loaded under it.
//!
//! What the configuration says of an alias (grants, limits, mappings) is meant for one plugin. So its name and the line of its
//! publisher are remembered when it is first loaded. Whatever comes to the alias later and is another plugin, by its name or
//! by who signed it, is not loaded until the user accepts it, and the user accepts what was shown and nothing else.

mod file;
mod judge;
mod store;

use std::fmt;
use std::str::FromStr;

use conductor_abi::Capability;
use conductor_signing::{Digest, NameError, PluginName, PublicKey, TrustLevel};

use crate::grant::GrantSpec;

pub use judge::{Arrived, Judged, NewBinding};
pub use store::{BINDINGS_FILE, BindingError, Bindings, MAX_BINDINGS};

/// The user's name for a plugin: it keeps to the rules of plugin names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alias(PluginName);

impl Alias {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name that a plugin has to have which calls itself as the user does.
    #[must_use]
    pub const fn as_plugin_name(&self) -> &PluginName {
        &self.0
    }
}

impl FromStr for Alias {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A plugin as an alias is bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its own name.
    pub name: PluginName,
    /// The key of its publisher; `None` if nobody signed it.
    pub publisher: Option<PublicKey>,
    /// Its version, if it says one. It binds nothing, and is there to be shown.
    pub version: Option<String>,
}

impl Bound {
    /// Whether the two differ in their versions at most, which bind nothing.
    fn is_other_version_of(&self, other: &Self) -> bool {
        (&self.name, &self.publisher) == (&other.name, &other.publisher)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, publisher, version } = self;
        write!(f, "{name}")?;
        if let Some(version) = version {
            write!(f, " {version}")?;
        }
        match publisher {
            Some(key) => write!(f, ", signed by {key}"),
            None => f.write_str(", unsigned"),
        }
    }
}

/// Another plugin at an alias than the one that it is bound to, as it is shown to the user. Text in it comes from plugins:
/// escape it when showing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingChange {
    /// The alias.
    pub alias: Alias,
    /// The plugin that the alias is bound to.
    pub before: Bound,
    /// The plugin that is there now.
    pub now: Bound,
    /// SHA-256 of its module.
    pub digest: Digest,
    /// How far somebody vouches for it.
    pub trust: TrustLevel,
    /// Why its signature does not count, if it has one that does not.
    pub ignored: Option<String>,
    /// What the configuration grants to whatever is behind the alias.
    pub granted: Vec<GrantSpec>,
    /// What was denied to the plugin before, and will be denied to this one as well.
    pub denied: Vec<Capability>,
    /// Cosigners that the plugin before had to have and this one lacks.
    pub missing_cosigners: Vec<PublicKey>,
    /// Whether the plugin before came with a signed statement and this one does not.
    pub lacks_statement: bool,
    /// The key of the publisher to whom the name that the plugin has now is pinned until it is accepted, if that is another.
    pub pinned_until_now: Option<PublicKey>,
}

impl BindingChange {
    /// A digest over everything that is shown, by which the user's decision is bound to it.
    #[must_use]
    pub fn shown(&self) -> Digest {
        let Self {
            alias,
            before,
            now,
            digest,
            trust,
            ignored,
            granted,
            denied,
            missing_cosigners,
            lacks_statement,
            pinned_until_now,
        } = self;
        let bound = |Bound { name, publisher, version }: &Bound| {
            (name.to_string(), publisher.map(|key| key.to_string()), version.clone())
        };
        let trust = match trust {
            TrustLevel::Unsigned => ("unsigned", None),
            TrustLevel::SelfSigned => ("self-signed", None),
            TrustLevel::Trusted { key_name } => ("trusted", Some(key_name)),
        };
        // JSON keeps the texts apart, whatever is in them.
        let shown = serde_json::json!([
            "conductor binding change 2",
            alias.as_str(),
            bound(before),
            bound(now),
            digest.to_string(),
            trust,
            ignored,
            granted.iter().map(GrantSpec::to_string).collect::<Vec<_>>(),
            denied.iter().map(Capability::to_string).collect::<Vec<_>>(),
            missing_cosigners.iter().map(PublicKey::to_string).collect::<Vec<_>>(),
            lacks_statement,
            pinned_until_now.map(|key| key.to_string()),
        ]);
        Digest::from_bytes(shown.to_string().as_bytes())
    }
}

impl fmt::Display for BindingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alias, before, now, .. } = self;
        write!(f, "`{alias}` is bound to {before}; what is there now is {now}, and needs your approval")
    }
}

#[cfg(test)]
mod tests;
