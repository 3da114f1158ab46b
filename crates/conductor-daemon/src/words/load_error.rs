//! Why a plugin was not loaded, in words, and what to do about it.

use conductor_core::{LoadError, SetupError};

/// The next step for the user, where there is one.
#[must_use]
pub fn hint(error: &LoadError) -> Option<String> {
    if let LoadError::Read { source } = error {
        source.hint()
    } else if let LoadError::Trust { source } | LoadError::Pin { source } = error {
        source.hint()
    } else if let LoadError::Verify { source } = error {
        source.hint()
    } else if let LoadError::Approval { source } = error {
        source.hint()
    } else if let LoadError::Binding { source } = error {
        source.hint()
    } else if let LoadError::Setup { source: SetupError::Directory { .. } } = error {
        Some("see that the directory above it exists and that you may write there".to_owned())
    } else {
        None
    }
}

/// The refusal and, where its words do not tell it yet, what the operating system said.
#[must_use]
pub fn describe(error: &LoadError) -> String {
    if let LoadError::Setup { source: SetupError::Directory { source, .. } } = error {
        format!("{error}: {source}")
    } else {
        error.to_string()
    }
}
