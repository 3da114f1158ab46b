//! How much a signature must prove before a plugin is loaded, and what it proved.

/// The three trust models of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignaturePolicy {
    /// Load anything that was not revoked, signed or not; for development.
    AcceptUnsigned,
    /// Load what carries a valid signature, whoever made it.
    AnySigner,
    /// Load what carries a valid signature by a trusted key.
    TrustedSigner,
}

impl SignaturePolicy {
    /// The model that the settings `require_signature` and `allow_self_signed` stand for.
    #[must_use]
    pub const fn from_flags(require_signature: bool, allow_self_signed: bool) -> Self {
        match (require_signature, allow_self_signed) {
            (false, _) => Self::AcceptUnsigned,
            (true, true) => Self::AnySigner,
            (true, false) => Self::TrustedSigner,
        }
    }
}

/// What is known about who made a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustLevel {
    /// Nothing: there is no signature, or one that does not hold and was ignored because the policy accepts that.
    Unsigned,
    /// The file is what somebody signed, by a key that is not trusted for it.
    SelfSigned,
    /// The file is what the holder of a trusted key signed.
    Trusted {
        /// The name that the user gave the key.
        key_name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn self_signed_counts_only_where_signatures_are_required() {
        assert_eq!(SignaturePolicy::from_flags(false, false), SignaturePolicy::AcceptUnsigned);
        assert_eq!(SignaturePolicy::from_flags(false, true), SignaturePolicy::AcceptUnsigned);
        assert_eq!(SignaturePolicy::from_flags(true, true), SignaturePolicy::AnySigner);
        assert_eq!(SignaturePolicy::from_flags(true, false), SignaturePolicy::TrustedSigner);
    }
}
