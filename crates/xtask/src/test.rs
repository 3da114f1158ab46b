//! `cargo xtask test`: every check and every test, beginning with those that fail fastest. With `--long`, a second tier
//! of steps follows that need other toolchains, or an hour.

use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;
use crate::setup::{self, Purpose};
use crate::{
    bench, deny, faults, fuzz, guests, ordinary, page, peers, second_try, simulate, soak, tidy, toolchains,
};

/// Which steps to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run this step alone
    #[arg(long, value_name = "STEP")]
    only: Option<String>,
    /// Run what takes other toolchains or an hour as well
    #[arg(long)]
    long: bool,
    /// List the steps and end
    #[arg(long)]
    list: bool,
}

/// One step of the test command.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Places) -> Result<(), TaskError>,
}

/// The steps in order.
const STEPS: [Step; 13] = [
    Step { name: "format", about: "sources are formatted", run: format },
    Step { name: "tidy", about: "layers, circles, headers, root contents", run: tidy },
    Step { name: "clippy", about: "no lint speaks up", run: clippy },
    Step { name: "plugins", about: "example plugins build and pass their own tests", run: plugins },
    Step { name: "tests", about: "unit, integration and end-to-end tests", run: tests },
    Step { name: "ordinary", about: "the same as an ordinary user, where this is root", run: ordinary },
    Step {
        name: "faults",
        about: "kills and errors of system calls leave the old or the new, and let nothing in",
        run: faults::quick,
    },
    Step { name: "page", about: "the Plugin Manager's page in a browser", run: page::run },
    Step { name: "fuzz", about: "fuzz targets run for a short time without a crash", run: fuzz::smoke },
    Step { name: "doc-tests", about: "examples in the documentation", run: doc_tests },
    Step { name: "docs", about: "documentation builds without a broken link", run: docs },
    Step { name: "conductor-sign", about: "the signing tool's own build command", run: conductor_sign },
    Step { name: "deny", about: "licences, bans, sources, advisories", run: deny::run },
];

/// The steps of the second tier, which run after those of the first.
const LONG_STEPS: [Step; 5] = [
    Step {
        name: "toolchains",
        about: "modules of ordinary toolchains load and answer",
        run: toolchains::run,
    },
    Step {
        name: "peers",
        about: "fifteen seconds with each server that does something wrong",
        run: peers::long,
    },
    Step {
        name: "simulate",
        about: "ten minutes of random users, held against a model",
        run: simulate::long,
    },
    Step { name: "all-faults", about: "a kill and an error at every system call", run: faults::all },
    Step { name: "soak", about: "the daemon under load and attack for ten minutes", run: soak::long },
];

/// Runs all steps, or the named one. The first failure ends the run.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    if options.list {
        all().for_each(|step| println!("{:<16}{}", step.name, step.about));
        return Ok(());
    }
    let steps = chosen(options.only.as_deref(), options.long)?;
    setup::run(places, Purpose::Test)?;
    let mut times = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        println!("\n== {}/{} {}: {}", index + 1, steps.len(), step.name, step.about);
        let started = Instant::now();
        (step.run)(places).map_err(|cause| TaskError::Step { step: step.name, cause: Box::new(cause) })?;
        times.push((step.name, started.elapsed()));
    }
    let total: Duration = times.iter().map(|(_, took)| *took).sum();
    println!("\n== all {} steps passed in {:.1} s", times.len(), total.as_secs_f64());
    for (name, took) in times {
        println!("   ok  {name:<16}{:>8.1} s", took.as_secs_f64());
    }
    Ok(())
}

/// The steps of both tiers.
fn all() -> impl Iterator<Item = &'static Step> {
    STEPS.iter().chain(&LONG_STEPS)
}

fn chosen(only: Option<&str>, long: bool) -> Result<Vec<&'static Step>, TaskError> {
    let Some(name) = only else {
        return Ok(if long { all().collect() } else { STEPS.iter().collect() });
    };
    let known = || all().map(|step| step.name).collect::<Vec<_>>().join(", ");
    all()
        .find(|step| step.name == name)
        .map(|step| vec![step])
        .ok_or_else(|| TaskError::UnknownStep { name: name.to_owned(), known: known() })
}

fn format(places: &Places) -> Result<(), TaskError> {
    cargo(places, &["fmt", "--all", "--check"])?;
    guests::ALL
        .iter()
        .chain([&guests::BENCH])
        .try_for_each(|guests| guests.cargo(places, "fmt").args(["--all", "--check"]).show_and_run())?;
    fuzz::check_format(places)?;
    bench::check_format(places)
}

fn tidy(places: &Places) -> Result<(), TaskError> {
    tidy::run(&places.root, &tidy::Options::default())
}

fn clippy(places: &Places) -> Result<(), TaskError> {
    cargo(places, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    guests::ALL.iter().try_for_each(|guests| {
        let clippy = guests.cargo_building(places, "clippy")?.args(["--target", guests::TARGET]);
        clippy.args(["--", "-D", "warnings"]).show_and_run()
    })?;
    fuzz::cargo(places, "clippy")?.args(["--all-targets", "--", "-D", "warnings"]).show_and_run()
}

fn plugins(places: &Places) -> Result<(), TaskError> {
    guests::ALL.iter().try_for_each(|guests| guests.build(places))?;
    guests::PLUGINS.cargo_building(places, "test")?.show_and_run()
}

fn tests(places: &Places) -> Result<(), TaskError> {
    let test = ["test", "--workspace", "--locked"];
    let all = Program::cargo(&places.root).args(test).args(["--lib", "--bins", "--tests", "--no-fail-fast"]);
    println!("$ {}", all.line());
    second_try::run(all, |name, programs| {
        Ok(Program::cargo(&places.root).args(test).args(programs).args(["--", "--exact", name]))
    })
}

fn ordinary(places: &Places) -> Result<(), TaskError> {
    ordinary::run(places, &ordinary::Options::default())
}

fn doc_tests(places: &Places) -> Result<(), TaskError> {
    cargo(places, &["test", "--workspace", "--locked", "--doc"])
}

fn docs(places: &Places) -> Result<(), TaskError> {
    let program = Program::cargo(&places.root).args(["doc", "--workspace", "--locked", "--no-deps"]);
    // Links from public pages to private items are allowed, because they help readers of the source.
    program.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links").show_and_run()
}

/// Runs the command line with which the manual tells people to build the signing tool by itself.
fn conductor_sign(places: &Places) -> Result<(), TaskError> {
    let package = ["--package", "conductor-daemon", "--bin", "conductor-sign"];
    cargo(places, &[&["build"], &package[..], &["--features", "plugin-signing", "--release"]].concat())
}

fn cargo(places: &Places, arguments: &[&str]) -> Result<(), TaskError> {
    Program::cargo(&places.root).args(arguments).show_and_run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_can_be_run_alone_by_its_name() {
        let steps = chosen(Some("deny"), false).expect("a step");
        assert_eq!(steps.len(), 1);
        assert_eq!(chosen(Some("toolchains"), false).expect("a step of the second tier").len(), 1);
        assert!(matches!(chosen(Some("dney"), true), Err(TaskError::UnknownStep { .. })));
        assert_eq!(chosen(None, false).expect("the first tier").len(), STEPS.len());
        assert_eq!(chosen(None, true).expect("all").len(), STEPS.len() + LONG_STEPS.len());
    }
}
