//! Why the user's decision about a capability had no effect.

use conductor_abi::{Capability, Risk};

use super::store::GrantStoreError;
use super::{GrantError, JudgeError, MAX_SESSION_GRANTS};

/// Why the user's decision about a capability had no effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// The plugin does not ask for it.
    #[error("the plugin does not declare {capability}, so there is nothing to grant")]
    NotDeclared {
        /// The capability.
        capability: Capability,
    },
    /// The configuration denies it.
    #[error("{capability} is denied in the configuration")]
    DeniedByConfiguration {
        /// The capability.
        capability: Capability,
    },
    /// The plugin names no scope and neither did the user.
    #[error("the plugin names no scope of {capability}, so the grant must: {capability}=SCOPE")]
    NothingNamed {
        /// The capability.
        capability: Capability,
    },
    /// Riskier than the plugin's trust allows.
    #[error(
        "{capability} is of {risk} risk here, above {ceiling}, the highest that the trust in its signature allows"
    )]
    AboveCeiling {
        /// The capability.
        capability: Capability,
        /// Risk of what was to be granted.
        risk: Risk,
        /// Highest risk allowed.
        ceiling: Risk,
    },
    /// High risk, and the plugin's name was not typed.
    #[error("{capability} is of high risk: to grant it, the plugin's name must be typed")]
    NameNotTyped {
        /// The capability.
        capability: Capability,
    },
    /// Nobody vouches for the plugin any more, or nobody can tell.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// It could not be recorded that it is granted.
    #[error("nothing is granted while the audit log cannot be written")]
    NotAudited,
    /// The host keeps no decisions.
    #[error("this host keeps no grants: it has no configuration directory")]
    NoDirectory,
    /// There are too many grants that end with the host.
    #[error("more than {MAX_SESSION_GRANTS} grants for this session")]
    TooMany,
    /// The decisions cannot be read or written.
    #[error(transparent)]
    Store(#[from] GrantStoreError),
    /// What the plugin declares is not understood.
    #[error(transparent)]
    Grant(#[from] GrantError),
}

impl ApprovalError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::DeniedByConfiguration { capability } => {
                Some(format!("take {capability} out of `denied_capabilities` in config.toml"))
            }
            Self::AboveCeiling { .. } => Some(
                "have the plugin signed by a key that you trust, or raise `unsigned_max_risk`, `self_signed_max_risk` or \
                 the key's `max_risk`"
                    .to_owned(),
            ),
            Self::Store(error) => error.hint(),
            Self::Judge(JudgeError::Refused(error)) => error.hint(),
            Self::Judge(JudgeError::Trust(error)) => error.hint(),
            Self::NotDeclared { .. }
            | Self::NothingNamed { .. }
            | Self::NameNotTyped { .. }
            | Self::NotAudited
            | Self::NoDirectory
            | Self::TooMany
            | Self::Grant(_) => None,
        }
    }
}
