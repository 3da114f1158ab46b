//! `cargo xtask demo`: the life of a plugin in a scratch home, with the real programs.
//!
//! Three acts: sign and trust, play a piece through three plugins, attack. Every command is shown as typed, with what
//! it really printed. Every result is compared with the expected one, and a difference fails the demo.

mod attacks;
mod playing;
pub(crate) mod signing;
mod stage;
mod tune;
pub(crate) mod web_server;

use std::time::Instant;

use crate::demo::stage::Stage;
use crate::error::TaskError;
use crate::guests;
use crate::places::Places;
use crate::program::Program;
use crate::setup::{self, Purpose};

/// How to run the demo.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Keep the scratch home and say where it is
    #[arg(long)]
    keep: bool,
}

/// Builds and shows everything. Fails if a result differs from the expected one.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    setup::run(places, Purpose::Build)?;
    build(places)?;
    let started = Instant::now();
    let mut stage = Stage::set(places)?;
    let shown = show(&mut stage);
    if options.keep {
        println!("\nThe scratch home is kept in {}", stage.keep().display());
    }
    shown?;
    stage.close(started.elapsed())
}

fn show(stage: &mut Stage) -> Result<(), TaskError> {
    signing::show(stage)?;
    playing::show(stage)?;
    attacks::show(stage)
}

/// Builds the programs and the plugins with the profiles that the tests use, so that neither builds twice.
fn build(places: &Places) -> Result<(), TaskError> {
    println!("Building the programs, the example plugins and a hostile plugin");
    // The whole workspace is built, because a selection of packages would be built with other features of the engine.
    let programs = ["build", "--locked", "--workspace", "--exclude", "xtask", "--bins"];
    Program::cargo(&places.root).args(programs).show_and_run()?;
    guests::ALL.iter().try_for_each(|guests| guests.build(places))
}
