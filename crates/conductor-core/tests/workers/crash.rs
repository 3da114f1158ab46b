//! Workers that die, hang, send invalid frames or take more than they were given, at each stage. The call fails with
//! its cause, another plugin keeps answering, and the next call gets a new worker.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use conductor_abi::Status;
use conductor_core::health::{FAILURES_BEFORE_BACKOFF, FAILURES_BEFORE_QUARANTINE};
use conductor_core::worker::WorkerProgram;
use conductor_core::{
    Host, Limit, Limits, LoadError, Outcome, Plugin, PluginOptions, PluginState, Suspension, WasmConfig,
};
use tempfile::TempDir;

use crate::hosts;
use crate::misbehave::{DONE, FLAG, ONCE};
use crate::support::{Bystander, REQUEST};

/// Longest time that one failure may take to be noticed.
const WATCHDOG: Duration = Duration::from_secs(60);

const ENDED_KILL: &str = "worker process ended: signal: 9 (SIGKILL)";
const ENDED_ABORT: &str = "worker process ended: signal: 6 (SIGABRT)";
const ENDED_SEGV: &str = "worker process ended: signal: 11 (SIGSEGV)";
const ENDED_EXIT: &str = "worker process ended: exit status: 0";
const LATE: &str = "module was not compiled within 16 s";
const TOO_MUCH: &str = "module takes more than 570425344 bytes of memory to compile";
const NOT_MADE: &str = "worker process sent what is no valid word of its compilation and was ended";
const NO_USE: &str = "compiled code of the module cannot be used";
const HUNG: &str = "worker process did not answer in time and was ended";
const NO_CODE: &str = "worker process sent what is no valid word of its code and was ended";
const NO_START: &str = "worker process sent what is no valid start of the plugin and was ended";
const NO_END: &str = "worker process sent what is no valid end of the call and was ended";
const NO_SILENCE: &str = "worker process sent what is no valid silence between calls and was ended";
const BUSY: &str = "worker process computed without being called and was ended";
const OVER_QUOTA: &str = "worker process filled its directory beyond the quota and was ended";

/// If a compiling worker runs out of time or memory, its plugin counts as too large. What the worker wrote in place of
/// code is not used.
pub(crate) fn while_compiling() {
    for (deed, expected) in [
        ("die-by-SIGKILL", ENDED_KILL),
        ("map-without-end", ENDED_KILL),
        ("die-by-SIGSEGV", ENDED_SEGV),
        ("abort", TOO_MUCH),
        ("exit", NOT_MADE),
        ("stop", LATE),
        ("compute", "module takes more than 1 s of processor time to compile"),
        ("send-garbage", NO_USE),
        ("send-a-gigabyte", NO_USE),
    ] {
        let scene = Scene::new("Compiling", deed);
        let bystander = Bystander::start(&scene.host);
        let started = Instant::now();
        let error = scene.load(quick()).err().unwrap_or_else(|| panic!("{deed}: loads"));
        assert_eq!(error.to_string(), expected, "{deed}");
        assert!(started.elapsed() < WATCHDOG, "{deed}: took {:?}", started.elapsed());
        bystander.stop();
    }
}

pub(crate) fn while_loading() {
    for (stage, deed, expected) in [
        ("Locked", "die-by-SIGKILL", ENDED_KILL),
        ("Locked", "map-without-end", ENDED_KILL),
        ("Locked", "die-by-SIGSEGV", ENDED_SEGV),
        ("Locked", "abort", ENDED_ABORT),
        ("Locked", "exit", ENDED_EXIT),
        ("Locked", "hang", HUNG),
        ("Locked", "stop", HUNG),
        ("Locked", "send-garbage", NO_CODE),
        ("Locked", "send-half-a-frame", HUNG),
        ("Locked", "send-a-gigabyte", &too_large(quick())),
        ("Locked", "send-out-of-turn", NO_START),
        ("Locked", "ask-unasked", NO_CODE),
        ("Loaded", "die-by-SIGKILL", ENDED_KILL),
        ("Loaded", "hang", HUNG),
        ("Loaded", "send-garbage", NO_CODE),
        ("Loaded", "send-out-of-turn", NO_START),
        ("Loaded", "ask-unasked", NO_CODE),
    ] {
        let scene = Scene::new(stage, deed);
        let bystander = Bystander::start(&scene.host);
        let started = Instant::now();
        let error = scene.load(quick()).err().unwrap_or_else(|| panic!("{stage}, {deed}: loads"));
        assert_eq!(error.to_string(), expected, "{stage}, {deed}");
        assert!(started.elapsed() < WATCHDOG, "{stage}, {deed}: took {:?}", started.elapsed());
        let mut plugin = scene.load(quick()).expect("loads, now that its worker behaves");
        assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok, "{stage}, {deed}");
        bystander.stop();
    }
}

