//! `cargo xtask soak`: runs the daemon as it is shipped under load, for a chosen time, while a tenth of its plugins
//! attack it.
//!
//! Everything is observed from outside. Events are sent as OSC packets, to each plugin in turn, and matched with the
//! rows that the daemon prints, by the number that each packet carries. The soak fails if a well-behaved plugin missed
//! an event or failed a call. Measurements are printed together with the machine that they were made on, and are not
//! judged.

mod cast;
mod daemon;
mod ledger;
mod machine;
mod pressure;
mod process;
mod report;
mod statistics;
mod traffic;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::demo::web_server::WebServer;
use crate::error::TaskError;
use crate::guests::{FIXTURES, PLUGINS};
use crate::places::Places;
use crate::program::Program;
use crate::scratch::ScratchHome;
use crate::setup::{self, Purpose};
use cast::Member;
use daemon::Daemon;
use ledger::Ledger;
use machine::Machine;
use pressure::Pressure;
use report::Report;
use traffic::Traffic;

/// Path of the configuration, where the daemon expects it.
const CONFIG: &str = ".config/conductor/config.toml";

/// Time before the first sample of memory, in which buffers fill and plugins that fail in a row are suspended.
const WARM_UP: Duration = Duration::from_secs(20);

/// How long the daemon is put under pressure afterwards, with the same events beside it. It is then ended under that
/// pressure.
const PRESS_FOR: Duration = Duration::from_secs(30);

/// Time between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// Time between two progress messages.
const SPEAK_EVERY: Duration = Duration::from_secs(60);

/// Time between two looks at the sender and the daemon.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Longest wait, after the daemon listens, for a late plugin to load and to answer.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Longest wait for a row of a well-behaved plugin after the last event was sent. Events without a row are then lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// How to soak.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long in minutes, after 20 s of warming up
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=240))]
    minutes: u32,
    /// How many plugins; every tenth is hostile
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=256))]
    plugins: u32,
    /// Events per second, for all plugins together
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

impl Options {
    fn measured(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.minutes))
    }

    /// Time after which the daemon ends by itself: twice the expected time, with room for a slow start.
    fn lifetime(&self) -> Duration {
        2 * (WARM_UP + self.measured() + PRESS_FOR) + Duration::from_secs(300)
    }

    /// The command line with these options.
    fn line(&self) -> String {
        let Self { minutes, plugins, rate, json } = self;
        let json = if *json { " --json" } else { "" };
        format!("cargo xtask soak --minutes {minutes} --plugins {plugins} --rate {rate}{json}")
    }
}

/// A soak of ten minutes, with the default options.
pub(crate) fn long(places: &Places) -> Result<(), TaskError> {
    run(places, &Options { minutes: 10, plugins: 100, rate: 1000, json: false })
}

/// Builds, soaks and reports. Fails if a well-behaved plugin missed an event or failed a call.
pub(crate) fn run(places: &Places, options: &Options) -> Result<(), TaskError> {
    let machine = Machine::look()?;
    setup::run(places, Purpose::Build)?;
    build(places)?;
    let home = ScratchHome::new(places, "conductor-soak-", "release")?;
    let server = WebServer::start_forgetful()?;
    eprintln!("Making, signing and trusting {} plugins in {}", options.plugins, home.path().display());
    let cast = cast::assemble(places, &home, options.plugins, server.address(), options.lifetime())?;
    let report = soak(&home, &cast, machine, options)?;
    if options.json {
        println!("{:#}", report.json());
    } else {
        print!("{report}");
    }
    report.verdict()
}

/// Builds with the profile in which the programs are shipped.
fn build(places: &Places) -> Result<(), TaskError> {
    eprintln!("Building the programs in their release profile, the example plugins and a hostile plugin");
    let programs = ["build", "--release", "--locked", "--package", "conductor-daemon", "--bins"];
    Program::cargo(&places.root).args(programs).say_and_run()?;
    for guests in [PLUGINS, FIXTURES] {
        guests.building(places)?.say_and_run()?;
    }
    Ok(())
}

