//! `cargo xtask test`: every check and every test, in the order in which they are quickest to fail.

use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;
use crate::setup::{self, PLUGIN_TARGET, Purpose};
use crate::{deny, tidy};

/// Which steps to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run this step alone
    #[arg(long, value_name = "STEP")]
    only: Option<String>,
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
const STEPS: [Step; 9] = [
    Step { name: "format", about: "sources are formatted", run: format },
    Step { name: "tidy", about: "layers, headers, root contents", run: |places| tidy::run(&places.root) },
    Step { name: "clippy", about: "no lint speaks up", run: clippy },
    Step { name: "plugins", about: "example plugins build and pass their own tests", run: plugins },
    Step { name: "tests", about: "unit, integration and end-to-end tests", run: tests },
    Step { name: "doc-tests", about: "examples in the documentation", run: doc_tests },
    Step { name: "docs", about: "documentation builds without a broken link", run: docs },
    Step { name: "conductor-sign", about: "the signing tool's own build command", run: conductor_sign },
    Step { name: "deny", about: "licences, bans, sources, advisories", run: deny::run },
];

/// Workspaces of WebAssembly crates: examples for users, and programs that tests attack the host with.
const GUEST_WORKSPACES: [&str; 2] = ["plugins", "tests/fixtures"];

/// Runs all steps, or the one that was asked for; the first that fails ends it.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    if options.list {
        STEPS.iter().for_each(|step| println!("{:<16}{}", step.name, step.about));
        return Ok(());
    }
    let steps = chosen(options.only.as_deref())?;
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

fn chosen(only: Option<&str>) -> Result<Vec<&'static Step>, TaskError> {
    let Some(name) = only else { return Ok(STEPS.iter().collect()) };
    let known = || STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(", ");
    STEPS
        .iter()
        .find(|step| step.name == name)
        .map(|step| vec![step])
        .ok_or_else(|| TaskError::UnknownStep { name: name.to_owned(), known: known() })
}

fn format(places: &Places) -> Result<(), TaskError> {
    cargo(places, &["fmt", "--all", "--check"])?;
    for workspace in GUEST_WORKSPACES {
        cargo_in(places, workspace, &["fmt", "--all", "--check"])?;
    }
    Ok(())
}

fn clippy(places: &Places) -> Result<(), TaskError> {
    cargo(places, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    for workspace in GUEST_WORKSPACES {
        let target = ["--target", PLUGIN_TARGET];
        cargo_in(
            places,
            workspace,
            &[&["clippy", "--locked"], &target[..], &["--", "-D", "warnings"]].concat(),
        )?;
    }
    Ok(())
}

fn plugins(places: &Places) -> Result<(), TaskError> {
    cargo_in(places, "plugins", &["build", "--locked", "--release", "--target", PLUGIN_TARGET])?;
    cargo_in(places, "plugins", &["test", "--locked"])
}

fn tests(places: &Places) -> Result<(), TaskError> {
    cargo(places, &["test", "--workspace", "--locked", "--lib", "--bins", "--tests"])
}

fn doc_tests(places: &Places) -> Result<(), TaskError> {
    cargo(places, &["test", "--workspace", "--locked", "--doc"])
}

fn docs(places: &Places) -> Result<(), TaskError> {
    let program = Program::cargo(&places.root).args(["doc", "--workspace", "--locked", "--no-deps"]);
    program.env("RUSTDOCFLAGS", "-D warnings").show_and_run()
}

/// The command line that the manual gives people for building the tool by itself.
fn conductor_sign(places: &Places) -> Result<(), TaskError> {
    let package = ["--package", "conductor-daemon", "--bin", "conductor-sign"];
    cargo(places, &[&["build"], &package[..], &["--features", "plugin-signing", "--release"]].concat())
}

fn cargo(places: &Places, arguments: &[&str]) -> Result<(), TaskError> {
    Program::cargo(&places.root).args(arguments).show_and_run()
}

/// Runs cargo in another workspace of the repository, and shows it as typed from the root.
fn cargo_in(places: &Places, workspace: &str, arguments: &[&str]) -> Result<(), TaskError> {
    let manifest = format!("{workspace}/Cargo.toml");
    let (command, options) = arguments.split_first().unwrap_or((&"", &[]));
    Program::cargo(&places.root).args([command, "--manifest-path", &manifest]).args(options).show_and_run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_can_be_run_alone_by_its_name() {
        let steps = chosen(Some("deny")).expect("a step");
        assert_eq!(steps.len(), 1);
        assert!(matches!(chosen(Some("dney")), Err(TaskError::UnknownStep { .. })));
        assert_eq!(chosen(None).expect("all").len(), STEPS.len());
    }
}
