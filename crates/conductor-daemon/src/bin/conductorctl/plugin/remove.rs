//! `conductorctl plugin remove`: takes a plugin away.

use conductor_daemon::control::{Request, Response};
use conductor_signing::escape::terminal;

use crate::error::CliError;
use crate::{Ask, output, reload};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,

    /// Delete what it wrote as well
    #[arg(long)]
    with_data: bool,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Arguments { plugin, with_data } = arguments;
    let request = Request::PluginRemove { plugin: plugin.clone(), with_data: *with_data };
    let Response::PluginRemove(reloaded) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&reloaded);
    }
    let data = if *with_data { ", and what it wrote is deleted" } else { "; what it wrote is kept" };
    output::text(&format!("{} is removed{data}\n{}", terminal(plugin), reload::text(&reloaded)))
}
