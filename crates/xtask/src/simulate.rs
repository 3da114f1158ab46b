//! `cargo xtask simulate`: users, publishers, thieves and full disks at random, held against a model of what the user decided.

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;
use crate::setup::{self, Purpose};

/// Which worlds to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seed of the first world; each further one has the next number
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Steps of each world
    #[arg(long, value_name = "M", default_value_t = 300)]
    steps: u64,
    /// Minutes to go on for; without, one world
    #[arg(long, value_name = "T", default_value_t = 0)]
    minutes: u64,
}

/// Builds the world, and runs it.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    setup::run(places, Purpose::Test)?;
    let Options { seed, steps, minutes } = options;
    // Of the whole workspace, so that the program is the one that the tests have built.
    let test = ["test", "--locked", "--workspace", "--test", "world", "--", "simulate"];
    let numbers = [seed.to_string(), steps.to_string(), minutes.to_string()];
    Program::cargo(&places.root).args(test).args(numbers.iter().map(String::as_str)).show_and_run()
}

/// Ten minutes of worlds that no other run had.
pub(crate) fn long(places: &Places) -> Result<(), TaskError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = now.map_or(0, |time| time.as_secs());
    println!("Seeds from {seed}");
    run(places, &Options { seed, steps: 300, minutes: 10 })
}
