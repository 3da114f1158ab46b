//! `conductorctl plugin secret confirm`: confirms the hosts of a secret that was entered before.

use conductor_daemon::control::{Request, Response};
use conductor_signing::escape::terminal;

use super::{confirm_hosts, find};
use crate::error::CliError;
use crate::{Ask, output};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,

    /// The secret, as the plugin calls it
    #[arg(value_name = "SECRET")]
    secret: String,

    /// Confirm the hosts without asking
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let (of, secret) = find(&arguments.plugin, &arguments.secret, ask)?;
    confirm_hosts(&of, &secret, arguments.yes)?;
    let request = Request::PluginSecretConfirm {
        plugin: arguments.plugin.clone(),
        secret: arguments.secret.clone(),
        shown: secret.id,
    };
    let Response::PluginSecret(secret) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&secret);
    }
    output::text(&format!(
        "{} may go to {}\n",
        terminal(&secret.name),
        terminal(&secret.confirmed.join(", "))
    ))
}
