//! `conductorctl resume`: lets plugins go on after a panic.

use conductor_daemon::control::{Request, Response};
use serde_json::json;

use crate::error::CliError;
use crate::{Ask, output};

pub(crate) fn run(ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Response::Resume { was_paused } = ask(&Request::Resume)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&json!({ "was_paused": was_paused }));
    }
    output::text(if was_paused { "resumed\n" } else { "nothing was paused\n" })
}
