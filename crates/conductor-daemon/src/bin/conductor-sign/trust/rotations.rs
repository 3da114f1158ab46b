//! `trust rotations`: lists the key rotations that were accepted.

use std::path::Path;

use conductor_signing::{TrustError, TrustStore, UtcTime, escape};
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

pub(super) fn run(config: &Path, output: &mut Output) -> Result<(), CliError> {
    let trust = TrustStore::load(config)?;
    let lineage = trust.lineage(None).map_err(|error| TrustError::Rotation(Box::new(error)))?;
    let now = UtcTime::now().timestamp();
    let rotations: Vec<_> = trust.rotations().collect();
    output.line(format!("Rotations: {}", rotations.len()));
    let firsts = rotations.iter().filter(|(link, _)| lineage.ancestors(&link.old).next().is_none());
    for (first, _) in firsts {
        output.line("");
        let name = |key| trust.get(key).map(|entry| format!(" ({})", escape::terminal(&entry.name)));
        output.line(format!("{}{}", first.old, name(&first.old).unwrap_or_default()));
        for link in lineage.descendants(&first.old) {
            let is_active = lineage.active(&first.old, now) == link.new;
            let active = if is_active { ", the key in use" } else { "" };
            let name = name(&link.new).unwrap_or_default();
            output
                .line(format!("  {} -> {}{name} from {}{active}", link.sequence, link.new, link.valid_from));
        }
    }
    output.json(|| {
        let entry = |(link, at): &(&conductor_signing::RotationLink, &conductor_signing::UtcTime)| {
            let mut entry = crate::link_json(link);
            if let serde_json::Value::Object(members) = &mut entry {
                members.insert("accepted_at".to_owned(), at.to_string().into());
                let is_active = lineage.active(&link.old, now) == link.new;
                members.insert("active".to_owned(), is_active.into());
            }
            entry
        };
        json!({ "rotations": rotations.iter().map(entry).collect::<Vec<_>>() })
    });
    Ok(())
}
