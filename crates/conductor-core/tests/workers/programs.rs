//! Programs that a plugin runs: they end with its worker, and are held to the quota of the directory in which they
//! work.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{Op, ProgramRun};
use conductor_core::clock::SystemClock;
use conductor_core::launcher::Launcher;
use conductor_core::worker::WorkerProgram;
use conductor_core::{Devices, Host, Limits, Outcome, Plugin, PluginOptions, WasmConfig, WorkerOptions};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{REQUEST, load};

/// Time after which a test counts as hung: far longer than any test takes, and shorter than the programs run if nobody
/// ends them.
const WATCHDOG: Duration = Duration::from_secs(20);

/// Time that the programs run if nobody ends them.
const PROGRAM_SECONDS: u32 = 60;

/// Bytes that each plugin here may keep.
const QUOTA: u64 = 1024 * 1024;

/// Outcome of a plugin whose program was refused or ended.
const FAILED: Outcome = Outcome::Failed { code: 5 };

/// A test for hosts with workers and without, and its name.
type Test = (&'static str, fn(bool));

pub(crate) fn trials() -> Vec<Trial> {
    const TESTS: [Test; 5] = [
        ("full_directory", no_program_starts_in_a_directory_that_is_full),
        ("many_files", a_program_that_goes_beyond_the_quota_is_ended),
        ("one_file", a_file_becomes_no_longer_than_the_quota_leaves),
        ("longest_file", the_longest_file_may_become_longer_by_what_is_left),
        ("within", a_program_within_the_quota_is_let_alone),
    ];
    let mut trials = Vec::new();
    for (name, run) in TESTS {
        for in_workers in [false, true] {
            let wall = if in_workers { "in_workers" } else { "in_process" };
            trials.push(Trial::test(format!("programs::{name}::{wall}"), move || {
                run(in_workers);
                Ok(())
            }));
        }
    }
    trials.push(Trial::test("programs::killed_worker", || {
        a_program_ends_with_the_worker_that_asked_for_it();
        Ok(())
    }));
    trials
}

/// A plugin that runs one script in its own directory, and returns the status of the host call.
struct Place {
    data: TempDir,
    plugin: Box<dyn Plugin>,
}

impl Place {
    fn new(in_workers: bool, script: &str) -> Self {
        let data = tempfile::tempdir().expect("directory");
        fs::create_dir(data.path().join("runner")).expect("made");
        let config = WasmConfig { data_dir: Some(data.path().to_owned()), ..WasmConfig::default() };
        let devices = Devices { launcher: Some(Launcher::this(["launch"])), ..Devices::default() };
        let host = if in_workers {
            let options = WorkerOptions {
                program: WorkerProgram::this(["worker"]),
                cache: None,
                allow_weak_isolation: false,
                clock: std::sync::Arc::new(SystemClock),
            };
            Host::with_workers(config, devices, options).expect("host")
        } else {
            Host::with_devices(config, devices).expect("host")
        };
        let request = ProgramRun { program: "/bin/sh", arguments: vec!["-c", script], input: b"" };
        let request = postcard::to_allocvec(&request).expect("encodes");
        let bytes: String = request.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let manifest = r#"{\"name\":\"runner\",\"version\":\"1\",\"capabilities\":[{\"name\":\"Filesystem\"},{\"name\":\"Subprocess\"}]}"#;
        let wasm = wat::parse_str(format!(
            r#"(module
                (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
                (memory (export "memory") 1)
                (data (i32.const 4096) "{bytes}")
                (func (export "alloc") (param i32) (result i32) (i32.const 1024))
                (func (export "execute") (param i32 i32) (result i32)
                    (i32.wrap_i64 (i64.shr_u
                        (call $call (i32.const {op}) (i32.const 4096) (i32.const {len})) (i64.const 32))))
                (@custom "conductor:manifest" "{manifest}"))"#,
            op = Op::ProgramRun.number(),
            len = request.len(),
        ));
        let time = Duration::from_secs(u64::from(PROGRAM_SECONDS) * 2);
        let limits = Limits { max_disk_bytes: QUOTA, max_execution_time: time, ..Limits::default() };
        let grant = format!("Subprocess=/bin/sh;args=*;confined=yes;seconds={PROGRAM_SECONDS}");
        let options = PluginOptions {
            limits: Some(limits),
            granted: vec!["Filesystem".parse().expect("a grant"), grant.parse().expect("a grant")],
            accept_unsigned: true,
            ..PluginOptions::default()
        };
        let plugin = load(&host, "runner.wasm", wasm.expect("valid text"), &options).expect("loads");
        Self { data, plugin }
    }

    /// The plugin's own directory.
    fn own(&self) -> PathBuf {
        self.data.path().join("runner")
    }

    /// The outcome of one call, and the names of the limits that refused something in it.
    fn run(&mut self) -> (Outcome, Vec<&'static str>) {
        let started = Instant::now();
        let report = self.plugin.execute(REQUEST);
        assert!(started.elapsed() < WATCHDOG, "{:?} after {:?}", report.outcome, started.elapsed());
        (report.outcome, report.limits_refused.iter().map(|limit| limit.key()).collect())
    }

    fn len(&self, name: &str) -> u64 {
        fs::metadata(self.own().join(name)).expect("there").len()
    }
}

fn no_program_starts_in_a_directory_that_is_full(in_workers: bool) {
    let mut place = Place::new(in_workers, "echo more > more");
    // The directory becomes full while the plugin is loaded; both calls are refused.
    fs::write(place.own().join("large"), vec![0; QUOTA as usize + 1]).expect("written");
    for _ in 0..2 {
        assert_eq!(place.run(), (FAILED, vec!["max_disk_bytes"]));
        assert!(!place.own().join("more").exists());
    }
    fs::remove_file(place.own().join("large")).expect("removed");
    assert_eq!(place.run(), (Outcome::Ok, vec![]));
    assert_eq!(place.len("more"), 5);
}

fn a_program_that_goes_beyond_the_quota_is_ended(in_workers: bool) {
    // Files of half the quota, one after another, slowly enough to be measured in between.
    let mut place = Place::new(
        in_workers,
        "i=0; while :; do head -c 524288 /dev/urandom > f$i; i=$((i+1)); sleep 0.1; done",
    );
    let (outcome, refused) = place.run();
    if in_workers && !matches!(outcome, Outcome::Failed { .. }) {
        // A program that fills the disk so fast may find that its worker is ended first.
        assert!(matches!(outcome, Outcome::Crashed { .. }), "{outcome:?}");
    } else {
        assert_eq!((outcome, refused), (FAILED, vec!["max_disk_bytes"]));
    }
    let files = fs::read_dir(place.own()).expect("readable").count();
    thread::sleep(Duration::from_millis(500));
    assert_eq!(fs::read_dir(place.own()).expect("readable").count(), files, "it goes on");
    // Nothing is added once the directory is full.
    assert_eq!(place.run(), (FAILED, vec!["max_disk_bytes"]));
    assert_eq!(fs::read_dir(place.own()).expect("readable").count(), files);
}

fn a_file_becomes_no_longer_than_the_quota_leaves(in_workers: bool) {
    let mut place = Place::new(in_workers, "head -c 100000000 /dev/urandom > one; exit 0");
    for name in ["a", "b", "c"] {
        fs::write(place.own().join(name), vec![0; 200_000]).expect("written");
    }
    place.run();
    // The longest existing file may grow by the rest of the quota.
    assert_eq!(place.len("one"), QUOTA - 600_000 + 200_000);
}

fn the_longest_file_may_become_longer_by_what_is_left(in_workers: bool) {
    let mut place = Place::new(in_workers, "head -c 100000 /dev/urandom >> log");
    fs::write(place.own().join("log"), vec![0; 900_000]).expect("written");
    assert_eq!(place.run(), (Outcome::Ok, vec![]));
    assert_eq!(place.len("log"), 1_000_000);
}

fn a_program_within_the_quota_is_let_alone(in_workers: bool) {
    let script =
        "head -c 1000000 /dev/urandom > most; sleep 1; rm most; head -c 1000000 /dev/urandom > again";
    let mut place = Place::new(in_workers, script);
    assert_eq!(place.run(), (Outcome::Ok, vec![]));
    assert_eq!(place.len("again"), 1_000_000);
}

fn a_program_ends_with_the_worker_that_asked_for_it() {
    let mut place = Place::new(true, "echo > began; while :; do echo > goes-on; sleep 0.02; done");
    let own = place.own();
    let pid =
        place.plugin.worker_pid().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).expect("a worker");
    let killer = thread::spawn(move || {
        let started = Instant::now();
        while !own.join("began").exists() {
            assert!(started.elapsed() < WATCHDOG, "the program does not begin");
            thread::sleep(Duration::from_millis(5));
        }
        kill_process(pid, Signal::KILL).expect("killed");
        Instant::now()
    });
    let report = place.plugin.execute(REQUEST);
    let (returned, killed) = (Instant::now(), killer.join().expect("no panic"));
    assert!(matches!(report.outcome, Outcome::Crashed { .. }), "{:?}", report.outcome);
    assert!(returned.duration_since(killed) < WATCHDOG / 4, "after {:?}", returned.duration_since(killed));
    thread::sleep(Duration::from_millis(300));
    fs::remove_file(place.own().join("goes-on")).expect("it was there");
    thread::sleep(Duration::from_millis(300));
    assert!(!place.own().join("goes-on").exists(), "the program goes on");
}
