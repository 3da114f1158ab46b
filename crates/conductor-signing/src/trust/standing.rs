//! Where a key stands with the user.

use conductor_abi::Risk;
use conductor_store::{UtcTime, escape};

use crate::key::PublicKey;
use crate::trust::role::KeyRole;

/// Where a key stands with the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The key is trusted for this plugin, by an entry of its own or because it follows from a trusted key.
    Trusted {
        /// What the user calls the key.
        key_name: String,
        /// The key that the user trusts: this key, or a key that it follows from.
        root: PublicKey,
        /// Highest risk of a capability that may be granted.
        max_risk: Option<Risk>,
    },
    /// The key is not trusted.
    Untrusted,
    /// The key was trusted until a time that has passed.
    TrustExpired {
        /// What the user calls the key.
        key_name: String,
        /// When the trust ended.
        at: UtcTime,
        /// Highest risk that the entry allowed; expired trust allows no higher risk.
        max_risk: Option<Risk>,
    },
    /// The key is trusted for plugins of other names.
    OtherPlugins {
        /// What the user calls the key.
        key_name: String,
        /// Highest risk that the entry allows for those plugins.
        max_risk: Option<Risk>,
    },
    /// The key is trusted, but not for what it did here: to publish, or to cosign.
    OtherRole {
        /// What the user calls the key.
        key_name: String,
        /// What the key may do.
        role: KeyRole,
    },
    /// The key was rotated to a new key, and nothing shows that this signature was made before.
    Superseded {
        /// The new key.
        by: PublicKey,
        /// The time from which the rotation is valid.
        since: UtcTime,
    },
    /// A trusted key is rotated to this key, but the rotation is not valid yet.
    NotYetActive {
        /// The old key.
        old: PublicKey,
        /// The time from which the rotation is valid.
        from: UtcTime,
    },
    /// The key follows from a key that was revoked as compromised: a thief could have made the rotation.
    FromCompromised {
        /// The revoked key.
        old: PublicKey,
        /// Whether the rotation was accepted before; if so, the user's trust in this key is enough.
        accepted: bool,
    },
}

impl Standing {
    /// What the user calls the key, or the trusted key that it follows from.
    #[must_use]
    pub fn key_name(&self) -> Option<&str> {
        match self {
            Self::Trusted { key_name, .. }
            | Self::TrustExpired { key_name, .. }
            | Self::OtherPlugins { key_name, .. }
            | Self::OtherRole { key_name, .. } => Some(key_name),
            Self::Untrusted
            | Self::Superseded { .. }
            | Self::NotYetActive { .. }
            | Self::FromCompromised { .. } => None,
        }
    }

    /// Highest risk of a capability that plugins of the key may be granted, or might be while the key was trusted;
    /// `None` sets no limit.
    #[must_use]
    pub const fn max_risk(&self) -> Option<Risk> {
        match self {
            Self::Trusted { max_risk, .. }
            | Self::TrustExpired { max_risk, .. }
            | Self::OtherPlugins { max_risk, .. } => *max_risk,
            Self::Untrusted
            | Self::OtherRole { .. }
            | Self::Superseded { .. }
            | Self::NotYetActive { .. }
            | Self::FromCompromised { .. } => None,
        }
    }

    /// Whether the user's trust holds for what the key did here.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        match self {
            Self::Trusted { .. } => true,
            Self::Untrusted
            | Self::TrustExpired { .. }
            | Self::OtherPlugins { .. }
            | Self::OtherRole { .. }
            | Self::Superseded { .. }
            | Self::NotYetActive { .. }
            | Self::FromCompromised { .. } => false,
        }
    }

    /// Whether a signature of the key may count under any policy. A signature by a key that its own holder rotated away
    /// does not count, and neither does one for which the user gave the key no role.
    #[must_use]
    pub(crate) const fn may_count(&self) -> bool {
        match self {
            Self::Superseded { .. } | Self::OtherRole { .. } => false,
            Self::Trusted { .. }
            | Self::Untrusted
            | Self::TrustExpired { .. }
            | Self::OtherPlugins { .. }
            | Self::NotYetActive { .. }
            | Self::FromCompromised { .. } => true,
        }
    }

    /// A word for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Trusted { .. } => "trusted",
            Self::Untrusted => "untrusted",
            Self::TrustExpired { .. } => "trust-expired",
            Self::OtherPlugins { .. } => "other-plugins",
            Self::OtherRole { .. } => "other-role",
            Self::Superseded { .. } => "superseded",
            Self::NotYetActive { .. } => "not-yet-active",
            Self::FromCompromised { .. } => "from-compromised",
        }
    }

    /// The standing in words, to be shown after the key.
    #[must_use]
    pub fn in_words(&self, key: &PublicKey) -> String {
        match self {
            Self::Trusted { key_name, root, .. } if root == key => {
                format!("trusted as `{}`", escape::terminal(key_name))
            }
            Self::Trusted { key_name, root, .. } => {
                format!("trusted, follows by rotation from `{}` {root}", escape::terminal(key_name))
            }
            Self::Untrusted => "not trusted".to_owned(),
            Self::TrustExpired { key_name, at, .. } => {
                format!("trust in `{}` ended at {at}", escape::terminal(key_name))
            }
            Self::OtherPlugins { key_name, .. } => {
                format!("`{}` is trusted for other plugins", escape::terminal(key_name))
            }
            Self::OtherRole { key_name, role } => {
                format!("`{}` is trusted to {role} only", escape::terminal(key_name))
            }
            Self::Superseded { by, since } => format!("superseded since {since} by {by}"),
            Self::NotYetActive { old, from } => format!("follows from {old}, but only from {from} on"),
            Self::FromCompromised { old, accepted: true } => {
                format!("follows from {old}, which was revoked; needs your approval")
            }
            Self::FromCompromised { old, accepted: false } => {
                format!("follows from {old}, which was revoked before it was known to pass on")
            }
        }
    }
}
