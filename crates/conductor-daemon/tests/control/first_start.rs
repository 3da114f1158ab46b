//! The first start: without a configuration, with plugins that nobody trusts yet, and with the usual mistakes of a new
//! user.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value as Json;

use super::ctl::{SILENT, ctl, json, shown};
use crate::scratch::{LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

/// Waits until `is_so` holds for a plugin. Returns the plugin's state.
fn wait_for(scratch: &Scratch, alias: &str, what: &str, is_so: impl Fn(&Json) -> bool) -> Json {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let list = json(scratch, &["plugin", "list"]);
        let plugins = list["plugins"].as_array().expect("a list");
        let plugin = plugins.iter().find(|plugin| plugin["alias"] == alias).expect("the plugin").clone();
        if is_so(&plugin) {
            return plugin;
        }
        assert!(Instant::now() < deadline, "{what}: {plugin:#}");
    }
}

fn says(value: &Json, text: &str) -> bool {
    value.as_str().is_some_and(|value| value.contains(text))
}

#[test]
fn without_a_configuration_the_daemon_runs_and_says_how_to_begin() {
    let scratch = Scratch::new();
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("nothing is configured yet in ");
    daemon.wait_for_log("to add a plugin: conductorctl plugin install FILE.wasm");
    daemon.wait_for_log("conductor init");
    daemon.wait_for_log("Plugin Manager on http://127.0.0.1:");
    daemon.wait_for_log("ready");
    assert_eq!(json(&scratch, &["plugin", "list"])["plugins"], serde_json::json!([]));
    shown(&scratch, &["reload"]);

    let ended = scratch.conductor(&["init"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    assert!(ended.stderr.contains("config.toml is written"), "{ended:?}");
    let mode = fs::metadata(scratch.config_file()).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    shown(&scratch, &["reload"]);
    let text = fs::read_to_string(scratch.config_file()).expect("read");
    let ended = scratch.conductor(&["init"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("exists already") && ended.stderr.contains("hint: "), "{ended:?}");
    assert_eq!(fs::read_to_string(scratch.config_file()).expect("read"), text);
    daemon.stop();

    let ended = scratch.conductor(&["run", "--config", "elsewhere.toml"]);
    assert_eq!(ended.code, 2, "one that is named has to be there: {ended:?}");
    assert!(ended.stderr.contains("hint: write one with: conductor init"), "{ended:?}");
    let ended = scratch.conductor(&["init", "--config", "elsewhere.toml"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(scratch.path("elsewhere.toml").is_file());
}

#[test]
fn a_plugin_is_installed_into_a_home_that_has_nothing() {
    let scratch = Scratch::new();
    fs::remove_dir(scratch.path("config")).expect("removed");
    fs::copy(wasm::plugin("notes"), scratch.path("notes.wasm")).expect("copied");
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    scratch.conductor_sign(&["generate-key", "key"]);
    scratch.conductor_sign(&["sign", "notes.wasm", "key", "--name", "A", "--email", "a@example.org"]);
    let key = fs::read_to_string(scratch.path("key.public")).expect("a key");
    scratch.conductor_sign(&["trust", "add", key.trim(), "A"]);
    shown(&scratch, &["plugin", "install", "notes.wasm"]);
    assert_eq!(fs::read_to_string(scratch.config_file()).expect("written"), "[plugins.notes]\n");
    wait_for(&scratch, "notes", "runs", |plugin| plugin["state"] == "running");
    daemon.stop();
}

#[test]
fn a_daemon_whose_plugins_are_all_refused_goes_on_when_what_was_wrong_is_mended() {
    let scratch = Scratch::new();
    fs::copy(wasm::plugin("notes"), scratch.path("notes.wasm")).expect("copied");
    let notes = plugin("notes", &scratch.path("notes.wasm"), "");
    let gone = plugin("gone", &scratch.path("gone.wasm"), "");
    scratch.config(&format!("{notes}{gone}{SILENT}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("none of the plugins could be loaded; each is tried again");
    daemon.wait_for_log("ready");
    let refused = |what: &'static str| {
        wait_for(&scratch, "notes", what, |plugin| plugin["state"] == "refused" && says(&plugin["why"], what))
    };
    refused("has no signature");
    let called = ctl(&scratch, &["trigger", "notes", "read"]);
    assert_eq!(called.code, 4, "{called:?}");
    assert!(
        called.stderr.contains("`notes` was not loaded: ") && called.stderr.contains("hint: "),
        "{called:?}"
    );

    scratch.conductor_sign(&["generate-key", "key"]);
    scratch.conductor_sign(&["sign", "notes.wasm", "key", "--name", "A", "--email", "a@example.org"]);
    let untrusted = refused("is not trusted");
    assert!(says(&untrusted["hint"], "conductor-sign trust add"), "{untrusted:#}");
    let key = fs::read_to_string(scratch.path("key.public")).expect("a key");
    scratch.conductor_sign(&["trust", "add", key.trim(), "A"]);
    wait_for(&scratch, "notes", "runs", |plugin| plugin["state"] == "running");
    assert_eq!(wait_for(&scratch, "gone", "is refused", |plugin| plugin["state"] == "refused")["calls"], 0);

    // A plugin that was refused before does not stop a change of other plugins.
    let reloaded = json(&scratch, &["reload"]);
    assert_eq!(reloaded["refused"], serde_json::json!(["gone"]), "{reloaded}");
    shown(&scratch, &["plugin", "disable", "notes"]);
    shown(&scratch, &["plugin", "enable", "notes"]);
    for more in ["", ".sig"] {
        let (from, to) =
            (scratch.path(&format!("notes.wasm{more}")), scratch.path(&format!("gone.wasm{more}")));
        fs::copy(from, to).expect("copied");
    }
    wait_for(&scratch, "gone", "runs", |plugin| plugin["state"] == "running");
    daemon.stop();
}

#[test]
fn scripts_are_told_by_the_exit_status() {
    let scratch = Scratch::new();
    let notes = plugin("notes", &wasm::plugin("notes"), "required = true");
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "");
    scratch.config(&format!("{LENIENT}{hostile}{notes}{SILENT}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    daemon.stop();
    scratch.config(&format!("{hostile}{notes}{SILENT}"));
    let (code, _, log) = scratch.start(&[]).wait();
    assert_eq!(code, 1, "{log}");
    assert!(
        log.contains("error: the required plugin `notes` was not loaded: ") && log.contains("signature"),
        "{log}"
    );
    scratch.config(&format!("{hostile}{SILENT}"));
    let (code, _, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("error: none of the plugins could be loaded"), "{log}");
}

#[test]
fn a_failed_call_is_told_with_the_plugins_reason_and_the_grant_that_was_missing() {
    let scratch = Scratch::new();
    let notes = plugin("notes", &wasm::plugin("notes"), "");
    let webhook =
        plugin("webhook", &wasm::plugin("webhook"), "granted_capabilities = [\"Network=a.example\"]");
    scratch.config(&format!("{LENIENT}{notes}{webhook}{SILENT}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    let reason = "failed with code 1: No such file or directory";
    let lacks = "Filesystem is not granted; at medium risk it needs approval; \
                 to grant it: conductorctl plugin grant notes Filesystem";
    let failed = ctl(&scratch, &["trigger", "notes", "append", "--params", r#"{"text":"x"}"#]);
    assert_eq!(failed.code, 1, "{failed:?}");
    let lines: Vec<&str> = failed.stderr.lines().collect();
    assert!(lines[0].starts_with(&format!("error: {reason}")), "{failed:?}");
    assert_eq!(lines[1], format!("hint: {lacks}"));
    let report = ctl(&scratch, &["trigger", "notes", "append", "--params", r#"{"text":"x"}"#, "--json"]);
    let report: Json = serde_json::from_str(&report.stdout).expect("JSON");
    assert!(says(&report["error"], reason) && report["hint"] == lacks, "{report:#}");
    let status = json(&scratch, &["plugin", "show", "notes"]);
    assert!(says(&status["why"], reason) && status["hint"] == lacks, "{status:#}");
    let list = shown(&scratch, &["plugin", "list"]);
    assert!(
        list.contains(&format!("last failure: {reason}")) && list.contains(&format!("hint: {lacks}")),
        "{list}"
    );
    let (_, row) = daemon.next_call();
    assert!(says(&row["error"], reason), "{row}");

    // A host that is missing from a granted scope is named in the hint as well.
    let url = r#"{"url":"https://b.example/"}"#;
    let failed = ctl(&scratch, &["trigger", "webhook", "post", "--params", url]);
    assert!(
        failed.stderr.contains("b.example") && failed.stderr.contains("conductorctl plugin show webhook"),
        "{failed:?}"
    );

    shown(&scratch, &["plugin", "grant", "notes", "Filesystem", "--yes"]);
    let granted = wait_for(&scratch, "notes", "is granted", |plugin| plugin["hint"].is_null());
    assert!(says(&granted["why"], reason), "the call failed all the same: {granted:#}");
    shown(&scratch, &["trigger", "notes", "append", "--params", r#"{"text":"x"}"#]);
    daemon.stop();
}

#[test]
fn a_hangup_reloads() {
    let scratch = Scratch::new();
    scratch.config(&format!("{LENIENT}{SILENT}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    scratch.config(&format!("{LENIENT}{}{SILENT}", plugin("hostile", &wasm::fixture("hostile"), "")));
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("configuration reloaded");
    assert_eq!(wait_for(&scratch, "hostile", "runs", |_| true)["state"], "running");
    scratch.config("[wasm]\nmax_fule = 1\n");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("everything goes on as it was: ");
    assert_eq!(wait_for(&scratch, "hostile", "runs", |_| true)["state"], "running");
    daemon.stop();
}

#[test]
fn a_module_behind_a_link_is_another_when_its_target_is() {
    let scratch = Scratch::new();
    fs::copy(wasm::fixture("hostile"), scratch.path("first.wasm")).expect("copied");
    std::os::unix::fs::symlink("first.wasm", scratch.path("link.wasm")).expect("linked");
    scratch.config(&format!("{LENIENT}{}{SILENT}", plugin("hostile", &scratch.path("link.wasm"), "")));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    assert_eq!(json(&scratch, &["reload"])["untouched"], serde_json::json!(["hostile"]));
    let started = |what: &str| {
        let reloaded = json(&scratch, &["reload"]);
        assert_eq!(reloaded["started"], serde_json::json!(["hostile"]), "{what}: {reloaded}");
        assert_eq!(json(&scratch, &["reload"])["untouched"], serde_json::json!(["hostile"]));
    };
    fs::copy(wasm::fixture("hostile"), scratch.path("first.wasm")).expect("copied");
    started("the target was written");
    fs::copy(wasm::fixture("hostile"), scratch.path("next.wasm")).expect("copied");
    fs::rename(scratch.path("next.wasm"), scratch.path("first.wasm")).expect("renamed");
    started("the target was replaced");
    fs::copy(wasm::fixture("hostile"), scratch.path("second.wasm")).expect("copied");
    std::os::unix::fs::symlink("second.wasm", scratch.path("other")).expect("linked");
    fs::rename(scratch.path("other"), scratch.path("link.wasm")).expect("renamed");
    started("the link leads elsewhere");
    daemon.stop();
}

#[test]
fn an_edit_keeps_how_lines_end_and_the_byte_order_mark() {
    let scratch = Scratch::new();
    let hostile = plugin("hostile", &wasm::fixture("hostile"), "# the user's");
    let text = format!("{LENIENT}{hostile}{SILENT}").replace('\n', "\r\n");
    scratch.config(&format!("\u{feff}{text}"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("plugin loaded");
    shown(&scratch, &["plugin", "disable", "hostile"]);
    let edited = fs::read_to_string(scratch.config_file()).expect("read");
    assert!(edited.starts_with("\u{feff}[wasm]\r\n") && edited.contains("# the user's\r\n"), "{edited:?}");
    assert_eq!(edited.matches('\n').count(), edited.matches("\r\n").count(), "{edited:?}");
    shown(&scratch, &["plugin", "enable", "hostile"]);
    assert_eq!(fs::read_to_string(scratch.config_file()).expect("read"), format!("\u{feff}{text}"));
    daemon.stop();
}
