//! A capability or a key that the user takes away is taken from a plugin in every phase: while it is read, compiled or
//! started, in a call, in a start within a call, and between calls.
//!
//! One module does all of this, depending on the files that it finds in its directory. Each phase is a plugin with its
//! own name. The tests allow ten times the times that the manual promises.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use conductor_daemon::control::{Request, Response, RevokeAs};
use conductor_signing::Digest;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use super::ctl::{SILENT, connect, ctl, exchange, json, socket};
use crate::scratch::{Daemon, PATIENCE, Scratch, plugin};

/// Ten times the promised time after a decision over the socket.
const AFTER_A_DECISION: Duration = Duration::from_secs(1);

/// Ten times the promised time after a change of a file.
const AFTER_A_CHANGE: Duration = Duration::from_secs(2);

/// The phases, each the name of the plugin that is in it.
const PHASES: [&str; 5] = ["idle", "call", "restart", "init", "compiling"];

/// The name of the worker that compiles the plugin `compiling`.
const COMPILER: &str = "compiling (compiling)";

/// The plugins that have loaded.
const LOADED: [&str; 3] = ["idle", "call", "restart"];

/// Bytes that make a module take long to read.
const PADDING: usize = 48 * 1024 * 1024;

/// Limits under which calls go on for as long as this test takes.
const PATIENT: &str = "granted_capabilities = [\"Filesystem\"]\nmax_execution_time = \"600s\"\n\
                       max_fuel = 18446744073709551615\nmax_compile_time = \"600s\"\nmax_compile_bytes = 4294967296\n";

/// A module that computes without end in its start if its directory has a file `start`, and in a call if there is a
/// file `call`.
fn module(name: &str) -> Vec<u8> {
    let manifest = format!(
        r#"{{\"name\":\"{name}\",\"version\":\"1.0.0\",\"capabilities\":[{{\"name\":\"Filesystem\"}}]}}"#
    );
    let slow = if name == "compiling" { slow_to_compile() } else { String::new() };
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "path_filestat_get"
                (func $stat (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "startcall")
            (func $hold (param $name i32) (param $length i32)
                (if (i32.eqz (call $stat (i32.const 3) (i32.const 0) (local.get $name) (local.get $length) (i32.const 64)))
                    (then (loop $again (br $again)))))
            (func (export "_initialize") (call $hold (i32.const 0) (i32.const 5)))
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            (func (export "execute") (param i32 i32) (result i32)
                (call $hold (i32.const 5) (i32.const 4))
                (i32.const 0))
            {slow}
            (@custom "conductor:manifest" "{manifest}"))"#
    );
    let mut module = wat::parse_str(text).expect("valid text");
    if name == "reading" {
        // A custom section without meaning: its kind, its length, and an empty name.
        module.push(0);
        let mut length = PADDING + 1;
        while length > 0x7f {
            module.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        module.extend([length as u8, 0]);
        module.resize(module.len() + PADDING, 0);
    }
    module
}

/// Functions that take a compiler many seconds.
fn slow_to_compile() -> String {
    const FUNCTIONS: usize = 24;
    const VALUES: usize = 60_000;
    let mut body = "(local.get 0)(i32.load)".repeat(VALUES);
    body.push_str(&"(i32.add)".repeat(VALUES - 1));
    let mut functions = String::new();
    for _ in 0..FUNCTIONS {
        let _ = write!(functions, "(func (param i32) (result i32) {body})");
    }
    functions
}

/// How a capability, a key or a file is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Revocation {
    /// A capability, over the socket.
    Capability,
    /// A capability, by another program that changes the file.
    CapabilityInFile,
    /// The publisher's key, over the socket.
    Key,
    /// The publisher's key, by another program.
    KeyInFile,
    /// The file itself, by another program.
    DigestInFile,
}

impl Revocation {
    const ALL: [Self; 5] =
        [Self::Capability, Self::CapabilityInFile, Self::Key, Self::KeyInFile, Self::DigestInFile];

    /// Whether the plugin may go on without the capability.
    const fn is_of_a_capability(self) -> bool {
        match self {
            Self::Capability | Self::CapabilityInFile => true,
            Self::Key | Self::KeyInFile | Self::DigestInFile => false,
        }
    }

