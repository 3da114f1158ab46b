//! `conductorctl plugin secret set`: enters a secret, and confirms the hosts that it may go to.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use conductor_core::secret::MAX_SECRET_BYTES;
use conductor_daemon::control::{Hidden, Request, Response};
use conductor_signing::SecretText;
use conductor_signing::escape::terminal;
use zeroize::{Zeroize as _, Zeroizing};

use super::{ask_for, confirm_hosts, find};
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

    /// Read the secret from a file, or from standard input as `-`, without one line break at its end
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,

    /// Confirm the hosts without asking
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, ask: Ask<'_>, as_json: bool) -> Result<(), CliError> {
    let (of, secret) = find(&arguments.plugin, &arguments.secret, ask)?;
    confirm_hosts(&of, &secret, arguments.yes)?;
    let value = match &arguments.from_file {
        Some(path) if path == Path::new("-") => read(&mut io::stdin().lock(), path)?,
        Some(path) => {
            let file = File::open(path).map_err(|source| CliError::SecretFile { path: path.clone(), source });
            read(&mut file?, path)?
        }
        None => ask_for(&format!("Secret {} for {}", terminal(&secret.name), terminal(&arguments.plugin)))?,
    };
    let request = Request::PluginSecretSet {
        plugin: arguments.plugin.clone(),
        secret: arguments.secret.clone(),
        shown: secret.id,
        value: Hidden::new(value),
    };
    let Response::PluginSecret(secret) = ask(&request)? else { return Err(CliError::OtherAnswer) };
    if as_json {
        return output::json(&secret);
    }
    let kept_in = secret.kept_in.as_deref().unwrap_or("nothing");
    output::text(&format!("{} is kept in: {kept_in}\n", terminal(&secret.name)))
}

/// Reads a secret, without one line break at its end.
fn read(source: &mut impl io::Read, path: &Path) -> Result<SecretText, CliError> {
    let failed = |source| CliError::SecretFile { path: path.into(), source };
    // A secret that is too long is refused where it is checked; it is enough to see that it is.
    let most = MAX_SECRET_BYTES + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    source.take(most as u64).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(SecretText::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is no text")))
        }
    }
}
