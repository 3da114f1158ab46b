//! What a plugin asks for, decided with `conductorctl` while the daemon runs.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value as Json;

use super::ctl::{ctl, json, shown};
use crate::scratch::{Daemon, PATIENCE, Scratch, interval, plugin};
use crate::typist::Typist;
use crate::wasm;

/// The request of a plugin that wants to run a program, beside its request for files.
const HIGH_RISK: &str = "name = \"runner\"\nversion = \"1.0.0\"\n[[capabilities]]\nname = \"Subprocess\"\n\
                         scope = \"/bin/echo\"\nreason = \"to \\u001b[2Jsay it\"\n";

/// A daemon with a trusted publisher's plugin, which writes a file a hundred times a second if it may.
fn daemon(scratch: &Scratch, more: &str) -> Daemon {
    scratch.conductor_sign(&["generate-key", "key"]);
    let key = fs::read_to_string(scratch.path("key.public")).expect("key");
    scratch.conductor_sign(&["trust", "add", key.trim(), "Ada"]);
    release(scratch, "one");
    let one = plugin("one", &scratch.path("one.wasm"), more);
    let ticks = interval("ticks", "10ms", "");
    scratch.config(&format!(
        "{one}{ticks}
        [[mappings]]
        trigger = {{ input = \"ticks\" }}
        plugin = \"one\"
        action = \"write\"
        parameters = {{ path = \"/note\", text = \"x\" }}\n"
    ));
    scratch.start(&[])
}

fn release(scratch: &Scratch, name: &str) {
    let file = format!("{name}.wasm");
    fs::copy(wasm::fixture("hostile"), scratch.path(&file)).expect("copied");
    scratch.conductor_sign(&["sign", &file, "key", "--name", "Ada", "--email", "ada@example.org"]);
}

fn note(scratch: &Scratch) -> PathBuf {
    scratch.path("data/plugin-data/hostile/note")
}

/// Waits until the file is written again (`expected`), or is no longer written.
fn wait_until_written(scratch: &Scratch, expected: bool) {
    let start = Instant::now();
    loop {
        let _ = fs::remove_file(note(scratch));
        std::thread::sleep(std::time::Duration::from_millis(200));
        if note(scratch).exists() == expected {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "written: {}", !expected);
    }
}

fn pending(scratch: &Scratch) -> Vec<Json> {
    json(scratch, &["plugin", "pending"])["pending"].as_array().expect("a list").clone()
}

#[test]
fn what_waits_is_granted_and_taken_back_while_the_daemon_runs() {
    let scratch = Scratch::new();
    let mut daemon = daemon(&scratch, "");
    daemon.wait_for_log("needs your approval: Filesystem");
    daemon.wait_for_log("plugin loaded");
    wait_until_written(&scratch, false);
    let waiting = pending(&scratch);
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!((&waiting[0]["plugin"], &waiting[0]["capability"]), (&"one".into(), &"Filesystem".into()));
    assert_eq!(json(&scratch, &["status"])["pending"], 1);
    assert!(shown(&scratch, &["plugin", "pending"]).contains("reason, in its own words: tries to leave"));

    let asked = ctl(&scratch, &["plugin", "grant", "one", "Filesystem"]);
    assert!(asked.code == 1 && asked.stderr.contains("add --yes"), "{asked:?}");
    assert_eq!(pending(&scratch).len(), 1, "nothing is granted without a word");
    let granted = shown(&scratch, &["plugin", "grant", "one", "Filesystem", "--yes"]);
    assert_eq!(granted, "one is granted Filesystem\n");
    wait_until_written(&scratch, true);
    assert!(pending(&scratch).is_empty());
    assert_eq!(shown(&scratch, &["plugin", "pending"]), "Nothing needs your approval.\n");
    let details = shown(&scratch, &["plugin", "show", "one"]);
    assert!(details.contains("You granted:\n  - Filesystem, on ") && details.contains("bound to publisher"));

    let revoked = shown(&scratch, &["plugin", "revoke", "one", "Filesystem"]);
    assert!(revoked.starts_with("Filesystem is taken away from one"), "{revoked}");
    wait_until_written(&scratch, false);
    daemon.stop();
    let log = fs::read_to_string(scratch.path("state/audit.jsonl")).expect("read");
    let events: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for event in ["capability-granted", "capability-revoked"] {
        assert!(events.iter().any(|record| record["event"] == event), "{event}");
    }

    // The denial is kept, and takes precedence over the configuration.
    let text = fs::read_to_string(scratch.config_file()).expect("read");
    let text = text.replace("[plugins.one]\n", "[plugins.one]\ngranted_capabilities = [\"Filesystem\"]\n");
    scratch.config(&text);
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("plugin loaded");
    wait_until_written(&scratch, false);
    daemon.stop();
}

#[test]
fn grants_end_with_the_call_the_session_and_the_date() {
    let scratch = Scratch::new();
    let mut daemon = daemon(&scratch, "");
    daemon.wait_for_log("plugin loaded");
    shown(&scratch, &["plugin", "grant", "one", "Filesystem", "--yes", "--once"]);
    let start = Instant::now();
    while pending(&scratch).is_empty() {
        assert!(start.elapsed() < PATIENCE, "it does not ask again");
    }
    assert!(note(&scratch).exists(), "one call wrote");
    wait_until_written(&scratch, false);

    let soon = jiff::Timestamp::now() + std::time::Duration::from_secs(3);
    let soon = format!("{soon:.0}");
    shown(&scratch, &["plugin", "grant", "one", "Filesystem", "--yes", "--until", &soon]);
    wait_until_written(&scratch, true);
    wait_until_written(&scratch, false);

    shown(&scratch, &["plugin", "grant", "one", "Filesystem=read-write;bytes=1MiB", "--yes", "--session"]);
    wait_until_written(&scratch, true);
    daemon.stop();
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("plugin loaded");
    assert_eq!(pending(&scratch).len(), 1, "the session is over");
    daemon.stop();
}

#[test]
fn decisions_of_another_program_count() {
    let scratch = Scratch::new();
    let mut daemon = daemon(&scratch, "");
    daemon.wait_for_log("plugin loaded");
    shown(&scratch, &["plugin", "grant", "one", "Filesystem", "--yes"]);
    wait_until_written(&scratch, true);
    let file = scratch.path("config/grants.toml");
    let kept = fs::read_to_string(&file).expect("read");
    fs::write(&file, "version = 1\n").expect("written");
    wait_until_written(&scratch, false);
    fs::write(&file, &kept[..kept.len() / 2]).expect("written");
    daemon.wait_for_log("grants cannot be read");
    fs::write(&file, kept).expect("written");
    wait_until_written(&scratch, true);
    daemon.stop();
}

#[test]
fn high_risk_needs_the_plugins_own_name() {
    let scratch = Scratch::new();
    let mut daemon = daemon(&scratch, "");
    daemon.wait_for_log("plugin loaded");
    daemon.stop();
    let bare = wat::parse_str(
        "(module (memory (export \"memory\") 1) (func (export \"alloc\") (param i32) (result i32) (i32.const 0))
            (func (export \"execute\") (param i32 i32) (result i32) (i32.const 0)))",
    );
    fs::write(scratch.path("one.wasm"), bare.expect("valid text")).expect("written");
    fs::write(scratch.path("one.toml"), HIGH_RISK).expect("written");
    scratch.conductor_sign(&["manifest", "add", "one.wasm", "one.toml"]);
    let sign = ["sign", "one.wasm", "key", "--name", "Ada", "--email", "ada@example.org", "--force"];
    scratch.conductor_sign(&sign);
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("conductorctl plugin accept one");
    assert_eq!(ctl(&scratch, &["plugin", "accept", "one", "--yes"]).code, 0, "it has another name");
    let grant = |more: &[&str]| ctl(&scratch, &[&["plugin", "grant", "one", "Subprocess"], more].concat());
    for more in [&[][..], &["--yes"]] {
        let refused = grant(more);
        assert!(refused.code == 1 && refused.stderr.contains("add --confirm"), "{refused:?}");
    }
    let refused = grant(&["--confirm", "one"]);
    assert!(refused.code == 4 && refused.stderr.contains("the plugin's name must be typed"), "{refused:?}");
    let text = shown(&scratch, &["plugin", "pending"]);
    assert!(text.contains("Subprocess: /bin/echo (high risk, needs your approval)"), "{text}");
    assert!(text.contains(r"to \u{1b}[2Jsay it"), "{text}");
    assert_eq!(grant(&["--confirm", "runner"]).code, 0);
    assert!(pending(&scratch).is_empty());
    let refused = ctl(&scratch, &["plugin", "grant", "one", "Audio", "--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("does not ask for Audio"), "{refused:?}");
    let refused = ctl(&scratch, &["plugin", "grant", "one", "Subprocess", "--until", "2001-01-01"]);
    assert!(refused.code == 2 && refused.stderr.contains("is no date"), "{refused:?}");
    daemon.stop();
}

/// `conductorctl` at a terminal.
fn type_in(scratch: &Scratch, words: &[&str]) -> Typist {
    Typist::start(scratch.program("script", &[]), env!("CARGO_BIN_EXE_conductorctl"), words)
}

#[test]
fn who_decides_at_a_terminal_is_shown_what_it_means_and_asked() {
    let scratch = Scratch::new();
    let mut daemon = daemon(&scratch, "");
    daemon.wait_for_log("plugin loaded");
    let grant = ["plugin", "grant", "one", "Filesystem"];
    let mut typist = type_in(&scratch, &grant);
    typist.answer("Grant it? [y/N] ", "n");
    let (code, shown) = typist.end();
    assert_eq!(code, 1, "{shown}");
    for part in [
        "Plugin:     hostile 1.0.0",
        "Publisher:  signed by the trusted key Ada",
        "Bound to:",
        "Lasts:      until you revoke it",
        "nothing was granted",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(pending(&scratch).len(), 1, "it goes on waiting");
    let mut typist = type_in(&scratch, &grant);
    typist.answer("Grant it? [y/N] ", "y");
    assert_eq!(typist.end().0, 0);
    assert!(pending(&scratch).is_empty());
    wait_until_written(&scratch, true);
    daemon.stop();

    fs::write(scratch.path("one.toml"), HIGH_RISK).expect("written");
    scratch.conductor_sign(&["manifest", "add", "one.wasm", "one.toml", "--replace"]);
    let sign = ["sign", "one.wasm", "key", "--name", "Ada", "--email", "ada@example.org", "--force"];
    scratch.conductor_sign(&sign);
    daemon = scratch.start(&[]);
    daemon.wait_for_log("conductorctl plugin accept one");
    for (answer, code) in [("n", 1), ("y", 0)] {
        let mut typist = type_in(&scratch, &["plugin", "accept", "one"]);
        typist.answer("Accept it? [y/N] ", answer);
        let (ended, shown) = typist.end();
        assert_eq!(ended, code, "{shown}");
        assert!(shown.contains("another name: runner in place of hostile"), "{shown}");
    }
    let question = "Type the plugin's name, runner, to grant it: ";
    for (answer, code) in [("y", 1), ("runner", 0)] {
        let mut typist = type_in(&scratch, &["plugin", "grant", "one", "Subprocess"]);
        typist.answer(question, answer);
        let (ended, shown) = typist.end();
        assert_eq!(ended, code, "{shown}");
        assert!(shown.contains("WARNING: ") && shown.contains("/bin/echo"), "{shown}");
        assert!(!shown.contains("\u{1b}[2J"), "{shown}");
    }
    daemon.stop();
}
