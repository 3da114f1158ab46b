//! `conductorctl plugin secret list`: shows the secrets that a plugin asks for.

use conductor_daemon::control::PluginSecrets;
use conductor_daemon::say;
use conductor_signing::escape::terminal;

use super::secrets;
use crate::error::CliError;
use crate::plugin::own::secret_lines;
use crate::{Ask, output};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let PluginSecrets { secrets, why, hint, .. } = secrets(&arguments.plugin, ask)?;
    let alias = terminal(&arguments.plugin);
    if let Some(why) = &why {
        say::line(format_args!("what {alias} asks for is not known: {}", terminal(why)));
    }
    if let Some(hint) = &hint {
        say::line(format_args!("hint: {}", terminal(hint)));
    }
    if as_json {
        return output::json(&secrets);
    }
    if secrets.is_empty() {
        return output::text(&match why {
            Some(_) => format!("you entered no secrets for {alias}\n"),
            None => format!("{alias} asks for no secrets\n"),
        });
    }
    output::text(
        &secrets.iter().flat_map(|secret| secret_lines(secret, &arguments.plugin)).collect::<String>(),
    )
}
