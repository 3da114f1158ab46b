//! An installation whose outcome stays unknown: the daemon is told to stop while the plugin loads, or the plugin does
//! not finish loading in time. The plugin is not reported as installed, and the next start finds the complete old state
//! or the complete new one.

use std::fs;
use std::process::{Child, Output};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::binding::{put, put_with};
use super::ctl::{SILENT, assert_served, json, shown};
use super::phases::wait_for_worker;
use crate::scratch::{Daemon, PATIENCE, Scratch};

/// A policy and limits under which an unsigned plugin may load for as long as this test takes.
const PATIENT: &str =
    "[wasm]\nrequire_signature = false\nmax_execution_time = \"600s\"\nmax_fuel = 9223372036854775807\n";

/// A start that never ends.
const ENDLESS: &str = r#"(func (export "_initialize") (loop $again (br $again)))"#;

/// Whether a version of the plugin is installed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Installing {
    First,
    Another,
}

/// What is in the configuration and in the store.
#[derive(Debug, PartialEq, Eq)]
struct Installed {
    config: String,
    current: Option<String>,
    versions: usize,
}

impl Installed {
    fn of(scratch: &Scratch) -> Self {
        let directory = scratch.path("data/plugins/notes");
        let entries = fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
        Self {
            config: fs::read_to_string(scratch.config_file()).expect("a configuration"),
            current: fs::read_to_string(directory.join("current")).ok(),
            versions: entries.filter(|entry| entry.path().is_dir()).count(),
        }
    }
}

/// A daemon that installs a plugin which never finishes loading, the client that waits for it, and what was installed
/// before.
fn install(scratch: &Scratch, installing: Installing) -> (Daemon, Child, Installed) {
    scratch.config(&format!("{PATIENT}{SILENT}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    let module = scratch.path("notes.wasm");
    let words = ["plugin", "install", module.to_str().expect("UTF-8")];
    let mut running = 0;
    if installing == Installing::Another {
        put(scratch, "notes", "1.0");
        shown(scratch, &words);
        running = wait_for_worker(&daemon, "notes", 0, 0);
    }
    let before = Installed::of(scratch);
    put_with(scratch, "notes", "2.0", ENDLESS);
    let client = scratch.program(env!("CARGO_BIN_EXE_conductorctl"), &words).spawn().expect("starts");
    wait_for_worker(&daemon, "notes", running, 10);
    (daemon, client, before)
}

fn assert_not_installed(client: Child, why: &str) {
    let Output { status, stdout, stderr } = client.wait_with_output().expect("ends");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(!status.success() && stdout.is_empty(), "{status}: {stdout}{stderr}");
    let told = format!("`notes`: whether it can be loaded is not known, because {why}");
    assert!(stderr.contains(&told), "{stderr}");
}

/// Checks that the next start finds what was there before, and nothing else.
fn assert_as_before(scratch: &Scratch, installing: Installing, before: &Installed) {
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    assert_eq!(Installed::of(scratch), *before, "{installing:?}");
    let plugins = json(scratch, &["plugin", "list"])["plugins"].clone();
    match installing {
        Installing::First => assert_eq!(plugins, serde_json::json!([])),
        Installing::Another => {
            assert_eq!((&plugins[0]["state"], &plugins[0]["version"]), (&"running".into(), &"1.0".into()));
        }
    }
    daemon.stop();
}

#[test]
fn a_stop_while_a_plugin_loads() {
    for installing in [Installing::First, Installing::Another] {
        let scratch = Scratch::new();
        let (daemon, client, before) = install(&scratch, installing);
        daemon.signal(Signal::TERM);
        assert_not_installed(client, "the daemon is stopping");
        assert_eq!(daemon.wait().0, 0, "{installing:?}");
        assert_as_before(&scratch, installing, &before);
    }
}

#[test]
fn a_plugin_that_does_not_come_to_an_end_with_loading() {
    let attempt = |installing| {
        let scratch = Scratch::new();
        let (daemon, client, before) = install(&scratch, installing);
        assert_not_installed(client, "it takes too long");
        assert_served(&scratch);
        let cleaned = Instant::now();
        while Installed::of(&scratch) != before {
            assert!(cleaned.elapsed() < PATIENCE, "{installing:?}: {:?}", Installed::of(&scratch));
            sleep(Duration::from_millis(20));
        }
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait().0, 0, "{installing:?}");
        assert_as_before(&scratch, installing, &before);
    };
    // Each attempt waits for as long as loading may take.
    scope(|scope| {
        scope.spawn(|| attempt(Installing::First));
        attempt(Installing::Another);
    });
}
