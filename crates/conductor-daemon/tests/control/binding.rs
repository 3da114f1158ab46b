//! Another plugin behind an alias: it waits, and inherits nothing until the user has accepted it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use conductor_daemon::control::{RefusalCause, Request, Response};
use serde_json::{Value as Json, json as value};

use super::ctl::{SILENT, connect, ctl, exchange, json, shown};
use crate::scratch::{Daemon, Scratch, plugin};

/// Grants of the configuration that any plugin behind the alias would inherit.
pub(super) const GRANTED: &str = "granted_capabilities = [\"Filesystem\"]";

/// A policy that accepts the signature of any key.
const SELF_SIGNED: &str = "[wasm]\nallow_self_signed = true\n";

/// A policy that needs no signature, with the default ceilings of risk.
pub(super) const UNSIGNED: &str = "[wasm]\nrequire_signature = false\n";

/// Puts a plugin behind the alias `notes`, with its own name and version, that asks for files and for MIDI.
pub(super) fn put(scratch: &Scratch, name: &str, version: &str) {
    put_with(scratch, name, version, "");
}

/// As [`put`], with further parts of the module, such as a start function.
pub(super) fn put_with(scratch: &Scratch, name: &str, version: &str, more: &str) {
    let manifest =
        value!({ "name": name, "version": version, "capabilities": ["Filesystem", "Midi"] }).to_string();
    let text = format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            (func (export "execute") (param i32 i32) (result i32) (i32.const 0))
            {more}
            (@custom "conductor:manifest" {manifest:?}))"#
    );
    fs::write(scratch.path("notes.wasm"), wat::parse_str(text).expect("a module")).expect("written");
    let _ = fs::remove_file(scratch.path("notes.wasm.sig"));
}

pub(super) fn sign(scratch: &Scratch, key: &str) {
    scratch.conductor_sign(&["sign", "notes.wasm", key, "--name", "N", "--email", "n@example.org"]);
}

/// Makes a key and returns it.
pub(super) fn key(scratch: &Scratch, name: &str) -> String {
    scratch.conductor_sign(&["generate-key", name]);
    fs::read_to_string(scratch.path(&format!("{name}.public"))).expect("a key").trim().to_owned()
}

/// Makes keys and trusts them.
pub(super) fn trust(scratch: &Scratch, names: &[&str]) {
    for name in names {
        let key = key(scratch, name);
        scratch.conductor_sign(&["trust", "add", &key, name]);
    }
}

pub(super) fn config(scratch: &Scratch, policy: &str, more: &str) {
    scratch.config(&format!("{policy}{}{SILENT}", plugin("notes", &scratch.path("notes.wasm"), more)));
}

pub(super) fn start(scratch: &Scratch) -> Daemon {
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    daemon
}

pub(super) fn status(scratch: &Scratch) -> Json {
    json(scratch, &["plugin", "list"])["plugins"][0].clone()
}

/// Has the daemon look again, and returns what became of the plugin.
pub(super) fn reloaded(scratch: &Scratch) -> Json {
    shown(scratch, &["reload"]);
    status(scratch)
}

