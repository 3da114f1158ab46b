//! Why a permission was not given back.

use conductor_policy::grant::ApprovalError;
use conductor_signing::{TrustError, VerifyError};

/// Why a withdrawn permission was not given back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The plugin would be refused.
    #[error(transparent)]
    Refused(#[from] VerifyError),
    /// The trust store cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The grants of the plugin cannot be decided.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
}