    /// Longest time until the worker must have ended.
    const fn patience(self) -> Duration {
        match self {
            Self::Capability | Self::Key => AFTER_A_DECISION,
            Self::CapabilityInFile | Self::KeyInFile | Self::DigestInFile => AFTER_A_CHANGE,
        }
    }

    /// Makes the revocation for these plugins. Returns when its last step began or, for another program, when that
    /// program had ended.
    fn make(self, scratch: &Scratch, plugins: &[&str]) -> Instant {
        let mut begun = Instant::now();
        match self {
            Self::Capability => {
                for name in plugins {
                    let plugin = (*name).to_owned();
                    let request = Request::PluginRevoke { plugin, capability: "Filesystem".to_owned() };
                    let mut socket = connect(scratch);
                    begun = Instant::now();
                    let response = exchange(&mut socket, request.to_line().as_bytes());
                    assert!(matches!(response, Some(Response::PluginRevoke(_))), "{name}: {response:?}");
                }
            }
            Self::CapabilityInFile => {
                let denials = plugins.iter().map(|name| {
                    format!(
                        "[[denials]]\nplugin = \"{name}\"\ncapability = \"Filesystem\"\n\
                         denied_at = \"2026-01-01T00:00:00Z\"\n"
                    )
                });
                // The grants that the daemon keeps by itself, and the denial.
                let file = scratch.path("config/grants.toml");
                let kept = fs::read_to_string(&file).unwrap_or_else(|_| "version = 1\n".to_owned());
                begun = Instant::now();
                put(&file, &format!("{kept}\n{}", denials.collect::<String>()));
            }
            Self::Key => {
                let public_key = key(scratch);
                let kind = RevokeAs::Compromised;
                let request = Request::TrustRevoke { public_key, reason: None, kind };
                let mut socket = connect(scratch);
                begun = Instant::now();
                let response = exchange(&mut socket, request.to_line().as_bytes());
                assert!(matches!(response, Some(Response::TrustRevoke(_))), "{response:?}");
            }
            Self::KeyInFile => {
                scratch.conductor_sign(&["trust", "revoke", &key(scratch), "--reason", "stolen", "--key"]);
                begun = Instant::now();
            }
            Self::DigestInFile => {
                // All plugins at once, by a file that was made elsewhere.
                let elsewhere = Scratch::new();
                for name in plugins {
                    let digest = Digest::from_bytes(&module(name)).to_string();
                    elsewhere
                        .conductor_sign(&["trust", "revoke", &digest, "--reason", "harmful", "--digest"]);
                }
                let list = fs::read_to_string(elsewhere.path("config/revoked_keys.toml")).expect("read");
                begun = Instant::now();
                put(&scratch.path("config/revoked_keys.toml"), &list);
            }
        }
        begun
    }
}

/// Replaces a file by rename.
fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("written");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).expect("mode");
    fs::rename(&new, path).expect("in place");
}

fn key(scratch: &Scratch) -> String {
    fs::read_to_string(scratch.path("key.public")).expect("key").trim().to_owned()
}

/// A home with these plugins, signed by a trusted key.
fn home(plugins: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    scratch.conductor_sign(&["generate-key", "key"]);
    let mut config = SILENT.to_owned();
    for name in plugins {
        let file = format!("{name}.wasm");
        fs::write(scratch.path(&file), module(name)).expect("written");
        scratch.conductor_sign(&["sign", &file, "key", "--name", "Ada", "--email", "ada@example.org"]);
        config.push_str(&plugin(name, &scratch.path(&file), PATIENT));
        fs::create_dir_all(scratch.path("data/plugin-data").join(name)).expect("made");
    }
    scratch.conductor_sign(&["trust", "add", &key(&scratch), "Ada"]);
    scratch.config(&config);
    scratch
}

/// Puts a file into a plugin's directory, which makes the plugin compute.
fn hold(scratch: &Scratch, name: &str, file: &str) {
    fs::write(scratch.path("data/plugin-data").join(name).join(file), "").expect("written");
}

