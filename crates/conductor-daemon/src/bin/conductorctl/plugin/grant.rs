//! `conductorctl plugin grant`: grants a capability, after saying what the grant means.

use std::io::{self, BufRead as _, IsTerminal as _};

use conductor_abi::{Capability, Risk};
use conductor_core::grant::GrantSpec;
use conductor_daemon::control::{Lasts, PluginDetails, Request, RequestStatus, Response};
use conductor_daemon::say;
use conductor_signing::UtcTime;
use conductor_signing::escape::terminal;

use super::show::{details, request_lines};
use crate::error::CliError;
use crate::{Ask, output};

#[derive(clap::Args)]
#[group(id = "lasts", multiple = false)]
pub(crate) struct Duration {
    /// For the first use that begins, whatever becomes of it
    #[arg(long)]
    once: bool,

    /// Until the daemon ends
    #[arg(long)]
    session: bool,

    /// Until a date in UTC, as 2026-12-31 or 2026-12-31T18:00:00Z
    #[arg(long, value_name = "DATE")]
    until: Option<String>,

    /// Until you revoke it (the default)
    #[arg(long)]
    always: bool,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,

    /// The capability, with a scope where less or something else is to be granted than the plugin asks for
    #[arg(value_name = "CAP[=SCOPE]")]
    grant: String,

    #[command(flatten)]
    duration: Duration,

    /// Grant what is of medium risk without asking
    #[arg(long, short)]
    yes: bool,

    /// The plugin's own name, which has to be typed to grant what is of high risk
    #[arg(long, value_name = "PLUGIN")]
    confirm: Option<String>,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let spec: GrantSpec = arguments.grant.parse().map_err(CliError::Grant)?;
    let lasts = lasts(&arguments.duration)?;
    let plugin = details(&arguments.plugin, ask)?;
    let of_it: Vec<&RequestStatus> =
        plugin.requested.iter().filter(|request| request.capability == spec.capability().name()).collect();
    let typed_name = confirm(arguments, &spec, &lasts, &plugin, &of_it)?;
    let request = Request::PluginGrant {
        plugin: arguments.plugin.clone(),
        grant: arguments.grant.clone(),
        shown: of_it.iter().map(|request| request.id.clone()).collect(),
        lasts,
        typed_name,
    };
    let Response::PluginGrant(granted) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&granted);
    }
    let (plugin, grants) = (terminal(&granted.plugin), granted.grants.join(", "));
    output::text(&format!("{plugin} is granted {}\n", terminal(&grants)))
}

fn lasts(duration: &Duration) -> Result<Lasts, CliError> {
    let Duration { once, session, until, always: _ } = duration;
    Ok(match until {
        Some(until) => Lasts::Until(date(until)?),
        None if *once => Lasts::Once,
        None if *session => Lasts::Session,
        None => Lasts::Always,
    })
}

/// A date or a time that is not past. A date stands for its last second.
fn date(text: &str) -> Result<String, CliError> {
    let wrong = || CliError::Date(text.to_owned());
    let text = if text.len() == "2026-12-31".len() { format!("{text}T23:59:59Z") } else { text.to_owned() };
    let time: UtcTime = text.parse().map_err(|_| wrong())?;
    if time.is_past(UtcTime::now().timestamp()) { Err(wrong()) } else { Ok(time.to_string()) }
}

/// Shows what is about to be granted, and asks for the confirmation that its risk demands. Returns the name that was
/// typed.
fn confirm(
    arguments: &Arguments,
    spec: &GrantSpec,
    lasts: &Lasts,
    plugin: &PluginDetails,
    of_it: &[&RequestStatus],
) -> Result<Option<String>, CliError> {
    let capability = spec.capability();
    if of_it.is_empty() {
        let (plugin, capability) = (arguments.plugin.clone(), capability.to_string());
        return Err(CliError::NotRequested { plugin, capability });
    }
    let risk = match spec.scope() {
        Some(scope) => scope.risk(),
        None => of_it.iter().filter_map(|request| request.risk.parse().ok()).max().unwrap_or(Risk::High),
    };
    describe(spec, lasts, plugin, of_it, risk);
    if arguments.confirm.is_some() || (risk < Risk::High && arguments.yes) || risk == Risk::Low {
        return Ok(arguments.confirm.clone());
    }
    let flag = match risk {
        Risk::Low | Risk::Medium => "--yes",
        Risk::High => "--confirm with the plugin's own name",
    };
    let hint = format!("to grant it from a script, add {flag}");
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(CliError::NotConfirmed { hint });
    }
    let name = plugin.status.name.clone().unwrap_or_default();
    let question = match risk {
        Risk::Low | Risk::Medium => "Grant it? [y/N] ".to_owned(),
        Risk::High => format!("Type the plugin's name, {}, to grant it: ", terminal(&name)),
    };
    conductor_keys::drop_typed_ahead();
    say::words(format_args!("{question}"));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    let answer = answer.trim();
    let is_yes = match risk {
        Risk::Low | Risk::Medium => matches!(answer, "y" | "Y" | "yes" | "Yes"),
        Risk::High => answer == name,
    };
    if read.is_ok() && is_yes {
        Ok((risk == Risk::High).then(|| answer.to_owned()))
    } else {
        Err(CliError::NotConfirmed { hint: "it still needs your approval".to_owned() })
    }
}

/// What the user decides about: the plugin and its publisher, what it asks for and why, and what could happen.
fn describe(spec: &GrantSpec, lasts: &Lasts, plugin: &PluginDetails, of_it: &[&RequestStatus], risk: Risk) {
    let status = &plugin.status;
    let or_dash = |text: &Option<String>| terminal(text.as_deref().unwrap_or("-")).to_string();
    say::line(format_args!("Plugin:     {} {}", or_dash(&status.name), or_dash(&status.version)));
    say::line(format_args!("Publisher:  {}", or_dash(&status.trust)));
    say::line(format_args!("Bound to:   {}", or_dash(&plugin.bound_to)));
    for request in of_it {
        for (index, line) in request_lines(request).iter().enumerate() {
            say::line(format_args!("{}{line}", if index == 0 { "Asks for:   " } else { "            " }));
        }
    }
    if let Some(scope) = spec.scope() {
        say::line(format_args!("You grant:  {}: {}", spec.capability(), terminal(&scope.to_string())));
    }
    say::line(format_args!("Lasts:      {}", in_words(lasts)));
    let warning = if risk == Risk::High { "WARNING: " } else { "" };
    say::line(format_args!("{warning}{}", consequence(spec.capability())));
}

fn in_words(lasts: &Lasts) -> String {
    match lasts {
        Lasts::Once => "for the first use that begins, whatever becomes of it".to_owned(),
        Lasts::Session => "until the daemon ends".to_owned(),
        Lasts::Until(until) => format!("until {until}"),
        Lasts::Always => "until you revoke it".to_owned(),
    }
}

/// What could happen if the capability is granted.
const fn consequence(capability: Capability) -> &'static str {
    match capability {
        Capability::Network => {
            "It can send whatever it knows to these hosts, and reach services on your own machine or network that it names."
        }
        Capability::Audio => "It can play sounds on these devices.",
        Capability::Midi => {
            "It can send these messages to your instruments; System Exclusive can change what is stored in them."
        }
        Capability::Filesystem => {
            "It can keep files in a directory of its own, up to its quota. It sees no other files of yours."
        }
        Capability::Subprocess => {
            "It can run these programs as you. They are not confined as the plugin is, and can do what you can do."
        }
        Capability::SystemControl => {
            "It can do these things on your desktop at any time, without you touching anything."
        }
    }
}
