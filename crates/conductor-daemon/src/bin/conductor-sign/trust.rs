//! `trust`: the list of trusted keys.

mod add;
mod list;
mod remove;

use std::path::Path;

use conductor_signing::{TrustedKey, UtcTime};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Trust a key
    Add(add::Arguments),
    /// List trusted keys
    List,
    /// Cease to trust a key
    Remove(remove::Arguments),
}

pub(crate) fn run(command: Command, config: &Path, output: &mut Output) -> Result<(), CliError> {
    match command {
        Command::Add(arguments) => add::run(arguments, config, output),
        Command::List => list::run(config, output),
        Command::Remove(arguments) => remove::run(&arguments, config, output),
    }
}

/// An entry as JSON.
fn key_json(key: &TrustedKey) -> Value {
    json!({
        "name": key.name,
        "public_key": key.public_key.to_string(),
        "added_at": key.added_at.to_string(),
        "email": key.email,
        "expires_at": key.expires_at.as_ref().map(UtcTime::to_string),
        "plugins": key.plugins(),
        "max_risk": key.max_risk,
    })
}
