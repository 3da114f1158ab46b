//! `conductorctl plugin pending`: what needs the user's approval.

use conductor_daemon::control::{PendingStatus, Request, Response};
use conductor_signing::escape::terminal;
use serde_json::json;

use super::show::request_lines;
use crate::error::CliError;
use crate::{Ask, output};

pub(super) fn run(ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Response::PluginPending { pending } = ask(&Request::PluginPending)? else {
        return Err(CliError::OtherAnswer);
    };
    if as_json { output::json(&json!({ "pending": pending })) } else { output::text(&render(&pending)) }
}

fn render(pending: &[PendingStatus]) -> String {
    if pending.is_empty() {
        return "Nothing needs your approval.\n".to_owned();
    }
    let mut text = String::new();
    for PendingStatus { plugin, name, trust, request } in pending {
        let (alias, name, trust) = (terminal(plugin), terminal(name), terminal(trust));
        text += &format!("{alias} ({name}, {trust})\n");
        for line in request_lines(request) {
            text += &format!("    {line}\n");
        }
        text += &format!("    to decide: conductorctl plugin grant {alias} {}\n", request.capability);
    }
    text
}
