//! `conductorctl plugin revoke`: takes a capability away.

use conductor_daemon::control::{Request, Response};
use conductor_signing::escape::terminal;

use crate::error::CliError;
use crate::{Ask, output};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The plugin, as the configuration calls it
    #[arg(value_name = "NAME")]
    plugin: String,

    /// Network, Audio, Midi, Filesystem, Subprocess or SystemControl
    capability: String,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let Arguments { plugin, capability } = arguments;
    let request = Request::PluginRevoke { plugin: plugin.clone(), capability: capability.clone() };
    let Response::PluginRevoke(revoked) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&revoked);
    }
    let (plugin, capability) = (terminal(&revoked.plugin), terminal(&revoked.capability));
    output::text(&format!(
        "{capability} is taken away from {plugin}, and stays so until you grant it: conductorctl plugin grant {plugin} \
         {capability}\n"
    ))
}