pub(super) fn accept(scratch: &Scratch) -> String {
    let accepted = ctl(scratch, &["plugin", "accept", "notes", "--yes"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    accepted.stderr
}

pub(super) fn capabilities(plugin: &Json) -> String {
    let decided = plugin["capabilities"].as_array().expect("a list").iter();
    decided.map(|decided| decided.as_str().expect("a text").to_owned() + "\n").collect()
}

pub(super) fn differences(plugin: &Json) -> String {
    let differences = plugin["change"]["differences"].as_array().expect("a list").iter();
    differences.map(|text| text.as_str().expect("a text").to_owned() + "\n").collect()
}

#[test]
fn another_trusted_publishers_plugin_inherits_nothing_until_it_is_accepted() {
    let scratch = Scratch::new();
    trust(&scratch, &["ada", "bob"]);
    put(&scratch, "notes", "1.0");
    sign(&scratch, "ada");
    config(&scratch, "", GRANTED);
    let daemon = start(&scratch);
    assert!(capabilities(&status(&scratch)).contains("Filesystem is granted"), "{}", status(&scratch));
    daemon.stop();
    fs::remove_dir_all(scratch.path("data/plugin-data")).expect("the plugin's own directory");

    put(&scratch, "thief", "1.0");
    sign(&scratch, "bob");
    let mut daemon = start(&scratch);
    let said = daemon.wait_for_log("conductorctl plugin accept notes");
    assert!(said.contains("`notes` is bound to notes 1.0, signed by "), "{said}");
    let waiting = status(&scratch);
    assert_eq!((waiting["state"].as_str(), waiting["name"].as_str()), (Some("waiting"), Some("thief")));
    assert_eq!(waiting["capabilities"], value!([]), "{waiting}");
    assert!(waiting["worker_pid"].is_null() && !scratch.path("data/plugin-data").exists(), "{waiting}");
    assert_eq!(waiting["change"]["granted"], value!(["Filesystem"]), "{waiting}");
    let differs = differences(&waiting);
    assert!(differs.contains("another name: thief in place of notes"), "{differs}");
    assert!(differs.contains("another publisher: signed by "), "{differs}");
    assert_eq!(json(&scratch, &["status"])["plugins"]["waiting"], 1);
    assert!(shown(&scratch, &["status"]).contains("1 needing your approval"));
    assert!(
        shown(&scratch, &["plugin", "list"])
            .contains("hint: to look at it and decide: conductorctl plugin accept")
    );
    for arguments in [["plugin", "grant", "notes", "Filesystem"].as_slice(), &["trigger", "notes", "x"]] {
        assert_ne!(ctl(&scratch, arguments).code, 0, "{arguments:?}");
    }
    let asked = ctl(&scratch, &["plugin", "accept", "notes"]);
    assert!(asked.code == 1 && asked.stderr.contains("add --yes"), "nobody was asked: {asked:?}");
    assert!(asked.stderr.contains("It gets:    what the configuration grants: Filesystem"), "{asked:?}");
    assert_eq!(status(&scratch)["state"], "waiting");

    let said = accept(&scratch);
    assert!(said.contains("Until now:  notes 1.0, signed by "), "{said}");
    let running = status(&scratch);
    assert_eq!((running["state"].as_str(), running["name"].as_str()), (Some("running"), Some("thief")));
    assert!(capabilities(&running).contains("Filesystem is granted"), "the user said so: {running}");
    let again = ctl(&scratch, &["plugin", "accept", "notes", "--yes"]);
    assert!(again.code == 1 && again.stderr.contains("does not need your approval"), "{again:?}");
    assert_eq!(reloaded(&scratch)["state"], "running", "it is what `notes` is bound to now");
    daemon.stop();
    let log = fs::read_to_string(scratch.path("state/audit.jsonl")).expect("read");
    let events: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let asked = events.iter().find(|event| event["decision"] == "plugin-accept").expect("recorded");
    assert!(asked["about"] == "notes" && asked["asker"] == "process" && asked["pid"].is_u64(), "{asked}");
    let bound: Vec<&Json> = events.iter().filter(|event| event["event"] == "alias-bound").collect();
    assert!(bound.len() == 1 && bound[0]["alias"] == "notes", "{bound:?}");
    let is = |field: &str, text: &str| bound[0][field].as_str().is_some_and(|found| found.starts_with(text));
    assert!(is("before", "notes 1.0, signed by ") && is("after", "thief 1.0, signed by "), "{bound:?}");
}

#[test]
fn a_plugin_that_takes_another_name_keeps_its_denials_and_shows_an_older_version() {
    let scratch = Scratch::new();
    let key = key(&scratch, "ada");
    scratch.conductor_sign(&["trust", "add", &key, "Ada"]);
    put(&scratch, "notes", "2.0");
    sign(&scratch, "ada");
    config(&scratch, "", "");
    let daemon = start(&scratch);
    shown(&scratch, &["plugin", "revoke", "notes", "Midi"]);
    put(&scratch, "renamed", "1.0");
    sign(&scratch, "ada");
    let waiting = reloaded(&scratch);
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    assert_eq!(waiting["change"]["denied"], value!(["Midi"]), "{waiting}");
    let differs = differences(&waiting);
    assert!(differs.contains("version 1.0 in place of 2.0") && !differs.contains("publisher"), "{differs}");
    assert!(accept(&scratch).contains("stays denied: Midi"));
    let running = status(&scratch);
    assert_eq!((running["state"].as_str(), running["name"].as_str()), (Some("running"), Some("renamed")));
    assert!(capabilities(&running).contains("Midi is denied by the user"), "{running}");
    put(&scratch, "notes", "2.0");
    sign(&scratch, "ada");
    assert_eq!(reloaded(&scratch)["state"], "waiting", "its old name is another one by now");
    daemon.stop();
}

#[test]
fn an_unsigned_plugin_is_rebuilt_freely_and_bound_by_its_name() {
    let scratch = Scratch::new();
    put(&scratch, "notes", "1.0");
    config(&scratch, UNSIGNED, "granted_capabilities = [\"Midi=a synth\"]");
    let daemon = start(&scratch);
    put(&scratch, "notes", "1.1");
    assert_eq!(reloaded(&scratch)["state"], "running", "it was rebuilt");
    put(&scratch, "other", "1.1");
    let waiting = reloaded(&scratch);
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    assert_eq!(differences(&waiting), "another name: other in place of notes\n");

    put(&scratch, "notes", "1.2");
    key(&scratch, "one");
    sign(&scratch, "one");
    assert_eq!(
        reloaded(&scratch)["state"],
        "running",
        "it is signed now, and nothing more takes effect by that"
    );
    put(&scratch, "notes", "1.3");
    let waiting = reloaded(&scratch);
    assert_eq!(waiting["state"], "waiting", "signed before, unsigned now: {waiting}");
    assert!(differences(&waiting).contains("not signed any more"), "{waiting}");
    key(&scratch, "two");
    sign(&scratch, "two");
    let waiting = reloaded(&scratch);
    assert_eq!(waiting["state"], "waiting", "signed by another key: {waiting}");
    assert!(differences(&waiting).contains("another publisher"), "{waiting}");
    accept(&scratch);
    assert_eq!(status(&scratch)["trust_level"], "self-signed");
    daemon.stop();
}

#[test]
fn a_signature_that_makes_more_of_the_configuration_take_effect_waits() {
    let scratch = Scratch::new();
    put(&scratch, "notes", "1.0");
    config(&scratch, UNSIGNED, GRANTED);
    let daemon = start(&scratch);
    assert!(capabilities(&status(&scratch)).contains("Filesystem is not granted"), "{}", status(&scratch));
    key(&scratch, "stranger");
    sign(&scratch, "stranger");
    let waiting = reloaded(&scratch);
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    assert!(differences(&waiting).contains("signed now, by "), "{waiting}");
    accept(&scratch);
    assert!(capabilities(&status(&scratch)).contains("Filesystem is granted"), "{}", status(&scratch));
    daemon.stop();
}

#[test]
fn a_self_signed_plugin_under_another_key_waits() {
    let scratch = Scratch::new();
    let keys = ["one", "two"].map(|name| key(&scratch, name));
    put(&scratch, "notes", "2.0");
    sign(&scratch, "one");
    config(&scratch, SELF_SIGNED, GRANTED);
    let daemon = start(&scratch);
    assert_eq!(status(&scratch)["state"], "running");
    put(&scratch, "notes", "1.0");
    sign(&scratch, "two");
    let waiting = reloaded(&scratch);
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    let words = format!("another publisher: signed by {} in place of {}\n", keys[1], keys[0]);
    assert_eq!(differences(&waiting), words + "version 1.0 in place of 2.0\n");
    assert_eq!(reloaded(&scratch)["state"], "waiting", "also when it is looked at again");
    accept(&scratch);
    assert_eq!(reloaded(&scratch)["state"], "running");
    put(&scratch, "notes", "2.0");
    sign(&scratch, "one");
    assert_eq!(reloaded(&scratch)["state"], "waiting", "the first key is another one by now");
    daemon.stop();
}

#[test]
fn a_publisher_who_passes_on_to_another_key_goes_on() {
    let scratch = Scratch::new();
    let keys = ["old", "new"].map(|name| key(&scratch, name));
    scratch.conductor_sign(&["trust", "add", &keys[0], "Ada"]);
    put(&scratch, "notes", "1.0");
    sign(&scratch, "old");
    config(&scratch, "", GRANTED);
    let daemon = start(&scratch);
    scratch.conductor_sign(&["rotate", "old", "new"]);
    put(&scratch, "notes", "1.1");
    sign(&scratch, "new");
    fs::copy(scratch.path("new.rotation.json"), scratch.path("notes.wasm.rotation.json")).expect("shipped");
    let running = reloaded(&scratch);
    assert_eq!((running["state"].as_str(), running["version"].as_str()), (Some("running"), Some("1.1")));
    let bindings = fs::read_to_string(scratch.path("config/bindings.toml")).expect("read");
    assert!(bindings.contains(&keys[1]) && !bindings.contains(&keys[0]), "{bindings}");
    daemon.stop();
}

#[test]
fn what_is_accepted_is_what_was_shown() {
    let scratch = Scratch::new();
    put(&scratch, "notes", "1.0");
    config(&scratch, UNSIGNED, "");
    let mut daemon = start(&scratch);
    put(&scratch, "first", "1.0");
    let was_shown = reloaded(&scratch)["change"]["shown"].as_str().expect("a digest").to_owned();
    let decide = |shown: &str| {
        let request = Request::PluginAccept { plugin: "notes".to_owned(), shown: shown.to_owned() };
        match exchange(&mut connect(&scratch), request.to_line().as_bytes()) {
            Some(Response::Refused(refusal)) => Some(refusal.cause),
            Some(Response::PluginAccept(_)) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(decide(""), Some(RefusalCause::NotAsShown));
    // The daemon looked at the file before this one came, so only loading can notice the difference.
    put(&scratch, "second", "1.0");
    assert_eq!(decide(&was_shown), Some(RefusalCause::NotAsShown));
    let waiting = status(&scratch);
    assert_eq!((waiting["state"].as_str(), waiting["name"].as_str()), (Some("waiting"), Some("second")));
    assert_eq!(decide(&was_shown), Some(RefusalCause::NotAsShown), "it goes on waiting");

    // The log does not repeat a change that the user was told of already.
    shown(&scratch, &["reload"]);
    let now_shown = status(&scratch)["change"]["shown"].as_str().expect("a digest").to_owned();
    assert_eq!(decide(&now_shown), None);
    assert_eq!(decide(&now_shown), Some(RefusalCause::NotWaiting));
    daemon.wait_for_log("accepted: second 1.0, unsigned");
    let (_, log) = daemon.stop();
    for name in ["first", "second"] {
        assert_eq!(log.matches(&format!("what is there now is {name}")).count(), 1, "{log}");
    }
}

#[test]
fn an_installed_plugin_that_is_another_one_waits_too() {
    let scratch = Scratch::new();
    put(&scratch, "notes", "1.0");
    scratch.config(&format!("{UNSIGNED}{SILENT}"));
    let daemon = start(&scratch);
    let module = scratch.path("notes.wasm");
    let install = ["plugin", "install", module.to_str().expect("a path")];
    assert!(shown(&scratch, &install).starts_with("notes is installed\nstarted    notes\n"));
    put(&scratch, "other", "1.0");
    let previewed = shown(&scratch, &["plugin", "preview", install[2]]);
    let waits = "Approval:   needed, because notes is bound to another plugin, notes:\n            \
                 - another name: other in place of notes\n";
    assert!(previewed.contains(waits), "{previewed}");
    let installed = ctl(&scratch, &install);
    assert!(installed.stderr.contains(waits), "{installed:?}");
    let installed = installed.stdout;
    assert!(installed.starts_with("notes is in its place and not loaded"), "{installed}");
    assert!(installed.contains("waiting    notes\n"), "{installed}");
    assert_eq!(status(&scratch)["state"], "waiting");
    accept(&scratch);
    assert_eq!(status(&scratch)["name"], "other");
    daemon.stop();
}

#[test]
fn bindings_that_cannot_be_read_stop_loading() {
    let scratch = Scratch::new();
    put(&scratch, "notes", "1.0");
    config(&scratch, UNSIGNED, "");
    let daemon = start(&scratch);
    daemon.stop();
    let bindings = scratch.path("config/bindings.toml");
    let text = fs::read_to_string(&bindings).expect("read");
    assert_eq!(fs::metadata(&bindings).expect("metadata").permissions().mode() & 0o777, 0o600);
    fs::write(&bindings, "").expect("written");
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("bindings.toml is empty");
    daemon.wait_for_log("ready");
    fs::write(&bindings, &text).expect("written");
    daemon.wait_for_log("plugin loaded");
    assert_eq!(status(&scratch)["state"], "running", "it goes on when the file is mended");
    daemon.stop();
    fs::set_permissions(&bindings, fs::Permissions::from_mode(0o666)).expect("mode");
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("bindings.toml has mode 0666");
    daemon.wait_for_log("ready");
    fs::set_permissions(&bindings, fs::Permissions::from_mode(0o600)).expect("mode");
    daemon.wait_for_log("plugin loaded");
    assert_eq!(status(&scratch)["state"], "running");
    daemon.stop();
}

#[test]
fn exec_is_about_a_file_and_binds_nothing() {
    let scratch = Scratch::new();
    config(&scratch, UNSIGNED, GRANTED);
    for name in ["one", "other"] {
        put(&scratch, name, "1.0");
        let executed = scratch.conductor(&["exec", "notes.wasm", "--action", "x"]);
        assert_eq!(executed.code, 0, "{executed:?}");
    }
    assert!(!scratch.path("config/bindings.toml").exists());
}
