//! A running daemon stops plugins that the user no longer lets in.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;

use super::ctl::{ctl, json, shown};
use crate::scratch::{Daemon, PATIENCE, Scratch, interval, plugin};
use crate::wasm;

/// A daemon that calls an action of a signed plugin a hundred times a second; a second publisher is trusted as well.
fn daemon(scratch: &Scratch, action: &str) -> Daemon {
    for (key_file, name) in [("one", "Ada"), ("two", "Somebody Else")] {
        scratch.conductor_sign(&["generate-key", key_file]);
        scratch.conductor_sign(&["trust", "add", &key(scratch, key_file), name]);
    }
    std::fs::copy(wasm::fixture("hostile"), scratch.path("one.wasm")).expect("copied");
    scratch.conductor_sign(&["sign", "one.wasm", "one", "--name", "Ada", "--email", "ada@example.org"]);
    // A call that does not end by itself may run for longer than this test.
    let one = plugin(
        "one",
        &scratch.path("one.wasm"),
        "max_execution_time = \"600s\"\nmax_fuel = 18446744073709551615",
    );
    let ticks = interval("ticks", "10ms", "");
    scratch.config(&format!(
        "{one}{ticks}
        [[mappings]]
        trigger = {{ input = \"ticks\" }}
        plugin = \"one\"
        action = \"{action}\"\n"
    ));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("plugin loaded");
    daemon
}

fn key(scratch: &Scratch, name: &str) -> String {
    std::fs::read_to_string(scratch.path(&format!("{name}.public"))).expect("key").trim().to_owned()
}

/// Waits until the plugin is in a state, and says how long that took.
fn wait_for(scratch: &Scratch, state: &str) -> (Json, Duration) {
    let start = Instant::now();
    loop {
        let plugin = json(scratch, &["plugin", "list"])["plugins"][0].clone();
        if plugin["state"] == state {
            return (plugin, start.elapsed());
        }
        assert!(start.elapsed() < PATIENCE, "not {state}: {plugin}");
    }
}

#[test]
fn a_revoked_key_stops_its_plugin_and_a_mistake_is_mended() {
    let scratch = Scratch::new();
    let mut daemon = daemon(&scratch, "count");
    let key = key(&scratch, "one");
    daemon.next_call();
    scratch.conductor_sign(&["trust", "revoke", &key, "--reason", "laptop stolen"]);
    let (stopped, _) = wait_for(&scratch, "withdrawn");
    daemon.wait_for_log("stopped: key ");
    assert!(stopped["why"].as_str().is_some_and(|why| why.contains("laptop stolen")), "{stopped}");
    assert!(stopped["worker_pid"].is_null(), "{stopped}");
    assert_eq!(json(&scratch, &["status"])["plugins"]["withdrawn"], 1);
    let calls = stopped["calls"].clone();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(wait_for(&scratch, "withdrawn").0["calls"], calls, "it is called no more");

    let refused = ctl(&scratch, &["plugin", "resume", "one"]);
    assert!(refused.code == 4 && refused.stderr.contains("`one` would be refused: key "), "{refused:?}");
    scratch.conductor_sign(&["trust", "unrevoke", &key]);
    assert_eq!(wait_for(&scratch, "withdrawn").0["calls"], calls, "it comes back when the user says so");
    assert_eq!(shown(&scratch, &["plugin", "resume", "one"]), "one was started again; it was withdrawn\n");
    let (running, _) = wait_for(&scratch, "running");
    assert!(running["why"].is_null(), "{running}");
    let deadline = Instant::now() + PATIENCE;
    while wait_for(&scratch, "running").0["calls"] == calls {
        assert!(Instant::now() < deadline, "it is not called again");
    }
    daemon.stop();
    let log = std::fs::read_to_string(scratch.path("state/audit.jsonl")).expect("read");
    let events: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let withdrawn = events.iter().find(|event| event["event"] == "plugin-withdrawn").expect("recorded");
    assert!(withdrawn["cause"].as_str().is_some_and(|cause| cause.contains("laptop stolen")), "{withdrawn}");
    assert!(events.iter().any(|event| event["event"] == "plugin-resumed"));
}

/// The daemon watches files all the time; trust that ends with time changes no file.
#[test]
fn trust_that_ends_with_time_stops_its_plugin_then() {
    let scratch = Scratch::new();
    let mut daemon = daemon(&scratch, "count");
    daemon.next_call();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let end = jiff::Timestamp::from_second(i64::try_from(now + 3).expect("a time")).expect("a time");
    scratch.conductor_sign(&["trust", "renew", &key(&scratch, "one"), "--expires", &end.to_string()]);
    let start = Instant::now();
    let (stopped, _) = wait_for(&scratch, "withdrawn");
    assert!(stopped["why"].as_str().is_some_and(|why| why.contains("ended")), "{stopped}");
    // Long before the daemon next checks everything.
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(jiff::Timestamp::now() >= end);
}

#[test]
fn a_call_that_would_go_on_is_ended() {
    let scratch = Scratch::new();
    let daemon = daemon(&scratch, "loop");
    let busy = wait_for(&scratch, "running").0;
    let pid = busy["worker_pid"].as_u64().expect("a worker");
    let processor_time = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.split_whitespace().nth(13).and_then(|ticks| ticks.parse::<u64>().ok())
    };
    let start = Instant::now();
    while processor_time().is_some_and(|ticks| ticks < 20) {
        assert!(start.elapsed() < PATIENCE, "the plugin does not compute");
        std::thread::sleep(Duration::from_millis(10));
    }
    scratch.conductor_sign(&["trust", "revoke", &key(&scratch, "one"), "--reason", "stolen"]);
    let (stopped, _) = wait_for(&scratch, "withdrawn");
    let start = Instant::now();
    while processor_time().is_some() {
        assert!(start.elapsed() < PATIENCE, "the worker goes on: {stopped}");
        std::thread::sleep(Duration::from_millis(10));
    }

    // The worker of a call that does not end is ended as soon as it runs.
    scratch.conductor_sign(&["trust", "unrevoke", &key(&scratch, "one")]);
    let start = Instant::now();
    while ctl(&scratch, &["plugin", "resume", "one"]).code != 0 {
        assert!(start.elapsed() < PATIENCE, "it is not started again");
    }
    while wait_for(&scratch, "running").0["worker_pid"].as_u64().is_none_or(|now| now == pid) {
        assert!(start.elapsed() < PATIENCE, "no worker is told");
    }
    daemon.stop();
}

#[test]
fn trust_that_is_taken_away_stops_a_plugin_too_and_damage_stops_nothing() {
    let scratch = Scratch::new();
    let mut daemon = daemon(&scratch, "count");
    daemon.next_call();
    let path = scratch.path("config/revoked_keys.toml");
    std::fs::write(&path, "nonsense").expect("written");
    daemon.wait_for_log("trust cannot be checked, plugins go on");
    assert_eq!(wait_for(&scratch, "running").0["state"], "running");
    std::fs::remove_file(&path).expect("removed");
    scratch.conductor_sign(&["trust", "remove", &key(&scratch, "two")]);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(wait_for(&scratch, "running").0["state"], "running", "that was somebody else's key");
    scratch.conductor_sign(&["trust", "remove", &key(&scratch, "one")]);
    let (stopped, _) = wait_for(&scratch, "withdrawn");
    assert!(stopped["why"].as_str().is_some_and(|why| why.contains("is not trusted")), "{stopped}");
    daemon.stop();
}
