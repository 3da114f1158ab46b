//! `conductorctl reload`: has the daemon run what its configuration says now.

use conductor_daemon::control::{Reloaded, Request, Response};
use conductor_signing::escape::terminal;

use crate::error::CliError;
use crate::{Ask, output};

pub(crate) fn run(ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Response::Reload(reloaded) = ask(&Request::Reload)? else { return Err(CliError::OtherAnswer) };
    if as_json { output::json(&reloaded) } else { output::text(&format!("reloaded\n{}", text(&reloaded))) }
}

/// What a change did to plugins: a line for each kind of outcome.
pub(crate) fn text(reloaded: &Reloaded) -> String {
    let Reloaded { started, waiting, refused, stopped, untouched } = reloaded;
    let kinds = [
        ("started", started),
        ("waiting", waiting),
        ("refused", refused),
        ("stopped", stopped),
        ("untouched", untouched),
    ];
    let named = kinds.iter().filter(|(_, names)| !names.is_empty());
    named.map(|(kind, names)| format!("{kind:<10} {}\n", terminal(&names.join(", ")))).collect()
}
