//! Every exit status, with the words that go with it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::shell::{Shell, module};

const VERIFY: [&str; 2] = ["verify", "my_plugin.wasm"];
const WHO: [&str; 4] = ["--name", "N", "--email", "n@example.org"];

fn sign<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["sign"], words, &WHO].concat()
}

#[test]
fn zero_for_valid_and_trusted() {
    let shell = Shell::new();
    let key = shell.signed();
    shell.ok(&["trust", "add", &key, "K"]);
    shell.ok(&VERIFY);
    shell.ok(&["--help"]);
    shell.ok(&["--version"]);
}

#[test]
fn one_for_other_failures() {
    let shell = Shell::new();
    let key = shell.signed();
    shell.run(&["generate-key", "key"]).refused(1, "key.private exists already", "choose another name");
    shell.run(&["generate-key", "key.public"]).refused(1, "public half", "key.private");
    shell.ok(&["trust", "add", &key, "K"]);
    shell.run(&["trust", "add", &key, "K"]).refused(1, "is trusted already, as `K`", "trust remove");
    shell.run(&["trust", "remove", "00000000"]).refused(
        1,
        "no trusted key starts with 00000000",
        "trust list",
    );
    shell.run(&["manifest", "show", "my_plugin.wasm"]).refused(1, "has no manifest", "manifest add");
    fs::set_permissions(shell.path("key.private"), fs::Permissions::from_mode(0o644)).expect("mode set");
    shell.run(&sign(&["my_plugin.wasm", "key"])).refused(1, "has mode 0644", "chmod 600 key.private");
    fs::set_permissions(shell.path("key.private"), fs::Permissions::from_mode(0o600)).expect("mode set");
    fs::copy(shell.path("my_plugin.wasm"), shell.path("my plugin.wasm")).expect("copied");
    shell.run(&sign(&["my plugin.wasm", "key"])).refused(1, "gives no name", "--plugin-name");
    shell.ok(&sign(&["my plugin.wasm", "key", "--plugin-name", "my_plugin"]));
}

#[test]
fn two_for_usage() {
    let shell = Shell::new();
    let key = shell.signed();
    for words in [
        &[][..],
        &["frobnicate"],
        &["verify"],
        &["verify", "my_plugin.wasm", "--frobnicate"],
        &["sign", "my_plugin.wasm", "key"],
        &["sign", "my_plugin.wasm", "key", "--name", " ", "--email", "n@example.org"],
        &["sign", "my_plugin.wasm", "key", "--name", "a\u{1b}[31m", "--email", "n@example.org"],
        &sign(&["my_plugin.wasm", "key", "--expires-at", "tomorrow"]),
        &sign(&["my_plugin.wasm", "key", "--plugin-name", "../x"]),
        &["trust"],
        &["trust", "add", &key],
        &["trust", "add", &key.to_uppercase(), "K"],
        &["trust", "add", &key[..63], "K"],
        &["trust", "add", "0100000000000000000000000000000000000000000000000000000000000000", "K"],
        &["trust", "remove", &key[..7]],
    ] {
        let ended = shell.run(words);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{words:?}: {ended:?}");
        assert!(!ended.stderr.is_empty());
    }
}

#[test]
fn three_for_valid_and_not_trusted() {
    let shell = Shell::new();
    let key = shell.signed();
    shell.run(&VERIFY).refused(3, "is not trusted", "trust add");
    let entry = "added_at = \"2025-01-01T00:00:00Z\"\nplugins = [\"other-*\"]\n";
    shell.config(
        "trusted_keys.toml",
        &format!("version = 1\n[[keys]]\nname = \"K\"\npublic_key = \"{key}\"\n{entry}"),
    );
    shell.run(&VERIFY).refused(3, "is not trusted for a plugin of this name", "trusted_keys.toml");
}

#[test]
fn four_for_invalid() {
    let shell = Shell::new();
    shell.signed();
    let document = fs::read_to_string(shell.path("my_plugin.wasm.sig")).expect("a document");
    fs::write(shell.path("my_plugin.wasm"), [module(), vec![11, 1, 0]].concat()).expect("written");
    let ended = shell.run(&VERIFY);
    ended.refused(4, "but ", "changed after it was signed");
    assert!(
        ended.stdout.contains("Signature Details:")
            && ended.stdout.ends_with("✗ Signature verification failed\n")
    );
    fs::write(shell.path("my_plugin.wasm"), module()).expect("written");
    for (from, to, error) in [
        ("\"version\": 1", "\"version\": 2", "version 2"),
        ("Ed25519", "none", "algorithm `none`"),
        ("Your Name", "Mallory", "about `developer`"),
        ("{", "{ \"version\": 1,", "`version` occurs twice"),
        ("{", "[", "not valid JSON"),
    ] {
        fs::write(shell.path("my_plugin.wasm.sig"), document.replacen(from, to, 1)).expect("written");
        shell.run(&VERIFY).refused(4, error, "get plugin and signature again");
    }
    fs::write(shell.path("my_plugin.wasm.sig"), " ".repeat(64 * 1024 + 1)).expect("written");
    shell.run(&VERIFY).refused(4, "larger than 65536 bytes", "");
}

