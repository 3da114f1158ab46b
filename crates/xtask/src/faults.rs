//! `cargo xtask faults`: whatever decides or runs something is killed before each system call that changes a file, and meets an
//! error at each that uses one, or makes a process, a thread, a mapping or a connection.
//!
//! A deed, such as granting a capability, is done once undisturbed, and then again and again from the same home, each time
//! disturbed one site later. Afterwards what was there before must be there, or what was to be: readable, without litter, and
//! the next start must work. What was said to be done must be done. Where this is root, an ordinary user does all of it.

mod chance;
mod deed;
mod home;
mod judge;
mod running;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::error::TaskError;
use crate::guests;
use crate::places::Places;
use crate::program::Program;
use crate::setup::{self, Purpose};
use chance::Chance;
use deed::{ALL, By, Deed, Setting};
use home::{Done, Home, Plan, Site};
use judge::Expected;

/// The seed where none is named, so that two runs of the tests disturb the same sites.
const SEED: u64 = 22;

/// Sites of each deed that the tests disturb in the quick part.
const QUICK_SLICE: usize = 4;

/// Deeds of `conductor-sign` take so much less time than those with a daemon that so many more of their sites are in a slice.
const SIGN_FACTOR: usize = 3;

/// Most sites of one deed; a program that goes on forever would be disturbed forever.
const MAX_SITES: usize = 5_000;

/// Most homes in which deeds are done at the same time.
const MAX_HOMES: usize = 4;

/// Which deeds to disturb, at which sites, and how.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Disturb this deed alone
    #[arg(long, value_name = "DEED")]
    deed: Option<String>,
    /// Choose errors, and the sites of a slice, by this number
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// Disturb each deed at this many sites only, and three times as many where no daemon is needed
    #[arg(long, value_name = "K")]
    slice: Option<usize>,
    /// Only do this
    #[arg(long, value_name = "KIND")]
    only: Option<Kind>,
    /// Disturb the deed at this site alone, and show what was said
    #[arg(long, value_name = "N", requires = "deed", requires = "only")]
    site: Option<usize>,
}

/// How a deed is disturbed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// It is killed.
    Kills,
    /// A system call fails.
    Errors,
}

impl Default for Options {
    fn default() -> Self {
        Self { deed: None, seed: SEED, slice: None, only: None, site: None }
    }
}

/// The part for `cargo xtask test`.
pub(crate) fn quick(places: &Places) -> Result<(), TaskError> {
    run(places, &Options { slice: Some(QUICK_SLICE), ..Options::default() })
}

/// All of it.
pub(crate) fn all(places: &Places) -> Result<(), TaskError> {
    run(places, &Options::default())
}

/// Disturbs every deed at its sites, and fails if anything was lost, let in or left behind.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    let chosen: VecDeque<&Deed> =
        ALL.iter().filter(|deed| options.deed.as_ref().is_none_or(|name| *name == deed.name)).collect();
    if chosen.is_empty() {
        let known = ALL.iter().map(|deed| deed.name).collect::<Vec<_>>().join(", ");
        return Err(TaskError::UnknownDeed { name: options.deed.clone().unwrap_or_default(), known });
    }
    setup::run(places, Purpose::Test)?;
    Program::build_as_for_tests(&places.root)?;
    if chosen.iter().any(|deed| deed.setting == Setting::Program) {
        guests::PLUGINS.build(places)?;
    }
    let started = Instant::now();
    let homes = thread::available_parallelism().map_or(1, usize::from).min(MAX_HOMES).min(chosen.len());
    let queue = Mutex::new(chosen);
    let totals = Mutex::new(Totals::default());
    println!("\nSeed {}; kills before calls that change a file of the home, errors of calls", options.seed);
    println!("{:<16}{:>24}{:>24}{:>8}{:>10}", "", "killed / sites", "failed / sites", "wrong", "");
    let work = || -> Result<(), TaskError> {
        let home = Home::new(places)?;
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(deed) = next else { return Ok(()) };
            let started = Instant::now();
            let found = disturb(&home, deed, options)?;
            totals.lock().unwrap_or_else(PoisonError::into_inner).add(deed, &found, started);
        }
    };
    let results: Vec<Result<(), TaskError>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..homes).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    results.into_iter().collect::<Result<(), TaskError>>()?;
    let Totals { kills, errors, wrong } = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    let took = started.elapsed().as_secs_f64();
    println!("{kills} kills and {errors} errors in {took:.1} s, in {homes} homes at once");
    if wrong == 0 { Ok(()) } else { Err(TaskError::Faults { count: wrong }) }
}