/// Clients that wait for their answers, until this is dropped.
#[derive(Default)]
struct Clients(Vec<Child>);

impl Clients {
    /// Starts a client that calls a plugin and waits for the answer.
    fn call(&mut self, scratch: &Scratch, plugin: &str) {
        let mut client = scratch.program(env!("CARGO_BIN_EXE_conductorctl"), &["trigger", plugin, "go"]);
        self.0.push(client.spawn().expect("starts"));
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for client in &mut self.0 {
            let _ = client.kill();
            let _ = client.wait();
        }
    }
}

/// The process identifiers of a plugin's workers, among the children of this daemon.
fn workers(daemon: &Daemon, name: &str) -> Vec<u32> {
    let wanted = format!("conductor-worker {name}");
    let entries = fs::read_dir("/proc").expect("readable");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_one = |pid: &u32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split('\0').next() == Some(wanted.as_str()) && field(*pid, 1) == Some(u64::from(daemon.pid()))
    };
    pids.filter(is_one).collect()
}

/// A number of a process's state, counted from the field after its name.
fn field(pid: u32, index: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(index)?.parse().ok()
}

/// The plugin's worker, unless it is `other`, once it has computed for `ticks` hundredths of a second.
pub(super) fn wait_for_worker(daemon: &Daemon, name: &str, other: u32, ticks: u64) -> u32 {
    let started = Instant::now();
    loop {
        let found = workers(daemon, name).into_iter().find(|pid| *pid != other);
        if let Some(pid) = found.filter(|pid| field(*pid, 11).is_some_and(|time| time >= ticks)) {
            return pid;
        }
        assert!(started.elapsed() < PATIENCE, "no worker of {name} gets there");
        sleep(Duration::from_millis(5));
    }
}

fn status(scratch: &Scratch, name: &str) -> Json {
    let list = json(scratch, &["plugin", "list"]);
    let plugins = list["plugins"].as_array().expect("a list");
    plugins.iter().find(|plugin| plugin["alias"] == name).expect("the plugin").clone()
}

/// Waits until a plugin is in one of these states.
fn wait_for(scratch: &Scratch, name: &str, states: &[&str]) -> Json {
    let started = Instant::now();
    loop {
        let status = status(scratch, name);
        if states.iter().any(|state| status["state"] == *state) {
            return status;
        }
        assert!(started.elapsed() < PATIENCE, "{name} is not {states:?}: {status}");
        sleep(Duration::from_millis(20));
    }
}

/// Brings each plugin into the phase that it is named after. Returns the worker of each.
fn bring_into_phases(scratch: &Scratch, daemon: &Daemon, clients: &mut Clients) -> Vec<(&'static str, u32)> {
    // This worker is stopped, so that it compiles until it is ended, however fast the machine is.
    let compiling = wait_for_worker(daemon, COMPILER, 0, 0);
    signal(compiling, Signal::STOP).expect("stopped");
    for name in LOADED {
        wait_for(scratch, name, &["running"]);
    }
    let idle = wait_for_worker(daemon, "idle", 0, 0);
    hold(scratch, "call", "call");
    clients.call(scratch, "call");
    let call = wait_for_worker(daemon, "call", 0, 30);

    let first = wait_for_worker(daemon, "restart", 0, 0);
    hold(scratch, "restart", "start");
    signal(first, Signal::KILL).expect("killed");
    // A call that came before the daemon knew of the worker's death would end with that worker, and would not start
    // another.
    let killed = Instant::now();
    while Path::new(&format!("/proc/{first}")).exists() {
        assert!(killed.elapsed() < PATIENCE, "nobody waits for the worker that was killed");
        sleep(Duration::from_millis(2));
    }
    clients.call(scratch, "restart");
    let restart = wait_for_worker(daemon, "restart", first, 30);

    let init = wait_for_worker(daemon, "init", 0, 30);
    for name in ["init", "compiling"] {
        assert_eq!(status(scratch, name)["state"], "loading", "{name}");
    }
    vec![("idle", idle), ("call", call), ("restart", restart), ("init", init), (COMPILER, compiling)]
}

