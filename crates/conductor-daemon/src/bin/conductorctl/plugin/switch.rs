//! `conductorctl plugin enable` and `disable`.

use conductor_daemon::control::{Request, Response};
use conductor_signing::escape::terminal;

use crate::error::CliError;
use crate::{Ask, output, reload};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,
}

pub(super) fn run(arguments: &Arguments, enabled: bool, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let plugin = arguments.plugin.clone();
    let request = if enabled { Request::PluginEnable { plugin } } else { Request::PluginDisable { plugin } };
    let Response::PluginSwitch(reloaded) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&reloaded);
    }
    let is = if enabled { "enabled" } else { "disabled" };
    output::text(&format!("{} is {is}\n{}", terminal(&arguments.plugin), reload::text(&reloaded)))
}
