//! `conductor inspect`: the facts about a file, for people and as JSON.

use serde_json::Value as Json;

use super::scratch::{Ended, Scratch};
use crate::wasm;

fn inspect(scratch: &Scratch, file: &str, arguments: &[&str]) -> Ended {
    scratch.conductor(&[&["inspect", file], arguments].concat())
}

#[test]
fn an_unsigned_plugin_is_described_and_nothing_of_it_runs() {
    let scratch = Scratch::new();
    let module = wasm::fixture("hostile");
    let module = module.to_str().expect("path");
    let ended = inspect(&scratch, module, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for line in [
        "Name:         hostile 1.0.0",
        "Capability:   Filesystem, medium risk: needs approval (\"tries to leave its directory\")",
        "Capability:   Network, low risk: granted automatically (\"tries to reach what is not public\")",
        "Action:       loop         Computes for ever.",
        "Imports:      conductor: call",
    ] {
        assert!(ended.stdout.lines().any(|found| found == line), "{line}\n{}", ended.stdout);
    }
    assert!(ended.stdout.contains("Signature:    none: "), "{}", ended.stdout);

    let ended = inspect(&scratch, module, &["--json"]);
    let facts: Json = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(facts["signature"]["state"], "none");
    assert_eq!(facts["manifest"]["name"], "hostile");
    assert_eq!(facts["imports"]["conductor"], serde_json::json!(["call"]));
    assert_eq!(facts["digest"].as_str().map(str::len), Some(64));
}

#[test]
fn both_functions_of_the_host_are_imports_that_it_names() {
    let scratch = Scratch::new();
    let module = wat::parse_str(
        r#"(module
            (import "conductor" "call" (func (param i32 i32 i32) (result i64)))
            (import "conductor" "request" (func (param i32 i32) (result i64))))"#,
    )
    .expect("a module");
    std::fs::write(scratch.path("both.wasm"), module).expect("written");
    let ended = inspect(&scratch, "both.wasm", &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let line = "Imports:      conductor: call, request";
    assert!(ended.stdout.lines().any(|found| found == line), "{}", ended.stdout);
    let facts: Json =
        serde_json::from_str(&inspect(&scratch, "both.wasm", &["--json"]).stdout).expect("JSON");
    assert_eq!(facts["imports"]["conductor"], serde_json::json!(["call", "request"]));
}

#[test]
fn the_state_of_a_signature_is_told_apart() {
    let scratch = Scratch::new();
    std::fs::copy(wasm::plugin("chord"), scratch.path("chord.wasm")).expect("copied");
    let state = || {
        let ended = inspect(&scratch, "chord.wasm", &["--json"]);
        let signature = serde_json::from_str::<Json>(&ended.stdout).expect("JSON")["signature"].clone();
        let is_broken = ["invalid", "unknown"].iter().any(|state| signature["state"] == *state);
        assert_eq!(ended.code, i32::from(is_broken), "{ended:?}");
        signature
    };
    scratch.conductor_sign(&["generate-key", "key"]);
    scratch.conductor_sign(&["sign", "chord.wasm", "key", "--name", "Ada", "--email", "ada@example.org"]);
    let untrusted = state();
    assert_eq!(untrusted["state"], "untrusted", "{untrusted}");
    assert_eq!(untrusted["developer"], "Ada <ada@example.org>");
    assert_eq!(untrusted["authenticated"], true);
    let key = std::fs::read_to_string(scratch.path("key.public")).expect("key");
    scratch.conductor_sign(&["trust", "add", key.trim(), "Official"]);
    let trusted = state();
    assert_eq!((&trusted["state"], &trusted["key_name"]), (&Json::from("trusted"), &Json::from("Official")));

    let mut module =
        std::fs::OpenOptions::new().append(true).open(scratch.path("chord.wasm")).expect("module");
    std::io::Write::write_all(&mut module, b"\0\x05\x04more").expect("changed");
    let invalid = state();
    assert_eq!(invalid["state"], "invalid", "{invalid}");
    assert!(invalid["error"].as_str().is_some_and(|error| error.contains("digest")), "{invalid}");

    std::fs::write(scratch.path("config/trusted_keys.toml"), "[[keys]").expect("written");
    let unknown = state();
    assert_eq!(unknown["state"], "unknown", "{unknown}");
}

#[test]
fn what_is_no_module_is_said_to_be_none() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("a\u{1b}[31m.wasm"), "#!/bin/sh").expect("written");
    let ended = inspect(&scratch, "a\u{1b}[31m.wasm", &[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("Manifest:     unusable: "), "{}", ended.stdout);
    assert!(!ended.stdout.contains("Imports:"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout.escape_debug());
    let missing = inspect(&scratch, "missing.wasm", &[]);
    assert_eq!((missing.code, missing.stdout.as_str()), (1, ""), "{missing:?}");
}
