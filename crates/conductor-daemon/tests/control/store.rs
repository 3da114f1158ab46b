//! The plugin store from outside: what is installed with a module, which modules are moved into the store, and what
//! only its owner may remove.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use conductor_daemon::control::{Request, Response};
use serde_json::Value as Json;

use super::binding::put;
use super::ctl::{SILENT, connect, ctl, exchange, json, shown};
use crate::scratch::{Daemon, LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

fn start(scratch: &Scratch, config: &str) -> Daemon {
    scratch.config(config);
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    daemon
}

/// An unsigned module outside the store.
fn module(scratch: &Scratch, name: &str) -> PathBuf {
    let path = scratch.path(&format!("{name}.wasm"));
    fs::copy(wasm::plugin("notes"), &path).expect("copied");
    path
}

/// The current module according to the store.
fn current(scratch: &Scratch, alias: &str) -> PathBuf {
    let line = fs::read_to_string(scratch.path(&format!("data/plugins/{alias}/current"))).expect("a version");
    scratch.path(&format!("data/plugins/{alias}/{}", line.trim_end()))
}

#[test]
fn a_plugin_of_a_key_that_follows_another_is_installed_with_its_rotations() {
    let scratch = Scratch::new();
    for key in ["old", "new"] {
        scratch.conductor_sign(&["generate-key", key]);
    }
    let old = fs::read_to_string(scratch.path("old.public")).expect("a key");
    scratch.conductor_sign(&["trust", "add", old.trim(), "Ada"]);
    scratch.conductor_sign(&["rotate", "old", "new"]);
    let module = module(&scratch, "notes");
    scratch.conductor_sign(&["sign", "notes.wasm", "new", "--name", "Ada", "--email", "ada@example.org"]);
    let daemon = start(&scratch, SILENT);
    let install = ["plugin", "install", module.to_str().expect("UTF-8")];
    let refused = ctl(&scratch, &install);
    assert!(refused.code == 4 && refused.stderr.contains("not trusted"), "{refused:?}");
    fs::copy(scratch.path("new.rotation.json"), scratch.path("notes.wasm.rotation.json")).expect("shipped");
    let installed = shown(&scratch, &install);
    assert!(installed.starts_with("notes is installed\n"), "{installed}");
    let stored = current(&scratch, "notes");
    for file in ["notes.wasm", "notes.wasm.sig", "notes.wasm.rotation.json"] {
        assert!(stored.with_file_name(file).is_file(), "{file}");
    }
    daemon.stop();
}

#[test]
fn what_lies_in_the_directory_of_plugins_is_moved_into_the_store_and_what_lies_elsewhere_is_not() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("data/plugins")).expect("made");
    let flat = scratch.path("data/plugins/flat.wasm");
    fs::copy(wasm::plugin("notes"), &flat).expect("copied");
    let own = module(&scratch, "own");
    let config = format!("{LENIENT}{}{}{SILENT}", plugin("flat", &flat, ""), plugin("own", &own, ""));
    let daemon = start(&scratch, &config);
    assert!(!flat.exists() && current(&scratch, "flat").is_file());
    assert!(own.is_file() && !scratch.path("data/plugins/own").exists());
    let text = fs::read_to_string(scratch.config_file()).expect("configuration");
    assert!(!text.contains("flat.wasm") && text.contains("own.wasm"), "{text}");
    let list = json(&scratch, &["plugin", "list"]);
    let running = list["plugins"].as_array().expect("plugins").iter().filter(|one| one["state"] == "running");
    assert_eq!(running.count(), 2, "{list}");
    daemon.stop();
}

