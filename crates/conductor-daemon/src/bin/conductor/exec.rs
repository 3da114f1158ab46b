//! `conductor exec`: one call of one plugin under the daemon's policy, for the author of the plugin.

mod recording;
mod report;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conductor_abi::{Capability, Context, Request, SettingFault, SettingValues};
use conductor_core::{
    Devices, Flavour, GrantSpec, Host, MidiOutputs, Plugin, PluginInfo, PluginOptions, Sounding,
};
use conductor_daemon::config::{Config, denial};
use conductor_daemon::hosting::{self, Hosting, Isolation};
use conductor_daemon::paths::Paths;
use conductor_daemon::words::actions;
use conductor_signing::escape::terminal;
use conductor_surface::output::MidiPorts;
use conductor_surface::stop::Stop;
use serde_json::Value as Json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::exit::{Failure, Status};
use crate::logging;
use recording::Recording;
use report::Report;

/// How long the report may take after a signal.
const REPORT_WAIT: Duration = Duration::from_secs(1);

/// Time between two looks whether sounds have ended, and whether a signal came.
const LISTEN: Duration = Duration::from_millis(10);

/// How long the end of a sound may take to get through the sound server.
const OUTPUT_LATENCY: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Plugin to run
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: PathBuf,
    /// Action to execute; without one, a command-flavour plugin gets standard input as it is
    #[arg(long)]
    action: Option<String>,
    /// Parameters of the action
    #[arg(long, value_name = "JSON", value_parser = parse_json, requires = "action", allow_negative_numbers = true)]
    params: Option<Json>,
    /// Event that the plugin sees, such as {"note": 60, "velocity": 100}
    #[arg(long, value_name = "JSON", value_parser = parse_context, requires = "action")]
    context: Option<Context>,
    /// Set a setting that the plugin declares; the others have their defaults
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable, requires = "action")]
    setting: Vec<(String, String)>,
    /// Grant a capability, all that the plugin declares or the scope named here
    #[arg(long, value_name = "CAP[=SCOPE]")]
    grant: Vec<GrantSpec>,
    /// Deny a capability that would be granted automatically
    #[arg(long, value_name = "CAP", value_parser = denial::parse)]
    deny: Vec<Capability>,
    /// Deny what is not granted here, also what would be granted automatically, and print what the plugin turns out to need
    #[arg(long)]
    record: bool,
    /// Report as JSON
    #[arg(long)]
    json: bool,
    /// Accept a plugin without a valid signature, and let --grant exceed the ceiling for such plugins
    #[arg(long)]
    unsigned_ok: bool,
    /// Set an environment variable for the plugin
    #[arg(long, value_name = "K=V", value_parser = parse_variable)]
    env: Vec<(String, String)>,
    /// Let the plugin read and write a directory of this machine
    #[arg(long, value_name = "HOST::GUEST", value_parser = parse_directory)]
    dir: Vec<(PathBuf, String)>,
    /// Run the plugin in this process, behind WebAssembly alone
    #[arg(long, conflicts_with = "allow_weak_isolation")]
    in_process: bool,
    /// Run the plugin even where the operating system cannot confine it
    #[arg(long)]
    allow_weak_isolation: bool,
    /// Configuration file, for limits and MIDI [default: config.toml in the configuration directory, if any]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Arguments of a command-flavour plugin
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

