//! `conductorctl plugin show`: shows everything about one plugin.

use conductor_daemon::control::{EarlierStatus, PluginDetails, Request, RequestStatus, Response};
use conductor_signing::escape::terminal;

use super::list;
use super::own::{secret_lines, setting_lines};
use crate::error::CliError;
use crate::{Ask, output};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    pub(super) plugin: String,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let details = details(&arguments.plugin, ask)?;
    if as_json { output::json(&details) } else { output::text(&render(&details)) }
}

/// Asks for everything about a plugin.
pub(super) fn details(plugin: &str, ask: Ask<'_>) -> Result<PluginDetails, CliError> {
    let response = ask(&Request::PluginShow { plugin: plugin.to_owned() })?;
    if let Response::PluginShow(details) = response { Ok(*details) } else { Err(CliError::OtherAnswer) }
}

fn render(details: &PluginDetails) -> String {
    let mut text = list::render(std::slice::from_ref(&details.status));
    if let Some(bound_to) = &details.bound_to {
        text += &format!("Grants are bound to {}\n", terminal(bound_to));
    }
    if !details.requested.is_empty() {
        text += "It asks for:\n";
    }
    for request in &details.requested {
        for (index, line) in request_lines(request).iter().enumerate() {
            text += &format!("{}{line}\n", if index == 0 { "  - " } else { "    " });
        }
    }
    if !details.grants.is_empty() {
        text += "You granted:\n";
    }
    for grant in &details.grants {
        let until = grant.until.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
        text += &format!("  - {}, on {}{until}\n", terminal(&grant.grant), grant.granted_at);
    }
    let indented = |lines: Vec<String>| lines.iter().map(|line| format!("  {line}")).collect::<String>();
    if !details.secrets.is_empty() {
        text += "Secrets that it uses and never gets:\n";
    }
    for status in &details.secrets {
        text += &indented(secret_lines(status, &details.status.alias));
    }
    if !details.settings.is_empty() {
        text += "Settings:\n";
    }
    for status in &details.settings {
        text += &indented(setting_lines(status));
    }
    text
}

/// A request in words: the capability and scope, the risk, the reason, and what was decided before.
pub(super) fn request_lines(request: &RequestStatus) -> Vec<String> {
    let RequestStatus { capability, scope, risk, reason, pending, earlier, .. } = request;
    let scope = if scope.is_empty() { String::new() } else { format!(": {}", terminal(scope)) };
    let waits = if *pending { ", needs your approval" } else { "" };
    let mut lines = vec![format!("{capability}{scope} ({risk} risk{waits})")];
    if let Some(reason) = reason {
        lines.push(format!("reason, in its own words: {}", terminal(reason)));
    }
    if let (true, Some(EarlierStatus { granted, declared, version, at })) = (*pending, earlier) {
        let version = version.as_ref().map(|version| format!(" in version {}", terminal(version)));
        lines.push(format!(
            "changed: it asked for {}{} when you granted {} on {at}",
            terminal(&declared.join(", ")),
            version.unwrap_or_default(),
            terminal(&granted.join(", ")),
        ));
    }
    lines
}
