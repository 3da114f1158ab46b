//! How many descriptors the daemon may have.

use std::fs;

use super::scratch::{LENIENT, Scratch};

/// Most descriptors that the daemon asks for.
const WANTED: u64 = 65_536;

#[test]
fn the_daemon_raises_its_limit_of_descriptors() {
    let scratch = Scratch::new();
    scratch.config(LENIENT);
    let conductor = env!("CARGO_BIN_EXE_conductor");
    // A shell that lowers the soft limit and then becomes the daemon.
    let lowered = ["-c", "ulimit -S -n 200; exec \"$0\" run", conductor];
    let mut daemon = scratch.spawn(scratch.program("/bin/sh", &lowered));
    daemon.wait_for_log("ready");
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).expect("readable");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a line");
    let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap_or(u64::MAX));
    let (soft, hard) = (numbers.next().expect("soft"), numbers.next().expect("hard"));
    assert_eq!(soft, hard.min(WANTED), "{line}");
    daemon.stop();
}
