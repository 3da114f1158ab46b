//! `trust import`: takes over revocations or rotations that somebody else signed.

use std::path::{Path, PathBuf};

use conductor_signing::{MAX_REVOCATION_LIST_BYTES, RevocationList, RotationChain, TrustError, TrustStore};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::Output;
use crate::read;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A revocation list, or a chain of rotations
    file: PathBuf,

    /// Take it over although its issuer is not trusted, its number is not the next, or it leads on from no key that is trusted
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let bytes = read::capped(&arguments.file, MAX_REVOCATION_LIST_BYTES as u64)?;
    // A member that only chains of rotations have tells the two kinds of file apart. The parser of each kind then
    // demands all its members.
    let has_links = serde_json::from_slice::<Value>(&bytes).is_ok_and(|value| value.get("links").is_some());
    if has_links {
        let chain = RotationChain::parse(&bytes)
            .map_err(|source| CliError::Chain { path: arguments.file.clone(), source })?;
        rotations(&chain, arguments.force, config, output)
    } else {
        let list =
            RevocationList::parse(&bytes).map_err(|error| TrustError::RevocationList(Box::new(error)))?;
        revocations(&list, arguments.force, config, output)
    }
}

fn rotations(chain: &RotationChain, force: bool, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let accepted = TrustStore::import_rotations(config, chain, force)?;
    output.line(if accepted.added.is_empty() {
        "These rotations are known already".to_owned()
    } else {
        format!("✓ Rotations accepted: {}", accepted.added.len())
    });
    for link in &accepted.added {
        output.line(format!("  {} {} -> {} from {}", link.sequence, link.old, link.new, link.valid_from));
    }
    output.json(|| {
        json!({
            "kind": "rotations",
            "added": accepted.added.iter().map(crate::link_json).collect::<Vec<_>>(),
            "known": accepted.known,
        })
    });
    Ok(())
}

fn revocations(
    list: &RevocationList,
    force: bool,
    config: &Path,
    output: &mut Output,
) -> Result<(), CliError> {
    let imported = TrustStore::import_revocations(config, list, force)?;
    output.line(if imported.added.is_empty() {
        "These revocations are known already".to_owned()
    } else {
        format!("✓ Revocations imported: {}", imported.added.len())
    });
    output.line(format!("  Issuer: {}, list {} of {}", list.issuer(), list.sequence(), list.issued_at()));
    for entry in &imported.added {
        output.line("");
        super::revocation(entry, output);
    }
    output.json(|| {
        json!({
            "kind": "revocations",
            "issuer": list.issuer().to_string(),
            "sequence": list.sequence(),
            "added": imported.added.iter().map(super::revocation_json).collect::<Vec<_>>(),
            "known": imported.known,
        })
    });
    Ok(())
}
