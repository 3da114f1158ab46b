//! `conductorctl plugin remove`: takes a plugin away.

use conductor_daemon::control::{Removed, Request, Response};
use conductor_signing::escape::terminal;

use crate::error::CliError;
use crate::{Ask, output, reload};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,

    /// Delete what it wrote and its secrets as well
    #[arg(long)]
    with_data: bool,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Arguments { plugin, with_data } = arguments;
    let request = Request::PluginRemove { plugin: plugin.clone(), with_data: *with_data };
    let Response::PluginRemove(removed) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&removed);
    }
    output::text(&in_words(plugin, *with_data, &removed))
}

fn in_words(plugin: &str, with_data: bool, removed: &Removed) -> String {
    let Removed { reloaded, grants_kept, secrets_kept, secrets_deleted } = removed;
    let plugin = terminal(plugin);
    let data = if with_data { ", and what it wrote is deleted" } else { "; what it wrote is kept" };
    let mut text = format!("{plugin} is removed{data}\n");
    let lists = [
        ("deleted are its secrets", secrets_deleted),
        ("kept are its secrets", secrets_kept),
        ("kept is what you granted it", grants_kept),
    ];
    for (what, list) in lists {
        if !list.is_empty() {
            text += &format!("{what}: {}\n", terminal(&list.join(", ")));
        }
    }
    text + &reload::text(reloaded)
}
