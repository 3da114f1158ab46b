//! `conductorctl`: asks a running daemon and gives it orders.
//!
//! The report goes to stdout, errors and hints to stderr. Exit status: 0 done; 1 any other failure; 2 usage; 3 no daemon
//! runs; 4 the daemon refused; 5 the daemon did not answer in time.

#![forbid(unsafe_code)]

mod audit;
mod completions;
mod error;
mod events;
mod output;
mod panic;
mod plugin;
mod reload;
mod resume;
mod safe;
mod status;
mod trigger;
mod ui;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use conductor_daemon::control::{self, Request, Response};
use conductor_daemon::paths::Paths;

use error::CliError;

/// Asks and tells a running Conductor daemon
#[derive(Parser)]
#[command(
    name = "conductorctl",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 done; 1 other failure; 2 usage; 3 no daemon runs; 4 the daemon refused; \
                  5 the daemon did not answer in time."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print JSON instead of text
    #[arg(long, global = true, display_order = 100)]
    json: bool,

    /// Socket of the daemon [default: conductor.sock in $CONDUCTOR_RUNTIME_DIR, else in
    /// $XDG_RUNTIME_DIR/conductor, else in the state directory]
    #[arg(long, global = true, value_name = "PATH", display_order = 101)]
    socket: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Show how the daemon is and which walls stand
    Status,
    /// Show plugins, decide what they may do and let them back in
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Have the daemon run what its configuration says now; what stays the same goes on
    Reload,
    /// Silence everything: MIDI outputs, sounds and programs; plugins do nothing until `resume`
    Panic,
    /// Let plugins go on after a panic
    Resume,
    /// Enter or leave safe mode, in which no plugin is loaded
    #[command(subcommand)]
    Safe(safe::Command),
    /// Call a plugin by hand and print its reply
    Trigger(trigger::Arguments),
    /// Print calls as they end
    Events(events::Arguments),
    /// Read the audit log, and see whether it is whole
    #[command(subcommand)]
    Audit(audit::Command),
    /// Open the Plugin Manager in a browser
    Ui(ui::Arguments),
    /// Print what a shell needs to complete command lines
    Completions(completions::Arguments),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print();
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    let paths = || Paths::from_environment().map_err(CliError::Paths);
    let socket = match cli.socket {
        Some(socket) => socket,
        None => paths()?.control_socket(),
    };
    let ask = |request: &Request| ask(&socket, request);
    match cli.command {
        Command::Status => status::run(&ask, cli.json),
        Command::Plugin(command) => plugin::run(&command, &ask, cli.json),
        Command::Reload => reload::run(&ask, cli.json),
        Command::Panic => panic::run(&ask, cli.json),
        Command::Resume => resume::run(&ask, cli.json),
        Command::Safe(command) => safe::run(&command, &ask, cli.json),
        Command::Trigger(arguments) => trigger::run(&arguments, &ask, cli.json),
        Command::Events(arguments) => events::run(&arguments, &socket, cli.json),
        Command::Ui(arguments) => ui::run(&arguments, &ask, cli.json),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Audit(command) => audit::run(&command, &paths()?, &ask, cli.json),
    }
}

/// A function that asks the daemon. A refusal by the daemon is an error.
type Ask<'a> = &'a dyn Fn(&Request) -> Result<Response, CliError>;

fn ask(socket: &std::path::Path, request: &Request) -> Result<Response, CliError> {
    let response = control::ask(socket, request).map_err(CliError::Client)?;
    if let Response::Refused(refusal) = response { Err(CliError::Refused(refusal)) } else { Ok(response) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
