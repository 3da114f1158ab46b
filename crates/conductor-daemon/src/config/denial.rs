//! How a user denies a capability: by its name alone.

use conductor_abi::{Capability, UnknownCapability};

/// Reads the name of a capability to deny.
///
/// # Errors
///
/// Fails on an unknown name, and on a scope: a capability is denied as a whole. To deny a part, grant the rest.
pub fn parse(text: &str) -> Result<Capability, DenialError> {
    match text.split_once('=') {
        Some((name, _)) => {
            let capability = name.trim().parse()?;
            Err(DenialError::Scope { capability })
        }
        None => Ok(text.parse()?),
    }
}

/// Why a denial cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DenialError {
    /// There is no such capability.
    #[error(transparent)]
    Unknown(#[from] UnknownCapability),
    /// A scope was named.
    #[error("a denial takes no scope: write `{capability}`, or grant only the part that is meant")]
    Scope {
        /// The capability.
        capability: Capability,
    },
}