fn signal(pid: u32, signal: Signal) -> rustix::io::Result<()> {
    kill_process(Pid::from_raw(pid.try_into().expect("a process")).expect("a process"), signal)
}

/// Watches a worker from now on. The thread returns when the worker ended.
fn end_of(pid: u32) -> JoinHandle<Instant> {
    let started = Instant::now();
    spawn(move || {
        while Path::new(&format!("/proc/{pid}")).exists() {
            assert!(started.elapsed() < PATIENCE, "worker {pid} does not end");
            sleep(Duration::from_millis(1));
        }
        Instant::now()
    })
}

/// Makes a revocation for plugins that are each in another phase.
fn drive(revocation: Revocation) {
    let scratch = home(&PHASES);
    hold(&scratch, "init", "start");
    let daemon = scratch.start(&[]);
    let started = Instant::now();
    while ctl(&scratch, &["status"]).code != 0 {
        assert!(started.elapsed() < PATIENCE, "the daemon does not answer");
    }
    let mut clients = Clients::default();
    let before = bring_into_phases(&scratch, &daemon, &mut clients);

    // Over the socket, the revocations are made one by one, so that each has its own time.
    let mut made = None;
    let ends: Vec<_> = before.iter().map(|(_, pid)| end_of(*pid)).collect();
    for (((name, _), phase), end) in before.into_iter().zip(PHASES).zip(ends) {
        let made = match (revocation, made) {
            (Revocation::Capability, _) => revocation.make(&scratch, &[phase]),
            (_, Some(made)) => made,
            (_, None) => *made.insert(revocation.make(&scratch, &PHASES)),
        };
        let taken = end.join().expect("it ends").saturating_duration_since(made);
        assert!(taken < revocation.patience(), "{revocation:?} has reached {name} after {taken:?}");
        // The times, for people who run this test with `--nocapture`.
        println!("{revocation:?} {phase} {} ms", taken.as_millis());
        if !revocation.is_of_a_capability() {
            // No worker of the plugin is started again.
            assert_eq!(workers(&daemon, name), [0; 0], "{name}");
        }
    }
    for name in PHASES {
        if revocation.is_of_a_capability() {
            let status = wait_for(&scratch, name, &["running", "backing-off"]);
            let decided = status["capabilities"].to_string();
            assert!(decided.contains("Filesystem is denied by the user"), "{name}: {status}");
        } else {
            let expected = if LOADED.contains(&name) { "withdrawn" } else { "refused" };
            let status = wait_for(&scratch, name, &[expected]);
            assert!(status["why"].as_str().is_some_and(|why| why.contains("revoked")), "{name}: {status}");
            assert_eq!(workers(&daemon, name), [0; 0], "{name}");
        }
    }
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().0, 0);
}

#[test]
fn a_capability_revoked_at_the_socket_reaches_every_phase() {
    drive(Revocation::Capability);
}

#[test]
fn a_capability_revoked_in_its_file_reaches_every_phase() {
    drive(Revocation::CapabilityInFile);
}

#[test]
fn a_key_revoked_at_the_socket_reaches_every_phase() {
    drive(Revocation::Key);
}

#[test]
fn a_key_revoked_in_its_file_reaches_every_phase() {
    drive(Revocation::KeyInFile);
}

#[test]
fn a_digest_revoked_in_its_file_reaches_every_phase() {
    drive(Revocation::DigestInFile);
}

/// While a plugin is read, its publisher is not known yet. A revocation that is made meanwhile is applied once it is
/// known.
#[test]
fn what_is_taken_away_from_a_plugin_that_is_being_read_is_not_given_to_it() {
    for revocation in Revocation::ALL {
        let scratch = home(&["reading"]);
        hold(&scratch, "reading", "start");
        let daemon = scratch.start(&[]);
        let started = Instant::now();
        while UnixStream::connect(socket(&scratch)).is_err() {
            assert!(started.elapsed() < PATIENCE, "the daemon does not listen");
            sleep(Duration::from_millis(1));
        }
        assert_eq!(workers(&daemon, "reading"), [0; 0], "it is being read, or about to be");
        revocation.make(&scratch, &["reading"]);
        if revocation.is_of_a_capability() {
            // With its files, the start of the plugin would never end.
            let status = wait_for(&scratch, "reading", &["running"]);
            let decided = status["capabilities"].to_string();
            assert!(decided.contains("Filesystem is denied by the user"), "{revocation:?}: {status}");
            daemon.stop();
        } else {
            let status = wait_for(&scratch, "reading", &["refused"]);
            assert!(status["why"].to_string().contains("revoked"), "{revocation:?}: {status}");
            daemon.stop();
        }
    }
}

