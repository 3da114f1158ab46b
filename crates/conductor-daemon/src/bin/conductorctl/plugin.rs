//! `conductorctl plugin`: the plugins of a running daemon.

mod list;
mod resume;

use crate::Ask;
use crate::error::CliError;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show every plugin, its state and what it may do
    List,
    /// Let a plugin that rests, is quarantined or was stopped for a revocation back in
    Resume(resume::Arguments),
}

pub(crate) fn run(command: &Command, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::List => list::run(ask, as_json),
        Command::Resume(arguments) => resume::run(arguments, ask, as_json),
    }
}
