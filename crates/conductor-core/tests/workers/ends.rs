//! Endings that hold up nobody: of workers that sleep in the kernel and cannot die, that keep their pipe open, that
//! sleep in a turn, or that cost their host a little at a time.

use std::fs::{self, File};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use conductor_core::health::FAULTS_BETWEEN_CALLS_BEFORE_QUARANTINE;
use conductor_core::{Limit, Outcome, PluginOptions, PluginState, Suspension, WorkerFault};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};

use crate::crash::{Scene, quick};
use crate::support::{Bystander, REQUEST, load};

/// A file in a plugin's directory for which the file system of [`mute`](crate::mute) never answers whether it exists.
pub(crate) const MUTE: &str = "mute";

/// Time after which a test counts as hung: far longer than any test takes.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);

const OVERDUE: Outcome = Outcome::Limit { limit: Limit::WallClock };

/// Tests that each need a separate process.
pub(crate) fn trials() -> Vec<Trial> {
    let mut names = vec!["held-pipe"];
    if File::options().read(true).write(true).open("/dev/fuse").is_ok() {
        // These do with a real file system what the other test does with a pipe and the library's own tests do with a
        // process in use.
        names.push("sleeping-in-the-kernel");
        names.push("unmeasured");
        names.push("mute-hosts");
    }
    names
        .into_iter()
        .map(|name| Trial::test(format!("ends::{name}"), move || in_a_process_of_its_own(name)))
        .collect()
}

fn in_a_process_of_its_own(name: &str) -> Result<(), libtest_mimic::Failed> {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(["hold-up", name]).output().expect("starts");
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }
}

/// Runs as the host of one of these tests.
pub(crate) fn run(name: &str) -> ExitCode {
    match name {
        "held-pipe" => a_call_ends_although_its_pipe_stays_open(),
        "sleeping-in-the-kernel" => crate::mute::a_worker_that_cannot_die_holds_up_nobody(),
        "mute-hosts" => crate::mute::a_host_goes_away_whatever_does_not_answer(),
        "goes-away" => crate::mute::host_of(&std::env::args().nth(3).unwrap_or_default()),
        "unmeasured" => crate::mute::a_directory_that_does_not_answer_keeps_the_watch_from_nobody(),
        _ => panic!("no end goes by the name of {name:?}"),
    }
    ExitCode::SUCCESS
}

/// This process holds further ends of the plugin's pipes, so that they stay open as those of a process that cannot die.
fn a_call_ends_although_its_pipe_stays_open() {
    let scene = Scene::new("Called", "hang");
    let mut plugin = scene.load(quick()).expect("loads");
    let held: Vec<File> = fs::read_dir("/proc/self/fd")
        .expect("readable")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_pipe = fs::read_link(&path).ok()?.to_str()?.starts_with("pipe:");
            is_pipe.then(|| File::options().read(true).write(true).open(&path).ok()).flatten()
        })
        .collect();
    assert!(held.len() >= 2, "the pipes of a worker: {held:?}");
    let (calling, called) = channel();
    thread::spawn(move || {
        let first = plugin.execute(REQUEST).outcome;
        let second = plugin.execute(REQUEST).outcome;
        calling.send((first, second)).expect("waited for");
    });
    let outcomes = called.recv_timeout(WATCHDOG).expect("the call ends");
    assert_eq!(outcomes, (OVERDUE, Outcome::Ok));
    drop(held);
}

/// More workers than there are turns sleep where they should compile, for a quarter of a minute. They may make no
/// system call that sleeps, but each can stop itself with a signal.
pub(crate) fn a_turn_is_not_held_by_one_that_sleeps_in_it() {
    let scene = Scene::new("Compiling", "stop");
    let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (failed, failures) = channel();
    thread::scope(|scope| {
        for _ in 0..3 * processors {
            let (scene, failed) = (&scene, failed.clone());
            scope.spawn(move || {
                let error = scene.load(quick()).err().expect("it does not load");
                failed.send(error.to_string()).expect("waited for");
            });
        }
        // Each worker has its turn or waits for one.
        thread::sleep(Duration::from_secs(1));
        let bystander = Bystander::start(&scene.host);
        assert_eq!(failures.try_recv().ok(), None, "it has loaded while the others sleep");
        bystander.stop();
    });
    assert_eq!(failures.iter().next().as_deref(), Some("module was not compiled within 16 s"));
}

/// The worker takes a fifth of a processor, which no single look notices; on a busy machine it takes much less.
pub(crate) fn computing_a_little_at_a_time_is_noticed() {
    const MINUTES: Duration = Duration::from_secs(5 * 60);
    let scene = Scene::new("Started", "compute-a-little");
    let mut plugin = scene.load(quick()).expect("loads");
    let started = Instant::now();
    let ended = loop {
        while plugin.worker_pid().is_some() {
            assert!(started.elapsed() < MINUTES, "not noticed");
            thread::sleep(Duration::from_millis(20));
        }
        let outcome = plugin.execute(REQUEST).outcome;
        // A machine can be too busy to measure the directory in time, which ends the worker as well.
        if outcome != (Outcome::Crashed { fault: WorkerFault::Unmeasured }) {
            break outcome;
        }
        assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    };
    assert_eq!(ended, Outcome::Crashed { fault: WorkerFault::Busy });
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
}

/// Each fault between calls costs a new process, and successful calls do not make up for it.
pub(crate) fn ending_between_calls_again_and_again_ends_in_quarantine() {
    let host = crate::hosts::in_workers();
    let wasm = wat::parse_str(
        r#"(module
            (memory (export "memory") 1)
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))"#,
    );
    let mut plugin =
        load(&host, "ends.wasm", wasm.expect("valid text"), &PluginOptions::default()).expect("loads");
    for number in 1..=FAULTS_BETWEEN_CALLS_BEFORE_QUARANTINE {
        assert_eq!(plugin.state(), PluginState::Ready, "after {number}");
        let pid = plugin.worker_pid().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).expect("a worker");
        kill_process(pid, Signal::KILL).expect("killed");
        let killed = Instant::now();
        while plugin.worker_pid().is_some() {
            assert!(killed.elapsed() < WATCHDOG, "its end is not noticed");
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok, "{number}");
    }
    let failures = FAULTS_BETWEEN_CALLS_BEFORE_QUARANTINE;
    assert!(matches!(plugin.state(), PluginState::Quarantined { .. }), "{:?}", plugin.state());
    let suspension = Suspension::Quarantined { failures };
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Suspended { suspension });
    plugin.resume();
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
}

/// Waits for a result of another thread, up to the watchdog's time.
pub(crate) fn within<T>(what: &str, result: &std::sync::mpsc::Receiver<T>) -> T {
    match result.recv_timeout(WATCHDOG) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("{what} waits"),
        Err(RecvTimeoutError::Disconnected) => panic!("{what} failed"),
    }
}
