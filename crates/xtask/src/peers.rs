//! `cargo xtask peers`: runs servers that each do one thing wrong, for longer than the tests do.

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;
use crate::setup::{self, Purpose};

/// How long the peers have.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds for each peer
    #[arg(long, value_name = "N", default_value_t = 20)]
    seconds: u64,
}

/// Builds the peers, and runs one after the other.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    setup::run(places, Purpose::Test)?;
    let seconds = options.seconds.to_string();
    // The whole workspace is built, so that the program is the one that the tests use.
    let test = ["test", "--locked", "--workspace", "--test", "peers", "--"];
    Program::cargo(&places.root).args(test).args(["seconds", seconds.as_str()]).show_and_run()
}

/// Runs each peer for a quarter of a minute.
pub(crate) fn long(places: &Places) -> Result<(), TaskError> {
    run(places, &Options { seconds: 15 })
}
