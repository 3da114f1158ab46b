//! Safe mode: inputs, the control socket and the page work, and no plugin is loaded.

use super::ctl::{ctl, json, shown};
use super::desk::{Desk, Heard};
use crate::wasm;

#[test]
fn safe_mode_ends_plugins_and_lets_everything_else_go_on() {
    let mut desk = Desk::new("");
    let mut daemon = desk.start(&[]);
    desk.chord(0, 60);
    let said = shown(&desk.scratch, &["safe", "on"]);
    assert!(said.starts_with("safe mode is on: no plugin is loaded\nstopped    one, two\n"), "{said}");
    desk.silent("the plugins are gone");
    let status = json(&desk.scratch, &["status"]);
    assert_eq!((&status["safe"], &status["plugins"]["running"]), (&true.into(), &0.into()), "{status}");
    assert_eq!(status["inputs"][0]["state"], "delivering");
    let text = shown(&desk.scratch, &["status"]);
    assert!(
        text.contains("Safe mode:        ON: no plugin is loaded until: conductorctl safe off"),
        "{text}"
    );
    let plugin = json(&desk.scratch, &["plugin", "list"])["plugins"][0].clone();
    assert_eq!(plugin["state"], "disabled", "{plugin}");
    assert_eq!(plugin["why"], "the daemon is in safe mode, in which no plugin is loaded");
    assert!(plugin["worker_pid"].is_null(), "{plugin}");

    // Nothing loads one: no event, no call by hand, no reload, no enabling, no installation.
    let refused = json(&desk.scratch, &["status"])["events"]["refused"].as_u64();
    desk.play(&[0x90, 60, 100]);
    while json(&desk.scratch, &["status"])["events"]["refused"].as_u64() == refused {}
    let trigger = ctl(&desk.scratch, &["trigger", "one", "chord"]);
    assert_eq!(trigger.code, 4, "{trigger:?}");
    assert!(trigger.stderr.contains("hint: to load the plugins again: conductorctl safe off"), "{trigger:?}");
    shown(&desk.scratch, &["reload"]);
    shown(&desk.scratch, &["plugin", "enable", "one"]);
    let chord = wasm::plugin("chord").display().to_string();
    let install = ctl(&desk.scratch, &["plugin", "install", &chord, "--name", "three"]);
    assert_ne!(install.code, 0, "{install:?}");
    assert_eq!(json(&desk.scratch, &["status"])["plugins"]["running"], 0);
    assert_eq!(desk.heard("synth"), Heard::new());

    let said = shown(&desk.scratch, &["safe", "off"]);
    assert!(said.starts_with("safe mode is off\nstarted    one, two\n"), "{said}");
    desk.chord(0, 62);
    assert_eq!(json(&desk.scratch, &["status"])["safe"], false);
    daemon.wait_for_log("safe mode is off");
    daemon.stop();
}

#[test]
fn a_daemon_can_start_in_safe_mode_and_a_refused_plugin_keeps_nobody_there() {
    let mut desk = Desk::new("[plugins.broken]\npath = \"../broken.wasm\"\n");
    std::fs::write(desk.scratch.path("broken.wasm"), "no module").expect("written");
    let mut daemon = desk.start(&["--safe"]);
    daemon.wait_for_log("safe mode: no plugin is loaded");
    let status = json(&desk.scratch, &["status"]);
    assert_eq!((&status["safe"], &status["plugins"]["total"]), (&true.into(), &3.into()), "{status}");
    assert_eq!(status["plugins"]["disabled"], 3, "{status}");
    shown(&desk.scratch, &["safe", "off"]);
    desk.chord(0, 60);
    let status = json(&desk.scratch, &["status"]);
    assert_eq!((&status["safe"], &status["plugins"]["refused"]), (&false.into(), &1.into()), "{status}");
    let (_, log) = daemon.stop();
    assert!(log.contains("refused: "), "{log}");
}
