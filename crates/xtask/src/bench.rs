//! `cargo xtask bench`: what Conductor costs, compared with yardsticks in the same run.
//!
//! The measurements are a separate workspace, `bench/`, because one peer brings its own engine, which nothing else
//! needs. Everything is built with optimisation; the worker processes run the daemon's program as it is shipped.

use std::path::Path;

use crate::error::TaskError;
use crate::guests;
use crate::places::Places;
use crate::program::Program;
use crate::setup::{self, Purpose};

/// Directory of the workspace, relative to the root.
const WORKSPACE: &str = "bench";

/// Where the results go, below the target directory.
const OUTPUT: &str = "bench";

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measure less, in three minutes at most
    #[arg(long)]
    quick: bool,
    /// Measure this alone, such as `dispatch` or `midi`
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// Builds everything that is measured, measures it, and prints where the results are.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    setup::run(places, Purpose::Bench)?;
    let target = places.target()?;
    let daemon = ["build", "--release", "--locked", "--package", "conductor-daemon", "--bins"];
    Program::cargo(&places.root).args(daemon).show_and_run()?;
    guests::BENCH.build(places)?;
    cargo(places, "build", &target).args(["--release"]).show_and_run()?;
    let output = target.join(OUTPUT);
    let release = target.join("release");
    let mut program = Program::new(release.join("conductor-bench"), &places.root).args(["run"]);
    program = program.args([Path::new("--conductor"), &release.join("conductor")]);
    program = program.args([Path::new("--conductor-sign"), &release.join("conductor-sign")]);
    program = program.args([Path::new("--guests"), &guests::BENCH.modules(places)?]);
    program = program.args([Path::new("--out"), &output]);
    if options.quick {
        program = program.args(["--quick"]);
    }
    if let Some(name) = &options.only {
        program = program.args(["--only", name]);
    }
    program.show_and_run()
}

/// `cargo COMMAND` for the workspace of the measurements. Packages that it shares with the main workspace are built
/// once.
fn cargo(places: &Places, command: &str, target: &Path) -> Program {
    let program = Program::cargo(&places.root.join(WORKSPACE)).args([command, "--locked", "--target-dir"]);
    program.args([target])
}

/// `cargo fmt` for the workspace of the measurements.
pub(crate) fn check_format(places: &Places) -> Result<(), TaskError> {
    Program::cargo(&places.root.join(WORKSPACE)).args(["fmt", "--check"]).show_and_run()
}