#[test]
fn data_that_another_plugin_uses_is_not_removed() {
    let scratch = Scratch::new();
    let daemon = start(&scratch, &format!("{LENIENT}{SILENT}"));
    let module = module(&scratch, "notes");
    for name in ["one", "two"] {
        shown(&scratch, &["plugin", "install", module.to_str().expect("UTF-8"), "--name", name]);
    }
    let data = scratch.path("data/plugin-data/notes");
    fs::create_dir_all(&data).expect("made");
    let refused = ctl(&scratch, &["plugin", "remove", "one", "--with-data"]);
    assert!(refused.code == 4 && refused.stderr.contains("belongs to `two`"), "{refused:?}");
    assert!(data.is_dir() && current(&scratch, "one").is_file(), "nothing is gone");
    shown(&scratch, &["plugin", "remove", "one"]);
    assert!(!scratch.path("data/plugins/one").exists() && current(&scratch, "two").is_file());
    shown(&scratch, &["plugin", "remove", "two", "--with-data"]);
    assert!(!data.exists());
    daemon.stop();
}

#[test]
fn the_version_before_is_kept_beside_the_new_one_and_a_refused_one_is_not() {
    let scratch = Scratch::new();
    let daemon = start(&scratch, &format!("{LENIENT}{SILENT}"));
    let module = module(&scratch, "notes");
    let install = ["plugin", "install", module.to_str().expect("UTF-8")];
    shown(&scratch, &install);
    let first = current(&scratch, "notes");
    fs::copy(wasm::plugin("chord"), &module).expect("copied");
    shown(&scratch, &install);
    let second = current(&scratch, "notes");
    assert!(first != second && first.is_file() && second.is_file());
    fs::write(&module, "no module").expect("written");
    assert_eq!(ctl(&scratch, &install).code, 4);
    assert_eq!(current(&scratch, "notes"), second);
    let versions = fs::read_dir(scratch.path("data/plugins/notes")).expect("there").filter_map(Result::ok);
    assert_eq!(versions.filter(|entry| entry.path().is_dir()).count(), 2, "nothing is left of the third");
    daemon.stop();
}

#[test]
fn a_module_that_another_plugin_uses_is_not_removed() {
    let scratch = Scratch::new();
    let daemon = start(&scratch, &format!("{LENIENT}{SILENT}"));
    let module = module(&scratch, "notes");
    shown(&scratch, &["plugin", "install", module.to_str().expect("UTF-8")]);
    let stored = current(&scratch, "notes");
    let text = fs::read_to_string(scratch.config_file()).expect("configuration");
    scratch.config(&format!("{text}{}", plugin("other", &stored, "")));
    shown(&scratch, &["reload"]);
    let refused = ctl(&scratch, &["plugin", "remove", "notes"]);
    assert!(refused.code == 4 && refused.stderr.contains("are those of `other` too"), "{refused:?}");
    assert!(
        stored.is_file()
            && json(&scratch, &["plugin", "list"])["plugins"].as_array().map(Vec::len) == Some(2)
    );
    shown(&scratch, &["plugin", "remove", "other"]);
    shown(&scratch, &["plugin", "remove", "notes"]);
    assert!(!scratch.path("data/plugins/notes").exists());
    daemon.stop();
}

#[test]
fn the_version_before_goes_once_the_new_one_has_served_a_hundred_calls() {
    /// Longer than the time between two counts of calls.
    const COUNTED: Duration = Duration::from_secs(7);
    let scratch = Scratch::new();
    let daemon = start(&scratch, &format!("{LENIENT}{SILENT}"));
    let module = scratch.path("notes.wasm");
    let install = ["plugin", "install", module.to_str().expect("UTF-8")];
    for version in ["1.0", "1.1"] {
        put(&scratch, "notes", version);
        shown(&scratch, &install);
    }
    let call = || {
        let (plugin, action, parameters) = ("notes".to_owned(), "go".to_owned(), Json::Null);
        let request = Request::Trigger { plugin, action, parameters, context: None };
        let response = exchange(&mut connect(&scratch), request.to_line().as_bytes());
        assert!(matches!(response, Some(Response::Trigger(_))), "{response:?}");
    };
    let is_kept = || scratch.path("data/plugins/notes/previous").exists();
    (0..99).for_each(|_| call());
    sleep(COUNTED);
    assert!(is_kept(), "one call is missing");
    call();
    let counted = Instant::now();
    while is_kept() {
        assert!(counted.elapsed() < PATIENCE, "it is kept for ever");
        sleep(Duration::from_millis(50));
    }
    assert!(current(&scratch, "notes").is_file());
    daemon.stop();
}
