//! The manual's session for several signers, and the cases that `cosign` refuses.

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

    // Both signatures must hold: a document with one that does not hold is refused, whoever made that signature.
    let path = shell.path("my_plugin.wasm.sig");
    let mut document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).expect("read")).expect("JSON");
    document["cosignatures"][0]["statement_signature"] = document["statement_signature"].clone();
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

/// Forgeries that need no key: leaving out the publisher, exchanging the places, making a document from a cosignature.
#[test]
fn a_cosigner_never_stands_in_the_publishers_place() {
    let shell = Shell::new();
    let (publisher, auditor) = (shell.signed(), shell.key("auditor"));
    shell.ok(&["trust", "add", &publisher, "Publisher", "--max-risk", "low"]);
    let added = shell.ok(&["trust", "add", &auditor, "Auditor", "--role", "cosign"]);
    assert_eq!(added.field("  Role:"), "cosign");
    shell.ok(&cosign(&["auditor"]));
    shell.ok(&["verify", "my_plugin.wasm"]);
    let path = shell.path("my_plugin.wasm.sig");
    let sound = fs::read_to_string(&path).expect("read");
    let document: serde_json::Value = serde_json::from_str(&sound).expect("JSON");
    let cosignature = &document["cosignatures"][0];
    let forged = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut forged = document.clone();
        change(&mut forged);
        fs::write(&path, forged.to_string()).expect("written");
        shell.run(&["verify", "my_plugin.wasm"])
    };
    // The cosigner's one signature in the publisher's place, with and without its statement.
    for stated in [true, false] {
        let ended = forged(&|forged| {
            forged["public_key"] = cosignature["public_key"].clone();
            forged["signature"] = cosignature["statement_signature"].clone();
            let members = ["statement", "statement_signature"];
            members.iter().for_each(|member| {
                forged[*member] = if stated { cosignature[*member].clone() } else { serde_json::Value::Null };
            });
            forged["cosignatures"] = serde_json::json!([]);
        });
        ended.refused(4, &format!("signature is not valid for key {auditor}"), "");
    }
    // The same for the file of another publisher.
    let thief = Shell::new();
    thief.signed();
    let theirs: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(thief.path("my_plugin.wasm.sig")).expect("read"))
            .expect("JSON");
    let ended = forged(&|forged| {
        *forged = theirs.clone();
        forged["cosignatures"] = document["cosignatures"].clone();
    });
    ended.refused(4, &format!("key {auditor} endorses what {publisher} published"), "");
    // The cosigner's own release.
    fs::remove_file(&path).expect("removed");
    shell.ok(&[&["sign", "my_plugin.wasm", "auditor"][..], &SECOND].concat());
    shell.run(&["verify", "my_plugin.wasm"]).refused(3, "is trusted to cosign only", "--role both");
    // From now on both signatures are demanded, whatever the statement names.
    fs::write(&path, &sound).expect("written");
    shell.ok(&["verify", "my_plugin.wasm"]);
    shell.run(&["trust", "add", &auditor, "Auditor", "--role", "boss"]).refused_usage();
    assert_eq!(shell.ok(&["trust", "list", "--json"]).json()["keys"][1]["role"], "cosign");
}

#[test]
fn a_cosignature_may_end() {
    let shell = Shell::new();
    let publisher = shell.signed();
    shell.ok(&["trust", "add", &publisher, "Publisher"]);
    for (name, until) in [("first", "2999-01-01T00:00:00Z"), ("second", "9999-12-31T23:59:59Z")] {
        shell.key(name);
        shell.ok(&cosign(&[name, "--expires-at", until]));
    }
    shell.ok(&["verify", "my_plugin.wasm"]);
    shell.key("third");
    shell.run(&cosign(&["third", "--expires-at", "2020-01-01T00:00:00Z"])).refused(
        1,
        "signature expired",
        "",
    );
    shell.run(&cosign(&["third", "--min-host-version", "999.0.0"])).refused(1, "needs Conductor 999.0.0", "");
    shell.ok(&["verify", "my_plugin.wasm"]);
}

/// Signing anew while others cosign either finds their cosignature and stops, or is first and has their cosignature
/// added.
#[test]
fn signing_and_cosigning_at_once_loses_nothing() {
    let shell = Shell::new();
    shell.key("key2");
    shell.signed();
    let start = |words: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(words).current_dir(shell.home()).env_clear().env("HOME", shell.home());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs")
    };
    let sign = ["sign", "my_plugin.wasm", "key", "--name", "N", "--email", "n@example.org"];
    for _ in 0..15 {
        shell.ok(&[&sign[..], &["--force"]].concat());
        let mut both = [start(&sign), start(&cosign(&["key2"]))];
        let [_, cosigned] = both.each_mut().map(|child| child.wait().expect("ended").success());
        assert!(cosigned, "nothing stands in a cosigner's way");
        let json = shell.run(&["verify", "my_plugin.wasm", "--json"]).json();
        assert_eq!(json["signature"]["cosignatures"].as_array().map(Vec::len), Some(1));
        assert_eq!(json["valid"], true);
    }
}

/// Two people who cosign at the same time are both in the document.
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
