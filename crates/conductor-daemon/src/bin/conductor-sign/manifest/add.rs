//! `manifest add`: puts a manifest into a module that was built without the Rust SDK.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use conductor_signing::{ReadError, add_manifest, atomic_file, escape, manifest_from_toml, signature_path};
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

/// Largest module in bytes that is edited; it is held in memory twice.
const MAX_MODULE_BYTES: u64 = 256 * 1024 * 1024;

/// Largest manifest in TOML in bytes, four times what fits as JSON.
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
    let text = read(&arguments.manifest, MAX_TOML_BYTES)?;
    let text = String::from_utf8(text).map_err(|error| CliError::Unreadable {
        path: arguments.manifest.clone(),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })?;
    let manifest = manifest_from_toml(&text)?;
    let wasm = add_manifest(&read(&arguments.plugin, MAX_MODULE_BYTES)?, &manifest, arguments.replace)?;
    let unwritable = |source| CliError::Write { path: arguments.plugin.clone(), source };
    let mode = arguments.plugin.metadata().map_err(unwritable)?.permissions().mode() & 0o777;
    atomic_file::replace(&arguments.plugin, &wasm, mode).map_err(unwritable)?;
    if signature_path(&arguments.plugin).exists() {
        eprintln!("warning: the plugin has changed, so its signature no longer holds; sign it again");
    }
    output.line(format!("✓ Manifest added to {}", escape::path(&arguments.plugin)));
    output.line("");
    super::describe(&manifest, output);
    output.json(|| json!(manifest));
    Ok(())
}

fn read(path: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    let unreadable = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            ReadError::Missing { path: path.to_owned() }.into()
        } else {
            CliError::Unreadable { path: path.to_owned(), source }
        }
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > max { Err(CliError::TooLarge { path: path.to_owned(), max }) } else { Ok(bytes) }
}
