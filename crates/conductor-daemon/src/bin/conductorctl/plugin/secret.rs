//! `conductorctl plugin secret`: the secrets that the user enters for a plugin, which never gets them.

mod confirm;
mod list;
mod remove;
mod set;

use std::io::{self, BufRead as _, IsTerminal as _};

use conductor_daemon::control::{PluginSecrets, Request, Response, SecretStatus};
use conductor_daemon::say;
use conductor_keys::{Prompt as _, Terminal};
use conductor_signing::SecretText;
use conductor_signing::escape::terminal;

use crate::Ask;
use crate::error::CliError;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show the secrets that a plugin asks for, and the hosts that each may go to
    List(list::Arguments),
    /// Enter a secret, and confirm the hosts that it may go to
    Set(set::Arguments),
    /// Confirm the hosts of a secret that was entered before
    Confirm(confirm::Arguments),
    /// Take a secret away, at once, and delete it
    Remove(remove::Arguments),
}

pub(crate) fn run(command: &Command, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::List(arguments) => list::run(arguments, ask, as_json),
        Command::Set(arguments) => set::run(arguments, ask, as_json),
        Command::Confirm(arguments) => confirm::run(arguments, ask, as_json),
        Command::Remove(arguments) => remove::run(arguments, ask, as_json),
    }
}

/// Asks for something on the terminal, without showing it.
pub(super) fn ask_for(question: &str) -> Result<SecretText, CliError> {
    let mut text = Terminal.ask(question).map_err(|error| CliError::NoTerminal(error.source))?;
    Ok(SecretText::new(std::mem::take(&mut *text)))
}

/// Asks for the secrets of a plugin.
fn secrets(plugin: &str, ask: Ask<'_>) -> Result<PluginSecrets, CliError> {
    let response = ask(&Request::PluginSecretList { plugin: plugin.to_owned() })?;
    if let Response::PluginSecrets(secrets) = response { Ok(*secrets) } else { Err(CliError::OtherAnswer) }
}

/// A secret that a plugin declares, with what the user decides by.
fn find(plugin: &str, name: &str, ask: Ask<'_>) -> Result<(PluginSecrets, SecretStatus), CliError> {
    let all = secrets(plugin, ask)?;
    if let Some(why) = all.why {
        return Err(CliError::SecretsUnknown { plugin: plugin.to_owned(), why, hint: all.hint });
    }
    let Some(secret) = all.secrets.iter().find(|secret| secret.name == name).cloned() else {
        let known = all.secrets.into_iter().map(|secret| secret.name).collect();
        return Err(CliError::NoSecret { plugin: plugin.to_owned(), secret: name.to_owned(), known });
    };
    Ok((all, secret))
}

/// Shows what a secret is for and where it may go, and asks whether that is meant.
fn confirm_hosts(of: &PluginSecrets, secret: &SecretStatus, yes: bool) -> Result<(), CliError> {
    let or_dash = |text: &Option<String>| terminal(text.as_deref().unwrap_or("-")).to_string();
    say::line(format_args!("Plugin:     {}", terminal(&of.name)));
    say::line(format_args!("Publisher:  {}", or_dash(&of.trust)));
    say::line(format_args!("Bound to:   {}", or_dash(&of.bound_to)));
    say::line(format_args!("Secret:     {}", terminal(&secret.name)));
    if let Some(reason) = &secret.reason {
        say::line(format_args!("            reason, in its own words: {}", terminal(reason)));
    }
    say::line(format_args!("Goes to:    {}", terminal(&secret.hosts.join(", "))));
    say::line(format_args!(
        "The plugin never gets it. These hosts do, and can do with it whatever they like."
    ));
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let hint = "to confirm the hosts from a script, add --yes".to_owned();
        return Err(CliError::HostsNotConfirmed { hint });
    }
    conductor_keys::drop_typed_ahead();
    say::words(format_args!("May it go to these hosts? [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") {
        Ok(())
    } else {
        Err(CliError::HostsNotConfirmed { hint: "nothing was changed".to_owned() })
    }
}
