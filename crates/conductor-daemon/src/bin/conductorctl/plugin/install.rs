//! `conductorctl plugin install`: adds a plugin from a file.

use conductor_daemon::control::{Request, Response};
use conductor_daemon::say;
use conductor_signing::escape::terminal;

use super::preview::{self, Arguments};
use super::show;
use crate::error::CliError;
use crate::{Ask, output, reload};

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
