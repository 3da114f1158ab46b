//! Readers that stop: readers of the log, of the rows, and of `conductorctl events`.

use std::io::Write as _;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use conductor_daemon::control::{Request, Response};
use midly::num::{u15, u28};
use midly::{Format, Header, Smf, Timing, TrackEvent, TrackEventKind};
use rustix::process::{Pid, Signal, kill_process};

use super::ctl::{connect, exchange, json, shown};
use crate::scratch::{LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

/// A daemon whose outputs nobody reads, which is killed when the test ends.
struct Unread(Child);

impl Unread {
    fn start(scratch: &Scratch, arguments: &[&str], stderr: Stdio) -> Self {
        let child = scratch.command(arguments).stderr(stderr).spawn().expect("conductor starts");
        let unread = Self(child);
        let deadline = Instant::now() + PATIENCE;
        while !scratch.path("state/conductor.sock").exists() {
            assert!(Instant::now() < deadline, "it does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        unread
    }

    /// Asks the daemon to end. Returns its exit status.
    fn stop(&mut self) -> Option<i32> {
        let pid = Pid::from_raw(self.0.id().try_into().expect("process id")).expect("process id");
        kill_process(pid, Signal::TERM).expect("signal sent");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("waits") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Resident memory in bytes.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // Both calls fail only if the daemon has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the daemon has made this many calls.
fn wait_for_calls(scratch: &Scratch, calls: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let made = json(scratch, &["status"])["events"]["dispatched"].as_u64().expect("a number");
        if made >= calls {
            return;
        }
        assert!(Instant::now() < deadline, "{made} calls of {calls}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn ticking(action: &str) -> String {
    format!(
        "[[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"2ms\"\n
        [[mappings]]\ntrigger = {{ input = \"clock\" }}\nplugin = \"hostile\"\naction = {action}\n"
    )
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_decision() {
    let scratch = Scratch::new();
    let chatty = plugin("hostile", &wasm::fixture("hostile"), "max_log_bytes_per_minute = 1_000_000_000");
    let printing = ticking("\"stdio\"\nparameters = { bytes = 60_000 }");
    scratch.config(&format!("{LENIENT}{chatty}{printing}"));
    let mut daemon = Unread::start(&scratch, &["run"], Stdio::piped());
    // The calls print six megabytes, of which a pipe takes 64 KiB.
    wait_for_calls(&scratch, 100);
    shown(&scratch, &["plugin", "revoke", "hostile", "Network"]);
    assert_eq!(json(&scratch, &["plugin", "list"])["plugins"][0]["state"], "running");
    shown(&scratch, &["reload"]);
    shown(&scratch, &["trigger", "hostile", "count"]);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn rows_that_nobody_reads_hold_up_no_call() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    scratch.config(&format!("{LENIENT}{hostile}{}", ticking("\"count\"")));
    for arguments in [&["run", "--events", "--json"][..], &["run", "--events"]] {
        let mut daemon = Unread::start(&scratch, arguments, Stdio::null());
        wait_for_calls(&scratch, 1000);
        shown(&scratch, &["trigger", "hostile", "count"]);
        assert_eq!(daemon.stop(), Some(0));
    }
}

#[test]
fn a_follower_that_stops_holds_rows_and_not_what_they_are_about() {
    const CALLS: u64 = 3000;
    let scratch = Scratch::new();
    let mut bytes = vec![1; 60_000];
    bytes.push(0xf7);
    let sysex = |delta| TrackEvent { delta: u28::new(delta), kind: TrackEventKind::SysEx(&bytes) };
    let mut track = vec![sysex(0); 40];
    // 480 ticks are half a second.
    track.push(sysex(48));
    let header = Header { format: Format::SingleTrack, timing: Timing::Metrical(u15::new(480)) };
    Smf { header, tracks: vec![track] }.save(scratch.path("tune.mid")).expect("tune written");
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    scratch.config(&format!(
        "{LENIENT}{hostile}[[inputs]]\nname = \"tune\"\ntype = \"midi-file\"\npath = \"../tune.mid\"\nloop = true\n
        [[mappings]]\ntrigger = {{ input = \"tune\" }}\nplugin = \"hostile\"\naction = \"count\"\n"
    ));
    let mut daemon = Unread::start(&scratch, &["run"], Stdio::null());
    wait_for_calls(&scratch, 100);
    let before = daemon.memory();
    let mut stopped = connect(&scratch);
    let first = exchange(&mut stopped, Request::Events.to_line().as_bytes());
    assert!(matches!(first, Some(Response::Event(None))), "{first:?}");
    wait_for_calls(&scratch, CALLS);
    let held = daemon.memory().saturating_sub(before);
    assert!(held < 60_000 * CALLS / 4, "{held} bytes for {CALLS} calls");

    // A follower that reads goes on meanwhile.
    let mut reads = connect(&scratch);
    reads.write_all(Request::Events.to_line().as_bytes()).expect("sent");
    let rows = std::io::BufRead::lines(std::io::BufReader::new(&reads)).take(50).map_while(Result::ok);
    assert_eq!(rows.filter(|row| row.contains("sysex of 60000 bytes")).count(), 49);
    drop((stopped, reads));
    assert_eq!(daemon.stop(), Some(0));
}
