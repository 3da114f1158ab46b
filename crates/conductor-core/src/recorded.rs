//! The audit records of a load. The broker records what a plugin does.

use std::fmt;

use conductor_broker::audit::{AuditEvent, AuditRecord, AuditText};
use conductor_signing::TrustLevel;

use crate::error::LoadError;
use crate::plugin::Plugin;

/// The record of a plugin that was loaded; `unsigned_accepted` says whether it was accepted unsigned by an explicit
/// decision for this load.
pub(crate) fn loaded(plugin: &dyn Plugin, unsigned_accepted: bool) -> AuditRecord {
    let info = plugin.info();
    let trust = match &info.trust {
        TrustLevel::Unsigned => "unsigned",
        TrustLevel::SelfSigned => "self-signed",
        TrustLevel::Trusted { .. } => "trusted",
    };
    let event = AuditEvent::PluginLoaded {
        plugin_version: info.version.as_ref().map(|version| AuditText::of(version)),
        digest: info.digest.to_string(),
        trust,
        key: info.signer.as_ref().map(|signer| signer.key.to_string()),
        unsigned_accepted,
        capabilities: info.capabilities.iter().map(|decided| AuditText::of(decided)).collect(),
        walls: plugin.walls().standing(),
    };
    AuditRecord::now(Some(info.name.as_str()), event)
}

/// The record of a plugin that was refused.
pub(crate) fn refused(file: &dyn fmt::Display, cause: &LoadError) -> AuditRecord {
    let event = AuditEvent::PluginRefused { file: AuditText::of(file), cause: AuditText::of(cause) };
    AuditRecord::now(None, event)
}
