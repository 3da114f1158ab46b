//! A world under a seed: users, publishers, thieves and full disks do whatever chance has them do, and after every step the real
//! host is held against a small model of what the user has decided.
//!
//! `cargo xtask simulate` runs more of it. A history that shows a disagreement is printed, made as short as it gets, with the
//! seed that makes it again.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

mod chance;
mod place;
mod step;
mod user;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};

use chance::Chance;
use place::Publishers;
use step::Step;
use user::Demand;
use world::{Disagreement, Tally, World};

/// Worlds of the test, and steps of each.
const WORLDS: u64 = 24;
const STEPS: usize = 200;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = words.iter().skip(1).filter_map(|word| word.parse().ok()).collect();
    match (words.first().map(String::as_str), numbers.as_slice()) {
        (Some("simulate"), [seed, steps, minutes]) => simulate(*seed, *steps, *minutes),
        _ => {
            let decisions = Trial::test("what_the_user_has_decided_holds_after_every_step", decisions);
            libtest_mimic::run(&Arguments::from_args(), vec![decisions]).exit_code()
        }
    }
}

/// The part for every change: the same worlds each time.
fn decisions() -> Result<(), Failed> {
    let publishers = Publishers::new();
    let mut all = Tally::default();
    for seed in 0..WORLDS {
        add(&mut all, &history(&publishers, seed, STEPS)?);
    }
    // A run in which nothing happens agrees with anything.
    let least = [all.loads, all.refusals, all.uses, all.denials, all.grants, all.stops].into_iter().min();
    if least < Some(WORLDS) { Err(format!("hardly anything happened: {all:?}").into()) } else { Ok(()) }
}

/// One world after the other for so many minutes, or the one of the seed.
fn simulate(seed: u64, steps: u64, minutes: u64) -> ExitCode {
    let (publishers, started) = (Publishers::new(), Instant::now());
    let time = Duration::from_secs(minutes * 60);
    let steps = usize::try_from(steps).unwrap_or(usize::MAX);
    let (mut all, mut worlds) = (Tally::default(), 0);
    loop {
        match history(&publishers, seed.wrapping_add(worlds), steps) {
            Ok(tally) => add(&mut all, &tally),
            Err(failure) => {
                println!("{failure}");
                return ExitCode::FAILURE;
            }
        }
        worlds += 1;
        if started.elapsed() >= time {
            println!(
                "{worlds} worlds of {steps} steps agreed in {:.1} s: {all:?}",
                started.elapsed().as_secs_f64()
            );
            return ExitCode::SUCCESS;
        }
    }
}

fn add(all: &mut Tally, tally: &Tally) {
    all.loads += tally.loads;
    all.refusals += tally.refusals;
    all.uses += tally.uses;
    all.denials += tally.denials;
    all.grants += tally.grants;
    all.stops += tally.stops;
}

/// Runs the history of a seed. A disagreement comes with the shortest history that still shows one.
fn history(publishers: &Publishers, seed: u64, steps: usize) -> Result<Tally, String> {
    let mut chance = Chance::of(seed);
    let demand = if chance.one_in(2) { Demand::Somebody } else { Demand::Trusted };
    let mut begun = Step::beginning(&mut chance);
    begun.extend((0..steps).map(|_| Step::some(&mut chance)));
    let steps = begun;
    run(publishers, demand, &steps).map_err(|(at, disagreement)| {
        let mut short = steps[..=at].to_vec();
        let mut last = disagreement;
        // Leave out ever smaller pieces, as long as something is still wrong.
        let mut piece = short.len() / 2;
        while piece > 0 {
            let mut start = 0;
            while start + piece < short.len() {
                let mut without = short.clone();
                without.drain(start..start + piece);
                if let Err((at, disagreement)) = run(publishers, demand, &without) {
                    without.truncate(at + 1);
                    (short, last) = (without, disagreement);
                } else {
                    start += piece;
                }
            }
            piece /= 2;
        }
        let told: String = short.iter().map(|step| format!("\n  {step:?}")).collect();
        format!("seed {seed}, {} steps, {demand:?} signs: {last}{told}", steps.len())
    })
}

/// Runs steps in a new world. Says at which one something was wrong, and what.
fn run(publishers: &Publishers, demand: Demand, steps: &[Step]) -> Result<Tally, (usize, Disagreement)> {
    let mut world = World::new(publishers, demand);
    for (at, step) in steps.iter().enumerate() {
        let done = catch_unwind(AssertUnwindSafe(|| world.step(*step)));
        done.unwrap_or_else(|_| Err("something panicked".to_owned()))
            .map_err(|disagreement| (at, disagreement))?;
    }
    Ok(world.tally)
}
