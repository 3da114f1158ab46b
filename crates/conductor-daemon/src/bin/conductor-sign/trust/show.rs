//! `trust show`: shows everything that is known about a key.

use std::path::Path;

use conductor_signing::{PluginName, RotationLink, TrustError, TrustStore, escape};
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The public key, at least its first 8 hex digits, or its name
    #[arg(value_name = "KEY|NAME")]
    key: String,
}

pub(super) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let trust = TrustStore::load(config)?;
    let key = super::known_key(&trust, &arguments.key)?;
    let entry = trust.get(&key);
    let removed = trust.removed_keys().iter().find(|removed| removed.public_key == key);
    match (entry, removed) {
        (Some(entry), _) => {
            output.line(escape::terminal(&entry.name).to_string());
            output.line(format!("  Public key:  {key}"));
            output.line(format!("  Added at:    {}", entry.added_at));
            super::limits(entry, output);
            if let Some(source) = trust.source_of_key(entry) {
                output.line(format!("  Stands in:   {source}"));
            }
        }
        (None, Some(removed)) => {
            output.line(format!("{} (removed)", escape::terminal(&removed.name)));
            output.line(format!("  Public key:  {key}"));
            output.line(format!("  Removed at:  {}", removed.removed_at));
        }
        (None, None) => output.line(format!("{key} (not trusted by itself)")),
    }
    super::fingerprint(&key, output);
    let revocation = trust.revoked_key(&key);
    if let Some(revocation) = revocation {
        output.line("");
        super::revocation(revocation, output);
        if let Some(source) = trust.source_of_revocation(revocation) {
            output.line(format!("  Stands in:   {source}"));
        }
    }
    let lineage = trust.lineage(None).map_err(|error| TrustError::Rotation(Box::new(error)))?;
    let before: Vec<&RotationLink> = lineage.ancestors(&key).map(|step| step.link).collect();
    let after: Vec<&RotationLink> = lineage.descendants(&key).collect();
    if !before.is_empty() || !after.is_empty() {
        output.line("");
        output.line("Rotations:");
    }
    for link in before.iter().rev().chain(&after) {
        output.line(format!("  {} {} -> {} from {}", link.sequence, link.old, link.new, link.valid_from));
    }
    let pinned: Vec<&PluginName> = trust
        .pins()
        .filter(|(_, pin)| pin.publisher().is_some_and(|publisher| publisher.key == key))
        .map(|(name, _)| name)
        .collect();
    if !pinned.is_empty() {
        output.line("");
        let names: Vec<&str> = pinned.iter().map(|name| name.as_str()).collect();
        output.line(format!("Publishes: {}", names.join(", ")));
    }
    output.json(|| {
        json!({
            "public_key": key.to_string(),
            "fingerprint": key.fingerprint().to_string(),
            "words": key.fingerprint().words(),
            "trusted": entry.map(super::key_json),
            "removed": removed.map(|removed| json!({
                "name": removed.name,
                "removed_at": removed.removed_at.to_string(),
            })),
            "revoked": revocation.map(super::revocation_json),
            "rotations": before.iter().rev().chain(&after).map(|link| crate::link_json(link)).collect::<Vec<_>>(),
            "publishes": pinned.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        })
    });
    Ok(())
}
