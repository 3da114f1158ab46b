//! `trust remove`: ceases to trust a key.

use std::path::Path;

use conductor_signing::{KeySelector, TrustStore, escape};

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The public key, or at least its first 8 hex digits
    key: KeySelector,
}

pub(super) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let key = TrustStore::remove(config, &arguments.key)?;
    output.line("✓ Key removed from trusted keys");
    output.line("");
    output.line(format!("Name:       {}", escape::terminal(&key.name)));
    output.line(format!("Public key: {}", key.public_key));
    output.json(|| super::key_json(&key));
    Ok(())
}