/// What came of all deeds.
#[derive(Default)]
struct Totals {
    kills: usize,
    errors: usize,
    wrong: usize,
}

impl Totals {
    /// Counts and prints what came of one more.
    fn add(&mut self, deed: &Deed, found: &Found, started: Instant) {
        let took = started.elapsed().as_secs_f64();
        let of = |part: &Part| format!("{} / {}", part.disturbed, part.sites);
        println!(
            "{:<16}{:>24}{:>24}{:>8}{took:>8.1} s",
            deed.name,
            of(&found.kills),
            of(&found.errors),
            found.wrong.len()
        );
        found.wrong.iter().for_each(|wrong| println!("    {wrong}"));
        self.kills += found.kills.disturbed;
        self.errors += found.errors.disturbed;
        self.wrong += found.wrong.len();
    }
}

/// What came of one way to disturb a deed.
#[derive(Default)]
struct Part {
    /// Sites that there are.
    sites: usize,
    /// How often the deed was disturbed.
    disturbed: usize,
}

/// What came of disturbing a deed.
#[derive(Default)]
struct Found {
    kills: Part,
    errors: Part,
    wrong: Vec<String>,
}

/// Does a deed again and again, and disturbs it at one site after the other, or at those of a slice.
fn disturb(home: &Home, deed: &Deed, options: &Options) -> Result<Found, TaskError> {
    home.prepare(deed)?;
    let expected = Expected::learn(home, deed)?;
    let mut found = Found::default();
    for kind in [Kind::Kills, Kind::Errors] {
        if options.only.is_some_and(|only| only != kind) {
            continue;
        }
        let known: Vec<&Site> = expected.sites.iter().filter(|site| kind.is_possible_at(site)).collect();
        let part = match kind {
            Kind::Kills => &mut found.kills,
            Kind::Errors => &mut found.errors,
        };
        part.sites = known.len();
        let mut chance = Chance::new(options.seed, deed.name);
        let plan = sites(deed, options, part.sites, &mut chance);
        for site in plan {
            // Where there is time for it, each error; else one.
            let is_each = kind == Kind::Errors && deed.by == By::Sign && options.slice.is_none();
            let errors = known.get(site - 1).map_or(1, |site| site.errors);
            let first = chance.below(usize::MAX);
            let mut reached = false;
            for choice in 0..if is_each { errors } else { 1 } {
                home.put_back()?;
                let done = match home.do_deed(deed, kind.at(site, first.wrapping_add(choice))) {
                    Ok(done) => done,
                    Err(error @ TaskError::TimedOut { .. }) => {
                        found.wrong.push(format!("site {site}: {error}"));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let Some(hit) = done.hit() else { continue };
                reached = true;
                part.disturbed += 1;
                if options.site.is_some() {
                    show(&done);
                }
                if let Some(wrong) = expected.look(home, deed, &done) {
                    found.wrong.push(format!("site {site}, {hit}: {wrong}"));
                }
            }
            // No two runs of a daemon have the same number of sites: what else it does meanwhile is among them.
            if !reached && site > part.sites {
                break;
            }
            part.sites = part.sites.max(site);
        }
    }
    Ok(found)
}

/// Numbers of the sites to disturb: those of the slice, or all, even beyond those of the undisturbed deed.
fn sites(deed: &Deed, options: &Options, known: usize, chance: &mut Chance) -> Vec<usize> {
    if let Some(site) = options.site {
        return vec![site];
    }
    let Some(slice) = options.slice else { return (1..=MAX_SITES).collect() };
    let wanted = if deed.needs_daemon() { slice } else { slice * SIGN_FACTOR };
    // A slice is of kills and errors together.
    chance.choose(wanted.div_ceil(2), known)
}

/// Shows what was said.
fn show(done: &Done) {
    let hit = done.hit().map(ToString::to_string).unwrap_or_default();
    println!("-- {hit}; {}\n{}{}", crate::program::in_words(done.status), done.log, done.said);
}

impl Kind {
    /// Whether a site is one for this.
    const fn is_possible_at(self, site: &Site) -> bool {
        match self {
            Self::Kills => site.changes,
            Self::Errors => true,
        }
    }

    /// What is to happen at a site.
    const fn at(self, site: usize, choice: usize) -> Plan {
        match self {
            Self::Kills => Plan::Kill(site),
            Self::Errors => Plan::Fail { site, choice },
        }
    }
}
