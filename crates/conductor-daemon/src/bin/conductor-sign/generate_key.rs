//! `generate-key`: makes a key pair.

use std::path::PathBuf;

use conductor_signing::{KeyPaths, SigningKey, escape};
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the key pair goes, without extension; missing directories are created
    path: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let paths = KeyPaths::from_argument(&arguments.path)?;
    output.line("Generating Ed25519 keypair...");
    let key = SigningKey::generate()?;
    key.write_new(&paths)?;
    let public_key = key.public_key();
    output.line("✓ Keypair generated successfully!");
    output.line("");
    output.line(format!("Private key: {}", escape::path(&paths.private)));
    output.line(format!("Public key:  {}", escape::path(&paths.public)));
    output.line("");
    output.line(format!("Public key (hex): {public_key}"));
    output.line("");
    output.line("⚠️  Keep your private key secure and never share it!");
    output.json(|| {
        json!({
            "private_key_file": paths.private.to_string_lossy(),
            "public_key_file": paths.public.to_string_lossy(),
            "public_key": public_key.to_string(),
        })
    });
    Ok(())
}
