//! `manifest show`: shows the manifest in a plugin without running or compiling it.

use std::path::PathBuf;

use conductor_signing::PluginFile;
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, a .wasm file
    plugin: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let manifest = PluginFile::scan(&arguments.plugin)?
        .manifest()?
        .ok_or_else(|| CliError::NoManifest { path: arguments.plugin.clone() })?;
    super::describe(&manifest, output);
    output.json(|| json!(manifest));
    Ok(())
}
