//! `conductorctl events`: calls as they end.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use conductor_daemon::calls::{self, CallRow};
use conductor_daemon::control::{self, Request, Response};
use conductor_daemon::paths::colour_allowed;
use conductor_signing::escape;

use crate::error::CliError;
use crate::output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print calls until interrupted; there is no other way yet
    #[arg(long, required = true)]
    follow: bool,

    /// Calls of this plugin alone, as the configuration calls it
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, socket: &Path, as_json: bool) -> Result<(), CliError> {
    let colour = io::stdout().is_terminal() && colour_allowed();
    let mut result = Ok(());
    let followed = control::follow(socket, &Request::Events, |response| {
        result = if let Response::Event(row) = response {
            tell(row.as_deref(), arguments.plugin.as_deref(), as_json, colour)
        } else if let Response::Refused(refusal) = response {
            Err(CliError::Refused(refusal))
        } else {
            Err(CliError::OtherAnswer)
        };
        result.is_ok()
    });
    result.and(followed.map_err(CliError::Client))
}

/// Prints a call, or the headings of the table.
fn tell(row: Option<&CallRow>, plugin: Option<&str>, as_json: bool, colour: bool) -> Result<(), CliError> {
    let line = match row {
        None if as_json => return Ok(()),
        None => calls::head(),
        Some(row) if plugin.is_some_and(|plugin| *plugin != row.plugin) => return Ok(()),
        Some(row) if as_json => {
            escape::json(&serde_json::to_string(row).map_err(|error| CliError::Output(error.into()))?)
        }
        Some(row) => row.table_row(colour),
    };
    output::text(&(line + "\n"))
}
