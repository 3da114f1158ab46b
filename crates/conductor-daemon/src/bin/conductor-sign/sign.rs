//! `sign`: writes the signature document of a plugin.

use std::path::{Path, PathBuf};

use conductor_daemon::say;
use conductor_signing::{
    HostVersion, PluginFile, PluginName, PublicKey, SigningRequest, UtcTime, atomic_file, escape,
    signature_path,
};
use serde_json::json;

use crate::developer::DeveloperArguments;
use crate::error::CliError;
use crate::keys::KeyArguments;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, a .wasm file
    plugin: PathBuf,

    #[command(flatten)]
    key: KeyArguments,

    #[command(flatten)]
    developer: DeveloperArguments,

    /// Name of a plugin without a manifest [default: the file name without extension]
    #[arg(long, value_name = "NAME")]
    plugin_name: Option<PluginName>,

    /// Version of a plugin without a manifest
    #[arg(long, value_name = "VERSION")]
    plugin_version: Option<String>,

    /// When the signature ends, as in 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<UtcTime>,

    /// Oldest version of Conductor that may load the plugin, as in 1.2.0
    #[arg(long, value_name = "VERSION")]
    min_host_version: Option<HostVersion>,

    /// Public key of somebody who has to sign as well, 64 lower-case hex digits; may be given more than once
    #[arg(long, value_name = "KEY")]
    cosigner: Vec<PublicKey>,

    /// Replace a document that others cosigned, or that cannot be read
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let developer = arguments.developer.read()?;
    let plugin = PluginFile::scan(&arguments.plugin)?;
    let path = signature_path(&arguments.plugin);
    if !arguments.force {
        check_replaceable(&plugin, &path)?;
    }
    if let Err(error) = plugin.manifest()
        && error.is_about_module()
    {
        say::line(format_args!("warning: {error}; it is signed, but no Conductor will load it"));
    }
    let key = arguments.key.open(config)?;
    let request = SigningRequest {
        developer,
        plugin_name: arguments.plugin_name,
        plugin_version: arguments.plugin_version,
        expires_at: arguments.expires_at,
        min_host_version: arguments.min_host_version,
        cosigners: arguments.cosigner,
    };
    // The key may wait for a person, so no lock is held while it signs.
    let document = plugin.sign(key.as_ref(), request)?;
    {
        let failed = |source| CliError::Write { path: path.clone(), source };
        let _lock = atomic_file::DirectoryLock::around(&path).map_err(failed)?;
        // Others may have cosigned meanwhile.
        if !arguments.force {
            check_replaceable(&PluginFile::scan(&arguments.plugin)?, &path)?;
        }
        atomic_file::replace(&path, document.to_json().as_bytes(), atomic_file::PUBLIC).map_err(failed)?;
    }

    let signer = &document.signer;
    output.line(format!("Signing plugin: {}", escape::path(&arguments.plugin)));
    output.line("✓ Plugin signed successfully!");
    output.line("");
    output.line(format!("Signature file: \"{}\"", escape::path(&path)));
    output.line(format!("  Plugin hash: {}", document.plugin_hash));
    output.line(format!("  Plugin size: {} bytes", document.plugin_size));
    output.line(format!("  Signed at:   {}", signer.signed_at));
    output.line(format!("  Developer:   {}", signer.developer));
    output.line(format!("  Public key:  {}", signer.public_key));
    output.json(|| {
        json!({
            "signature_file": path.to_string_lossy(),
            "plugin_hash": document.plugin_hash.to_string(),
            "plugin_size": document.plugin_size,
            "signed_at": signer.signed_at.to_string(),
            "developer": signer.developer,
            "public_key": signer.public_key.to_string(),
        })
    });
    Ok(())
}

/// Refuses to overwrite a document with the signatures of cosigners, or an unreadable one that may have them.
fn check_replaceable(plugin: &PluginFile, path: &Path) -> Result<(), CliError> {
    let in_use = |what| Err(CliError::DocumentInUse { path: path.to_owned(), what });
    match plugin.document() {
        Ok(Some(document)) if !document.cosignatures.is_empty() => {
            in_use("cosignatures, which would be lost")
        }
        Ok(Some(_) | None) => Ok(()),
        Err(_) => in_use("a signature document that cannot be read"),
    }
}
