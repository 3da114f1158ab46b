//! Settings of a plugin: what the user set, held against what the plugin declares.

use std::collections::BTreeMap;
use std::fmt;

use conductor_abi::{SettingFault, SettingSpec, SettingValues};
use serde_json::Value as Json;

/// What the user set, by the setting's name.
pub type GivenSettings = BTreeMap<String, GivenSetting>;

/// The value that the user gave to one setting.
#[derive(Clone)]
pub struct GivenSetting {
    /// The value.
    pub value: Json,
    /// The place where the value was set, for explanations; it affects no decision.
    pub source: Option<String>,
}

/// Two are the same if their values are.
impl PartialEq for GivenSetting {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Shows the place only: the value may be a secret.
impl fmt::Debug for GivenSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenSetting").field("source", &self.source).finish_non_exhaustive()
    }
}

/// A value that does not fit what the plugin declares. The value itself is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingMisfit {
    /// The setting's name.
    pub name: String,
    /// The place where the value was set, if that is known.
    pub source: Option<String>,
    /// What is wrong.
    pub fault: SettingFault,
    /// The settings that the plugin has.
    pub known: Vec<String>,
}

impl std::error::Error for SettingMisfit {}

impl fmt::Display for SettingMisfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{source}: {}", self.fault),
            None => write!(f, "setting `{}`: {}", self.name, self.fault),
        }
    }
}

/// The settings that a call of the plugin gets: the user's values, and the plugin's defaults for the rest.
///
/// # Errors
///
/// Lists the values that do not fit what the plugin declares.
pub fn fit_settings(
    declared: &[SettingSpec],
    given: &GivenSettings,
) -> Result<SettingValues, Vec<SettingMisfit>> {
    let values = given.iter().map(|(name, setting)| (name.clone(), setting.value.clone())).collect();
    SettingValues::new(declared, &values).map_err(|faults| {
        let known: Vec<String> = declared.iter().map(|spec| spec.name.clone()).collect();
        let misfits = faults.into_iter().map(|(name, fault)| {
            let source = given.get(&name).and_then(|setting| setting.source.clone());
            SettingMisfit { name, source, fault, known: known.clone() }
        });
        misfits.collect()
    })
}
