//! What is told of keys, and of whom they belong to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a plugin is vouched for, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustWord {
    /// Nobody signed it.
    Unsigned,
    /// It is signed by a key that the user does not trust.
    SelfSigned,
    /// It is signed by a key that the user trusts.
    Trusted,
    /// Trust in the key, or the signature itself, has ended.
    Expired,
    /// The key or the file was revoked.
    Revoked,
    /// There is a signature, and it does not hold.
    Invalid,
}

/// Who signed a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherStatus {
    /// Name, as the signature says it.
    pub name: String,
    /// Address, as the signature says it.
    pub email: String,
    /// The key.
    pub public_key: String,
    /// Its fingerprint, 64 hex digits.
    pub fingerprint: String,
    /// The first half of the fingerprint in words.
    pub words: String,
    /// Whether name and address are signed too; otherwise they are nobody's word.
    pub authenticated: bool,
}

/// A key that the user trusts, trusted or revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// What the user calls it.
    pub name: Option<String>,
    /// The key.
    pub public_key: String,
    /// Its fingerprint, 64 hex digits.
    pub fingerprint: String,
    /// The first half of the fingerprint in words.
    pub words: String,
    /// Address of its holder, as the user knows it.
    pub email: Option<String>,
    /// When the user began to trust it.
    pub added_at: Option<String>,
    /// When the trust ends.
    pub expires_at: Option<String>,
    /// What it is trusted to do: `publish`, `cosign` or `both`; `null` if it is not trusted.
    pub role: Option<String>,
    /// Names of the plugins that it may sign; `null` for any.
    pub plugins: Option<Vec<String>>,
    /// Highest risk of what its plugins may be granted.
    pub max_risk: Option<String>,
    /// What is to be made of it.
    pub state: KeyState,
    /// Its revocation.
    pub revoked: Option<RevocationStatus>,
}

/// What is to be made of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Plugins that it signed are trusted.
    Trusted,
    /// Trust in it has ended.
    Expired,
    /// Plugins that it signed are refused.
    Revoked,
}

/// That a key was revoked.
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
    /// What the user calls it.
    pub name: String,
    /// The key.
    pub public_key: String,
}

/// A key that is revoked from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRevoked {
    /// The key.
    pub public_key: String,
    /// What the user called it.
    pub name: Option<String>,
    /// What has become of it.
    pub kind: String,
}

/// What has become of a key that is revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevokeAs {
    /// A thief may have it.
    #[default]
    Compromised,
    /// It is not used any more.
    Superseded,
}

/// An address that opens the page. It holds a secret, so that it has no `Debug` of its own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageAddress {
    /// The address, good once and for a minute.
    pub url: String,
}

impl fmt::Debug for PageAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageAddress").finish_non_exhaustive()
    }
}
