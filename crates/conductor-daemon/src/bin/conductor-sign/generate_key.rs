//! `generate-key`: makes a key pair.

use std::path::{Path, PathBuf};

use conductor_keys::KeySpec;
use conductor_signing::{KeyPaths, SigningKey, escape};
use serde_json::json;

use crate::error::CliError;
use crate::keys::{warn_about, with_ring};
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the key pair goes, without extension; missing directories are created
    #[arg(required_unless_present = "hardware_key")]
    path: Option<PathBuf>,

    /// Encrypt the private key with a passphrase
    #[arg(long, conflicts_with = "hardware_key")]
    encrypt: bool,

    /// File with the passphrase [default: asked for twice]
    #[arg(long, value_name = "FILE", requires = "encrypt")]
    passphrase_file: Option<PathBuf>,

    /// Make the key on a token, which it never leaves: a PKCS#11 URI with `object`, or a device; PATH is then optional, for
    /// the public key
    #[arg(long, value_name = "SPEC")]
    hardware_key: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let paths = arguments.path.as_deref().map(KeyPaths::from_argument).transpose()?;
    output.line("Generating Ed25519 keypair...");
    match (&arguments.hardware_key, paths) {
        (Some(spec), paths) => on_token(spec, paths.as_ref(), config, output),
        (None, Some(paths)) => in_file(arguments, &paths, config, output),
        (None, None) => Ok(()),
    }
}

fn in_file(
    arguments: &Arguments,
    paths: &KeyPaths,
    config: &Path,
    output: &mut Output,
) -> Result<(), CliError> {
    let key = SigningKey::generate()?;
    if arguments.encrypt {
        with_ring(config, arguments.passphrase_file.as_deref(), |ring| {
            Ok(ring.write_encrypted(&key, paths)?)
        })?;
    } else {
        key.write_new(paths)?;
    }
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
            "encrypted": arguments.encrypt,
        })
    });
    Ok(())
}

fn on_token(
    spec: &str,
    paths: Option<&KeyPaths>,
    config: &Path,
    output: &mut Output,
) -> Result<(), CliError> {
    if let Some(paths) = paths {
        paths.check_free()?;
    }
    let (key, uri) = with_ring(config, None, |ring| {
        let spec = KeySpec::hardware(spec, ring.devices()).map_err(conductor_keys::KeyError::from)?;
        warn_about(&spec);
        Ok(ring.generate(&spec)?)
    })?;
    // A key that cannot sign is found now rather than at the release.
    conductor_signing::check_private_key(key.as_ref())?;
    let public_key = key.public_key();
    if let Some(paths) = paths {
        paths.create_public(&public_key)?;
    }
    output.line("✓ Keypair generated on the token!");
    output.line("");
    output.line(format!("Hardware key: {uri}"));
    if let Some(paths) = paths {
        output.line(format!("Public key:   {}", escape::path(&paths.public)));
    }
    output.line("");
    output.line(format!("Public key (hex): {public_key}"));
    output.json(|| {
        json!({
            "hardware_key": uri.to_string(),
            "public_key_file": paths.map(|paths| paths.public.to_string_lossy()),
            "public_key": public_key.to_string(),
        })
    });
    Ok(())
}