/// The outcome of a call whose worker takes too long, for whatever reason.
fn overdue() -> String {
    Outcome::Limit { limit: Limit::WallClock }.to_string()
}

pub(crate) fn in_a_call() {
    for (deed, expected) in [
        ("die-by-SIGKILL", ENDED_KILL),
        ("die-by-SIGSEGV", ENDED_SEGV),
        ("abort", ENDED_ABORT),
        ("exit", ENDED_EXIT),
        ("hang", &overdue()),
        ("stop", &overdue()),
        ("compute", &overdue()),
        ("send-garbage", NO_END),
        ("send-half-a-frame", &overdue()),
        ("send-a-gigabyte", &too_large(quick())),
        ("send-out-of-turn", NO_END),
        ("reply-too-much", NO_END),
        ("flood", &overdue()),
    ] {
        call_fails(deed, quick(), expected);
    }
    // Long enough for the watch to look at the directory.
    let patient = Limits { max_execution_time: WATCHDOG, ..quick() };
    call_fails("fill-directory-and-hang", patient, OVER_QUOTA);
}

fn call_fails(deed: &str, limits: Limits, expected: &str) {
    let scene = Scene::new("Called", deed);
    let bystander = Bystander::start(&scene.host);
    let mut plugin = scene.load(limits).expect("loads");
    let before = (plugin.worker_pid(), bystander.answered());
    let report = plugin.execute(REQUEST);
    assert_eq!(report.outcome.to_string(), expected, "{deed}");
    let kind = if expected == overdue() { "limit" } else { "crashed" };
    assert_eq!(report.outcome.kind(), kind, "{deed}");
    assert!(report.elapsed < WATCHDOG, "{deed}: took {:?}", report.elapsed);
    assert!(report.elapsed < Duration::from_millis(500) || bystander.answered() > before.1, "{deed}");
    assert_eq!(plugin.worker_pid(), None, "{deed}");
    scene.clear();
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok, "{deed}, and then called again");
    assert!(plugin.worker_pid().is_some() && plugin.worker_pid() != before.0, "{deed}");
    bystander.stop();
}

/// A worker that sends something although nothing was asked is ended at the next call; a worker that only died is
/// replaced before the next call.
pub(crate) fn between_calls() {
    for (deed, expected) in [
        ("ask-unasked", NO_SILENCE),
        ("send-garbage", NO_SILENCE),
        ("send-half-a-frame", NO_SILENCE),
        ("send-a-gigabyte", NO_SILENCE),
        ("send-out-of-turn", NO_SILENCE),
        ("hang", &overdue()),
        ("stop", &overdue()),
        ("die-by-SIGKILL", "ok"),
        ("die-by-SIGSEGV", "ok"),
        ("abort", "ok"),
        ("exit", "ok"),
    ] {
        let scene = Scene::new("Started", deed);
        let bystander = Bystander::start(&scene.host);
        let mut plugin = scene.load(quick()).expect("loads");
        let first = plugin.worker_pid();
        scene.until_done(plugin.as_ref());
        assert_eq!(plugin.execute(REQUEST).outcome.to_string(), expected, "{deed}");
        assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok, "{deed}, and then called again");
        assert!(plugin.worker_pid().is_some() && plugin.worker_pid() != first, "{deed}");
        bystander.stop();
    }
}

