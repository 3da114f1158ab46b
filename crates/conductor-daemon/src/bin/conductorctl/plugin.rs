//! `conductorctl plugin`: the plugins of a running daemon.

mod accept;
mod grant;
mod install;
mod list;
mod own;
mod pending;
mod preview;
mod remove;
mod resume;
mod revoke;
mod secret;
mod settings;
mod show;
mod switch;

use crate::Ask;
use crate::error::CliError;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show every plugin, its state and what it may do
    List,
    /// Show everything about one plugin: what it asks for, what was granted, until when
    Show(show::Arguments),
    /// Show what plugins ask for and nobody has decided yet
    Pending,
    /// Grant a capability that a plugin asks for
    Grant(grant::Arguments),
    /// Take a capability away, at once, or deny it before it is granted
    Revoke(revoke::Arguments),
    /// Show a plugin's own settings, or change one; the plugin has it from its next call on
    Settings(settings::Arguments),
    /// Enter, show and take away secrets that a plugin uses and never gets
    #[command(subcommand)]
    Secret(secret::Command),
    /// Load a plugin that waits because it is another one than before under its name
    Accept(accept::Arguments),
    /// Let a plugin that rests, is quarantined or was stopped for a revocation back in
    Resume(resume::Arguments),
    /// Show what a plugin in a file is, and what would be different; nothing of it runs
    Preview(preview::Arguments),
    /// Add a plugin from a file, or put another version in its place
    Install(preview::Arguments),
    /// Take a plugin away
    Remove(remove::Arguments),
    /// Let a plugin run again that was disabled
    Enable(switch::Arguments),
    /// End a plugin, and do not run it until it is enabled
    Disable(switch::Arguments),
}

pub(crate) fn run(command: &Command, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    match command {
        Command::List => list::run(ask, as_json),
        Command::Show(arguments) => show::run(arguments, ask, as_json),
        Command::Pending => pending::run(ask, as_json),
        Command::Grant(arguments) => grant::run(arguments, ask, as_json),
        Command::Revoke(arguments) => revoke::run(arguments, ask, as_json),
        Command::Settings(arguments) => settings::run(arguments, ask, as_json),
        Command::Secret(command) => secret::run(command, ask, as_json),
        Command::Accept(arguments) => accept::run(arguments, ask, as_json),
        Command::Resume(arguments) => resume::run(arguments, ask, as_json),
        Command::Preview(arguments) => preview::run(arguments, ask, as_json),
        Command::Install(arguments) => install::run(arguments, ask, as_json),
        Command::Remove(arguments) => remove::run(arguments, ask, as_json),
        Command::Enable(arguments) => switch::run(arguments, true, ask, as_json),
        Command::Disable(arguments) => switch::run(arguments, false, ask, as_json),
    }
}
