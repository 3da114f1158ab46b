//! `cosign`: endorses a plugin that another key published, in the plugin's signature document.

use std::path::{Path, PathBuf};

use conductor_signing::{
    CosigningRequest, HostVersion, PluginFile, Signer, UtcTime, atomic_file, escape, signature_path,
};
use serde_json::json;

use crate::developer::DeveloperArguments;
use crate::error::CliError;
use crate::keys::KeyArguments;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, a .wasm file with its .wasm.sig beside it
    plugin: PathBuf,

    #[command(flatten)]
    key: KeyArguments,

    #[command(flatten)]
    developer: DeveloperArguments,

    /// When the cosignature ends, as in 2027-01-31T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    expires_at: Option<UtcTime>,

    /// Oldest version of Conductor that may load the plugin, as in 1.2.0
    #[arg(long, value_name = "VERSION")]
    min_host_version: Option<HostVersion>,
}

pub(crate) fn run(arguments: Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let developer = arguments.developer.read()?;
    let key = arguments.key.open(config)?;
    let path = signature_path(&arguments.plugin);
    let request = CosigningRequest {
        developer,
        expires_at: arguments.expires_at,
        min_host_version: arguments.min_host_version,
    };
    // The key may wait for a person, so no lock is held while it signs.
    let cosignature = PluginFile::scan(&arguments.plugin)?.endorse(key.as_ref(), request)?;
    let plugin = {
        let failed = |source| CliError::Write { path: path.clone(), source };
        // Signatures that were added meanwhile are in the document that is read now, and stay in it.
        let _lock = atomic_file::DirectoryLock::around(&path).map_err(failed)?;
        let document = PluginFile::scan(&arguments.plugin)?.with_cosignature(cosignature)?;
        atomic_file::replace(&path, document.to_json().as_bytes(), atomic_file::PUBLIC).map_err(failed)?;
        PluginFile::scan(&arguments.plugin)?
    };
    let held = plugin.held()?;
    let signers: Vec<Signer> = held.signers().map(|(signer, _)| signer).collect();
    output.line(format!("Cosigning plugin: {}", escape::path(&arguments.plugin)));
    output.line("✓ Plugin cosigned successfully!");
    output.line("");
    output.line(format!("Signature file: \"{}\"", escape::path(&path)));
    for signer in &signers {
        output.line(format!("  Signed by:   {} {}", signer.developer, signer.key));
    }
    output.json(|| {
        json!({
            "signature_file": path.to_string_lossy(),
            "plugin_hash": plugin.digest().to_string(),
            "public_key": key.public_key().to_string(),
            "signers": signers.iter().map(|signer| json!({
                "public_key": signer.key.to_string(),
                "developer": signer.developer,
                "signed_at": signer.signed_at.to_string(),
            })).collect::<Vec<_>>(),
        })
    });
    Ok(())
}
