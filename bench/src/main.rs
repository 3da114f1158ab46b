//! Measures Conductor against its yardsticks, in one run and in turn: `cargo xtask bench`.
//!
//! A yardstick is what the work costs without Conductor: the bare engine, two processes that exchange bytes, or a peer.
//! Ratios count, because whatever else the machine does affects both. Subject and yardstick are timed in alternating
//! rounds, whose median and 99th percentile are taken. Work of less than a microsecond is timed a hundred calls at a
//! time.

mod daemon;
mod modules;
mod peer;
mod plot;
mod report;
mod rows;
mod sample;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::sample::Effort;
use crate::stage::{Built, Result};

/// Measures Conductor.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Measure everything, print a table, and write it as JSON and as a picture
    Run {
        #[command(flatten)]
        built: Built,
        /// Measure less, in three minutes at most
        #[arg(long)]
        quick: bool,
        /// Measure this alone
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// Where the results go
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// The measurements for which this process has one processor, as JSON
    #[command(hide = true)]
    Pinned {
        #[command(flatten)]
        built: Built,
        #[arg(long)]
        quick: bool,
    },
    /// The other end of a ping-pong
    #[command(hide = true)]
    Pong { bytes: usize },
    /// A native program between two FIFOs
    #[command(hide = true)]
    Native { keys: PathBuf, synth: PathBuf },
    /// Its other process
    #[command(hide = true)]
    NativePlugin,
}

fn main() -> ExitCode {
    match run(Arguments::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: What) -> Result<()> {
    match what {
        What::Run { built, quick, only, out } => measure(&built, quick, only.as_deref(), &out),
        What::Pinned { built, quick } => {
            let rows = rows::pinned::measure_here(&built, effort(quick))?;
            let rows: Vec<_> = rows.iter().map(report::Row::json).collect();
            println!("{}", serde_json::Value::from(rows));
            Ok(())
        }
        What::Pong { bytes } => peer::ping::pong(bytes),
        What::Native { keys, synth } => rows::midi::native(&keys, &synth),
        What::NativePlugin => rows::midi::native_plugin(),
    }
}

const fn effort(quick: bool) -> Effort {
    if quick { Effort::QUICK } else { Effort::FULL }
}

fn measure(built: &Built, quick: bool, only: Option<&str>, out: &std::path::Path) -> Result<()> {
    let chosen: Vec<_> = rows::ALL.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        let known: Vec<_> = rows::ALL.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no such measurement; there are: {}", known.join(", ")).into());
    }
    report::print_head();
    let mut all = Vec::new();
    for (_, measure) in chosen {
        let rows = measure(built, effort(quick))?;
        rows.iter().for_each(report::print);
        all.extend(rows);
    }
    std::fs::create_dir_all(out)?;
    let name = if quick { "quick" } else { "bench" };
    let (json, svg) = (out.join(format!("{name}.json")), out.join(format!("{name}.svg")));
    report::write(&json, &all)?;
    plot::write(&svg, &all)?;
    println!("\n{} and {}", json.display(), svg.display());
    Ok(())
}
