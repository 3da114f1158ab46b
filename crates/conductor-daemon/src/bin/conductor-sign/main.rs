//! `conductor-sign`: makes keys, signs and verifies plugins, and keeps the list of trusted keys.
//!
//! The report goes to stdout, errors and hints to stderr. Exit status: 0 done, or valid and trusted; 1 any other
//! failure; 2 usage; 3 valid and not trusted; 4 invalid; 5 no signature; 6 revoked or expired; 7 trust files unusable;
//! 8 file missing or unreadable.

#![forbid(unsafe_code)]

mod error;
mod generate_key;
mod manifest;
mod output;
mod sign;
mod trust;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use conductor_daemon::paths::Paths;

use crate::error::CliError;
use crate::output::Output;

/// Signs Conductor plugins, verifies signatures and manages trusted keys
#[derive(Parser)]
#[command(
    name = "conductor-sign",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 done, or valid and trusted; 1 other failure; 2 usage; 3 valid but not trusted; \
                  4 invalid; 5 no signature; 6 revoked or expired; 7 trust files unusable; 8 file missing or unreadable."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print JSON instead of text
    #[arg(long, global = true, display_order = 100)]
    json: bool,

    /// Directory of the trust files [default: $CONDUCTOR_CONFIG_DIR, else ~/.config/conductor]
    #[arg(long, global = true, value_name = "DIR", display_order = 101)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key pair: PATH.private and PATH.public
    GenerateKey(generate_key::Arguments),
    /// Sign a plugin: writes PLUGIN.sig
    Sign(sign::Arguments),
    /// Verify the signature of a plugin and say whether its key is trusted
    Verify(verify::Arguments),
    /// Manage trusted keys
    #[command(subcommand)]
    Trust(trust::Command),
    /// Show or add the manifest in a plugin
    #[command(subcommand)]
    Manifest(manifest::Command),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { error::USAGE } else { 0 };
            // There is nowhere to report that the report could not be printed.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let mut output = Output::new(cli.json);
    let result = run(cli, &mut output).and_then(|()| output.finish());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What was found out before the failure is part of the report.
            let shown = output.finish();
            error.print();
            ExitCode::from(if shown.is_err() { error::OTHER } else { error.exit_code() })
        }
    }
}

fn run(cli: Cli, output: &mut Output) -> Result<(), CliError> {
    let config = || match cli.config {
        Some(directory) => Ok(directory),
        None => Paths::from_environment().map(|paths| paths.config_dir().to_owned()).map_err(CliError::Paths),
    };
    match cli.command {
        Command::GenerateKey(arguments) => generate_key::run(&arguments, output),
        Command::Sign(arguments) => sign::run(arguments, output),
        Command::Verify(arguments) => verify::run(&arguments, &config()?, output),
        Command::Trust(command) => trust::run(command, &config()?, output),
        Command::Manifest(command) => manifest::run(&command, output),
    }
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
