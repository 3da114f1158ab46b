//! `trust unpin`: forgets what is known of a plugin's name.

use std::path::Path;

use conductor_signing::{PluginName, TrustStore};
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin's name, as its manifest gives it
    plugin: PluginName,
}

pub(super) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    TrustStore::unpin(config, &arguments.plugin)?;
    output.line(format!("✓ {} is forgotten; its next load is like its first", arguments.plugin));
    output.json(|| json!({ "plugin": arguments.plugin.as_str() }));
    Ok(())
}
