//! `conductorctl audit`: what plugins did and were refused, and what the user decided about them.

mod filter;
mod follow;
mod show;
mod text;
mod verify;

use conductor_daemon::paths::Paths;

use crate::Ask;
use crate::error::CliError;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Print records, the latest last
    Show(show::Arguments),
    /// Print records as they are written
    Follow(follow::Arguments),
    /// See whether records were changed, moved or taken away
    Verify,
}

pub(crate) fn run(command: &Command, paths: &Paths, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let file = paths.audit_file();
    match command {
        Command::Show(arguments) => show::run(arguments, &file, as_json),
        Command::Follow(arguments) => follow::run(arguments, &file, as_json),
        Command::Verify => verify::run(&file, ask, as_json),
    }
}