fn soak(
    home: &ScratchHome,
    cast: &[Member],
    machine: Machine,
    options: &Options,
) -> Result<Report, TaskError> {
    let seconds = (WARM_UP + options.measured() + PRESS_FOR + Duration::from_secs(1)).as_secs();
    let most = u64::from(options.rate) * seconds + u64::from(options.plugins);
    let ledger = Arc::new(Ledger::new(cast, most));
    let mut daemon = Daemon::start(home, &ledger)?;
    let (address, flood) = daemon.wait_until_listening()?;
    let mut traffic = Traffic::new(address, options.rate, cast.len(), Arc::clone(&ledger))?;
    eprintln!("Waiting for an answer of every well-behaved plugin");
    traffic.send_round().map_err(traffic::error)?;
    wait_for_rows(&ledger, &mut daemon, START_PATIENCE)?;
    match ledger.missing() {
        0 => {}
        missing => return Err(daemon.complaint(&format!("{missing} plugins do not answer"))),
    }

    eprintln!("Warming up for {} s", WARM_UP.as_secs());
    let (traffic, _) = send(traffic, WARM_UP, &mut daemon, |_| Ok(()))?;
    let start = daemon.full_sample()?;
    ledger.measure_from_here();

    eprintln!("Soaking for {} min", options.minutes);
    let mut samples = vec![start];
    let mut watch = Watch::new(&ledger, options.measured());
    let (traffic, took) = send(traffic, options.measured(), &mut daemon, |daemon| {
        watch.look();
        if watch.sample_is_due() {
            samples.push(daemon.sample()?);
        }
        Ok(())
    })?;
    wait_for_rows(&ledger, &mut daemon, PATIENCE)?;
    samples.push(daemon.full_sample()?);
    ledger.measure_to_here();

    eprintln!("Pressing for {} s, and ending the daemon under that load", PRESS_FOR.as_secs());
    let mut pressure = Pressure::begin(home, flood)?;
    send(traffic, PRESS_FOR, &mut daemon, |_| pressure.check().map(drop))?;
    wait_for_rows(&ledger, &mut daemon, PATIENCE)?;
    let reloads = pressure.check()?;
    let mut findings = ledger.findings();
    findings.pressed.reloads = reloads;
    let command = daemon.line().to_owned();
    let ending = Instant::now();
    let log = daemon.stop()?;
    let took_to_end = ending.elapsed();
    drop(pressure);
    Ok(Report {
        machine,
        options_line: options.line(),
        command,
        took,
        took_to_end,
        cast: cast.to_vec(),
        samples,
        findings,
        log,
    })
}

/// Sends events for `duration` on a separate thread, and watches the daemon meanwhile. Returns the traffic, which can
/// be continued, and how long sending took.
fn send(
    mut traffic: Traffic,
    duration: Duration,
    daemon: &mut Daemon,
    mut look: impl FnMut(&mut Daemon) -> Result<(), TaskError>,
) -> Result<(Traffic, Duration), TaskError> {
    let started = Instant::now();
    let stop = traffic.stop();
    let sender = thread::spawn(move || traffic.send(duration).map(|()| traffic));
    let mut looked = Ok(());
    while !sender.is_finished() && looked.is_ok() {
        thread::sleep(LOOK_EVERY);
        looked = daemon.check().and_then(|()| look(daemon));
    }
    stop.stop();
    let sent = sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    looked?;
    Ok((sent.map_err(traffic::error)?, started.elapsed()))
}

/// Waits until every well-behaved plugin has answered, or until no answer has come for `patience`.
fn wait_for_rows(ledger: &Ledger, daemon: &mut Daemon, patience: Duration) -> Result<(), TaskError> {
    let mut missing = ledger.missing();
    let mut since = Instant::now();
    while missing > 0 && since.elapsed() < patience {
        thread::sleep(LOOK_EVERY);
        daemon.check()?;
        let now = ledger.missing();
        if now < missing {
            (missing, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// Prints progress messages, and says when samples are due.
struct Watch<'l> {
    ledger: &'l Ledger,
    started: Instant,
    whole: Duration,
    spoken: Duration,
    sampled: Duration,
}

impl<'l> Watch<'l> {
    fn new(ledger: &'l Ledger, whole: Duration) -> Self {
        let started = Instant::now();
        Self { ledger, started, whole, spoken: Duration::ZERO, sampled: Duration::ZERO }
    }

    fn look(&mut self) {
        let passed = self.started.elapsed();
        if passed >= self.spoken + SPEAK_EVERY && passed < self.whole {
            self.spoken += SPEAK_EVERY;
            let minutes = self.spoken.as_secs() / 60;
            let (sent, missing) = (self.ledger.sent(), self.ledger.missing());
            eprintln!("After {minutes} min: {sent} events sent, {missing} of well-behaved plugins under way");
        }
    }

    fn sample_is_due(&mut self) -> bool {
        let due = self.started.elapsed() >= self.sampled + SAMPLE_EVERY;
        if due {
            self.sampled += SAMPLE_EVERY;
        }
        due
    }
}

/// The address in a line of the daemon's log, `… address=127.0.0.1:9000`.
fn address_in(line: &str) -> Option<SocketAddr> {
    line.split_whitespace().find_map(|word| word.strip_prefix("address=")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_log() {
        let line = "2026-01-01T00:00:00Z  INFO conductor_surface::input::osc: listening for OSC input=\"desk\" address=127.0.0.1:9000";
        assert_eq!(address_in(line), Some(SocketAddr::from(([127, 0, 0, 1], 9000))));
        assert_eq!(address_in("listening"), None);
    }

    #[test]
    fn the_command_line_can_be_typed_again() {
        let options = Options { minutes: 1, plugins: 20, rate: 500, json: true };
        assert_eq!(options.line(), "cargo xtask soak --minutes 1 --plugins 20 --rate 500 --json");
    }
}
