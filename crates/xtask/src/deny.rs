//! `cargo xtask deny`: licences, bans, sources and advisories of the dependencies, with the rules of `deny.toml`.

use std::time::Duration;

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;
use crate::setup;

/// How long the download of the advisory database may take. The database has a few megabytes, and a machine that cannot
/// reach it must not hang a test run.
const FETCH_LIMIT: Duration = Duration::from_secs(120);

/// Checks of workspaces that are shipped, or that test what is shipped.
const ALL: &[&str] = &["licenses", "bans", "sources"];

/// Checks of the workspace with a peer. Licences are not checked, because nothing that is shipped contains the peer's
/// dependencies.
const PEER: &[&str] = &["bans", "sources"];

/// The workspaces whose dependencies are checked, each with its checks.
const WORKSPACES: [(&str, &[&str]); 5] = [
    ("Cargo.toml", ALL),
    ("plugins/Cargo.toml", ALL),
    ("fuzz/Cargo.toml", ALL),
    ("bench/Cargo.toml", PEER),
    ("bench/guests/Cargo.toml", ALL),
];

/// Checks all workspaces. If the advisory database cannot be reached, that is printed and is not a failure.
pub(crate) fn run(places: &Places) -> Result<(), TaskError> {
    let advisories = fetch_advisories(places);
    for (manifest, checks) in WORKSPACES {
        cargo_deny(places, manifest).args(["check"]).args(checks).show_and_run()?;
        if advisories {
            cargo_deny(places, manifest).args(["check", "--disable-fetch", "advisories"]).show_and_run()?;
        }
    }
    Ok(())
}

fn fetch_advisories(places: &Places) -> bool {
    let mut fetch = cargo_deny(places, "Cargo.toml").args(["fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0");
    let reason = match fetch.capture(FETCH_LIMIT) {
        Ok(captured) if captured.status.success() => return true,
        Ok(captured) => last_words(&captured.stderr),
        Err(error) => error.to_string(),
    };
    println!("Advisories are NOT checked in this run, their database could not be fetched: {reason}");
    false
}

fn cargo_deny(places: &Places, manifest: &str) -> Program {
    Program::new(setup::cargo_deny_path(places), &places.root).args([
        "--log-level",
        "error",
        "--manifest-path",
        manifest,
    ])
}

fn last_words(text: &str) -> String {
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("no reason was given").to_owned()
}
