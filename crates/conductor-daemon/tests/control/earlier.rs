//! A home that an earlier version wrote with its own commands: keys, revocations, a rotation, pins, grants, denials and
//! installed plugins. Every decision in it still holds.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::ctl::json;
use crate::scratch::Scratch;

/// The home, relative to the root of the workspace.
const HOME: &str = "tests/homes/grants-v1";

/// The message about the one grant that means less than it did: Network without a host.
const TOLD: &str = "the grant `Network` names no host, and now means ports 80 and 443 only";

fn home() -> Scratch {
    let scratch = Scratch::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels up").join(HOME);
    copy(&root.join("config"), &scratch.path("config"));
    copy(&root.join("data"), &scratch.path("data"));
    scratch
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).expect("mode set");
    for entry in fs::read_dir(from).expect("listed").flatten() {
        let target: PathBuf = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("copied");
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).expect("mode set");
        }
    }
}

/// What `conductor-sign` prints.
fn sign(scratch: &Scratch, arguments: &[&str]) -> Json {
    let arguments = [arguments, &["--json"]].concat();
    let output = scratch.program(env!("CARGO_BIN_EXE_conductor-sign"), &arguments).output();
    let output = output.expect("conductor-sign starts");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The decisions about a plugin's capabilities, as `conductorctl plugin show` prints them.
fn decisions(scratch: &Scratch, plugin: &str) -> Json {
    let shown = json(scratch, &["plugin", "show", plugin]);
    shown.get("plugin").unwrap_or(&shown).clone()
}

#[test]
fn the_trust_of_an_earlier_version_holds() {
    let scratch = home();
    let names = |list: &Json, of: &str, field: &str| -> Vec<String> {
        let entries = list[of].as_array().unwrap_or_else(|| panic!("no `{of}` in {list}"));
        entries.iter().map(|entry| entry[field].as_str().unwrap_or_default().to_owned()).collect()
    };
    let keys = sign(&scratch, &["trust", "list"]);
    assert_eq!(names(&keys, "keys", "name"), ["Ada", "Bob"], "{keys}");
    let bob = &keys["keys"][1];
    assert_eq!(
        (&bob["max_risk"], &bob["plugins"]),
        (&"medium".into(), &serde_json::json!(["bob-*"])),
        "{bob}"
    );
    let revoked = sign(&scratch, &["trust", "revoked"]);
    assert_eq!(
        names(&revoked, "revoked", "reason"),
        ["stolen from a car", "it phones home", "retired", "retired"],
        "{revoked}"
    );
    let pins = sign(&scratch, &["trust", "pins"]);
    assert_eq!(names(&pins, "pins", "plugin"), ["bob-hooks", "bob-kept", "lights", "other"], "{pins}");
    let rotations = sign(&scratch, &["trust", "rotations"]);
    assert_eq!(rotations["rotations"].as_array().map(Vec::len), Some(1), "{rotations}");
    // A change of the trust store keeps all earlier decisions.
    let before = [keys, revoked, pins, rotations];
    let another = "cd".repeat(32);
    sign(&scratch, &["trust", "revoke", &format!("sha256:{another}"), "--reason", "another"]);
    let after = [
        sign(&scratch, &["trust", "list"]),
        sign(&scratch, &["trust", "revoked"]),
        sign(&scratch, &["trust", "pins"]),
        sign(&scratch, &["trust", "rotations"]),
    ];
    for place in [0, 2, 3] {
        let (before, after) = (&before[place], &after[place]);
        assert_eq!(before, after);
    }
    assert_eq!(names(&after[1], "revoked", "reason").len(), 5);
}

#[test]
fn the_grants_of_an_earlier_version_hold_and_what_is_narrower_is_told_once() {
    let scratch = home();
    for is_first in [true, false] {
        let mut daemon = scratch.start(&[]);
        daemon.wait_for_log("ready");
        for plugin in ["lights", "hooks", "loose", "kept"] {
            let state = &decisions(&scratch, plugin)["state"];
            assert_eq!(state, "running", "{plugin}: {:?}", decisions(&scratch, plugin));
        }
        let listed = super::ctl::shown(&scratch, &["plugin", "list"]);
        for line in [
            "Midi is granted by approval: synth",
            "Filesystem is granted by approval",
            "Subprocess is granted by approval: /bin/echo",
            "SystemControl is granted by approval: volume",
            "Network is granted by approval",
            "Audio is denied by the user",
            "Network is granted as declared: hooks.example.org;methods=POST",
            "Filesystem is denied by the user",
            "Midi is denied by the user",
            "Filesystem is granted by approval: read-only",
        ] {
            assert!(listed.contains(line), "{line}\n{listed}");
        }
        let lights = super::ctl::shown(&scratch, &["plugin", "show", "lights"]);
        assert!(lights.contains("until 2099-01-01T23:59:59Z"), "{lights}");
        let (_, log) = daemon.stop();
        assert_eq!(log.matches(TOLD).count(), usize::from(is_first), "{log}");
    }
}
