//! The user decides about what was shown: a decision about anything else is refused.

use std::fs;

use serde_json::{Value as Json, json};

use super::ctl::{connect, ctl, exchange, json};
use crate::scratch::{Daemon, LENIENT, Scratch, plugin};
use crate::typist::Typist;
use crate::wasm;

/// Builds a plugin that asks for a MIDI port, and for what `more` adds.
fn build(scratch: &Scratch, more: &str) {
    fs::copy(wasm::fixture("hostile"), scratch.path("one.wasm")).expect("copied");
    let manifest = format!("name = \"one\"\nversion = \"1.0.0\"\n{more}");
    fs::write(scratch.path("one.toml"), manifest).expect("written");
    scratch.conductor_sign(&["manifest", "add", "one.wasm", "one.toml", "--replace"]);
}

fn request(capability: &str, scope: &str) -> String {
    let scope = if scope.is_empty() { String::new() } else { format!("scope = \"{scope}\"\n") };
    format!("[[capabilities]]\nname = \"{capability}\"\n{scope}reason = \"it is music\"\n")
}

fn start(scratch: &Scratch) -> Daemon {
    let one = plugin("one", &scratch.path("one.wasm"), "");
    scratch.config(&format!("{LENIENT}{one}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("plugin loaded");
    daemon
}

/// Sends a request over the socket and returns the response.
fn ask(scratch: &Scratch, request: &Json) -> Json {
    let line = json!({ "version": 1, "request": request }).to_string() + "\n";
    let response = exchange(&mut connect(scratch), line.as_bytes()).expect("an answer");
    serde_json::to_value(response).expect("JSON")
}

fn ids(scratch: &Scratch) -> Vec<Json> {
    let details = json(scratch, &["plugin", "show", "one"]);
    details["requested"].as_array().expect("a list").iter().map(|request| request["id"].clone()).collect()
}

fn grants(scratch: &Scratch) -> Vec<String> {
    let details = json(scratch, &["plugin", "show", "one"]);
    let grants = details["grants"].as_array().expect("a list").iter();
    grants.map(|grant| grant["grant"].as_str().expect("text").to_owned()).collect()
}

fn grant(scratch: &Scratch, grant: &str, shown: &Json) -> Json {
    let decision = json!({ "plugin": "one", "grant": grant, "shown": shown, "lasts": "session" });
    ask(scratch, &json!({ "plugin-grant": decision }))
}

#[test]
fn a_bare_name_grants_the_request_that_was_shown_and_no_other_of_its_capability() {
    let scratch = Scratch::new();
    build(&scratch, &(request("Midi", "synth") + &request("Midi", "drums;sysex=yes")));
    let daemon = start(&scratch);
    let shown = ids(&scratch);
    assert_eq!(shown.len(), 2);
    assert_ne!(shown[0], shown[1], "each request has its own id");
    let granted = grant(&scratch, "Midi", &json!([shown[0]]));
    assert_eq!(granted["plugin-grant"]["grants"], json!(["Midi=synth"]), "{granted}");
    assert_eq!(grants(&scratch), ["Midi=synth"]);
    let granted = grant(&scratch, "Midi", &json!(shown));
    assert_eq!(granted["plugin-grant"]["grants"].as_array().map(Vec::len), Some(2), "{granted}");
    daemon.stop();
}

#[test]
fn what_was_not_shown_or_is_no_longer_so_is_not_granted_and_always_denied() {
    let scratch = Scratch::new();
    build(&scratch, &request("Filesystem", "read-write;bytes=1MiB"));
    let mut daemon = start(&scratch);
    let shown = ids(&scratch);
    for other in [json!([]), json!(["0"]), json!([shown[0], "0"])] {
        let refused = grant(&scratch, "Filesystem", &other);
        assert_eq!(refused["refused"]["cause"], "not-as-shown", "{refused}");
        assert!(refused["refused"]["hint"].to_string().contains("plugin show one"), "{refused}");
    }
    let without = json!({ "plugin": "one", "grant": "Filesystem", "lasts": "session" });
    let refused = ask(&scratch, &json!({ "plugin-grant": without }));
    assert_eq!(refused["refused"]["cause"], "malformed", "{refused}");

    build(&scratch, &request("Filesystem", "read-write;bytes=900MiB"));
    daemon.stop();
    daemon = start(&scratch);
    for text in ["Filesystem", "Filesystem=read-only"] {
        let refused = grant(&scratch, text, &json!(shown));
        assert_eq!(refused["refused"]["cause"], "not-as-shown", "{refused}");
    }
    assert!(grants(&scratch).is_empty());
    // Taking a capability away needs no id.
    assert_eq!(ctl(&scratch, &["plugin", "revoke", "one", "Filesystem"]).code, 0);
    // A script is not asked for confirmation, but what it decides about is printed all the same.
    let granted = ctl(&scratch, &["plugin", "grant", "one", "Filesystem", "--yes"]);
    assert_eq!(granted.code, 0, "{granted:?}");
    assert!(granted.stderr.contains("Asks for:   Filesystem"), "{granted:?}");
    assert_eq!(grants(&scratch).len(), 1);
    daemon.stop();
}

#[test]
fn a_plugin_that_was_built_anew_is_not_the_one_that_was_shown() {
    let scratch = Scratch::new();
    build(&scratch, &request("Filesystem", ""));
    let daemon = start(&scratch);
    let grant_it = ["-c", "exec \"$0\" plugin grant one Filesystem", env!("CARGO_BIN_EXE_conductorctl")];
    let mut typist = Typist::start(scratch.program("script", &[]), "/bin/sh", &grant_it);
    typist.wait_for("Grant it? [y/N] ");
    // The same requests, in another module with the same name and version.
    build(&scratch, &(request("Filesystem", "") + &request("Audio", "")));
    assert_eq!(ctl(&scratch, &["reload"]).code, 0);
    typist.answer("Grant it? [y/N] ", "y");
    let (code, said) = typist.end();
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("is no longer what was shown, so nothing was granted"), "{said}");
    assert!(grants(&scratch).is_empty());
    daemon.stop();
}

#[test]
fn what_was_typed_before_the_question_is_no_answer_to_it() {
    let scratch = Scratch::new();
    build(&scratch, &request("Filesystem", ""));
    let daemon = start(&scratch);
    // The terminal accepts what is typed before anybody reads it.
    let late = "echo soon; sleep 2; exec \"$0\" plugin grant one Filesystem";
    let late = ["-c", late, env!("CARGO_BIN_EXE_conductorctl")];
    let mut typist = Typist::start(scratch.program("script", &[]), "/bin/sh", &late);
    typist.answer("soon\r\n", "y");
    typist.answer("Grant it? [y/N] ", "n");
    let (code, said) = typist.end();
    assert_eq!(code, 1, "{said}");
    assert!(grants(&scratch).is_empty(), "{said}");
    daemon.stop();
}
