//! A plugin that listens to a MIDI input of the daemon.

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::json as value;

use super::ctl::{ctl, json, shown};
use crate::scratch::{LENIENT, Scratch, plugin, run};
use crate::wasm;

fn config(scratch: &Scratch, grants: &str) -> String {
    let keys = scratch.path("keys").display().to_string();
    let drums = scratch.path("drums").display().to_string();
    format!(
        "{LENIENT}{}[[inputs]]\nname = \"keys\"\ntype = \"midi-raw\"\npath = '{keys}'\n
        [[inputs]]\nname = \"drums\"\ntype = \"midi-raw\"\npath = '{drums}'\n",
        plugin("monitor", &wasm::plugin("monitor"), grants)
    )
}

#[test]
fn a_plugin_hears_the_input_that_it_may() {
    let scratch = Scratch::new();
    for name in ["keys", "drums"] {
        run("mkfifo", &[scratch.path(name).to_str().expect("UTF-8")], "coreutils");
    }
    scratch.config(&config(&scratch, "granted_capabilities = [\"Midi=keys\"]"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    let trigger = |action: &str, parameters: &str| {
        json(&scratch, &["trigger", "monitor", action, "--params", parameters])["reply"].clone()
    };
    assert_eq!(trigger("inputs", "null"), value!(["keys"]));
    let denied = ctl(&scratch, &["trigger", "monitor", "listen", "--params", r#"{"input":"drums"}"#]);
    assert!(denied.stderr.contains("Midi: port `drums` is outside the scope that was granted"), "{denied:?}");
    trigger("listen", r#"{"input":"keys"}"#);
    assert_eq!(trigger("read", "{}"), value!({ "messages": [], "missed": 0 }));

    let mut keys = OpenOptions::new().write(true).open(scratch.path("keys")).expect("FIFO");
    let mut drums = OpenOptions::new().write(true).open(scratch.path("drums")).expect("FIFO");
    drums.write_all(&[0x99, 36, 127]).expect("written");
    keys.write_all(&[0xf0, 0x7d, 1, 0xf7, 0x90, 60, 100, 0xf8]).expect("written");
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let read = trigger("read", r#"{"wait_ms":2000}"#);
        assert_eq!(read["missed"], 0, "{read}");
        heard.extend(read["messages"].as_array().expect("messages").clone());
    }
    assert_eq!(heard, ["90 3c 64", "f8"], "neither the other input nor System Exclusive");

    // A reload that does not change the input keeps the subscription.
    shown(&scratch, &["reload"]);
    keys.write_all(&[0x80, 60, 0]).expect("written");
    assert_eq!(trigger("read", r#"{"wait_ms":4000}"#)["messages"], value!(["80 3c 00"]));
    shown(&scratch, &["plugin", "revoke", "monitor", "Midi"]);
    let refused = ctl(&scratch, &["trigger", "monitor", "read"]);
    assert!(refused.stderr.contains("Midi is denied by the user"), "{refused:?}");
    daemon.stop();
}

/// What an instance leaves open is closed when the instance ends, and does not count against what the next instances
/// may open.
#[test]
fn subscriptions_of_instances_that_have_ended_take_no_place() {
    let scratch = Scratch::new();
    run("mkfifo", &[scratch.path("keys").to_str().expect("UTF-8")], "coreutils");
    let keys = scratch.path("keys").display().to_string();
    scratch.config(&format!(
        "{LENIENT}{}[[inputs]]\nname = \"keys\"\ntype = \"midi-raw\"\npath = '{keys}'\n",
        plugin(
            "monitor",
            &wasm::plugin("monitor"),
            "granted_capabilities = [\"Midi=keys\"]\nisolation = \"fresh\""
        )
    ));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    // A plugin may keep 16 subscriptions open; this opens two more.
    for _ in 0..18 {
        shown(&scratch, &["trigger", "monitor", "listen", "--params", r#"{"input":"keys"}"#]);
    }
    daemon.stop();
}
