//! Keys that the user trusts, is about to trust, or trusted once.

use conductor_abi::Risk;
use conductor_store::UtcTime;

use super::entry::Line;
use super::pattern::NamePattern;
use super::role::KeyRole;
use crate::key::PublicKey;
use crate::text::PluginName;

/// A key that the user trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// What the user calls the key; escape it before showing it.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
    /// When the user began to trust the key.
    pub added_at: UtcTime,
    /// Address of the key's holder, as the user knows it; escape it before showing it.
    pub email: Option<String>,
    /// When the trust ends.
    pub expires_at: Option<UtcTime>,
    /// What the key may do.
    pub role: KeyRole,
    /// Highest risk of a capability that plugins of this key may be granted.
    pub max_risk: Option<Risk>,
    pub(super) plugins: Option<Vec<NamePattern>>,
    pub(super) line: Line,
}

impl TrustedKey {
    /// The patterns of plugin names that the key may sign; `None` means any.
    #[must_use]
    pub fn plugins(&self) -> Option<Vec<&str>> {
        self.plugins.as_ref().map(|patterns| patterns.iter().map(NamePattern::as_str).collect())
    }

    /// Whether the key may sign this plugin. A key that is bound to patterns may not sign a plugin without a signed
    /// name.
    #[must_use]
    pub fn may_sign(&self, plugin: Option<&PluginName>) -> bool {
        match (&self.plugins, plugin) {
            (None, _) => true,
            (Some(patterns), Some(name)) => patterns.iter().any(|pattern| pattern.matches(name)),
            (Some(_), None) => false,
        }
    }

    /// The line of `trusted_keys.toml` on which the entry stands.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line.0
    }
}

/// A key that is about to be trusted.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The name that the user gives the key.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
    /// Address of the key's holder.
    pub email: Option<String>,
    /// What the key may do.
    pub role: KeyRole,
    /// Patterns of the plugin names that the key may sign; any name if absent.
    pub plugins: Option<Vec<NamePattern>>,
    /// Highest risk of a capability that plugins of the key may be granted.
    pub max_risk: Option<Risk>,
    /// When the trust ends.
    pub expires_at: Option<UtcTime>,
}

impl NewKey {
    /// A key that is trusted without limits.
    #[must_use]
    pub fn new(name: &str, public_key: PublicKey) -> Self {
        let name = name.to_owned();
        let role = KeyRole::default();
        Self { name, public_key, email: None, role, plugins: None, max_risk: None, expires_at: None }
    }
}

/// A key that the user trusted once and removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedKey {
    /// What the user called the key; escape it before showing it.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
    /// When the user removed it.
    pub removed_at: UtcTime,
}
