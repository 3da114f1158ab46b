//! `cargo xtask faults`: changes of what was decided are killed at each system call that writes, opens or renames.
//!
//! A deed, such as granting a capability, is done once undisturbed, and then again and again from the same home, each time
//! killed one site later. Afterwards what was there before must be there, or what was to be: readable, without litter, and the
//! next start must work. What was said to be done must be done. Where this is root, an ordinary user does all of it.

mod deed;
mod home;
mod running;

use std::collections::BTreeSet;
use std::time::Instant;

use crate::error::TaskError;
use crate::places::Places;
use crate::program::Program;
use crate::setup::{self, Purpose};
use deed::{ALL, Deed};
use home::{Home, State};

/// In the quick part, of so many sites of a deed that starts the daemon one is taken.
const QUICK_STEP: usize = 5;

/// Most sites of one deed; a program that goes on forever would be killed forever.
const MAX_SITES: usize = 2_000;

/// Which deeds to kill, and at how many sites.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Kill this deed alone
    #[arg(long, value_name = "DEED")]
    deed: Option<String>,
    /// Kill deeds of a running daemon at every fifth site only
    #[arg(long)]
    quick: bool,
}

/// The part for `cargo xtask test`.
pub(crate) fn quick(places: &Places) -> Result<(), TaskError> {
    run(places, &Options { quick: true, ..Options::default() })
}

/// All of it.
pub(crate) fn all(places: &Places) -> Result<(), TaskError> {
    run(places, &Options::default())
}

/// Kills every deed at its sites, and fails if anything was lost or left behind.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    let chosen: Vec<&Deed> =
        ALL.iter().filter(|deed| options.deed.as_ref().is_none_or(|name| *name == deed.name)).collect();
    if chosen.is_empty() {
        let known = ALL.iter().map(|deed| deed.name).collect::<Vec<_>>().join(", ");
        return Err(TaskError::UnknownDeed { name: options.deed.clone().unwrap_or_default(), known });
    }
    setup::run(places, Purpose::Test)?;
    Program::build_as_for_tests(&places.root)?;
    let home = Home::new(places)?;
    println!(
        "\nKilled before each call that writes, opens or renames something in the home, as {}:",
        home.who()
    );
    let (mut sites, mut wrong) = (0, 0);
    for deed in chosen {
        let started = Instant::now();
        let step = if options.quick && deed.needs_daemon() { QUICK_STEP } else { 1 };
        let found = kill_everywhere(&home, deed, step)?;
        let took = started.elapsed().as_secs_f64();
        println!(
            "  {:<13} {:>4} sites, {:>4} killed, {:>3} wrong  {took:>6.1} s",
            deed.name,
            found.sites,
            found.killed,
            found.wrong.len()
        );
        found.wrong.iter().for_each(|wrong| println!("      {wrong}"));
        sites += found.sites;
        wrong += found.wrong.len();
    }
    println!("  {sites} sites in all");
    if wrong == 0 { Ok(()) } else { Err(TaskError::Faults { count: wrong }) }
}

/// What came of killing a deed.
struct Found {
    sites: usize,
    killed: usize,
    wrong: Vec<String>,
}

fn kill_everywhere(home: &Home, deed: &Deed, step: usize) -> Result<Found, TaskError> {
    home.prepare(deed)?;
    let before = home.state(deed)?;
    let files_before = home.files()?;
    home.put_back()?;
    let undisturbed = home.do_deed(deed, 0)?;
    if !undisturbed.is_done {
        return Err(TaskError::Deed { name: deed.name, said: undisturbed.said });
    }
    let after = home.state(deed)?;
    if before == after {
        return Err(TaskError::Deed { name: deed.name, said: "it changes nothing".to_owned() });
    }
    let expected = Expected { before, after, files: &files_before | &home.files()? };
    let mut found = Found { sites: undisturbed.sites.len(), killed: 0, wrong: Vec::new() };
    let mut site = 1;
    while site < MAX_SITES {
        home.put_back()?;
        let done = home.do_deed(deed, site)?;
        if !done.is_killed {
            // No two runs of a daemon have the same number of sites: what else it does meanwhile is among them.
            if site > found.sites {
                break;
            }
            site += step;
            continue;
        }
        found.killed += 1;
        let at = done.sites.last().cloned().unwrap_or_default();
        if let Some(wrong) = expected.look(home, deed, done.is_done) {
            found.wrong.push(format!("site {site}, {at}: {wrong}"));
        }
        site += step;
    }
    found.sites = found.sites.max(site.saturating_sub(step));
    Ok(found)
}

/// What may be found after a deed that was killed.
struct Expected {
    before: State,
    after: State,
    files: BTreeSet<String>,
}

impl Expected {
    /// What is wrong in the home, if anything is.
    fn look(&self, home: &Home, deed: &Deed, is_done: bool) -> Option<String> {
        let state = match home.state(deed) {
            Ok(state) => state,
            Err(error) => return Some(format!("the next start fails: {error}")),
        };
        if state != self.before && state != self.after {
            return Some(format!("neither as before nor as it was to be: {state}"));
        }
        if is_done && state != self.after {
            return Some("it was said to be done, and is not".to_owned());
        }
        if let Err(error) = home.do_again(deed) {
            return Some(format!("the next change fails: {error}"));
        }
        match home.files() {
            Ok(files) => {
                let litter: Vec<&String> = files.difference(&self.files).collect();
                (!litter.is_empty()).then(|| format!("left behind: {litter:?}"))
            }
            Err(error) => Some(error.to_string()),
        }
    }
}