/// Plugins that a change of the configuration is about to put in place are not on the list of plugins yet.
#[test]
fn a_key_revoked_during_a_change_reaches_the_plugins_to_come() {
    let scratch = home(&["idle", "init"]);
    hold(&scratch, "init", "start");
    let all = fs::read_to_string(scratch.config_file()).expect("read");
    let (idle, _) = all.split_once("[plugins.init]").expect("two plugins");
    scratch.config(idle);
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    scratch.config(&all);
    let mut client = scratch.program(env!("CARGO_BIN_EXE_conductorctl"), &["reload"]);
    let clients = Clients(vec![client.spawn().expect("starts")]);
    let coming = wait_for_worker(&daemon, "init", 0, 30);
    let made = Revocation::Key.make(&scratch, &["idle", "init"]);
    while workers(&daemon, "init").contains(&coming) {
        let taken = made.elapsed();
        assert!(taken < AFTER_A_DECISION, "the revocation has not reached it after {taken:?}");
        sleep(Duration::from_millis(2));
    }
    daemon.wait_for_log("everything goes on as it was");
    assert_eq!(workers(&daemon, "init"), [0; 0]);
    wait_for(&scratch, "idle", &["withdrawn"]);
    drop(clients);
    daemon.stop();
}

/// A program of a plugin works in the plugin's directory, and must end when the plugin loses the directory.
#[test]
fn a_program_among_files_that_are_taken_away_is_ended() {
    const SECONDS: &str = "8642";
    let manifest = concat!(
        r#"{\"name\":\"sleeper\",\"version\":\"1.0.0\",\"capabilities\":[{\"name\":\"Filesystem\"},"#,
        r#"{\"name\":\"Subprocess\",\"scope\":\"/bin/sleep;args=*;seconds=600\"}]}"#
    );
    // The operation 0x400 with the name of a program, one argument, and no input.
    let text = format!(
        r#"(module
            (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\0a/bin/sleep\01\04{SECONDS}\00")
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            (func (export "execute") (param i32 i32) (result i32)
                (drop (call $call (i32.const 0x400) (i32.const 0) (i32.const 18)))
                (i32.const 0))
            (@custom "conductor:manifest" "{manifest}"))"#
    );
    let scratch = home(&[]);
    fs::write(scratch.path("sleeper.wasm"), wat::parse_str(text).expect("valid text")).expect("written");
    let sign = ["sign", "sleeper.wasm", "key", "--name", "Ada", "--email", "ada@example.org"];
    scratch.conductor_sign(&sign);
    let granted = PATIENT.replace("[\"Filesystem\"]", "[\"Filesystem\", \"Subprocess\"]");
    let table = plugin("sleeper", &scratch.path("sleeper.wasm"), &granted);
    scratch.config(&format!("{SILENT}{table}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    let mut clients = Clients::default();
    clients.call(&scratch, "sleeper");
    let sleeps = || {
        let entries = fs::read_dir("/proc").expect("readable");
        let lines = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("cmdline")).ok());
        lines.filter(|line| line.ends_with(&format!("sleep\0{SECONDS}\0"))).count()
    };
    let started = Instant::now();
    while sleeps() == 0 {
        assert!(started.elapsed() < PATIENCE, "the program does not start");
        sleep(Duration::from_millis(5));
    }
    let made = Revocation::Capability.make(&scratch, &["sleeper"]);
    while sleeps() > 0 {
        let taken = made.elapsed();
        assert!(taken < AFTER_A_DECISION, "the program goes on after {taken:?}");
        sleep(Duration::from_millis(2));
    }
    daemon.stop();
}
