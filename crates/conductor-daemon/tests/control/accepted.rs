//! What holds after another plugin was accepted: who it is, what its next versions must have, and what becomes of it if
//! it does not start.

use std::fs;

use serde_json::Value as Json;

use super::binding::{accept, config, differences, key, put, put_with, reloaded, sign, start, status, trust};
use super::ctl::{SILENT, ctl, json, shown};
use crate::scratch::Scratch;

/// A start that fails.
const FAILS: &str = r#"(func (export "_initialize") unreachable)"#;

/// A home with keys that are trusted.
fn home(keys: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    trust(&scratch, keys);
    scratch
}

fn cosign(scratch: &Scratch, key: &str) {
    scratch.conductor_sign(&["cosign", "notes.wasm", key, "--name", "C", "--email", "c@example.org"]);
}

fn state(plugin: &Json) -> (&str, &str) {
    let text = |field: &str| plugin[field].as_str().unwrap_or_default();
    (text("state"), text("name"))
}

#[test]
fn the_word_for_a_plugin_that_does_not_start_holds_and_is_told() {
    for name in ["notes", "another"] {
        let scratch = home(&["ada", "bob"]);
        put(&scratch, "notes", "1.0");
        sign(&scratch, "ada");
        config(&scratch, "", "");
        let daemon = start(&scratch);
        put_with(&scratch, name, "1.0", FAILS);
        sign(&scratch, "bob");
        assert_eq!(reloaded(&scratch)["state"], "waiting");
        let accepted = ctl(&scratch, &["plugin", "accept", "notes", "--yes"]);
        let told = format!("accepted, so `notes` is {name} from now on, but it was not loaded: ");
        assert!(accepted.code == 4 && accepted.stderr.contains(&told), "{accepted:?}");
        assert_eq!(status(&scratch)["state"], "refused", "{}", status(&scratch));
        let again = ctl(&scratch, &["plugin", "accept", "notes", "--yes"]);
        assert!(again.stderr.contains("does not need your approval"), "{again:?}");
        assert_eq!(reloaded(&scratch)["state"], "refused", "nobody is asked again: {}", status(&scratch));

        // Whichever of the two is put there next is judged by the decision that the user made.
        put(&scratch, "notes", "1.0");
        sign(&scratch, "ada");
        let old = reloaded(&scratch);
        assert_eq!(old["state"], "waiting", "the one before is the other one now: {old}");
        put(&scratch, name, "1.1");
        sign(&scratch, "bob");
        assert_eq!(state(&reloaded(&scratch)), ("running", name));
        daemon.stop();
        let log = fs::read_to_string(scratch.path("state/audit.jsonl")).expect("read");
        assert_eq!(log.matches("\"alias-bound\"").count(), 1, "{log}");
    }
}

#[test]
fn what_a_plugin_lacks_that_the_one_before_had_to_have_is_shown_and_not_demanded_once_it_is_accepted() {
    let scratch = home(&["ada", "carl"]);
    let carl = fs::read_to_string(scratch.path("carl.public")).expect("a key");
    put(&scratch, "notes", "1.0");
    sign(&scratch, "ada");
    cosign(&scratch, "carl");
    config(&scratch, "", "");
    let daemon = start(&scratch);
    put(&scratch, "notes", "1.1");
    sign(&scratch, "ada");
    let refused = ctl(&scratch, &["reload"]);
    assert!(refused.stderr.contains("cosignature missing"), "{refused:?}");

    put(&scratch, "renamed", "1.0");
    sign(&scratch, "ada");
    let waiting = reloaded(&scratch);
    let lacks = format!("not cosigned any more by {}\n", carl.trim());
    assert!(waiting["state"] == "waiting" && differences(&waiting).contains(&lacks), "{waiting}");
    accept(&scratch);
    put(&scratch, "renamed", "1.1");
    sign(&scratch, "ada");
    assert_eq!(state(&reloaded(&scratch)), ("running", "renamed"), "as it was accepted");
    daemon.stop();
}

#[test]
fn what_both_plugins_had_is_demanded_of_the_one_that_was_accepted() {
    // The user does not trust the cosigner; an earlier statement demanded this cosigner.
    let scratch = home(&["ada"]);
    let carl = key(&scratch, "carl");
    put(&scratch, "notes", "1.0");
    let names = ["--name", "N", "--email", "n@example.org"];
    scratch.conductor_sign(&[&["sign", "notes.wasm", "ada", "--cosigner", &carl], &names[..]].concat());
    cosign(&scratch, "carl");
    config(&scratch, "", "");
    let daemon = start(&scratch);
    put(&scratch, "renamed", "1.0");
    sign(&scratch, "ada");
    cosign(&scratch, "carl");
    let waiting = reloaded(&scratch);
    assert!(waiting["state"] == "waiting" && !differences(&waiting).contains("cosigned"), "{waiting}");
    accept(&scratch);
    put(&scratch, "renamed", "1.1");
    sign(&scratch, "ada");
    let refused = ctl(&scratch, &["reload"]);
    assert!(refused.stderr.contains("cosignature missing"), "{refused:?}");
    cosign(&scratch, "carl");
    assert_eq!(state(&reloaded(&scratch)), ("running", "renamed"));
    daemon.stop();
}

#[test]
fn a_name_that_belongs_to_another_publisher_is_said_to_change_hands() {
    let scratch = home(&["ada", "bob"]);
    let bob = fs::read_to_string(scratch.path("bob.public")).expect("a key");
    put(&scratch, "notes", "1.0");
    sign(&scratch, "ada");
    config(&scratch, "", "");
    scratch.conductor_sign(&["trust", "pin", "chord", bob.trim()]);
    let daemon = start(&scratch);
    put(&scratch, "chord", "1.0");
    sign(&scratch, "ada");
    let waiting = reloaded(&scratch);
    let said = format!("the name chord belonged to another publisher, {}", bob.trim());
    assert!(differences(&waiting).contains(&said), "{waiting}");
    accept(&scratch);
    assert_eq!(state(&status(&scratch)), ("running", "chord"));
    shown(&scratch, &["reload"]);
    daemon.stop();
}

#[test]
fn a_preview_of_another_publishers_plugin_says_that_it_would_wait_and_not_that_it_is_refused() {
    let scratch = home(&["ada", "bob"]);
    scratch.config(SILENT);
    let daemon = start(&scratch);
    let module = scratch.path("notes.wasm");
    let module = module.to_str().expect("a path");
    put(&scratch, "notes", "1.0");
    sign(&scratch, "ada");
    let first = json(&scratch, &["plugin", "preview", module]);
    assert!(first["accepted"] == true && first["waits"].is_null(), "{first}");
    shown(&scratch, &["plugin", "install", module]);
    put(&scratch, "notes", "1.1");
    sign(&scratch, "ada");
    let update = json(&scratch, &["plugin", "preview", module]);
    assert!(update["accepted"] == true && update["waits"].is_null(), "{update}");
    put(&scratch, "notes", "1.1");
    sign(&scratch, "bob");
    let other = json(&scratch, &["plugin", "preview", module]);
    assert!(other["accepted"] == true && other["why"].is_null(), "{other}");
    let differences = other["waits"]["differences"].to_string();
    assert!(differences.contains("another publisher: signed by "), "{other}");
    assert_ne!(other["id"], update["id"]);
    assert!(shown(&scratch, &["plugin", "install", module]).contains("waiting    notes\n"));
    assert_eq!(status(&scratch)["change"]["shown"], other["waits"]["shown"], "as it was told before");
    daemon.stop();
}
