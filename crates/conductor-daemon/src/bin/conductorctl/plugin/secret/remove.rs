//! `conductorctl plugin secret remove`: takes a secret away, and deletes it.

use conductor_daemon::control::{Request, Response};
use conductor_signing::escape::terminal;

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
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let request =
        Request::PluginSecretRemove { plugin: arguments.plugin.clone(), secret: arguments.secret.clone() };
    let Response::PluginSecret(secret) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&secret);
    }
    output::text(&format!(
        "{} no longer has the secret {}\n",
        terminal(&arguments.plugin),
        terminal(&secret.name)
    ))
}
