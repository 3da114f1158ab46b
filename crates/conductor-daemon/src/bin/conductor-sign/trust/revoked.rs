//! `trust revoked`: lists what was revoked.

use std::path::Path;

use conductor_signing::TrustStore;
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

pub(super) fn run(config: &Path, output: &mut Output) -> Result<(), CliError> {
    let trust = TrustStore::load(config)?;
    output.line(format!("Revoked: {}", trust.revocations().count()));
    for entry in trust.revocations() {
        output.line("");
        super::revocation(entry, output);
    }
    output.json(|| json!({ "revoked": trust.revocations().map(super::revocation_json).collect::<Vec<_>>() }));
    Ok(())
}
