//! `conductorctl plugin install`: adds a plugin from a file.

use std::path::PathBuf;

use conductor_daemon::control::{Request, Response};
use conductor_daemon::say;
use conductor_signing::escape::terminal;

use super::{preview, show};
use crate::error::CliError;
use crate::{Ask, output, reload};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The module; its signature is expected beside it. To look at it before: conductorctl plugin preview PLUGIN.wasm
    #[arg(value_name = "PLUGIN.wasm")]
    file: PathBuf,

    /// Name by which the configuration calls it [default: that of the file]
    #[arg(long)]
    name: Option<String>,
}

impl Arguments {
    /// The name and the file that are meant.
    pub(super) fn what(&self) -> Result<(String, PathBuf), CliError> {
        let stem = || self.file.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
        let plugin = self.name.clone().or_else(stem).ok_or(CliError::NoName)?;
        // The daemon has another working directory.
        let path = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        Ok((plugin, path))
    }
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let (plugin, path) = arguments.what()?;
    let looked = Request::PluginPreview { plugin: plugin.clone(), path: path.clone() };
    let Response::PluginPreview(shown) = ask(&looked)? else { return Err(CliError::OtherAnswer) };
    say::words(format_args!("{}", preview::render(&shown)));
    let request = Request::PluginInstall { plugin: plugin.clone(), path, shown: shown.id };
    let Response::PluginInstall(reloaded) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&reloaded);
    }
    let what = if reloaded.waiting.contains(&plugin) {
        "is in its place and not loaded: it is another plugin than before, and needs your approval"
    } else {
        "is installed"
    };
    output::text(&format!("{} {what}\n{}\n", terminal(&plugin), reload::text(&reloaded)))?;
    show::run(&show::Arguments { plugin }, ask, as_json)
}
