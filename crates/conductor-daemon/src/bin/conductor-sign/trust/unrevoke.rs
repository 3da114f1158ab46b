//! `trust unrevoke`: takes a revocation back.

use std::path::Path;

use conductor_signing::{Revoked, TrustError, TrustStore};
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The public key or digest, as `trust revoked` shows it
    #[arg(value_name = "KEY|DIGEST")]
    what: String,
}

pub(super) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let trust = TrustStore::load(config)?;
    let digits = arguments.what.strip_prefix("sha256:").unwrap_or(&arguments.what);
    let meant = trust.revocations().filter(|entry| entry.revoked.to_string() == digits);
    let meant: Vec<Revoked> = meant.map(|entry| entry.revoked).collect();
    if meant.is_empty() {
        return Err(TrustError::NotRevoked { what: digits.to_owned() }.into());
    }
    let entries = meant
        .into_iter()
        .map(|revoked| TrustStore::unrevoke(config, revoked))
        .collect::<Result<Vec<_>, _>>()?;
    output.line("✓ No longer revoked");
    for entry in &entries {
        output.line("");
        super::revocation(entry, output);
    }
    output.json(|| json!({ "unrevoked": entries.iter().map(super::revocation_json).collect::<Vec<_>>() }));
    Ok(())
}
