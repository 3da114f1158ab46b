//! `cosign`: adds a signature to the document of a plugin.

use std::path::{Path, PathBuf};

use conductor_signing::{Developer, PluginFile, atomic_file, escape, signature_path};
use serde_json::json;

use crate::error::CliError;
use crate::keys::KeyArguments;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, a .wasm file with its .wasm.sig beside it
    plugin: PathBuf,

    #[command(flatten)]
    key: KeyArguments,

    /// Your name
    #[arg(long)]
    name: String,

    /// Your address
    #[arg(long)]
    email: String,
}

pub(crate) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let developer = Developer::new(&arguments.name, &arguments.email)?;
    let key = arguments.key.open(config)?;
    let path = signature_path(&arguments.plugin);
    let failed = |source| CliError::Write { path: path.clone(), source };
    // Two cosigners at the same time would otherwise each write a document without the other.
    let _lock = atomic_file::DirectoryLock::around(&path).map_err(failed)?;
    let document = PluginFile::scan(&arguments.plugin)?.cosign(key.as_ref(), developer)?;
    atomic_file::replace(&path, document.to_json().as_bytes(), atomic_file::PUBLIC).map_err(failed)?;

    let signers: Vec<_> = document.endorsements().collect();
    output.line(format!("Cosigning plugin: {}", escape::path(&arguments.plugin)));
    output.line("✓ Plugin cosigned successfully!");
    output.line("");
    output.line(format!("Signature file: \"{}\"", escape::path(&path)));
    for signer in &signers {
        output.line(format!("  Signed by:   {} {}", signer.developer, signer.public_key));
    }
    output.json(|| {
        json!({
            "signature_file": path.to_string_lossy(),
            "plugin_hash": document.plugin_hash.to_string(),
            "public_key": key.public_key().to_string(),
            "signers": signers.iter().map(|signer| json!({
                "public_key": signer.public_key.to_string(),
                "developer": signer.developer,
                "signed_at": signer.signed_at.to_string(),
            })).collect::<Vec<_>>(),
        })
    });
    Ok(())
}
