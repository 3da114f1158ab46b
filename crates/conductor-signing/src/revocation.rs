//! Keys and plugins that were withdrawn.

use crate::{Digest, PublicKey, UtcTime};

/// One entry of `revoked_keys.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What was withdrawn.
    pub revoked: Revoked,
    /// When.
    pub revoked_at: UtcTime,
    /// Why; escape it before showing it.
    pub reason: String,
}

/// What a revocation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// A key: nothing it signed is accepted.
    Key(PublicKey),
    /// One plugin file, whoever signed it.
    Digest(Digest),
}
