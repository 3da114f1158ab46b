//! Set-up, demo, tests and checks of the workspace: `cargo xtask <task>`.
//!
//! A task is one file. Tasks start real programs, show what they start, and end with a status that says whether
//! everything succeeded. They need only a stable Rust toolchain, because `setup` installs the rest.

#![forbid(unsafe_code)]

mod bench;
mod demo;
mod deny;
mod error;
mod faults;
mod fuzz;
mod guests;
mod mutants;
mod ordinary;
mod page;
mod peers;
mod places;
mod program;
mod quoting;
mod scratch;
mod second_try;
mod setup;
mod simulate;
mod soak;
mod test;
mod tidy;
mod toolchains;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::TaskError;
use crate::places::Places;
use crate::setup::Purpose;

/// Tasks of the Conductor workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what building and testing need and the machine does not have
    Setup,
    /// Build everything, then sign, trust, play and attack example plugins in a scratch home
    Demo(demo::Options),
    /// Run every check and every test
    Test(test::Options),
    /// Run test programs as an ordinary user, where this is root
    Ordinary(ordinary::Options),
    /// Measure what dispatch, load and start cost, held against peers in the same run
    Bench(bench::Options),
    /// Send events to many plugins, some of them hostile, for minutes, and count what is lost
    Soak(soak::Options),
    /// Let a plugin talk to servers that do each thing wrong, and hold the host to its bounds
    Peers(peers::Options),
    /// Let users, publishers and thieves do things at random, and compare the host with a model after each
    Simulate(simulate::Options),
    /// Kill whatever decides or starts something, or let its system calls fail, and look for what is lost or let in
    Faults(faults::Options),
    /// Change what decides in one place after the other, and look for changes that no test notices
    Mutants(mutants::Options),
    /// Look for inputs that make the host crash, hang or break its word
    Fuzz(fuzz::Options),
    /// Check layers, file headers, the root's contents and other rules of the code base
    Tidy(tidy::Options),
    /// Check licences, bans, sources and advisories of the dependencies
    Deny,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<(), TaskError> {
    let places = Places::find()?;
    match task {
        Task::Setup => {
            if setup::run(&places, Purpose::Test)? == setup::Changed::Nothing {
                println!("Nothing to install: everything that building and testing need is here.");
            }
            Ok(())
        }
        Task::Demo(options) => demo::run(&places, options),
        Task::Test(options) => test::run(&places, options),
        Task::Ordinary(options) => ordinary::run(&places, options),
        Task::Bench(options) => bench::run(&places, options),
        Task::Soak(options) => soak::run(&places, options),
        Task::Peers(options) => peers::run(&places, options),
        Task::Simulate(options) => simulate::run(&places, options),
        Task::Faults(options) => faults::run(&places, options),
        Task::Mutants(options) => mutants::run(&places, options),
        Task::Fuzz(options) => fuzz::run(&places, options),
        Task::Tidy(options) => tidy::run(&places.root, options),
        Task::Deny => {
            setup::run(&places, Purpose::Test)?;
            deny::run(&places)
        }
    }
}
