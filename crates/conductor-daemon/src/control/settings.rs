//! Settings of plugins, in the words of the control protocol.

use conductor_abi::{SettingSpec, SettingValues};
use serde_json::Value as Json;

use super::excerpt::excerpt;
use super::message::SettingStatus;
use crate::dispatch::{KnownPlugin, Phase};

/// The settings of a plugin; none if it declares none, or is not loaded.
pub(crate) fn of(known: &KnownPlugin) -> Vec<SettingStatus> {
    let Phase::Loaded(loaded) = known.snapshot().phase else { return Vec::new() };
    let (values, given) = (known.settings().unwrap_or_default(), known.given_settings());
    let declared = loaded.info.declared_settings().iter();
    declared.map(|spec| status(spec, &values, given.contains(&spec.name))).collect()
}

fn status(spec: &SettingSpec, values: &SettingValues, is_set: bool) -> SettingStatus {
    let SettingSpec { name, kind, min, max, max_length, choices, default, description, secret } = spec;
    let shown = |value: Option<&Json>| value.filter(|_| !secret).cloned();
    SettingStatus {
        name: name.clone(),
        kind: kind.name().to_owned(),
        description: description.as_deref().map(excerpt),
        value: shown(values.get(name)),
        is_set,
        default: shown(default.as_ref()),
        secret: *secret,
        range: spec.range(),
        min: min.clone().map(Json::Number),
        max: max.clone().map(Json::Number),
        max_length: *max_length,
        choices: choices.clone(),
    }
}
