//! Row torn: the program is killed, or the disk is full, in the middle of a write.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use conductor_signing::{SigningKey, TrustStore, atomic_file};

use super::shell::{PROGRAM, Shell, end};

const ROUNDS: u32 = 200;

/// Starts a command and kills it after some microseconds.
fn kill_after(shell: &Shell, words: &[&str], delay: Duration) {
    let mut command = Command::new(PROGRAM);
    command.args(words).current_dir(shell.home()).env_clear().env("HOME", shell.home());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
    std::thread::sleep(delay);
    child.kill().expect("killed");
    child.wait().expect("ended");
}

/// Delays from zero to twice the time that an undisturbed command takes on this machine.
fn delays(undisturbed: Duration) -> impl Iterator<Item = Duration> {
    (0..ROUNDS).map(move |round| undisturbed * 2 * round / ROUNDS)
}

#[test]
fn a_killed_change_of_trust_leaves_the_old_list_or_the_new() {
    let shell = Shell::new();
    let config = shell.path(".config/conductor");
    let start = Instant::now();
    let first = SigningKey::generate().expect("a key").public_key().to_string();
    shell.ok(&["trust", "add", &first, "K"]);
    let undisturbed = start.elapsed();
    let mut before = BTreeSet::from([first]);
    let mut changed = 0;
    for delay in delays(undisturbed) {
        let key = SigningKey::generate().expect("a key").public_key().to_string();
        kill_after(&shell, &["trust", "add", &key, "K", "--force"], delay);
        let store = TrustStore::load(&config).expect("old or new, never neither");
        let after: BTreeSet<String> = store.keys().iter().map(|key| key.public_key.to_string()).collect();
        if after != before {
            before.insert(key);
            changed += 1;
        }
        assert_eq!(after, before);
    }
    let next = SigningKey::generate().expect("a key").public_key().to_string();
    shell.ok(&["trust", "add", &next, "a dead writer holds no lock"]);
    assert!(changed > 0, "no command was given time to finish");
}

#[test]
fn a_killed_revocation_leaves_the_old_list_or_the_new() {
    let shell = Shell::new();
    let config = shell.path(".config/conductor");
    let digest = |round: usize| format!("sha256:{round:064x}");
    let start = Instant::now();
    shell.ok(&["trust", "revoke", &digest(0), "--reason", "bad"]);
    let mut revoked = 1;
    for (round, delay) in delays(start.elapsed()).enumerate() {
        kill_after(&shell, &["trust", "revoke", &digest(round + 1), "--reason", "bad"], delay);
        let store = TrustStore::load(&config).expect("old or new, never neither");
        let now = store.revocations().count();
        assert!(now == revoked || now == revoked + 1, "{now} after {revoked}");
        revoked = now;
    }
    assert!(revoked > 1, "no command was given time to finish");
}

#[test]
fn a_killed_cosigner_leaves_the_old_document_or_the_new() {
    let shell = Shell::new();
    shell.signed();
    shell.key("first");
    let who = ["--name", "Your Name", "--email", "you@example.com"];
    let cosign = |key: &'static str| [&["cosign", "my_plugin.wasm", key][..], &who].concat();
    let start = Instant::now();
    shell.ok(&cosign("first"));
    let undisturbed = start.elapsed();
    shell.key("second");
    for delay in delays(undisturbed) {
        kill_after(&shell, &cosign("second"), delay);
        let json = shell.run(&["verify", "my_plugin.wasm", "--json"]).json();
        let count = json["signature"]["cosignatures"].as_array().map(Vec::len);
        assert!(json["valid"] == true && matches!(count, Some(1 | 2)), "{json}");
        if count == Some(2) {
            return;
        }
    }
    panic!("no command was given time to finish");
}

#[test]
fn a_killed_signer_leaves_no_half_key_and_no_half_document() {
    let shell = Shell::new();
    let first = shell.signed();
    let start = Instant::now();
    shell.ok(&["generate-key", "undisturbed"]);
    for (round, delay) in delays(start.elapsed()).enumerate() {
        let name = format!("killed{round}");
        kill_after(&shell, &["generate-key", &name], delay);
        let length = fs::metadata(shell.path(&format!("{name}.private"))).map(|metadata| metadata.len());
        assert!(matches!(length, Ok(32) | Err(_)), "{length:?}");
        let sign = ["sign", "my_plugin.wasm", "key", "--name", "Your Name", "--email", "you@example.com"];
        kill_after(&shell, &sign, delay);
        let report = shell.run(&["verify", "my_plugin.wasm"]);
        assert_eq!((report.code, report.field("  Public key:")), (3, first.as_str()), "{report:?}");
    }
}

/// A limit on the size of files simulates a full disk: every write fails after the file was created.
#[test]
fn a_write_that_fails_leaves_the_old_content_and_nothing_else() {
    let shell = Shell::new();
    let key = shell.signed();
    shell.ok(&["trust", "add", &key, "K"]);
    let path = TrustStore::trusted_keys_path(&shell.path(".config/conductor"));
    let old = fs::read_to_string(&path).expect("a trust file");
    let document = fs::read_to_string(shell.path("my_plugin.wasm.sig")).expect("a document");
    for (words, code) in [
        (&["trust", "remove", &key][..], 7),
        (&["generate-key", "other"], 1),
        (&["sign", "my_plugin.wasm", "key", "--name", "N", "--email", "n@example.org"], 1),
    ] {
        let mut full = Command::new("sh");
        full.args(["-c", "trap '' XFSZ && ulimit -f 0 && exec \"$@\"", "sh", PROGRAM]).args(words);
        let ended = end(full.current_dir(shell.home()).env_clear().env("HOME", shell.home()));
        ended.refused(code, "cannot write", "");
    }
    assert_eq!(fs::read_to_string(&path).expect("a trust file"), old);
    assert_eq!(fs::read_to_string(shell.path("my_plugin.wasm.sig")).expect("a document"), document);
    assert!(!shell.path("other.private").exists());
    for directory in [shell.home().to_owned(), shell.path(".config/conductor")] {
        let names =
            fs::read_dir(directory).expect("listed").map(|entry| entry.expect("an entry").file_name());
        let left = names.filter(|name| name.to_string_lossy().starts_with(atomic_file::TEMPORARY_PREFIX));
        assert_eq!(left.count(), 0);
    }
    shell.ok(&["verify", "my_plugin.wasm"]);
}