pub(crate) fn exec(arguments: Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let stop = Stop::new().map_err(Failure::failed)?;
    stop.on_signals(&[SIGINT, SIGTERM], Status::Interrupted as i32).map_err(Failure::failed)?;
    let config = match &arguments.config {
        Some(file) => Config::load(file, paths)?,
        None => Config::load_or_default(&paths.config_file(), paths)?,
    };
    if arguments.unsigned_ok {
        logging::say(&format!(
            "warning: --unsigned-ok: {} may run although nobody vouches for it",
            terminal(&arguments.plugin.to_string_lossy())
        ));
    }
    let ports = Arc::new(MidiPorts::new(&config.outputs, Vec::new()));
    let midi = Arc::clone(&ports) as Arc<dyn MidiOutputs>;
    let sounding = Sounding::new(&midi);
    let inputs = Devices::default().midi_inputs;
    let devices = hosting::devices(midi, sounding.clone(), inputs, &config.networks, paths);
    let max_input = u64::from(config.wasm.max_message_bytes);
    let isolation = if arguments.in_process {
        Isolation::InProcess
    } else {
        Isolation::Workers { allow_weak: arguments.allow_weak_isolation }
    };
    let mut wasm = config.wasm;
    let record = arguments.record.then(|| Recording::begin(&arguments, paths, &mut wasm)).transpose();
    let record = Arc::new(record.map_err(Failure::failed)?);
    let host = Hosting::new(isolation, paths).host(wasm, devices);
    let host = host.map_err(|error| Failure::of_host(error, Status::Refused))?;
    let (as_json, passed_through) = (arguments.json, arguments.action.is_none());
    let call = {
        let record = Arc::clone(&record);
        move || call(&host, &arguments, max_input, record.as_ref().as_ref())
    };
    let report = match unless_stopped(call, &stop, Duration::ZERO)? {
        Some(called) => called?,
        // Everything that the plugin holds ends with this process.
        None => {
            record.iter().for_each(Recording::clean_up);
            Report::interrupted(started.elapsed())
        }
    };
    sounding.ledger().close();
    ports.flush();
    // The lines of the log stand before the report.
    logging::flush();
    let status = report.status();
    match unless_stopped(move || report.write(as_json, passed_through), &stop, REPORT_WAIT)? {
        Some(written) => written.map_err(|error| Failure::output(&error, Status::Output))?,
        None => return Err(Failure::output(&io::Error::other("nobody reads it"), Status::Output)),
    }
    Ok(status.into())
}

