//! Which plugin stands behind each alias: an alias is bound to the plugin that was first loaded under it.
//!
//! What the configuration says of an alias (grants, limits, mappings) is meant for one plugin. So the plugin's name and
//! the key of its publisher are remembered when it is first loaded. If another plugin comes to the alias later, with
//! another name or a publisher of another line of keys, it is not loaded until the user accepts it. The user accepts
//! exactly the change that was shown.

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

/// The user's name for a plugin. It follows the rules of plugin names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alias(PluginName);

impl Alias {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name of a plugin that calls itself what the user calls it.
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

/// A plugin, as far as an alias is bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The plugin's own name.
    pub name: PluginName,
    /// The key of the plugin's publisher; `None` if nobody signed the plugin.
    pub publisher: Option<PublicKey>,
    /// The plugin's version, if it has one. The alias is not bound to the version, which is only shown.
    pub version: Option<String>,
}

impl Bound {
    /// Whether the two are the same or differ only in their versions, which bind nothing.
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

/// Another plugin than the one that its alias is bound to, with what the user is shown about it. Its texts come from
/// plugins: escape them before showing them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingChange {
    /// The alias.
    pub alias: Alias,
    /// The plugin that the alias is bound to.
    pub before: Bound,
    /// The plugin that is there now.
    pub now: Bound,
    /// SHA-256 of the module of the plugin that is there now.
    pub digest: Digest,
    /// How far somebody vouches for that plugin.
    pub trust: TrustLevel,
    /// Why that plugin's signature does not count, if it has one that does not.
    pub ignored: Option<String>,
    /// What the configuration grants to any plugin behind the alias.
    pub granted: Vec<GrantSpec>,
    /// What is denied to the plugin before, and will be denied to the new plugin as well.
    pub denied: Vec<Capability>,
    /// Cosigners that the plugin before had to have and the new plugin lacks.
    pub missing_cosigners: Vec<PublicKey>,
    /// Whether the plugin before had a signed statement and the new plugin has none.
    pub lacks_statement: bool,
    /// The publisher's key to which the new plugin's name is pinned until the change is accepted, if that is another
    /// key than the plugin's.
    pub pinned_until_now: Option<PublicKey>,
}

impl BindingChange {
    /// A digest over everything that is shown. The user's decision carries it, and so is bound to what was shown.
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
        // JSON keeps the texts apart, whatever they contain.
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
