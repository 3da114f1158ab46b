//! What clients are told about keys, and about the holders of keys.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a plugin is vouched for, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustWord {
    /// Nobody signed the plugin.
    Unsigned,
    /// The plugin is signed by a key that the user does not trust.
    SelfSigned,
    /// The plugin is signed by a key that the user trusts.
    Trusted,
    /// Trust in the key, or the signature itself, has ended.
    Expired,
    /// The key or the file was revoked.
    Revoked,
    /// The plugin has a signature that does not hold.
    Invalid,
}

/// Who signed a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherStatus {
    /// The signer's name, according to the signature.
    pub name: String,
    /// The signer's address, according to the signature.
    pub email: String,
    /// The key.
    pub public_key: String,
    /// The key's fingerprint, 64 hex digits.
    pub fingerprint: String,
    /// The first half of the fingerprint in words.
    pub words: String,
    /// Whether name and address are signed too. If not, nobody vouches for them.
    pub authenticated: bool,
}

/// A key that the user trusts or has revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// The user's name for the key.
    pub name: Option<String>,
    /// The key.
    pub public_key: String,
    /// The key's fingerprint, 64 hex digits.
    pub fingerprint: String,
    /// The first half of the fingerprint in words.
    pub words: String,
    /// Address of the key's holder, as the user entered it.
    pub email: Option<String>,
    /// When the user began to trust the key.
    pub added_at: Option<String>,
    /// When the trust ends.
    pub expires_at: Option<String>,
    /// What the key is trusted to do: `publish`, `cosign` or `both`; `null` if the key is not trusted.
    pub role: Option<String>,
    /// Names of the plugins that the key may sign; `null` for any.
    pub plugins: Option<Vec<String>>,
    /// Highest risk of a capability that the key's plugins may be granted.
    pub max_risk: Option<String>,
    /// The state of the key.
    pub state: KeyState,
    /// The key's revocation, if it was revoked.
    pub revoked: Option<RevocationStatus>,
}

/// The state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Plugins that the key signed are trusted.
    Trusted,
    /// Trust in the key has ended.
    Expired,
    /// Plugins that the key signed are refused.
    Revoked,
}

/// The revocation of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationStatus {
    /// When.
    pub at: String,
    /// Why.
    pub reason: String,
    /// `compromised` or `superseded`.
    pub kind: String,
}

/// A key that is trusted from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTrusted {
    /// The user's name for the key.
    pub name: String,
    /// The key.
    pub public_key: String,
}

/// A key that is revoked from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRevoked {
    /// The key.
    pub public_key: String,
    /// The user's name for the key, if the key was trusted.
    pub name: Option<String>,
    /// `compromised` or `superseded`.
    pub kind: String,
}

/// Why a key is revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevokeAs {
    /// A thief may have the key.
    #[default]
    Compromised,
    /// The key is no longer used.
    Superseded,
}

/// An address that opens the page. The address holds a secret, so the type has no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageAddress {
    /// The address, which works once and for one minute.
    pub url: String,
}

impl fmt::Debug for PageAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageAddress").finish_non_exhaustive()
    }
}
