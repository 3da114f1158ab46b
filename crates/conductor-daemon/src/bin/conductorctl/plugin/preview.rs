//! `conductorctl plugin preview`: shows a plugin before it is installed.

use std::path::PathBuf;

use conductor_daemon::control::{PluginPreview, Request, Response};
use conductor_signing::escape::terminal;

use super::own::{declared_secret_lines, declared_setting_lines};
use super::show::request_lines;
use crate::error::CliError;
use crate::{Ask, output};

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
    /// The name and the file of the plugin.
    pub(super) fn what(&self) -> Result<(String, PathBuf), CliError> {
        let stem = || self.file.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
        let plugin = self.name.clone().or_else(stem).ok_or(CliError::NoName)?;
        // The daemon has another working directory, so the path must be absolute.
        let path = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        Ok((plugin, path))
    }
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let (plugin, path) = arguments.what()?;
    let response = ask(&Request::PluginPreview { plugin, path })?;
    let Response::PluginPreview(preview) = response else { return Err(CliError::OtherAnswer) };
    if as_json { output::json(&preview) } else { output::text(&render(&preview)) }
}

/// Everything that is known about a plugin that is not installed.
pub(super) fn render(preview: &PluginPreview) -> String {
    let or_dash = |text: &Option<String>| terminal(text.as_deref().unwrap_or("-")).to_string();
    let mut text = format!("Name:       {} {}\n", or_dash(&preview.name), or_dash(&preview.version));
    if let Some(description) = &preview.description {
        text += &format!("What it is: {}\n", terminal(description));
    }
    text += &format!("File:       {} bytes, SHA-256 {}\n", preview.bytes, preview.digest);
    text += &format!("Trust:      {}\n", terminal(&preview.trust));
    if let Some(publisher) = &preview.publisher {
        let doubt = if publisher.authenticated { "" } else { ", which nobody has signed" };
        let (name, email) = (terminal(&publisher.name), terminal(&publisher.email));
        text += &format!("Publisher:  {name} <{email}>{doubt}\n            key {}\n", publisher.public_key);
        text += &format!("            in words: {}\n", publisher.words);
    }
    let decision = if preview.accepted { "it would be loaded" } else { "it would be refused" };
    let why = preview.why.as_ref().map(|why| format!(": {}", terminal(why))).unwrap_or_default();
    text += &format!("Policy:     {decision}{why}\n");
    if let Some(hint) = &preview.hint {
        text += &format!("            {}\n", terminal(hint));
    }
    if let Some(change) = &preview.waits {
        let plugin = terminal(&preview.plugin);
        let before = terminal(&change.before.name);
        text += &format!("Approval:   needed, because {plugin} is bound to another plugin, {before}:\n");
        for difference in &change.differences {
            text += &format!("            - {}\n", terminal(difference));
        }
        text += &format!("            once it is installed: conductorctl plugin accept {plugin}\n");
    }
    if !preview.requested.is_empty() {
        text += "It asks for:\n";
    }
    for request in &preview.requested {
        for (index, line) in request_lines(request).iter().enumerate() {
            text += &format!("{}{line}\n", if index == 0 { "  - " } else { "    " });
        }
    }
    let listed = |title: &str, all: Vec<Vec<String>>| {
        let one = |lines: &Vec<String>| {
            let [first, rest @ ..] = lines.as_slice() else { return String::new() };
            format!("  - {first}") + &rest.concat()
        };
        if all.is_empty() {
            String::new()
        } else {
            format!("{title}:\n") + &all.iter().map(one).collect::<String>()
        }
    };
    let secrets = preview.secrets.iter().map(declared_secret_lines).collect();
    text += &listed("It uses secrets that it never gets", secrets);
    text += &listed("Settings", preview.settings.iter().map(declared_setting_lines).collect());
    if !preview.changes.is_empty() {
        text += &format!("In place of what {} is now:\n", terminal(&preview.plugin));
    }
    for change in &preview.changes {
        text += &format!("  - {}\n", terminal(change));
    }
    text
}
