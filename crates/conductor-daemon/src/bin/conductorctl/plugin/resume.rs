//! `conductorctl plugin resume`: calls a plugin again that failed too often.

use conductor_daemon::control::{PluginState, Request, Response};
use conductor_signing::escape::terminal;

use crate::error::CliError;
use crate::{Ask, output};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let request = Request::PluginResume { plugin: arguments.plugin.clone() };
    let Response::PluginResume(resumed) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&resumed);
    }
    let plugin = terminal(&resumed.plugin);
    output::text(&match resumed.was {
        PluginState::Running => format!("{plugin} was running already\n"),
        was @ (PluginState::Loading
        | PluginState::BackingOff
        | PluginState::Quarantined
        | PluginState::Ending
        | PluginState::Withdrawn
        | PluginState::Disabled
        | PluginState::Waiting
        | PluginState::Refused) => format!("{plugin} was started again; it was {}\n", was.name()),
    })
}
