//! `conductor`: runs plugins on real input, runs one plugin once, or shows what a plugin file is.

#![forbid(unsafe_code)]

mod exec;
mod exit;
mod init;
mod inspect;
mod logging;
mod run;
mod silence;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use conductor_daemon::paths::Paths;

use exit::{Failure, Status};

/// Runs signed WebAssembly plugins on MIDI, OSC and other input.
#[derive(Debug, Parser)]
#[command(name = "conductor", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground.
    Run(run::Arguments),
    /// Write a configuration to fill in, with comments.
    Init(init::Arguments),
    /// Run one call of one plugin and report what it did.
    Exec(Box<exec::Arguments>),
    /// Run as the worker process of one plugin; started by the others, not by people.
    #[command(hide = true)]
    Worker,
    /// Start one program for a plugin; started by the daemon, not by people.
    #[command(hide = true)]
    Launch,
    /// End what a daemon that was killed left sounding at MIDI outputs.
    Silence(silence::Arguments),
    /// Show what a plugin file is, who signed it and what it asks for. Runs nothing.
    Inspect(inspect::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Worker => return worker(),
        Command::Launch => return launch(),
        Command::Run(_) | Command::Init(_) | Command::Exec(_) | Command::Silence(_) | Command::Inspect(_) => {
        }
    }
    let default_filter = match &arguments.command {
        Command::Run(_) => "info,conductor::audit=warn",
        Command::Init(_)
        | Command::Exec(_)
        | Command::Silence(_)
        | Command::Inspect(_)
        | Command::Worker
        | Command::Launch => "warn,conductor::audit=off",
    };
    if let Err(error) = logging::start(default_filter) {
        return Failure::failed(format!("cannot start a thread: {error}")).report();
    }
    let paths = Paths::from_environment().map_err(Failure::usage);
    let outcome = paths.and_then(|paths| match arguments.command {
        Command::Run(arguments) => run::run(&arguments, &paths),
        Command::Init(arguments) => init::init(&arguments, &paths),
        Command::Exec(arguments) => exec::exec(*arguments, &paths),
        Command::Silence(arguments) => silence::silence(&arguments, &paths),
        Command::Inspect(arguments) => inspect::inspect(&arguments, &paths),
        Command::Worker | Command::Launch => Ok(Status::Usage.into()),
    });
    let status = outcome.unwrap_or_else(|failure| failure.report());
    logging::flush();
    status
}

/// Runs as a worker. A worker reports over its channel, so an error needs only a status.
#[cfg(target_os = "linux")]
fn worker() -> ExitCode {
    match conductor_core::worker::run() {
        Ok(()) => Status::Ok.into(),
        Err(_) => Status::Failed.into(),
    }
}

#[cfg(not(target_os = "linux"))]
fn worker() -> ExitCode {
    Failure::usage("worker processes exist on Linux only so far").report()
}

/// Runs as a launcher. Like a worker, a launcher reports over its channel.
#[cfg(target_os = "linux")]
fn launch() -> ExitCode {
    match conductor_core::launcher::run() {
        Ok(()) => Status::Ok.into(),
        Err(_) => Status::Failed.into(),
    }
}

#[cfg(not(target_os = "linux"))]
fn launch() -> ExitCode {
    Failure::usage("programs are started on Linux only so far").report()
}
