//! Everything about one plugin in the words of the control protocol.

use std::time::Instant;

use super::describe::{actions, describe};
use super::excerpt::excerpt;
use super::message::{LimitStatus, PluginDetails};
use super::{approval, safety, secrets, settings};
use crate::dispatch::{KnownPlugin, Phase};

/// The details of the plugin that the user calls `alias`.
pub(super) fn details(alias: &str, known: &KnownPlugin) -> PluginDetails {
    let snapshot = known.snapshot();
    let (limits, memory, phase) = (snapshot.limits, snapshot.memory, snapshot.phase.clone());
    let details = PluginDetails {
        status: describe(alias, snapshot, Instant::now()),
        bound_to: None,
        requested: Vec::new(),
        grants: Vec::new(),
        description: None,
        author: None,
        license: None,
        digest: None,
        actions: None,
        limits: limits.as_ref().map(LimitStatus::from),
        memory_bytes: (memory > 0).then_some(memory),
        safety: None,
        settings: settings::of(known),
        secrets: Vec::new(),
    };
    let loaded = match phase {
        Phase::Loaded(loaded) => loaded,
        Phase::Loading | Phase::Disabled { .. } | Phase::Refused { .. } | Phase::Waiting { .. } => {
            return details;
        }
    };
    let manifest = loaded.info.manifest.as_ref();
    let text = |text: Option<&String>| text.map(|text| excerpt(text));
    PluginDetails {
        bound_to: Some(loaded.permission.holder().to_string()),
        requested: approval::requests(&loaded),
        grants: approval::grants(&loaded.permission),
        description: text(manifest.and_then(|manifest| manifest.description.as_ref())),
        author: text(manifest.and_then(|manifest| manifest.author.as_ref())),
        license: text(manifest.and_then(|manifest| manifest.license.as_ref())),
        digest: Some(loaded.info.digest.to_string()),
        actions: actions(manifest),
        secrets: secrets::of(&loaded),
        safety: Some(safety::score(&loaded, details.status.state)),
        ..details
    }
}
