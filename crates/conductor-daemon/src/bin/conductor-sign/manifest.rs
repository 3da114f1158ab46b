//! `manifest`: the name of a plugin and the capabilities that it asks for.

mod add;
mod show;

use conductor_abi::Manifest;
use conductor_signing::escape;

use crate::error::CliError;
use crate::output::Output;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show the manifest in a plugin
    Show(show::Arguments),
    /// Put a manifest that is written as TOML into a plugin
    Add(add::Arguments),
}

pub(crate) fn run(command: &Command, output: &mut Output) -> Result<(), CliError> {
    match command {
        Command::Show(arguments) => show::run(arguments, output),
        Command::Add(arguments) => add::run(arguments, output),
    }
}

/// The manifest as text. Everything in it comes from the plugin and is escaped.
fn describe(manifest: &Manifest, output: &mut Output) {
    let mut field = |label: &str, text: &str| output.line(format!("{label:<13}{}", escape::terminal(text)));
    field("Name:", &manifest.name);
    field("Version:", &manifest.version);
    for (label, text) in [
        ("Description:", &manifest.description),
        ("Author:", &manifest.author),
        ("License:", &manifest.license),
    ] {
        if let Some(text) = text {
            field(label, text);
        }
    }
    match &manifest.actions {
        None => field("Actions:", "any"),
        Some(actions) => {
            let names: Vec<_> = actions.iter().map(|action| action.name.as_str()).collect();
            field("Actions:", if names.is_empty() { "none".to_owned() } else { names.join(", ") }.as_str());
        }
    }
    if manifest.capabilities.is_empty() {
        field("Capabilities:", " none");
    } else {
        output.line("Capabilities:");
    }
    for request in &manifest.capabilities {
        let scope = request.scope.as_ref().map(|scope| format!("={scope}")).unwrap_or_default();
        let reason = request.reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
        let line = format!("{}{scope}{reason}", request.name);
        output.line(format!("  {}", escape::terminal(&line)));
    }
}
