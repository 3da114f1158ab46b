//! `conductor silence`: ends what a daemon that was killed left sounding.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use conductor_core::sounding::{Record, RecordError};
use conductor_core::{MidiOutputs, Sounding};
use conductor_daemon::config;
use conductor_daemon::paths::Paths;
use conductor_signing::escape::terminal;
use conductor_surface::output::MidiPorts;

use crate::exit::{Failure, Status};
use crate::logging;

/// Longest wait for outputs that do not take everything at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time between two looks whether everything has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Configuration file, for the MIDI outputs [default: config.toml in the configuration directory]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn silence(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let file = paths.sounding_file();
    if file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        logging::say("no daemon left anything sounding");
        return Ok(Status::Ok.into());
    }
    let (record, left) = match Record::open(&file) {
        Ok(opened) => opened,
        Err(RecordError::InUse { .. }) => {
            logging::say("a daemon is running, and ends what its plugins leave sounding; nothing was done");
            logging::say("to silence everything: conductorctl panic");
            return Ok(Status::Ok.into());
        }
        Err(error) => {
            let hint = error.hint();
            return Err(Failure::failed(error).with_hint(hint));
        }
    };
    let damage = left.damage();
    if let Some(damage) = &damage {
        logging::say(&format!("warning: what was left sounding is not known in full: {damage}"));
    }
    let names: Vec<String> = left.outputs().map(str::to_owned).collect();
    if names.is_empty() {
        if damage.is_none() {
            logging::say("no daemon left anything sounding");
        }
        return Ok(Status::Ok.into());
    }
    let config = arguments.config.clone().unwrap_or_else(|| paths.config_file());
    let outputs = config::midi_outputs(&config, paths)?;
    let ports = Arc::new(MidiPorts::new(&outputs, Vec::new()));
    let midi = Arc::clone(&ports) as Arc<dyn MidiOutputs>;
    let sounding = Sounding::kept_in(record, left, &midi);
    let ledger = sounding.ledger();
    ledger.settle();
    let deadline = Instant::now() + PATIENCE;
    let is_reached = |name: &String| ports.has(name) && ports.open(name).is_ok();
    while ledger.owing().iter().any(is_reached) && Instant::now() < deadline {
        thread::sleep(LOOK_EVERY);
    }
    ports.flush();
    let owing = ledger.owing();
    // What is still owed stays in the file.
    ledger.close();
    for name in names.iter().filter(|name| !owing.contains(name)) {
        logging::say(&format!("silent again: {}", terminal(name)));
    }
    if owing.is_empty() {
        return Ok(Status::Ok.into());
    }
    let why = |name: &String| match ports.open(name) {
        Err(reason) => reason,
        Ok(()) if ports.has(name) => "it does not take all messages".to_owned(),
        Ok(()) => "the configuration names no such output".to_owned(),
    };
    let owing: Vec<String> =
        owing.iter().map(|name| format!("{}: {}", terminal(name), terminal(&why(name)))).collect();
    let hint = "when the output is there again, do this again or start the daemon".to_owned();
    let message = format!("something may still sound at {}", owing.join("; "));
    Err(Failure::failed(message).with_hint(Some(hint)))
}
