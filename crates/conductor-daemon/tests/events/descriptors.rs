//! More plugins than there are file descriptors for.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::ctl::{ctl, json};
use crate::scratch::{Daemon, LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

const PLUGINS: usize = 20;

/// Many plugins, one of which a clock calls. `more` is added to the table of each.
fn config(more: &str) -> String {
    let plugins: String =
        (0..PLUGINS).map(|n| plugin(&format!("p{n}"), &wasm::fixture("hostile"), "")).collect();
    format!(
        "{LENIENT}{more}{plugins}[[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"5ms\"\n
        [[mappings]]\ntrigger = {{ input = \"clock\" }}\nplugin = \"p0\"\naction = \"count\"\n"
    )
}

/// A daemon that a shell starts after setting these limits.
fn start(scratch: &Scratch, limits: &str) -> Daemon {
    scratch.config(&config(""));
    let daemon = scratch.command(&["run", "--events", "--json"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")]);
    shell.arg(daemon.get_program()).args(daemon.get_args());
    shell.env_clear().envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut daemon = scratch.spawn(shell);
    daemon.wait_for_log("ready");
    daemon
}

/// Waits for further calls, ends the daemon and checks that each tick led to a call.
fn stop(scratch: &Scratch, daemon: Daemon) {
    let calls = || json(scratch, &["status"])["events"]["dispatched"].as_u64().expect("a number");
    let (deadline, enough) = (Instant::now() + PATIENCE, calls() + 50);
    while calls() < enough {
        assert!(Instant::now() < deadline, "no more calls");
        thread::sleep(Duration::from_millis(20));
    }
    let (rows, log) = daemon.stop();
    // Rows of a replaced plugin and of its replacement may come in any order.
    let tick = |row: &Json| row["event"].as_str()?.strip_prefix("clock: tick ")?.parse::<usize>().ok();
    let mut ticks: Vec<usize> = rows.iter().filter_map(tick).collect();
    ticks.sort_unstable();
    assert!(ticks.iter().enumerate().all(|(number, tick)| number == *tick), "an event is lost: {log}");
}

#[test]
fn a_reload_for_which_there_are_no_descriptors_is_refused_before_anything_changes() {
    let scratch = Scratch::new();
    // The soft and the hard limit, so that the daemon cannot raise one to the other.
    let daemon = start(&scratch, "ulimit -n 300");
    let workers = || -> Vec<Json> {
        let deadline = Instant::now() + PATIENCE;
        // On a busy machine, a plugin may have to be loaded again.
        let list = loop {
            let list = json(&scratch, &["plugin", "list"]);
            let plugins = list["plugins"].as_array().expect("plugins");
            if plugins.iter().all(|plugin| plugin["state"] == "running") {
                break list;
            }
            assert!(Instant::now() < deadline, "{list}");
            thread::sleep(Duration::from_millis(50));
        };
        let plugins = list["plugins"].as_array().expect("plugins");
        plugins.iter().map(|plugin| plugin["worker_pid"].clone()).collect()
    };
    let before = workers();
    scratch.config(&config("max_fuel = 90_000_000\n"));
    for _ in 0..3 {
        let refused = ctl(&scratch, &["reload"]);
        assert_eq!(refused.code, 4, "{refused:?}");
        let words = "to start 20 plugins beside those that run may take 248 file descriptors";
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    assert_eq!(before, workers(), "nothing was started");
    stop(&scratch, daemon);
}

#[test]
fn a_soft_limit_that_may_be_raised_refuses_no_reload() {
    let scratch = Scratch::new();
    let daemon = start(&scratch, "ulimit -S -n 100 && ulimit -H -n 1024");
    scratch.config(&config("max_fuel = 90_000_000\n"));
    let reloaded = json(&scratch, &["reload"]);
    assert_eq!(reloaded["started"].as_array().map(Vec::len), Some(PLUGINS), "{reloaded}");
    stop(&scratch, daemon);
}
