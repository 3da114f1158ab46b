//! The manual's session for several signers, and what `cosign` refuses.

use std::fs;
use std::process::{Command, Stdio};

use super::shell::{PROGRAM, Shell};

const SECOND: [&str; 4] = ["--name", "Developer 2", "--email", "dev2@example.com"];

fn cosign<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["cosign", "my_plugin.wasm"], words, &SECOND].concat()
}

#[test]
fn two_developers_sign_and_both_are_shown() {
    let shell = Shell::new();
    let first = shell.key("~/.conductor/key1");
    let second = shell.key("~/.conductor/key2");
    let who = ["--name", "Developer 1", "--email", "dev1@example.com"];
    shell.ok(&[&["sign", "my_plugin.wasm", "~/.conductor/key1"][..], &who].concat());
    let report = shell.ok(&cosign(&["~/.conductor/key2"]));
    assert!(report.stdout.contains(&first) && report.stdout.contains(&second), "{report:?}");
    shell.ok(&["trust", "add", &first, "First"]);

    let report = shell.ok(&["verify", "my_plugin.wasm"]);
    assert_eq!(report.field("  Cosigned by:"), format!("Developer 2 <dev2@example.com> {second}"));
    assert!(
        report.stdout.contains("✓ All 2 signatures verified successfully!\n✓ Plugin signed by trusted key\n")
    );
    assert!(report.stdout.contains("⚠️  Plugin cosigned by a key that is not trusted\n"));
    let json = shell.ok(&["verify", "my_plugin.wasm", "--json"]).json();
    assert_eq!(json["signature"]["cosignatures"][0]["standing"], "untrusted");
    assert_eq!(json["signature"]["cosignatures"][0]["authenticated"], true);

    // Both are needed: a document in which one signature does not hold is no good, whoever made it.
    let path = shell.path("my_plugin.wasm.sig");
    let mut document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).expect("read")).expect("JSON");
    document["cosignatures"][0]["signature"] = document["signature"].clone();
    fs::write(&path, document.to_string()).expect("written");
    shell.run(&["verify", "my_plugin.wasm"]).refused(4, &format!("not valid for key {second}"), "again");
}

#[test]
fn a_rule_may_demand_two_trusted_signers() {
    let shell = Shell::new();
    let first = shell.signed();
    let second = shell.key("second");
    shell.ok(&["trust", "add", &first, "First"]);
    let config = shell.config("config.toml", "[[policy.rules]]\nplugins = [\"my_*\"]\nsigners = 2\n");
    let rule = format!("{}:1", config.display());
    shell.run(&["verify", "my_plugin.wasm"]).refused(3, "1 of 2 trusted signers", &rule);
    shell.ok(&cosign(&["second"]));
    shell.run(&["verify", "my_plugin.wasm"]).refused(3, "1 of 2 trusted signers", &rule);
    shell.ok(&["trust", "add", &second, "Another"]);
    shell.ok(&["verify", "my_plugin.wasm"]);
}

#[test]
fn a_cosigner_signs_what_is_there_and_once() {
    let shell = Shell::new();
    shell.key("key2");
    shell.run(&cosign(&["key2"])).refused(1, "nothing to cosign: my_plugin.wasm has no signature", "");
    shell.signed();
    shell.run(&cosign(&["key"])).refused(1, "has signed this already", "");
    shell.ok(&cosign(&["key2"]));
    let sign = ["sign", "my_plugin.wasm", "key", "--name", "N", "--email", "n@example.org"];
    shell.run(&sign).refused(1, "holds cosignatures", "--force");
    shell.ok(&[&sign[..], &["--force"]].concat());
    fs::write(shell.path("my_plugin.wasm"), b"\0asm\x01\0\0\0").expect("changed");
    shell.run(&cosign(&["key2"])).refused(1, "nothing to cosign: plugin file has digest", "");
    shell.run(&cosign(&["none"])).refused(8, "none.private", "generate-key none");
    shell.run(&["cosign", "my_plugin.wasm"]).refused_usage();
    shell.run(&cosign(&["key2", "--hardware-key", "ssh-agent"])).refused_usage();
}

#[test]
fn a_signer_may_demand_cosigners() {
    let shell = Shell::new();
    let (first, second) = (shell.key("key"), shell.key("key2"));
    shell.ok(&["trust", "add", &first, "First"]);
    let sign = ["sign", "my_plugin.wasm", "key", "--name", "N", "--email", "n@example.org", "--cosigner"];
    shell.run(&[&sign[..], &[first.as_str()]].concat()).refused(1, "cannot be its own cosigner", "");
    shell.ok(&[&sign[..], &[second.as_str()]].concat());
    shell.run(&["verify", "my_plugin.wasm"]).refused(4, "cosignature missing", "once everybody has signed");
    shell.ok(&cosign(&["key2"]));
    shell.ok(&["verify", "my_plugin.wasm"]);
}

/// Whoever cosigns at the same time as others is in the document as well.
#[test]
fn cosigners_do_not_lose_each_other() {
    let shell = Shell::new();
    shell.signed();
    let names: Vec<String> = (0..6).map(|number| format!("cosigner{number}")).collect();
    names.iter().for_each(|name| drop(shell.key(name)));
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let words = cosign(&[name]);
            let mut command = Command::new(PROGRAM);
            command.args(words).current_dir(shell.home()).env_clear().env("HOME", shell.home());
            command.stdout(Stdio::null()).spawn().expect("the program runs")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("ended").success());
    }
    let json = shell.run(&["verify", "my_plugin.wasm", "--json"]).json();
    assert_eq!(json["signature"]["cosignatures"].as_array().map(Vec::len), Some(names.len()));
    assert_eq!(json["valid"], true);
}
