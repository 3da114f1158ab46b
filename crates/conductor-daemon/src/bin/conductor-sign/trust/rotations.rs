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
        let active = lineage.active(&first.old, now);
        let about = |key| {
            let name = trust.get(key).map(|entry| format!(" ({})", escape::terminal(&entry.name)));
            let use_of = if *key == active { ", the key in use" } else { "" };
            (name.unwrap_or_default(), use_of)
        };
        let (name, use_of) = about(&first.old);
        output.line(format!("{}{name}{use_of}", first.old));
        for link in lineage.descendants(&first.old) {
            let (name, use_of) = about(&link.new);
            output
                .line(format!("  {} -> {}{name} from {}{use_of}", link.sequence, link.new, link.valid_from));
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
