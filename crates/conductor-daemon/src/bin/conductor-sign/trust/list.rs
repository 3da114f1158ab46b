//! `trust list`: shows the trusted keys.

use std::path::Path;

use conductor_signing::{TrustStore, UtcTime, escape};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::Output;

pub(super) fn run(config: &Path, output: &mut Output) -> Result<(), CliError> {
    let trust = TrustStore::load(config)?;
    let now = UtcTime::now().timestamp();
    output.line(format!("Trusted keys: {}", trust.keys().len()));
    for key in trust.keys() {
        output.line("");
        output.line(escape::terminal(&key.name).to_string());
        output.line(format!("  Public key:  {}", key.public_key));
        output.line(format!("  Added at:    {}", key.added_at));
        if let Some(email) = &key.email {
            output.line(format!("  Email:       {}", escape::terminal(email)));
        }
        if let Some(at) = &key.expires_at {
            let ended = if at.is_past(now) { " (ended)" } else { "" };
            output.line(format!("  Expires at:  {at}{ended}"));
        }
        if let Some(plugins) = key.plugins() {
            output.line(format!("  Plugins:     {}", plugins.join(", ")));
        }
        if let Some(risk) = key.max_risk {
            output.line(format!("  Max risk:    {risk}"));
        }
        if trust.revoked_key(&key.public_key).is_some() {
            output.line("  ⚠️  revoked");
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
