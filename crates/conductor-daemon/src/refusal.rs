//! What to do about a plugin that was refused.

use conductor_core::LoadError;

/// The next step for the user, where there is one.
#[must_use]
pub fn hint(error: &LoadError) -> Option<String> {
    if let LoadError::Read { source } = error {
        source.hint()
    } else if let LoadError::Trust { source } | LoadError::Pin { source } = error {
        source.hint()
    } else if let LoadError::Verify { source } = error {
        source.hint()
    } else {
        None
    }
}
