//! `trust allow-downgrade`: lets a plugin be loaded in an older version than before.

use std::path::Path;

use conductor_signing::{PluginName, TrustStore};

use super::pins;
use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin's name, as its manifest gives it
    plugin: PluginName,

    /// Oldest version to load [default: any; the one that is loaded next is then the oldest]
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
}

pub(super) fn run(arguments: Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let pin = TrustStore::allow_downgrade(config, &arguments.plugin, arguments.to)?;
    output.line("✓ Older versions may be loaded");
    output.line("");
    pins::describe(&arguments.plugin, &pin, output);
    output.json(|| pins::pin_json(&arguments.plugin, &pin));
    Ok(())
}
