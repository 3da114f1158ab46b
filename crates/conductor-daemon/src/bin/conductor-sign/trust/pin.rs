//! `trust pin`: pins a plugin's name to a publisher's key.

use std::path::Path;

use conductor_signing::{PluginName, PublicKey, TrustStore};

use super::pins;
use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin's name, as its manifest gives it
    plugin: PluginName,

    /// The publisher's public key, 64 lower-case hex digits
    key: PublicKey,
}

pub(super) fn run(arguments: &Arguments, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let pin = TrustStore::pin_publisher(config, &arguments.plugin, arguments.key)?;
    output.line("✓ Pinned");
    output.line("");
    pins::describe(&arguments.plugin, &pin, output);
    output.json(|| pins::pin_json(&arguments.plugin, &pin));
    Ok(())
}