/// Runs an action on a thread of its own and returns its result. Returns nothing if a signal comes and the action takes
/// longer than `grace` after the signal.
fn unless_stopped<T: Send + 'static>(
    action: impl FnOnce() -> T + Send + 'static,
    stop: &Stop,
    grace: Duration,
) -> Result<Option<T>, Failure> {
    let (sender, done) = channel();
    let run = move || {
        // After a signal, the receiver may have stopped waiting.
        let _ = sender.send(action());
    };
    let thread = thread::Builder::new().name("exec".into()).spawn(run).map_err(Failure::failed)?;
    let mut deadline = None;
    loop {
        match done.recv_timeout(LISTEN) {
            Ok(result) => return Ok(Some(result)),
            Err(RecvTimeoutError::Disconnected) => {
                drop(thread);
                return Err(Failure::failed("its thread ended with a bug in this program"));
            }
            Err(RecvTimeoutError::Timeout) if stop.is_stopped() => {
                let now = Instant::now();
                if *deadline.get_or_insert(now + grace) <= now {
                    return Ok(None);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn call(
    host: &Host,
    arguments: &Arguments,
    max_input: u64,
    record: Option<&Recording>,
) -> Result<Report, Failure> {
    let mut options = PluginOptions {
        granted: arguments.grant.clone(),
        denied: arguments.deny.clone(),
        accept_unsigned: arguments.unsigned_ok,
        arguments: arguments.arguments.clone(),
        environment: arguments.env.clone(),
        directories: arguments.dir.clone(),
        ..PluginOptions::default()
    };
    if let Some(record) = record {
        record.apply(&mut options);
    }
    let mut plugin = match host.load(&arguments.plugin, &options) {
        Ok(plugin) => plugin,
        Err(error) => return Ok(Report::refused(&error)),
    };
    let request = request(arguments, plugin.as_ref(), max_input)?;
    let call = plugin.execute(&request);
    hear_out(plugin.as_ref());
    let report = Report::called(plugin.info(), call);
    Ok(match record {
        Some(record) => report.recorded(record.needs(plugin.info())),
        None => report,
    })
}

/// Waits until the sounds that the call began have ended.
fn hear_out(plugin: &dyn Plugin) {
    if !plugin.is_heard() {
        return;
    }
    while plugin.is_heard() {
        thread::sleep(LISTEN);
    }
    thread::sleep(OUTPUT_LATENCY);
}

/// The request to execute: the JSON of a request, or standard input as it is.
fn request(arguments: &Arguments, plugin: &dyn Plugin, max_input: u64) -> Result<Vec<u8>, Failure> {
    let info = plugin.info();
    let Some(action) = &arguments.action else {
        return match info.flavour {
            Flavour::Command => read_input(max_input).map_err(Failure::failed),
            Flavour::Reactor => {
                let message = "this plugin needs an action: name one with --action";
                Err(Failure::usage(message).with_hint(actions::hint("", info.manifest.as_ref())))
            }
        };
    };
    if !info.accepts(action) {
        let failure = Failure::usage(format!("this plugin has no action `{}`", terminal(action)));
        return Err(failure.with_hint(actions::hint(action, info.manifest.as_ref())));
    }
    let mut context = arguments.context.clone().unwrap_or_default();
    if context.timestamp == 0 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        context.timestamp = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    }
    context.settings = settings(&arguments.setting, info)?;
    let parameters = arguments.params.clone().unwrap_or_default();
    let request = Request { action: action.clone(), context, parameters };
    // There are no mappings here, so a mode has an index only if its name is that index.
    let mode = request.context.current_mode.as_ref().and_then(|mode| mode.parse().ok());
    info.json(&request, mode).map_err(Failure::usage)
}

/// The settings of the call: what the command line says, and defaults for the rest. None for a plugin that declares none.
fn settings(given: &[(String, String)], info: &PluginInfo) -> Result<Option<SettingValues>, Failure> {
    let declared = info.declared_settings();
    let mut values = BTreeMap::new();
    for (name, text) in given {
        let spec = declared.iter().find(|spec| spec.name == *name);
        let read = spec.map_or(Err(SettingFault::Unknown), |spec| spec.read(text));
        let value = read.map_err(|fault| Failure::usage(format!("--setting {}: {fault}", terminal(name))))?;
        values.insert(name.clone(), value);
    }
    let values = SettingValues::new(declared, &values);
    let values = values.map_err(|_| Failure::usage("the settings do not fit what the plugin declares"))?;
    Ok(Some(values).filter(|_| !declared.is_empty()))
}

/// Standard input, which may be as long as a message to a plugin.
fn read_input(max: u64) -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    io::stdin().lock().take(max + 1).read_to_end(&mut input)?;
    if input.len() as u64 > max {
        return Err(io::Error::other(format!("standard input is longer than {max} bytes")));
    }
    Ok(input)
}

fn parse_json(text: &str) -> Result<Json, serde_json::Error> {
    serde_json::from_str(text)
}

fn parse_context(text: &str) -> Result<Context, serde_json::Error> {
    serde_json::from_str(text)
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("expected NAME=VALUE".to_owned()),
    }
}

fn parse_directory(text: &str) -> Result<(PathBuf, String), String> {
    match text.split_once("::") {
        Some((host, guest)) if Path::new(host).is_dir() && guest.starts_with('/') => {
            Ok((PathBuf::from(host), guest.to_owned()))
        }
        Some((host, guest)) if guest.starts_with('/') => Err(format!("{host} is not a directory")),
        Some(_) | None => Err("expected HOST::GUEST, where GUEST begins with /".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_directories_are_pairs() {
        assert_eq!(parse_variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert!(parse_variable("=b").is_err());
        assert!(parse_variable("A").is_err());
        assert_eq!(parse_directory("/::/data"), Ok((PathBuf::from("/"), "/data".into())));
        assert!(parse_directory("/:/data").is_err());
        assert!(parse_directory("/::data").is_err());
        assert!(parse_directory("/no/such/directory::/data").is_err());
    }
}
