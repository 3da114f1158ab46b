//! `conductor run`: the daemon in the foreground.

use std::path::PathBuf;
use std::process::ExitCode;

use conductor_daemon::calls::CallFormat;
use conductor_daemon::config::Config;
use conductor_daemon::hangup::Hangup;
use conductor_daemon::hosting::{Hosting, Isolation};
use conductor_daemon::paths::{Paths, Places};
use conductor_daemon::run::{self, RunOptions};
use conductor_surface::stop::Stop;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::exit::{Failure, Status};

/// Status of a process that a second signal ended at once: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Configuration file [default: config.toml in the configuration directory]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print each call as it ends: event, plugin, action, outcome, fuel, microseconds
    #[arg(long)]
    events: bool,
    /// With --events, print JSON lines instead of a table
    #[arg(long, requires = "events")]
    json: bool,
    /// End when the inputs that have an end (files, counted intervals) have reached it
    #[arg(long)]
    exit_at_end: bool,
    /// Load no plugin: inputs, the control socket and the Plugin Manager work without any
    #[arg(long)]
    safe: bool,
    /// Run even where the operating system cannot confine plugins
    #[arg(long)]
    allow_weak_isolation: bool,
}

pub(crate) fn run(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let file = arguments.config.clone().unwrap_or_else(|| paths.config_file());
    let hangup = Hangup::watched().map_err(Failure::failed)?;
    // A file that the command line names must exist; otherwise its name is wrong.
    let load = if arguments.config.is_some() { Config::load } else { Config::load_or_default };
    let config = load(&file, paths)?;
    let stop = Stop::new().map_err(Failure::failed)?;
    stop.on_signals(&[SIGINT, SIGTERM], INTERRUPTED).map_err(Failure::failed)?;
    let calls = match (arguments.events, arguments.json) {
        (false, _) => None,
        (true, false) => Some(CallFormat::Table),
        (true, true) => Some(CallFormat::JsonLines),
    };
    let options = RunOptions { calls, safe: arguments.safe, exit_at_end: arguments.exit_at_end };
    let isolation = Isolation::Workers { allow_weak: arguments.allow_weak_isolation };
    let hosting = Hosting::new(isolation, paths);
    let places = Places {
        config_file: absolute(file),
        paths: paths.clone(),
        control_socket: paths.control_socket(),
        audit_file: paths.audit_file(),
    };
    let totals = run::run(&config, options, &hosting, &places, &stop, &hangup).map_err(Failure::of_run)?;
    match totals.iter().map(|totals| totals.unfit_mappings).sum() {
        0_u64 => Ok(Status::Ok.into()),
        1 => Err(Failure::failed("a mapping names an action that its plugin lacks")),
        unfit => Err(Failure::failed(format!("{unfit} mappings name actions that their plugins lack"))),
    }
}

/// The absolute path, which means the same in another working directory.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
