//! Why a plugin was not loaded, and what to do about it, in words.

use conductor_core::{LoadError, SettingMisfit, SetupError};
use conductor_surface::nearest::nearest;

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

/// What is wrong with settings, each with the setting that was probably meant.
#[must_use]
pub fn settings(misfits: &[SettingMisfit]) -> String {
    let words = misfits.iter().map(|misfit| match setting(misfit) {
        Some(hint) => format!("{misfit}; {hint}"),
        None => misfit.to_string(),
    });
    words.collect::<Vec<_>>().join("; ")
}

/// The setting that the user probably meant, or the settings that the plugin has.
#[must_use]
pub fn setting(misfit: &SettingMisfit) -> Option<String> {
    let known: Vec<&str> = misfit.known.iter().map(String::as_str).collect();
    if known.contains(&misfit.name.as_str()) {
        return None;
    }
    Some(match nearest(&misfit.name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "it has no settings".to_owned(),
        None => format!("its settings are {}", known.join(", ")),
    })
}

/// The refusal and, if its words do not include it yet, the error of the operating system.
#[must_use]
pub fn describe(error: &LoadError) -> String {
    if let LoadError::Settings { misfits } = error {
        settings(misfits)
    } else if let LoadError::Setup { source: SetupError::Directory { source, .. } } = error {
        format!("{error}: {source}")
    } else {
        error.to_string()
    }
}
