//! The source of a command's private key, and `keys`: the keys that tokens and agents offer.

use std::path::{Path, PathBuf};

use conductor_daemon::say;
use conductor_daemon::{config, paths};
use conductor_keys::{KeyRing, KeySpec, Terminal};
use conductor_signing::{FoundKey, PrivateKey, escape};
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

/// A private key: in a file or on hardware.
#[derive(clap::Args)]
pub(crate) struct KeyArguments {
    /// The private key: NAME for NAME.private, NAME.pem or NAME
    #[arg(required_unless_present = "hardware_key")]
    key: Option<String>,

    /// Sign with a key that is elsewhere: a PKCS#11 URI, `ssh-agent[:KEY]`, or a device
    #[arg(long, value_name = "SPEC", conflicts_with = "key")]
    hardware_key: Option<String>,

    /// File with the passphrase of an encrypted key [default: asked for]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl KeyArguments {
    /// Opens the key.
    pub(crate) fn open(&self, config: &Path) -> Result<Box<dyn PrivateKey>, CliError> {
        with_ring(config, self.passphrase_file.as_deref(), |ring| {
            let spec = match (&self.hardware_key, &self.key) {
                (Some(spec), _) => KeySpec::hardware(spec, ring.devices()),
                (None, key) => KeySpec::argument(key.as_deref().unwrap_or_default(), ring.devices()),
            };
            let spec = spec.map_err(conductor_keys::KeyError::from)?;
            warn_about(&spec);
            Ok(ring.open(&spec)?)
        })
    }
}

/// Opens keys with what the configuration says about hardware.
pub(crate) fn with_ring<T>(
    config: &Path,
    passphrase_file: Option<&Path>,
    action: impl FnOnce(&mut KeyRing<'_>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let devices = config::hardware(config)?;
    let mut terminal = Terminal;
    let mut ring = KeyRing::new(&mut terminal, devices)
        .with_passphrase_file(passphrase_file.map(Path::to_owned))
        .with_agent(paths::agent_socket());
    let done = action(&mut ring);
    ring.taken().iter().filter(|found| !found.passed_over.is_empty()).for_each(say_taken);
    done
}

/// Says which of several key files was taken.
fn say_taken(found: &FoundKey) {
    let others: Vec<String> = found.passed_over.iter().map(|path| escape::path(path)).collect();
    say::line(format_args!(
        "note: the key is taken from {}, not from {}",
        escape::path(&found.file),
        others.join(" or ")
    ));
}

/// Warns of a PIN on the command line, which is no longer secret.
pub(crate) fn warn_about(spec: &KeySpec) {
    if let KeySpec::Token(uri) = spec
        && uri.pin_value.is_some()
    {
        say::line(format_args!(
            "warning: every user of this machine can see a PIN on a command line; use pin-source=FILE"
        ));
    }
}

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the keys that tokens and the ssh-agent offer, ready for --hardware-key
    List(ListArguments),
}

#[derive(clap::Args)]
pub(crate) struct ListArguments {
    /// A PKCS#11 module to look at, beside those that the configuration names
    #[arg(long, value_name = "PATH")]
    module: Vec<PathBuf>,
}

pub(crate) fn run(command: &Command, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let Command::List(arguments) = command;
    let offers = with_ring(config, None, |ring| Ok(ring.offers(&arguments.module)))?;
    for key in &offers.keys {
        output.line(&key.spec);
        output.line(format!("  Public key:  {}", key.public_key));
        output.line(format!("  Label:       {}", escape::terminal(&key.label)));
    }
    for (place, error) in &offers.unreachable {
        let error = error.to_string();
        say::line(format_args!("warning: {}: {}", escape::terminal(place), escape::terminal(&error)));
    }
    if offers.keys.is_empty() {
        say::line(format_args!(
            "no key is offered; name a PKCS#11 module with --module, or start an ssh-agent"
        ));
    }
    output.json(|| {
        let key = |key: &conductor_keys::OfferedKey| {
            json!({ "spec": key.spec, "public_key": key.public_key.to_string(), "label": key.label })
        };
        let unreachable = |(place, error): &(String, conductor_keys::KeyError)| {
            json!({ "place": place, "error": error.to_string(), "hint": error.hint() })
        };
        json!({
            "keys": offers.keys.iter().map(key).collect::<Vec<_>>(),
            "unreachable": offers.unreachable.iter().map(unreachable).collect::<Vec<_>>(),
        })
    });
    Ok(())
}
