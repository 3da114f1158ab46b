//! `conductorctl plugin`: every plugin with its state and the reason for it.

use std::time::Instant;

use conductor_core::health::FAILURES_BEFORE_QUARANTINE;
use rustix::process::Signal;

use super::ctl::{SILENT, ctl, json, shown};
use crate::scratch::{LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

#[test]
fn the_list_says_what_each_plugin_is_and_why_one_was_refused() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("broken.wasm"), "not a module").expect("written");
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "denied_capabilities = [\"Network\"]");
    let broken = plugin("broken", &scratch.path("broken.wasm"), "");
    let calls = "[[inputs]]
        name = \"ticks\"
        type = \"interval\"
        every = \"5ms\"
        count = 2
        [[mappings]]
        trigger = { input = \"ticks\" }
        plugin = \"hostile\"
        action = \"panic\"\n";
    scratch.config(&format!("{LENIENT}{hostile}{broken}{SILENT}{calls}"));
    let mut daemon = scratch.start(&[]);
    (0..2).for_each(|_| drop(daemon.next_call()));
    daemon.wait_for_log("input ended");

    // From time to time the daemon tries a refused plugin again, which is then loading for a moment.
    let deadline = Instant::now() + PATIENCE;
    let list = loop {
        let list = json(&scratch, &["plugin", "list"]);
        if list["plugins"][0]["state"] == "refused" || Instant::now() > deadline {
            break list;
        }
    };
    let [broken, hostile] = list["plugins"].as_array().expect("a list").as_slice() else {
        panic!("two plugins: {list}")
    };
    assert_eq!((broken["alias"].as_str(), broken["state"].as_str()), (Some("broken"), Some("refused")));
    let why = broken["why"].as_str().expect("a reason");
    assert!(why.contains("broken.wasm") || why.contains("module"), "{why}");
    assert!(broken["name"].is_null() && broken["walls"] == serde_json::json!([]), "{broken}");

    assert_eq!((hostile["alias"].as_str(), hostile["state"].as_str()), (Some("hostile"), Some("running")));
    assert_eq!((hostile["name"].as_str(), hostile["version"].as_str()), (Some("hostile"), Some("1.0.0")));
    assert_eq!((hostile["calls"].as_u64(), hostile["failures"].as_u64()), (Some(2), Some(2)), "{hostile}");
    assert!(hostile["why"].as_str().is_some_and(|why| why.starts_with("trapped: ")), "{hostile}");
    assert_eq!(hostile["trust"], "unsigned");
    assert_eq!(hostile["walls"][0], "webassembly");
    assert_eq!(hostile["capabilities"][0], "Network is denied by the user");

    let text = loop {
        let text = shown(&scratch, &["plugin", "list"]);
        if text.contains("\nbroken   refused ") || Instant::now() > deadline {
            break text;
        }
    };
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("ALIAS    STATE "), "{text}");
    assert!(lines[1].starts_with("broken   refused "), "{text}");
    assert_eq!(lines[2].trim_start(), why, "{text}");
    assert!(lines.iter().any(|line| line.starts_with("hostile  running ")), "{text}");
    for detail in ["last failure: trapped: ", "Network is denied by the user"] {
        assert!(text.contains(&format!("\n    {detail}")), "{text}");
    }
    daemon.stop();
}

#[test]
fn only_a_plugin_that_was_loaded_can_be_let_back_in() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("broken.wasm"), "not a module").expect("written");
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    let broken = plugin("broken", &scratch.path("broken.wasm"), "");
    scratch.config(&format!("{LENIENT}{hostile}{broken}{SILENT}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("plugin loaded");

    assert_eq!(shown(&scratch, &["plugin", "resume", "hostile"]), "hostile was running already\n");
    daemon.wait_for_log("started again");
    assert_eq!(
        json(&scratch, &["plugin", "resume", "hostile"]),
        serde_json::json!({ "plugin": "hostile", "was": "running" })
    );
    let refused = ctl(&scratch, &["plugin", "resume", "broken"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (4, ""), "{refused:?}");
    assert!(refused.stderr.contains("`broken` was not loaded: "), "{refused:?}");
    let unknown = ctl(&scratch, &["plugin", "resume", "hostil"]);
    assert_eq!(unknown.code, 4, "{unknown:?}");
    assert_eq!(
        unknown.stderr,
        "error: there is no plugin `hostil`; did you mean `hostile`?\n\
         hint: to see its plugins: conductorctl plugin list\n"
    );
    let escape = ctl(&scratch, &["plugin", "resume", "\u{1b}[31m\n"]);
    assert!(escape.code == 4 && escape.stderr.contains(r"`\u{1b}[31m\n`"), "{escape:?}");
    daemon.signal(Signal::TERM);
}

#[test]
fn a_plugin_that_keeps_failing_is_quarantined_until_it_is_let_back_in() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    let calls = "[[inputs]]
        name = \"ticks\"
        type = \"interval\"
        every = \"10ms\"
        [[mappings]]
        trigger = { input = \"ticks\" }
        plugin = \"hostile\"
        action = \"panic\"\n";
    scratch.config(&format!("{LENIENT}{hostile}{calls}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("plugin loaded");
    let state = || {
        let list = json(&scratch, &["plugin", "list"]);
        let plugin = list["plugins"][0].clone();
        (plugin["state"].as_str().expect("a state").to_owned(), plugin)
    };
    let wait_for = |wanted: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (state, plugin) = state();
            if state == wanted {
                return plugin;
            }
            assert!(Instant::now() < deadline, "not {wanted}: {plugin}");
        }
    };
    let resting = wait_for("backing-off");
    assert!(resting["retry_in_ms"].is_u64(), "{resting}");
    daemon.wait_for_log("conductorctl plugin resume hostile");
    let quarantined = wait_for("quarantined");
    assert!(quarantined["why"].as_str().is_some_and(|why| why.starts_with("trapped: ")), "{quarantined}");
    assert_eq!(quarantined["calls"], FAILURES_BEFORE_QUARANTINE);
    assert_eq!(quarantined["hint"], "to let it back in: conductorctl plugin resume hostile");
    assert_eq!(json(&scratch, &["status"])["plugins"]["quarantined"], 1);

    assert_eq!(
        shown(&scratch, &["plugin", "resume", "hostile"]),
        "hostile was started again; it was quarantined\n"
    );
    daemon.wait_for_log("started again");
    let again = wait_for("backing-off");
    assert!(again["calls"].as_u64().is_some_and(|calls| calls > u64::from(FAILURES_BEFORE_QUARANTINE)));
    daemon.stop();
}
