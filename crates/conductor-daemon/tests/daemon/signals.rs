//! SIGTERM and SIGINT end the daemon in an orderly way.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::scratch::{Daemon, LENIENT, Scratch, interval, plugin};
use crate::wasm;

/// A daemon in which a clock makes a call every 10 ms. `call` is the part of the mapping that names the call, and
/// `more` is added to the plugin's table.
fn ticking(scratch: &Scratch, call: &str, more: &str) -> Daemon {
    let hostile = plugin("hostile", &wasm::fixture("hostile"), more);
    let clock = interval("clock", "10ms", "");
    scratch.config(&format!(
        "{LENIENT}{hostile}{clock}
        [[mappings]]
        trigger = {{ event = \"interval\" }}
        plugin = \"hostile\"
        {call}"
    ));
    let mut daemon = scratch.start(&[]);
    daemon.next_call();
    daemon
}

#[test]
fn either_signal_ends_with_status_zero() {
    for signal in [Signal::TERM, Signal::INT] {
        let scratch = Scratch::new();
        let daemon = ticking(&scratch, "action = \"count\"", "");
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
    let slow = "action = \"sleep\"\nparameters = { once_ns = 50_000_000 }";
    let mut daemon = ticking(&scratch, slow, "max_fuel = 1_000_000_000_000");
    let (_, row) = daemon.next_call();
    assert_eq!(row["outcome"], "ok", "{row}");
    let (rows, log) = daemon.stop();
    assert!(!rows.is_empty(), "{log}");
    assert!(log.contains("plugin done") && log.contains("refused=0"), "{log}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let scratch = Scratch::new();
    let more = "max_fuel = 1_000_000_000_000\nmax_execution_time = \"3s\"";
    let mut daemon = ticking(&scratch, "action = \"sleep\"", more);
    daemon.signal(Signal::INT);
    daemon.wait_for_log("stopping");
    daemon.signal(Signal::INT);
    let asked = Instant::now();
    let (code, _, log) = daemon.wait();
    assert_eq!(code, 130, "{log}");
    assert!(asked.elapsed() < Duration::from_secs(2), "took {:?}", asked.elapsed());
}
