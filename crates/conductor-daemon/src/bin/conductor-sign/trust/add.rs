//! `trust add`: begins to trust a key.

use std::path::Path;

use conductor_signing::{NewKey, PublicKey, TrustStore, escape};

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The public key, 64 lower-case hex digits
    #[arg(value_name = "KEY")]
    public_key: PublicKey,

    /// What to call the key
    name: String,

    /// Address of the key's holder
    #[arg(long)]
    email: Option<String>,
}

pub(super) fn run(arguments: Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let Arguments { public_key, name, email } = arguments;
    let key = TrustStore::add(config, NewKey { name, public_key, email })?;
    output.line("✓ Key added to trusted keys");
    output.line("");
    output.line(format!("Name:         {}", escape::terminal(&key.name)));
    output.line(format!("Public key:   {public_key}"));
    output.line(format!("Trusted keys: {}", escape::path(&TrustStore::trusted_keys_path(config))));
    output.json(|| super::key_json(&key));
    Ok(())
}
