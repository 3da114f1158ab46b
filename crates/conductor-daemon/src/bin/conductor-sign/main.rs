//! `conductor-sign`: makes keys, signs and verifies plugins, and keeps the list of trusted keys.
//!
//! The report goes to stdout, errors and hints to stderr. Exit status: 0 done, or valid and trusted; 1 any other
//! failure; 2 usage; 3 valid and not trusted; 4 invalid; 5 no signature; 6 revoked or expired; 7 trust files unusable;
//! 8 file missing or unreadable.

#![forbid(unsafe_code)]

mod cosign;
mod dates;
mod developer;
mod error;
mod explain;
mod generate_key;
mod impact;
mod keys;
mod manifest;
mod output;
mod read;
mod rotate;
mod sign;
mod trust;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use conductor_daemon::paths::Paths;
use conductor_signing::RotationLink;
use serde_json::{Value, json};

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
    /// Endorse what another key signed
    Cosign(cosign::Arguments),
    /// Verify the signatures of a plugin and say whether they are enough
    Verify(verify::Arguments),
    /// Show the decision whether a plugin is loaded, check by check, with the rule that decided each
    Explain(explain::Arguments),
    /// Say what would stop working if a key were revoked
    Impact(impact::Arguments),
    /// Pass on from one key to the next: writes NEW.rotation.json
    Rotate(rotate::Arguments),
    /// Look for hardware keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Manage whom you trust, what is revoked, and what is known of plugins
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
            // If the message cannot be printed, there is nowhere to say so.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let mut output = Output::new(cli.json);
    let result = run(cli, &mut output).and_then(|()| output.finish());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What the command found out before the failure is part of the report.
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
        Command::GenerateKey(arguments) => generate_key::run(&arguments, &config()?, output),
        Command::Sign(arguments) => sign::run(arguments, &config()?, output),
        Command::Verify(arguments) => verify::run(&arguments, &config()?, output),
        Command::Explain(arguments) => explain::run(&arguments, &config()?, output),
        Command::Cosign(arguments) => cosign::run(arguments, &config()?, output),
        Command::Impact(arguments) => impact::run(&arguments, &config()?, output),
        Command::Rotate(arguments) => rotate::run(arguments, &config()?, output),
        Command::Keys(command) => keys::run(&command, &config()?, output),
        Command::Trust(command) => trust::run(command, &config()?, output),
        Command::Manifest(command) => manifest::run(&command, output),
    }
}

/// A rotation as JSON.
fn link_json(link: &RotationLink) -> Value {
    json!({
        "old_key": link.old.to_string(),
        "new_key": link.new.to_string(),
        "sequence": link.sequence,
        "rotated_at": link.rotated_at.to_string(),
        "valid_from": link.valid_from.to_string(),
        "keeps": link.keeps.iter().map(|purpose| purpose.name()).collect::<Vec<_>>(),
    })
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
