//! Changing a running daemon: reload, install, remove, enable, disable, and calls by hand.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use serde_json::{Value as Json, json as value};

use super::ctl::{SILENT, ctl, json, shown};
use crate::scratch::{Daemon, LENIENT, Scratch, plugin};
use crate::wasm;

/// Two plugins: `notes`, which is called all the time, and another, which is changed meanwhile.
fn config(count: u32, other: &str) -> String {
    let notes = plugin("notes", &wasm::plugin("notes"), "granted_capabilities = [\"Filesystem\"]");
    let ticks = format!(
        "[[inputs]]\nname = \"ticks\"\ntype = \"interval\"\nevery = \"4ms\"\ncount = {count}\n
        [[mappings]]\ntrigger = {{ input = \"ticks\" }}\nplugin = \"notes\"\naction = \"append\"\n"
    );
    format!("{LENIENT}{notes}{other}{SILENT}{ticks}")
}

fn hostile(more: &str) -> String {
    plugin("hostile", &wasm::fixture("hostile"), more)
}

fn start(scratch: &Scratch, config: &str) -> Daemon {
    scratch.config(config);
    let mut daemon = scratch.start(&[]);
    (0..config.matches("[plugins.").count()).for_each(|_| drop(daemon.next_log("plugin loaded")));
    daemon
}

fn names(list: &[&str]) -> Json {
    value!(list)
}

#[test]
fn a_reload_drops_no_event_of_what_stays() {
    const COUNT: u32 = 400;
    let scratch = Scratch::new();
    let mut daemon = start(&scratch, &config(COUNT, &hostile("")));
    for round in 0..6 {
        let more = if round % 2 == 0 { "denied_capabilities = [\"Network\"]" } else { "" };
        scratch.config(&config(COUNT, &hostile(more)));
        let reloaded = json(&scratch, &["reload"]);
        assert_eq!(reloaded["started"], names(&["hostile"]), "{reloaded}");
        assert_eq!(reloaded["stopped"], names(&["hostile"]), "{reloaded}");
        assert_eq!(reloaded["untouched"], names(&["notes"]), "{reloaded}");
    }
    assert_eq!(json(&scratch, &["reload"])["untouched"], names(&["hostile", "notes"]), "nothing has changed");
    let is_denied =
        |list: &Json| list["plugins"][0]["capabilities"][0].as_str() == Some("Network is denied by the user");
    assert!(!is_denied(&json(&scratch, &["plugin", "list"])));
    for _ in 0..COUNT {
        let (_, call) = daemon.next_call();
        assert_eq!(
            (call["plugin"].as_str(), call["outcome"].as_str()),
            (Some("notes"), Some("ok")),
            "{call}"
        );
    }
    assert_eq!(scratch.notes().lines().count(), COUNT as usize);
    daemon.stop();
}

#[test]
fn a_bad_configuration_leaves_the_old_one_running_and_says_why() {
    let scratch = Scratch::new();
    let daemon = start(&scratch, &config(1, ""));
    let pid = json(&scratch, &["plugin", "list"])["plugins"][0]["worker_pid"].clone();
    scratch.config("[wasm]\nmax_fule = 1\n");
    let refused = ctl(&scratch, &["reload"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (4, ""), "{refused:?}");
    assert!(refused.stderr.contains("config.toml:2:1: wasm.max_fule: unknown key"), "{refused:?}");

    std::fs::write(scratch.path("broken.wasm"), "not a module").expect("written");
    scratch.config(&config(1, &plugin("broken", &scratch.path("broken.wasm"), "")));
    let refused = ctl(&scratch, &["reload"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("refused: `broken`: "), "{refused:?}");
    let list = json(&scratch, &["plugin", "list"]);
    assert_eq!(list["plugins"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["plugins"][0]["worker_pid"], pid, "it went on");
    let (_, log) = daemon.stop();
    assert!(log.contains("everything goes on as it was: "), "{log}");
}

#[test]
fn mappings_and_inputs_are_swapped() {
    let scratch = Scratch::new();
    let mut daemon = start(&scratch, &format!("{LENIENT}{}{SILENT}", hostile("")));
    let ticks = "[[inputs]]\nname = \"ticks\"\ntype = \"interval\"\nevery = \"5ms\"\n
        [[mappings]]\ntrigger = { input = \"ticks\" }\nplugin = \"hostile\"\naction = \"count\"\n";
    scratch.config(&format!("{LENIENT}{}{SILENT}{ticks}", hostile("")));
    assert_eq!(json(&scratch, &["reload"])["untouched"], names(&["hostile"]));
    let (_, call) = daemon.next_call();
    assert_eq!((call["input"].as_str(), call["action"].as_str()), (Some("ticks"), Some("count")));
    scratch.config(&format!("{LENIENT}{}{SILENT}", hostile("")));
    shown(&scratch, &["reload"]);
    daemon.wait_for_log("input ended");
    daemon.stop();
}

#[test]
fn a_plugin_is_called_by_hand() {
    let scratch = Scratch::new();
    let daemon = start(&scratch, &config(1, ""));
    let text = r#"{"text":"by hand"}"#;
    assert_eq!(shown(&scratch, &["trigger", "notes", "append", "--params", text]), "");
    let lines = shown(&scratch, &["trigger", "notes", "read"]);
    let lines: Vec<String> = serde_json::from_str(&lines).expect("the plugin's reply");
    assert!(lines.iter().any(|line| line.ends_with(" by hand")), "{lines:?}");
    let event = ["trigger", "notes", "append", "--context", r#"{"note":60,"timestamp":0}"#];
    let report = json(&scratch, &event);
    assert_eq!((report["outcome"].as_str(), report["reply"].is_null()), (Some("ok"), true), "{report}");
    assert!(scratch.notes().contains("note"), "{}", scratch.notes());

    let failed = ctl(&scratch, &["trigger", "notes", "append", "--params", r#"{"txt":1}"#]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.starts_with("error: failed with code"), "{failed:?}");
    let number = ctl(&scratch, &["trigger", "notes", "read", "--params", "-1"]);
    assert_ne!(number.code, 2, "-1 is a value: {number:?}");
    let unknown = ctl(&scratch, &["trigger", "notes", "apend"]);
    assert_eq!(unknown.code, 4, "{unknown:?}");
    assert!(unknown.stderr.contains("`notes` has no action `apend`"), "{unknown:?}");
    assert!(unknown.stderr.contains("append"), "it says which there are: {unknown:?}");
    let unknown = ctl(&scratch, &["trigger", "nots", "append"]);
    assert!(unknown.stderr.contains("did you mean `notes`?"), "{unknown:?}");
    daemon.stop();
}

#[test]
fn a_disabled_plugin_does_not_run_until_it_is_enabled() {
    let scratch = Scratch::new();
    let daemon = start(&scratch, &format!("# mine\n{}", config(1, &hostile("# and this"))));
    let disabled = shown(&scratch, &["plugin", "disable", "hostile"]);
    assert_eq!(disabled, "hostile is disabled\nstopped    hostile\nuntouched  notes\n");
    let text = std::fs::read_to_string(scratch.config_file()).expect("configuration");
    assert!(text.starts_with("# mine\n") && text.contains("# and this") && text.contains("enabled = false"));
    let list = json(&scratch, &["plugin", "list"]);
    assert_eq!(list["plugins"][0]["state"], "disabled", "{list}");
    assert!(shown(&scratch, &["status"]).contains("1 disabled"));
    let refused = ctl(&scratch, &["trigger", "hostile", "count"]);
    assert!(refused.stderr.contains("`hostile` is disabled"), "{refused:?}");
    let enabled = shown(&scratch, &["plugin", "enable", "hostile"]);
    assert_eq!(enabled, "hostile is enabled\nstarted    hostile\nuntouched  notes\n");
    shown(&scratch, &["trigger", "hostile", "count"]);
    let text = std::fs::read_to_string(scratch.config_file()).expect("configuration");
    assert!(!text.contains("enabled"), "{text}");
    let unknown = ctl(&scratch, &["plugin", "disable", "hostil"]);
    assert!(unknown.stderr.contains("did you mean `hostile`?"), "{unknown:?}");
    daemon.stop();
}

#[test]
fn a_plugin_is_installed_and_removed() {
    let scratch = Scratch::new();
    let daemon = start(&scratch, &config(1, ""));
    let chord = wasm::plugin("chord");
    let installed = shown(&scratch, &["plugin", "install", chord.to_str().expect("UTF-8")]);
    assert!(installed.starts_with("chord is installed\nstarted    chord\n"), "{installed}");
    assert!(installed.contains("running"), "it is shown: {installed}");
    let current = std::fs::read_to_string(scratch.path("data/plugins/chord/current")).expect("a version");
    let module = scratch.path(&format!("data/plugins/chord/{}", current.trim_end()));
    assert!(module.is_file());

    std::fs::write(scratch.path("chord.wasm"), "not a module").expect("written");
    let broken = scratch.path("chord.wasm");
    let before = std::fs::metadata(&module).expect("module").len();
    for name in ["chord", "other"] {
        let arguments = ["plugin", "install", broken.to_str().expect("UTF-8"), "--name", name];
        let refused = ctl(&scratch, &arguments);
        assert_eq!(refused.code, 4, "{refused:?}");
        assert!(refused.stderr.contains(&format!("refused: `{name}`: ")), "{refused:?}");
    }
    assert_eq!(std::fs::metadata(&module).expect("module").len(), before, "the old one is in place");
    assert!(!scratch.path("data/plugins/other").exists());
    let text = std::fs::read_to_string(scratch.config_file()).expect("configuration");
    assert!(!text.contains("other"), "{text}");
    let elsewhere = ctl(&scratch, &["plugin", "install", chord.to_str().expect("UTF-8"), "--name", "notes"]);
    assert!(elsewhere.stderr.contains("is kept elsewhere"), "{elsewhere:?}");
    let bad = ctl(&scratch, &["plugin", "install", chord.to_str().expect("UTF-8"), "--name", "../x"]);
    assert!(bad.stderr.contains("is no name"), "{bad:?}");

    let used = ctl(&scratch, &["plugin", "remove", "notes"]);
    assert_eq!(used.code, 4, "a mapping names it: {used:?}");
    assert!(used.stderr.contains("notes"), "{used:?}");
    let removed = shown(&scratch, &["plugin", "remove", "chord", "--with-data"]);
    assert!(removed.starts_with("chord is removed, and what it wrote is deleted\n"), "{removed}");
    assert!(!scratch.path("data/plugins/chord").exists());
    let text = std::fs::read_to_string(scratch.config_file()).expect("configuration");
    assert!(!text.contains("chord"), "{text}");
    assert_eq!(json(&scratch, &["plugin", "list"])["plugins"].as_array().map(Vec::len), Some(1));
    daemon.stop();
}

/// Ends a program with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn calls_are_told_of_as_they_end() {
    let scratch = Scratch::new();
    let daemon = start(&scratch, &config(1, &hostile("")));
    let follow = ["events", "--follow", "--json", "--plugin", "hostile"];
    let mut program = scratch.program(env!("CARGO_BIN_EXE_conductorctl"), &follow);
    let mut following = Ended(program.spawn().expect("conductorctl starts"));
    let mut lines = BufReader::new(following.0.stdout.take().expect("stdout")).lines();
    let table = ["events", "--follow"];
    let mut program = scratch.program(env!("CARGO_BIN_EXE_conductorctl"), &table);
    let mut table = Ended(program.spawn().expect("conductorctl starts"));
    let mut rows = BufReader::new(table.0.stdout.take().expect("stdout")).lines();
    assert!(rows.next().expect("a line").expect("text").starts_with("EVENT "), "it is being told");

    // The follower may not have connected yet, so the plugin is called until the follower prints a line.
    let told = std::thread::spawn(move || lines.next().expect("a line").expect("text"));
    while !told.is_finished() {
        shown(&scratch, &["trigger", "notes", "append"]);
        shown(&scratch, &["trigger", "hostile", "count"]);
    }
    let row: Json = serde_json::from_str(&told.join().expect("a line")).expect("JSON");
    assert_eq!((row["plugin"].as_str(), row["outcome"].as_str()), (Some("hostile"), Some("ok")), "{row}");
    assert_eq!(row["event"], "conductorctl: by hand");
    let row = rows.map_while(Result::ok).find(|row| row.starts_with("conductorctl: by hand"));
    assert!(row.as_ref().is_some_and(|row| row.contains(" notes ")), "{row:?}");
    drop(following);
    shown(&scratch, &["trigger", "hostile", "count"]);
    daemon.stop();
}

#[test]
fn shells_are_told_what_completes() {
    let scratch = Scratch::new();
    for (shell, text) in
        [("bash", "_conductorctl"), ("zsh", "#compdef conductorctl"), ("fish", "complete -c conductorctl")]
    {
        let completions = shown(&scratch, &["completions", shell]);
        assert!(completions.contains(text) && completions.contains("pending"), "{shell}");
    }
}

#[test]
fn what_is_revoked_is_taken_from_a_version_that_is_being_replaced_too() {
    let scratch = Scratch::new();
    let notes = |more: &str| {
        let notes = plugin("notes", &wasm::plugin("notes"), more);
        format!(
            "{LENIENT}{notes}{SILENT}[[inputs]]\nname = \"ticks\"\ntype = \"interval\"\nevery = \"1ms\"\n
            [[mappings]]\ntrigger = {{ input = \"ticks\" }}\nplugin = \"notes\"\naction = \"append\"\n"
        )
    };
    let mut daemon = start(&scratch, &notes(""));
    shown(&scratch, &["plugin", "grant", "notes", "Filesystem", "--yes"]);
    while scratch.notes().is_empty() {
        daemon.next_call();
    }
    scratch.config(&notes("max_fuel = 50_000_000"));
    assert_eq!(json(&scratch, &["reload"])["stopped"], names(&["notes"]));
    shown(&scratch, &["plugin", "revoke", "notes", "Filesystem"]);
    // What waited for the previous plugin has ended by now, or writes nothing.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let before = scratch.notes();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(scratch.notes(), before);
    daemon.stop();
}
