//! `cargo xtask peers`: servers that do each thing wrong, for longer than the tests let them.

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
    // Of the whole workspace, so that it is the program that the tests have built.
    let test = ["test", "--locked", "--workspace", "--test", "peers", "--"];
    Program::cargo(&places.root).args(test).args(["seconds", seconds.as_str()]).show_and_run()
}

/// A quarter of a minute for each of them, twelve minutes for all.
pub(crate) fn long(places: &Places) -> Result<(), TaskError> {
    run(places, &Options { seconds: 15 })
}