/// Verifying reads what loading has recorded, and records nothing itself.
#[test]
fn four_for_a_statement_that_was_stripped() {
    let shell = Shell::new();
    let key = shell.signed();
    shell.ok(&["trust", "add", &key, "K"]);
    shell.ok(&VERIFY);
    let document = fs::read_to_string(shell.path("my_plugin.wasm.sig")).expect("a document");
    let mut stripped: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    let members = stripped.as_object_mut().expect("an object");
    members.retain(|member, _| !member.starts_with("statement"));
    fs::write(shell.path("my_plugin.wasm.sig"), stripped.to_string()).expect("written");
    shell.ok(&VERIFY);
    assert!(!shell.path(".config/conductor/pins.toml").exists());
    let text = "version = 1\n[[pins]]\nname = \"my_plugin\"\nstatement_seen_at = \"2025-01-01T00:00:00Z\"\n";
    let pins = shell.config("pins.toml", text);
    let ended = shell.run(&VERIFY);
    ended.refused(4, "statement stripped: plugin `my_plugin`", "trust unpin my_plugin");
    assert!(ended.stdout.ends_with("✗ Signature verification failed\n"), "{ended:?}");
    fs::write(shell.path("my_plugin.wasm.sig"), document).expect("written");
    shell.ok(&VERIFY);
    assert_eq!(fs::read_to_string(pins).expect("still there"), text);
}

#[test]
fn five_for_no_signature() {
    let ended = Shell::new().run(&VERIFY);
    ended.refused(5, "my_plugin.wasm has no signature", "my_plugin.wasm.sig");
    assert!(ended.stdout.ends_with("✗ Plugin is not signed\n"), "{ended:?}");
}

#[test]
fn six_for_revoked_or_expired() {
    let shell = Shell::new();
    let key = shell.signed();
    let entry =
        format!("[[keys]]\nname = \"K\"\npublic_key = \"{key}\"\nadded_at = \"2024-01-01T00:00:00Z\"\n");
    shell
        .config("trusted_keys.toml", &format!("version = 1\n{entry}expires_at = \"2024-06-01T00:00:00Z\"\n"));
    shell.run(&VERIFY).refused(6, "ended at 2024-06-01T00:00:00Z", "trust renew");
    shell.config("trusted_keys.toml", &format!("version = 1\n{entry}"));
    shell.ok(&VERIFY);
    let digest = conductor_signing::Digest::from_bytes(&module()).to_string();
    for (what, words) in
        [(format!("public_key = \"{key}\""), "key "), (format!("digest = \"{digest}\""), "plugin ")]
    {
        let text = format!(
            "version = 1\n[[revoked]]\n{what}\nrevoked_at = \"2025-01-01T00:00:00Z\"\nreason = \"stolen\"\n"
        );
        shell.config("revoked_keys.toml", &text);
        let ended = shell.run(&VERIFY);
        ended.refused(6, "was revoked on 2025-01-01T00:00:00Z: stolen", "get a release that replaces it");
        assert!(ended.stderr.starts_with(&format!("error: {words}")), "{ended:?}");
    }
    let other = Shell::new();
    other.ok(&["generate-key", "key"]);
    let soon = jiff::Timestamp::now() + std::time::Duration::from_secs(2);
    let soon = jiff::Timestamp::from_second(soon.as_second()).expect("a time");
    other.ok(&sign(&["my_plugin.wasm", "key", "--expires-at", &soon.to_string()]));
    while jiff::Timestamp::now() < soon {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    other.run(&VERIFY).refused(6, "signature expired at", "newer release");
}

#[test]
fn seven_for_unusable_trust_files() {
    let shell = Shell::new();
    let key = shell.signed();
    for file in ["trusted_keys.toml", "revoked_keys.toml", "pins.toml", "rotations.toml"] {
        for text in ["", "version = 9\n", "[[keys]\n"] {
            let path = shell.config(file, text);
            for words in
                [&VERIFY[..], &["trust", "list"], &["trust", "add", &key, "K"], &["trust", "remove", &key]]
            {
                let (error, hint) = match text {
                    "" => (format!("{} is empty", path.display()), "put back a copy of it"),
                    _ => (format!("{}:1: ", path.display()), "correct that line"),
                };
                shell.run(words).refused(7, &error, hint);
            }
            assert_eq!(fs::read_to_string(&path).expect("still there"), text);
        }
        let path = shell.config(file, "version = 1\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("mode set");
        shell.run(&VERIFY).refused(7, "others may change it", &format!("chmod 600 {}", path.display()));
        fs::rename(&path, shell.path("elsewhere")).expect("moved");
        symlink(shell.path("elsewhere"), &path).expect("linked");
        shell.run(&VERIFY).refused(7, "is a symbolic link", "mv -f ");
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("a directory");
        shell.run(&VERIFY).refused(7, "is a directory", "mv ");
        fs::remove_dir(&path).expect("removed");
    }
    shell.run(&VERIFY).refused(3, "is not trusted", "");
}

#[test]
fn eight_for_files_that_are_missing_or_unreadable() {
    let shell = Shell::new();
    shell.run(&["verify", "none.wasm"]).refused(8, "none.wasm does not exist", "");
    shell.run(&["verify", "."]).refused(8, "is not a regular file", "");
    shell.run(&["manifest", "show", "none.wasm"]).refused(8, "none.wasm does not exist", "");
    shell.run(&["manifest", "add", "my_plugin.wasm", "none.toml"]).refused(8, "none.toml does not exist", "");
    shell.run(&sign(&["my_plugin.wasm", "key"])).refused(8, "key.private does not exist", "generate-key key");
    shell.ok(&["generate-key", "key"]);
    shell.run(&sign(&["none.wasm", "key"])).refused(8, "none.wasm does not exist", "");
    fs::create_dir(shell.path("my_plugin.wasm.sig")).expect("a directory");
    shell.run(&VERIFY).refused(8, "my_plugin.wasm.sig is not a regular file", "");
}
