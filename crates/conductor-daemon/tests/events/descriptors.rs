//! More plugins than there are file descriptors for.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::ctl::{ctl, json};
use crate::scratch::{LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

#[test]
fn a_reload_for_which_there_are_no_descriptors_is_refused_before_anything_changes() {
    const PLUGINS: usize = 5;
    let scratch = Scratch::new();
    let config = |more: &str| {
        let plugins: String =
            (0..PLUGINS).map(|n| plugin(&format!("p{n}"), &wasm::fixture("hostile"), "")).collect();
        format!(
            "{LENIENT}{more}{plugins}[[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"5ms\"\n
            [[mappings]]\ntrigger = {{ input = \"clock\" }}\nplugin = \"p0\"\naction = \"count\"\n"
        )
    };
    scratch.config(&config(""));
    let daemon = scratch.command(&["run", "--events", "--json"]);
    let mut shell = Command::new("sh");
    // Both limits, so that the daemon cannot raise one to the other.
    shell
        .args(["-c", "ulimit -n 150 && exec \"$0\" \"$@\""])
        .arg(daemon.get_program())
        .args(daemon.get_args());
    shell.env_clear().envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut daemon = scratch.spawn(shell);
    daemon.wait_for_log("ready");
    let before = json(&scratch, &["plugin", "list"]);
    scratch.config(&config("max_fuel = 90_000_000\n"));
    for _ in 0..3 {
        let refused = ctl(&scratch, &["reload"]);
        assert_eq!(refused.code, 4, "{refused:?}");
        assert!(
            refused.stderr.contains("to start 5 plugins beside those that run may take 158 file descriptors"),
            "{refused:?}"
        );
    }
    let after = json(&scratch, &["plugin", "list"]);
    for n in 0..PLUGINS {
        assert_eq!(
            before["plugins"][n]["worker_pid"], after["plugins"][n]["worker_pid"],
            "nothing was started"
        );
        assert_eq!(after["plugins"][n]["state"], "running");
    }
    let deadline = Instant::now() + PATIENCE;
    while json(&scratch, &["status"])["events"]["dispatched"].as_u64() < Some(200) {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    let (rows, log) = daemon.stop();
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(row["event"], format!("clock: tick {number}"), "no event is lost: {log}");
    }
}
