//! `manifest add`: puts a manifest into a module that was built without the Rust SDK.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use conductor_daemon::say;
use conductor_signing::{add_manifest, atomic_file, escape, manifest_from_toml, signature_path};
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;
use crate::read;

/// Largest module in bytes that is edited. The module is held in memory twice.
const MAX_MODULE_BYTES: u64 = 256 * 1024 * 1024;

/// Largest manifest in TOML in bytes: four times the most that fits as JSON.
const MAX_TOML_BYTES: u64 = 256 * 1024;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, a .wasm file; it is changed
    plugin: PathBuf,

    /// The manifest, with the names of the JSON manifest: name, version, actions, capabilities, …
    #[arg(value_name = "PLUGIN_TOML")]
    manifest: PathBuf,

    /// Replace the manifest that the plugin has
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let text = read::capped(&arguments.manifest, MAX_TOML_BYTES)?;
    let text = String::from_utf8(text).map_err(|error| CliError::Unreadable {
        path: arguments.manifest.clone(),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })?;
    let manifest = manifest_from_toml(&text)?;
    let wasm =
        add_manifest(&read::capped(&arguments.plugin, MAX_MODULE_BYTES)?, &manifest, arguments.replace)?;
    let unwritable = |source| CliError::Write { path: arguments.plugin.clone(), source };
    let mode = arguments.plugin.metadata().map_err(unwritable)?.permissions().mode() & 0o777;
    atomic_file::replace(&arguments.plugin, &wasm, mode).map_err(unwritable)?;
    if signature_path(&arguments.plugin).exists() {
        say::line(format_args!(
            "warning: the plugin has changed, so its signature no longer holds; sign it again"
        ));
    }
    output.line(format!("✓ Manifest added to {}", escape::path(&arguments.plugin)));
    output.line("");
    super::describe(&manifest, output);
    output.json(|| json!(manifest));
    Ok(())
}
