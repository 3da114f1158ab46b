//! `conductorctl safe`: enters and leaves safe mode.

use clap::Subcommand;
use conductor_daemon::control::{Request, Response};

use crate::error::CliError;
use crate::{Ask, output, reload};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// End all plugins, and load none until safe mode is off
    On,
    /// Load the plugins again
    Off,
}

pub(crate) fn run(command: &Command, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let on = matches!(command, Command::On);
    let Response::Safe(reloaded) = ask(&Request::Safe { on })? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&reloaded);
    }
    let mode = if on { "safe mode is on: no plugin is loaded" } else { "safe mode is off" };
    output::text(&format!("{mode}\n{}", reload::text(&reloaded)))
}