/// Faults that only the watch can see; the next call reports them.
pub(crate) fn unseen_between_calls() {
    for (deed, expected) in
        [("compute", BUSY), ("fill-directory", OVER_QUOTA), ("fill-directory-later", OVER_QUOTA)]
    {
        let scene = Scene::new("Started", deed);
        let bystander = Bystander::start(&scene.host);
        let mut plugin = scene.load(quick()).expect("loads");
        until_ended(plugin.as_ref(), deed);
        assert_eq!(plugin.execute(REQUEST).outcome.to_string(), expected, "{deed}");
        scene.clear();
        assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok, "{deed}, and then called again");
        bystander.stop();
    }
}

/// A worker that starts while its directory is beyond the quota can write nothing, whether it was taken over or not:
/// the kernel refuses. Once there is room, the next call starts a worker that can write.
pub(crate) fn nothing_is_written_beyond_the_quota() {
    let scene = Scene::new("Called", "write-to-a-full-directory");
    fs::write(scene.own().join("small"), "twelve bytes").expect("written");
    fs::write(scene.own().join("large"), vec![0; 3 * 1024 * 1024]).expect("written");
    let flag = scene.own().join(FLAG);
    fs::remove_file(&flag).expect("removed");
    let mut plugin = scene.load(quick()).expect("loads");
    let full = plugin.worker_pid().expect("a worker");
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    fs::write(&flag, "always").expect("written");
    assert_eq!(plugin.execute(REQUEST).outcome.to_string(), "worker process ended: exit status: 77");
    assert_eq!(fs::metadata(scene.own().join("small")).expect("there").len(), 1);
    assert_eq!(fs::read_dir(scene.own()).expect("readable").count(), 3);
    fs::remove_file(&flag).expect("removed");
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    let full = (full, plugin.worker_pid().expect("a worker"));
    assert_ne!(full.0, full.1);
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    assert_eq!(plugin.worker_pid(), Some(full.1), "it is still full");
    fs::remove_file(scene.own().join("large")).expect("removed");
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    assert_ne!(plugin.worker_pid(), Some(full.1), "there is room");
}

/// Waits until the worker that waits for calls was ended.
fn until_ended(plugin: &dyn Plugin, deed: &str) {
    let started = Instant::now();
    while plugin.worker_pid().is_some() {
        assert!(started.elapsed() < WATCHDOG, "{deed}: not noticed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn claims_are_clamped() {
    let scene = Scene::new("Called", "lie");
    let mut plugin = scene.load(quick()).expect("loads");
    let report = plugin.execute(REQUEST);
    assert_eq!(report.outcome, Outcome::Ok);
    assert_eq!(report.reply.as_deref(), Some(&[0xff; 3][..]));
    assert_eq!(report.fuel_used, quick().max_fuel);
    assert_eq!(report.peak_memory_bytes, quick().max_memory_bytes);
    let logged: usize = report.log.iter().map(|line| line.text.len()).sum();
    assert!(logged > 0 && logged <= quick().max_log_bytes as usize, "{logged} bytes of log");
    assert_eq!(report.dropped_log_bytes, u64::MAX);
}

/// The broker compares every host call of a worker with the grants, however often the worker asks.
pub(crate) fn what_is_not_granted_is_denied() {
    let scene = Scene::new("Called", "ask-what-is-not-granted");
    let mut plugin = scene.load(quick()).expect("loads");
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    let mut answer = Vec::new();
    let file = fs::File::open(scene.own().join("answer")).expect("an answer");
    file.take(1024).read_to_end(&mut answer).expect("readable");
    let (head, reason) = answer.split_at(2);
    // The number of the variant, and the number of the status.
    assert_eq!(head, [3, Status::Denied as u8]);
    assert!(String::from_utf8_lossy(reason).contains("Network"), "{answer:?}");

    let scene = Scene::new("Called", "ask-often");
    let bystander = Bystander::start(&scene.host);
    let limits = Limits { max_execution_time: WATCHDOG, ..quick() };
    let mut plugin = scene.load(limits).expect("loads");
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    bystander.stop();
}

pub(crate) fn failing_again_and_again_ends_in_quarantine() {
    let scene = Scene::new("Called", "exit");
    fs::write(scene.own().join(FLAG), "always").expect("written");
    let bystander = Bystander::start(&scene.host);
    let mut plugin = scene.load(quick()).expect("loads");
    for failures in 1..=FAILURES_BEFORE_QUARANTINE {
        if let PluginState::BackingOff { retry_in, failures: counted, last } = plugin.state() {
            assert_eq!((counted, last.to_string().as_str()), (failures - 1, ENDED_EXIT));
            let refused = plugin.execute(REQUEST).outcome;
            assert!(
                matches!(refused, Outcome::Suspended { suspension: Suspension::BackingOff { .. } }),
                "{refused}"
            );
            assert_eq!(plugin.worker_pid(), None, "a plugin that rests has no worker");
            std::thread::sleep(retry_in);
        } else {
            assert!(failures <= FAILURES_BEFORE_BACKOFF, "{failures}");
        }
        assert_eq!(plugin.execute(REQUEST).outcome.to_string(), ENDED_EXIT);
    }
    let failures = FAILURES_BEFORE_QUARANTINE;
    assert!(matches!(plugin.state(), PluginState::Quarantined { .. }));
    let suspension = Suspension::Quarantined { failures };
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Suspended { suspension });
    assert_eq!(plugin.worker_pid(), None);
    scene.clear();
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Suspended { suspension });
    plugin.resume();
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    assert_eq!(plugin.state(), PluginState::Ready);
    bystander.stop();
}

