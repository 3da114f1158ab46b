//! Capabilities that are taken away from plugins that are not loaded: the decision holds, and no command says that it
//! cannot be made now.

use std::fs;
use std::time::Instant;

use serde_json::{Value as Json, json as value};

use super::binding::{
    GRANTED, UNSIGNED, accept, capabilities, config, put, reloaded, sign, start, status, trust,
};
use super::ctl::{SILENT, ctl, json, shown};
use crate::scratch::{LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

fn revoke(scratch: &Scratch) {
    let revoked = shown(scratch, &["plugin", "revoke", "notes", "Filesystem"]);
    assert!(revoked.starts_with("Filesystem is taken away from notes"), "{revoked}");
}

fn assert_denied(plugin: &Json) {
    assert_eq!(plugin["state"], "running", "{plugin}");
    assert!(capabilities(plugin).contains("Filesystem is denied by the user"), "{plugin}");
}

/// The plugins that Filesystem is denied to, according to the file of decisions.
fn denied(scratch: &Scratch) -> Vec<String> {
    let text = fs::read_to_string(scratch.path("config/grants.toml")).expect("decisions");
    let decisions: toml::Table = text.parse().expect("TOML");
    let denials = decisions["denials"].as_array().expect("a list").iter();
    denials.map(|denial| denial["plugin"].as_str().expect("a name").to_owned()).collect()
}

/// A plugin that runs beside the one that is not loaded, because a daemon without any plugin does not start.
fn with_another(scratch: &Scratch, more: &str) {
    let another = plugin("hostile", &wasm::fixture("hostile"), "");
    let notes = plugin("notes", &scratch.path("notes.wasm"), &format!("{GRANTED}\n{more}"));
    scratch.config(&format!("{LENIENT}{notes}{another}{SILENT}"));
}

/// The state of the plugin `notes` once it is loaded. The daemon may load it by itself when its file comes back.
fn notes(scratch: &Scratch) -> Json {
    let begun = Instant::now();
    loop {
        let list = json(scratch, &["plugin", "list"]);
        let plugins = list["plugins"].as_array().expect("a list");
        let notes = plugins.iter().find(|plugin| plugin["alias"] == "notes").expect("notes");
        if notes["state"] != "loading" {
            return notes.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "it goes on loading: {notes}");
    }
}

#[test]
fn a_plugin_that_waits_to_be_accepted() {
    let scratch = Scratch::new();
    trust(&scratch, &["ada", "bob"]);
    put(&scratch, "notes", "1.0");
    sign(&scratch, "ada");
    config(&scratch, "", GRANTED);
    let daemon = start(&scratch);
    put(&scratch, "thief", "1.0");
    sign(&scratch, "bob");
    let before = reloaded(&scratch);
    assert_eq!(before["state"], "waiting", "{before}");

    revoke(&scratch);
    assert_eq!(denied(&scratch), ["notes", "thief"], "to the one that was, and to the one that is there now");
    let waiting = status(&scratch);
    assert_eq!(waiting["change"]["denied"], value!(["Filesystem"]), "{waiting}");
    assert_eq!(reloaded(&scratch)["change"], waiting["change"], "as it is when it is looked at again");
    assert_ne!(waiting["change"]["shown"], before["change"]["shown"], "what was shown before is not that");
    accept(&scratch);
    assert_denied(&status(&scratch));
    daemon.stop();
    let log = fs::read_to_string(scratch.path("state/audit.jsonl")).expect("read");
    let events: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let revoked = events.iter().filter(|event| event["event"] == "capability-revoked");
    let of: Vec<_> = revoked.filter_map(|event| event["plugin"].as_str()).collect();
    assert_eq!(of, ["notes", "thief"], "it is recorded of both");
}

#[test]
fn a_plugin_that_is_disabled_was_refused_or_is_gone_from_the_configuration() {
    for absence in ["disabled", "refused", "removed"] {
        let scratch = Scratch::new();
        put(&scratch, "own-name", "1.0");
        with_another(&scratch, "");
        let daemon = start(&scratch);
        assert!(capabilities(&notes(&scratch)).contains("Filesystem is granted"), "{}", notes(&scratch));
        daemon.stop();
        fs::copy(scratch.path("notes.wasm"), scratch.path("kept.wasm")).expect("copied");
        match absence {
            "disabled" => with_another(&scratch, "enabled = false"),
            "refused" => fs::write(scratch.path("notes.wasm"), "no module").expect("written"),
            _ => scratch
                .config(&format!("{LENIENT}{}{SILENT}", plugin("hostile", &wasm::fixture("hostile"), ""))),
        }
        let daemon = start(&scratch);
        revoke(&scratch);
        assert_eq!(denied(&scratch), ["own-name"], "{absence}");
        fs::copy(scratch.path("kept.wasm"), scratch.path("notes.wasm")).expect("copied");
        with_another(&scratch, "");
        shown(&scratch, &["reload"]);
        assert_denied(&notes(&scratch));
        let granted = ctl(&scratch, &["plugin", "grant", "notes", "Filesystem", "--yes"]);
        assert_eq!(granted.code, 0, "{absence}: {granted:?}");
        assert!(capabilities(&notes(&scratch)).contains("Filesystem is granted"), "until it is granted");
        daemon.stop();
    }
}

#[test]
fn a_plugin_that_was_never_loaded() {
    let scratch = Scratch::new();
    fs::write(scratch.path("notes.wasm"), "no module").expect("written");
    with_another(&scratch, "");
    let daemon = start(&scratch);
    assert_eq!(notes(&scratch)["state"], "refused");
    revoke(&scratch);
    put(&scratch, "own-name", "1.0");
    shown(&scratch, &["reload"]);
    assert_denied(&notes(&scratch));
    assert_eq!(denied(&scratch), ["notes", "own-name"]);
    let granted = ctl(&scratch, &["plugin", "grant", "notes", "Filesystem", "--yes"]);
    assert_eq!(granted.code, 0, "{granted:?}");
    daemon.stop();
    let daemon = start(&scratch);
    let again = notes(&scratch);
    assert!(
        capabilities(&again).contains("Filesystem is granted"),
        "it is not denied a second time: {again}"
    );
    daemon.stop();
}

#[test]
fn others_of_the_same_name_lose_it_at_once() {
    let scratch = Scratch::new();
    put(&scratch, "own-name", "1.0");
    let module = scratch.path("notes.wasm");
    let both = |more: &str| {
        let notes = plugin("notes", &module, &format!("{GRANTED}\n{more}"));
        scratch.config(&format!("{LENIENT}{notes}{}{SILENT}", plugin("other", &module, GRANTED)));
    };
    both("");
    let daemon = start(&scratch);
    shown(&scratch, &["plugin", "disable", "notes"]);
    let other = || json(&scratch, &["plugin", "list"])["plugins"][1].clone();
    assert!(capabilities(&other()).contains("Filesystem is granted"), "{}", other());
    revoke(&scratch);
    assert_denied(&other());
    daemon.stop();
}

#[test]
fn a_name_that_nothing_is_known_of_is_said_to_be_unknown() {
    let scratch = Scratch::new();
    put(&scratch, "notes", "1.0");
    config(&scratch, UNSIGNED, "");
    let daemon = start(&scratch);
    for name in ["ntoes", "../notes"] {
        let refused = ctl(&scratch, &["plugin", "revoke", name, "Midi"]);
        assert!(refused.code == 4 && refused.stderr.contains("there is no plugin"), "{refused:?}");
    }
    assert!(!scratch.path("config/grants.toml").exists());
    daemon.stop();
}

#[test]
fn a_plugin_is_ended_though_another_one_cannot_be_loaded() {
    let scratch = Scratch::new();
    fs::write(scratch.path("broken.wasm"), "no module").expect("written");
    put(&scratch, "notes", "1.0");
    let plugins = [
        plugin("broken", &scratch.path("broken.wasm"), ""),
        plugin("notes", &scratch.path("notes.wasm"), ""),
        plugin("hostile", &wasm::fixture("hostile"), ""),
    ];
    scratch.config(&format!("{LENIENT}{}{SILENT}", plugins.concat()));
    let daemon = start(&scratch);
    let disabled = shown(&scratch, &["plugin", "disable", "notes"]);
    assert!(disabled.starts_with("notes is disabled\nstopped    notes\n"), "{disabled}");
    assert_eq!(notes(&scratch)["state"], "disabled");
    let removed = shown(&scratch, &["plugin", "remove", "hostile"]);
    assert!(removed.contains("stopped    hostile\n"), "{removed}");
    assert_eq!(json(&scratch, &["status"])["plugins"]["refused"], 1, "the broken one stays as it is");
    daemon.stop();
}
