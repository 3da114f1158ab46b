//! `conductor inspect`: what a plugin file is, who signed it and what it asks for. Nothing in the file is compiled or
//! run.

mod facts;
mod text;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use conductor_daemon::paths::Paths;
use conductor_signing::escape::json;

use crate::exit::{Failure, Status};
use facts::Facts;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Plugin to look at; its signature is looked for beside it
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: PathBuf,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn inspect(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let facts = Facts::gather(&arguments.plugin, paths.config_dir())?;
    let text = if arguments.json {
        let text = serde_json::to_string_pretty(&facts).map_err(Failure::failed)?;
        json(&text) + "\n"
    } else {
        text::render(&facts)
    };
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::output(&error, Status::Failed))?;
    Ok(if facts.are_sound() { Status::Ok } else { Status::Failed }.into())
}