/// A host whose workers misbehave, at a given stage.
pub(crate) struct Scene {
    directory: TempDir,
    pub(crate) host: Host,
}

impl Scene {
    pub(crate) fn new(stage: &str, deed: &str) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let own = directory.path().join("faulty");
        fs::create_dir(&own).expect("made");
        fs::write(own.join(FLAG), ONCE).expect("written");
        let own = own.to_str().expect("UTF-8");
        let config = WasmConfig { data_dir: Some(directory.path().to_owned()), ..WasmConfig::default() };
        let host = hosts::with(config, WorkerProgram::this(["misbehave", "at", stage, deed, own]));
        Self { directory, host }
    }

    /// The plugin's directory.
    pub(crate) fn own(&self) -> PathBuf {
        self.directory.path().join("faulty")
    }

    pub(crate) fn load(&self, limits: Limits) -> Result<Box<dyn Plugin>, LoadError> {
        let options = PluginOptions { limits: Some(limits), ..PluginOptions::default() };
        hosts::load_with_directory(&self.host, "faulty", options)
    }

    /// Waits until the worker has misbehaved: until it reports that, is gone, or has had the time to begin a deed
    /// without end.
    fn until_done(&self, plugin: &dyn Plugin) {
        let started = Instant::now();
        let mut begun = None;
        while !self.own().join(DONE).exists() && plugin.worker_pid().is_some() {
            if begun.is_none() && !self.own().join(FLAG).exists() {
                begun = Some(Instant::now());
            }
            if begun.is_some_and(|begun| begun.elapsed() > Duration::from_secs(1)) {
                return;
            }
            assert!(started.elapsed() < WATCHDOG, "it does not misbehave");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Empties the plugin's directory.
    fn clear(&self) {
        for entry in fs::read_dir(self.own()).expect("readable") {
            fs::remove_file(entry.expect("readable").path()).expect("removed");
        }
    }
}

/// Limits within which failures are noticed soon.
pub(crate) fn quick() -> Limits {
    Limits {
        max_execution_time: Duration::from_millis(300),
        max_compile_time: Duration::from_millis(300),
        max_compile_bytes: 1024 * 1024 * 1024,
        max_reply_bytes: 1024,
        max_log_bytes: 1024,
        max_disk_bytes: 1024 * 1024,
        ..Limits::default()
    }
}

/// The error about a frame of a gigabyte.
fn too_large(limits: Limits) -> String {
    let message = limits.max_message_bytes.max(limits.max_reply_bytes);
    let log = 12 * u64::from(limits.max_log_bytes);
    let max = 64 * 1024 + u64::from(message) + log + 2 * conductor_abi::MAX_MANIFEST_BYTES as u64;
    format!("worker process announced a frame of 1073741824 bytes, more than {max}, and was ended")
}
