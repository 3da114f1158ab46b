//! `conductorctl plugin accept`: loads another plugin than the one that its alias is bound to, after showing the
//! differences.

use std::io::{self, BufRead as _, IsTerminal as _};

use conductor_daemon::control::{BindingChangeStatus, BoundStatus, Request, Response};
use conductor_daemon::say;
use conductor_signing::escape::terminal;

use super::show::details;
use crate::error::CliError;
use crate::{Ask, output};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,

    /// Accept it without asking
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let plugin = arguments.plugin.clone();
    let Some(change) = details(&plugin, ask)?.status.change else {
        return Err(CliError::NotWaiting { plugin });
    };
    for line in lines(&change) {
        say::line(format_args!("{line}"));
    }
    if !arguments.yes {
        confirm()?;
    }
    // The digest names what was shown above, so that nothing else is accepted.
    let request = Request::PluginAccept { plugin, shown: change.shown };
    let Response::PluginAccept(accepted) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&accepted);
    }
    output::text(&format!("{} is {} from now on\n", terminal(&accepted.plugin), terminal(&accepted.name)))
}

fn confirm() -> Result<(), CliError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(CliError::NotAccepted { hint: "to accept it from a script, add --yes".to_owned() });
    }
    conductor_keys::drop_typed_ahead();
    say::words(format_args!("Accept it? [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") {
        Ok(())
    } else {
        Err(CliError::NotAccepted { hint: "it still needs your approval".to_owned() })
    }
}

/// What the user decides about: the plugin before, the plugin now, and the consequences of accepting it.
fn lines(change: &BindingChangeStatus) -> Vec<String> {
    let BindingChangeStatus { before, now, digest, trust, ignored, granted, denied, differences, .. } =
        change;
    let mut lines = vec![
        format!("Until now:  {}", in_words(before)),
        format!("Now:        {}", in_words(now)),
        format!("Vouched:    {}", terminal(trust)),
        format!("SHA-256:    {}", terminal(digest)),
    ];
    lines.extend(ignored.iter().map(|why| format!("Ignored:    its signature: {}", terminal(why))));
    lines.extend(differences.iter().map(|difference| format!("Differs:    {}", terminal(difference))));
    if !granted.is_empty() {
        lines.push(format!("It gets:    what the configuration grants: {}", terminal(&granted.join(", "))));
    }
    if !denied.is_empty() {
        lines.push(format!("Denied:     stays denied: {}", terminal(&denied.join(", "))));
    }
    lines
}

fn in_words(BoundStatus { name, version, publisher, words }: &BoundStatus) -> String {
    let version = version.as_ref().map(|version| format!(" {}", terminal(version))).unwrap_or_default();
    let signed = match (publisher, words) {
        (Some(key), Some(words)) => format!("signed by {} ({})", terminal(key), terminal(words)),
        (Some(key), None) => format!("signed by {}", terminal(key)),
        (None, _) => "unsigned".to_owned(),
    };
    format!("{}{version}, {signed}", terminal(name))
}
