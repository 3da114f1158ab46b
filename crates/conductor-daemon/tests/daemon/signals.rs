//! SIGTERM and SIGINT end the daemon in an orderly way.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::scratch::{Daemon, LENIENT, Scratch, plugin};
use crate::wasm;

fn ticking(scratch: &Scratch, action: &str, more: &str) -> Daemon {
    let hostile = plugin("hostile", &wasm::fixture("hostile"), more);
    scratch.config(&format!(
        "{LENIENT}{hostile}
        [[inputs]]
        name = \"clock\"
        type = \"interval\"
        every = \"10ms\"
        [[mappings]]
        trigger = {{ event = \"interval\" }}
        plugin = \"hostile\"
        action = \"{action}\""
    ));
    let mut daemon = scratch.start(&[]);
    daemon.next_call();
    daemon
}

#[test]
fn either_signal_ends_with_status_zero() {
    for signal in [Signal::TERM, Signal::INT] {
        let scratch = Scratch::new();
        let daemon = ticking(&scratch, "count", "");
        daemon.signal(signal);
        let asked = Instant::now();
        let (code, _, log) = daemon.wait();
        assert_eq!(code, 0, "{log}");
        assert!(asked.elapsed() < Duration::from_secs(10), "took {:?}", asked.elapsed());
        assert!(log.contains("stopping") && log.contains("plugin done"), "{log}");
    }
}

#[test]
fn what_is_queued_is_worked_off() {
    let scratch = Scratch::new();
    let mut daemon =
        ticking(&scratch, "sleep", "max_fuel = 1_000_000_000_000\nmax_execution_time = \"50ms\"");
    let (_, row) = daemon.next_call();
    assert_eq!(row["limit"], "max_execution_time", "{row}");
    let (rows, log) = daemon.stop();
    assert!(!rows.is_empty(), "{log}");
    assert!(log.contains("plugin done") && log.contains("refused=0"), "{log}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let scratch = Scratch::new();
    let more = "max_fuel = 1_000_000_000_000\nmax_execution_time = \"3s\"";
    let hostile = plugin("hostile", &wasm::fixture("hostile"), more);
    scratch.config(&format!(
        "{LENIENT}{hostile}
        [[inputs]]
        name = \"clock\"
        type = \"interval\"
        every = \"10ms\"
        [[mappings]]
        trigger = {{ event = \"interval\" }}
        plugin = \"hostile\"
        action = \"sleep\""
    ));
    let mut daemon = scratch.start(&[]);
    daemon.next_call();
    daemon.signal(Signal::INT);
    daemon.wait_for_log("stopping");
    daemon.signal(Signal::INT);
    let asked = Instant::now();
    let (code, _, log) = daemon.wait();
    assert_eq!(code, 130, "{log}");
    assert!(asked.elapsed() < Duration::from_secs(2), "took {:?}", asked.elapsed());
}
