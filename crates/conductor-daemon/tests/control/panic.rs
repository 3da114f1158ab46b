//! Panic: one command, one request or one key, and everything is silent until it is resumed.

use std::io::Write as _;

use conductor_daemon::control::Request;
use conductor_signing::PublicKey;
use serde_json::Value as Json;

use super::ctl::{connect, ctl, json, shown};
use super::desk::{Desk, Heard};
use crate::scratch::{PATIENCE, Scratch, hang_trust};

fn status(scratch: &Scratch) -> Json {
    json(scratch, &["status"])
}

fn refused_events(scratch: &Scratch) -> u64 {
    status(scratch)["events"]["refused"].as_u64().expect("a number")
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// All channels are told to be silent, beside the notes that are known to sound.
fn every_channel_was_silenced(desk: &Desk) {
    let messages = desk.messages("synth");
    for channel in 0..16 {
        for controller in [120, 123] {
            assert!(messages.contains(&[0xb0 | channel, controller, 0]), "{channel} {controller}");
        }
    }
}

#[test]
fn panic_silences_and_pauses_until_it_is_resumed() {
    let mut desk = Desk::new("");
    let mut daemon = desk.start(&[]);
    desk.chord(0, 60);
    desk.chord(1, 72);
    let said = shown(&desk.scratch, &["panic"]);
    assert_eq!(said, "silenced     synth\nplugins do nothing until: conductorctl resume\n");
    assert_eq!(desk.heard("synth"), Heard::new(), "before the answer");
    every_channel_was_silenced(&desk);
    daemon.wait_for_log("panic: everything is silenced");
    assert_eq!(status(&desk.scratch)["paused"], true);
    let text = shown(&desk.scratch, &["status"]);
    assert!(text.contains("PAUSED by panic: plugins do nothing until: conductorctl resume"), "{text}");

    let sent = desk.messages("synth").len();
    let refused = refused_events(&desk.scratch);
    desk.play(&[0x90, 60, 100, 0x80, 60, 0, 0x91, 60, 100]);
    wait_until("the events are refused", || refused_events(&desk.scratch) == refused + 3);
    let trigger = ctl(&desk.scratch, &["trigger", "one", "chord", "--params", "{\"port\": \"synth\"}"]);
    assert_eq!(trigger.code, 4, "{trigger:?}");
    assert!(trigger.stderr.contains("everything was silenced by panic"), "{trigger:?}");
    assert!(trigger.stderr.contains("hint: to go on: conductorctl resume"), "{trigger:?}");
    assert_eq!(desk.messages("synth").len(), sent, "nothing came out");

    assert_eq!(shown(&desk.scratch, &["resume"]), "resumed\n");
    assert_eq!(shown(&desk.scratch, &["resume"]), "nothing was paused\n");
    assert_eq!(status(&desk.scratch)["paused"], false);
    desk.chord(1, 48);
    daemon.stop();
    assert_eq!(desk.heard("synth"), Heard::new());
}

#[test]
fn a_key_can_be_for_panic() {
    let mut desk =
        Desk::new("[[mappings]]\ntrigger = { event = \"control-change\", cc = 99 }\npanic = true\n");
    let daemon = desk.start(&[]);
    desk.chord(0, 60);
    desk.play(&[0xb0, 99, 127]);
    desk.silent("the key was pressed");
    wait_until("the daemon says so", || status(&desk.scratch)["paused"] == true);
    let recorded = || {
        let log = shown(&desk.scratch, &["audit", "show", "--json"]);
        log.contains("\"panic\"") && log.contains("\"mapping\"")
    };
    wait_until("it is on record", recorded);
    shown(&desk.scratch, &["resume"]);
    desk.chord(0, 62);
    daemon.stop();
}

#[test]
fn panic_ends_a_call_that_waits_and_what_it_plays() {
    let mut desk = Desk::new("");
    let daemon = desk.start(&[]);
    desk.chord(0, 60);
    for _ in 0..3 {
        shown(&desk.scratch, &["panic", "--json"]);
        assert_eq!(desk.heard("synth"), Heard::new());
    }
    // The plugin kept its instance: it remembers the chord of the key that is still down, and ends it.
    shown(&desk.scratch, &["resume"]);
    let before = desk.messages("synth").len();
    desk.play(&[0x80, 60, 0]);
    wait_until("the plugin ends its chord", || desk.messages("synth").len() == before + 3);
    daemon.stop();
}

#[test]
fn a_disk_that_hangs_under_another_request_does_not_hold_up_panic() {
    let mut desk = Desk::new("");
    desk.scratch.conductor_sign(&["generate-key", "ada"]);
    let key = std::fs::read_to_string(desk.scratch.path("ada.public")).expect("a key").trim().to_owned();
    let fingerprint = key.parse::<PublicKey>().expect("a key").fingerprint().to_string();
    let daemon = desk.start(&[]);
    desk.chord(0, 60);
    let go_on = hang_trust(&desk.scratch);
    let trust =
        Request::TrustAdd { name: "Ada".to_owned(), public_key: key.clone(), fingerprint, expires_at: None };
    let mut waiting = connect(&desk.scratch);
    waiting.write_all(trust.to_line().as_bytes()).expect("asked");
    daemon.wait_for_thread("request");
    let said = shown(&desk.scratch, &["panic"]);
    assert!(said.starts_with("silenced     synth\n"), "{said}");
    assert_eq!(desk.heard("synth"), Heard::new());
    // Nor does it hold up anything else.
    assert_eq!(status(&desk.scratch)["paused"], true);
    shown(&desk.scratch, &["resume"]);
    let is_trusted = || {
        let file = std::fs::read_to_string(desk.scratch.path("config/trusted_keys.toml"));
        file.is_ok_and(|file| file.contains(&key))
    };
    assert!(!is_trusted());
    let _reader = go_on();
    wait_until("what hung goes on", is_trusted);
    daemon.stop();
}

#[test]
fn an_output_that_takes_nothing_is_named() {
    let desk = Desk::new("[midi.outputs.stage]\nto = \"file:../no/such/directory/out.raw\"\n");
    let daemon = desk.start(&[]);
    let silenced = json(&desk.scratch, &["panic"]);
    assert_eq!(silenced["outputs"], serde_json::json!(["synth"]));
    assert_eq!(silenced["unreached"], serde_json::json!(["stage"]));
    let said = shown(&desk.scratch, &["panic"]);
    assert!(said.contains("not reached  stage\n"), "{said}");
    daemon.stop();
}

#[test]
fn without_a_daemon_there_is_nobody_to_ask() {
    let scratch = Scratch::new();
    for words in [&["panic"][..], &["resume"], &["safe", "on"]] {
        assert_eq!(ctl(&scratch, words).code, 3, "{words:?}");
    }
}
