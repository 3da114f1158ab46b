//! `trust list`: shows the trusted keys.

use std::path::Path;

use conductor_signing::{TrustStore, escape};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::Output;

pub(super) fn run(config: &Path, output: &mut Output) -> Result<(), CliError> {
    let trust = TrustStore::load(config)?;
    output.line(format!("Trusted keys: {}", trust.keys().len()));
    for key in trust.keys() {
        output.line("");
        output.line(escape::terminal(&key.name).to_string());
        output.line(format!("  Public key:  {}", key.public_key));
        output.line(format!("  Added at:    {}", key.added_at));
        super::limits(key, output);
        if let Some(revocation) = trust.revoked_key(&key.public_key) {
            output.line(format!("  ⚠️  revoked ({})", revocation.kind));
        }
    }
    output.json(|| {
        let entry = |key: &conductor_signing::TrustedKey| {
            let mut entry = super::key_json(key);
            if let Value::Object(members) = &mut entry {
                members.insert("revoked".to_owned(), trust.revoked_key(&key.public_key).is_some().into());
            }
            entry
        };
        json!({ "keys": trust.keys().iter().map(entry).collect::<Vec<_>>() })
    });
    Ok(())
}
