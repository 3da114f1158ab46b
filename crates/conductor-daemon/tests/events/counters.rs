//! Counters never go back.

use std::thread;

use rustix::process::Signal;

use super::ctl::json;
use crate::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

#[test]
fn counters_never_go_back_on_a_reload() {
    let scratch = Scratch::new();
    let config = |plugins: &str, action: &str| {
        format!(
            "{LENIENT}{plugins}[[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"2ms\"\n
            [[mappings]]\ntrigger = {{ input = \"clock\" }}\nplugin = \"hostile\"\naction = \"{action}\"\n
            [[mappings]]\ntrigger = {{ input = \"clock\" }}\nplugin = \"hostile\"\naction = \"nothing\"\n"
        )
    };
    let hostile = |more: &str| plugin("hostile", &wasm::fixture("hostile"), more);
    scratch.config(&config(&hostile(""), "panic"));
    let mut daemon = scratch.start(&[]);
    (0..20).for_each(|_| drop(daemon.next_call()));

    let counted = || {
        let (status, list) = (json(&scratch, &["status"]), json(&scratch, &["plugin", "list"]));
        let of = |value: &serde_json::Value| value.as_u64().expect("a number");
        let (events, plugin) = (&status["events"], &list["plugins"][0]);
        [
            of(&events["dispatched"]),
            of(&events["refused"]),
            of(&plugin["calls"]),
            of(&plugin["failures"]),
            of(&plugin["refused_events"]),
            of(&plugin["fuel_used"]),
        ]
    };
    let mut before = counted();
    assert!(before.iter().all(|count| *count > 0), "{before:?}");
    for round in 0..6 {
        let more = if round % 2 == 0 { "denied_capabilities = [\"Network\"]" } else { "" };
        scratch.config(&config(&hostile(more), "count"));
        assert_eq!(json(&scratch, &["reload"])["started"][0], "hostile");
        let now = counted();
        assert!(before.iter().zip(now).all(|(before, now)| *before <= now), "{before:?} then {now:?}");
        before = now;
        thread::yield_now();
    }
    // When the plugin is gone, its share of the sums stays.
    let other = plugin("other", &wasm::fixture("hostile"), "");
    scratch.config(&config(&other, "count").replace("plugin = \"hostile\"", "plugin = \"other\""));
    assert_eq!(json(&scratch, &["reload"])["stopped"][0], "hostile");
    let status = json(&scratch, &["status"]);
    let sums = [&status["events"]["dispatched"], &status["events"]["refused"]].map(|sum| sum.as_u64());
    assert!(sums[0] >= Some(before[0]) && sums[1] >= Some(before[1]), "{before:?} then {sums:?}");
    daemon.signal(Signal::TERM);
    let (code, _, log) = daemon.wait();
    assert_eq!(code, 1, "mappings to an action that is not there are said at the end: {log}");
}
