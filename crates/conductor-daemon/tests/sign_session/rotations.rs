//! Chains of rotations in every state: long, contradictory, invalid, forked, and on a full disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use conductor_signing::atomic_file;
use serde_json::Value;

use super::shell::{PROGRAM, Shell, end};

const WHO: [&str; 4] = ["--name", "N", "--email", "n@example.org"];
const VERIFY: [&str; 2] = ["verify", "my_plugin.wasm"];
const SHIPPED: &str = "my_plugin.wasm.rotation.json";

/// Makes key pairs. Returns their public keys.
fn keys<const N: usize>(shell: &Shell, names: [&str; N]) -> [String; N] {
    names.map(|name| shell.ok(&["generate-key", name]).field("Public key (hex):").to_owned())
}

fn sign(shell: &Shell, key: &str) {
    shell.ok(&[&["sign", "my_plugin.wasm", key], &WHO[..]].concat());
}

fn ship(shell: &Shell, chain: &str) {
    fs::copy(shell.path(chain), shell.path(SHIPPED)).expect("copied");
}

fn read(shell: &Shell, file: &str) -> String {
    fs::read_to_string(shell.path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn json(shell: &Shell, file: &str) -> Value {
    serde_json::from_str(&read(shell, file)).expect("JSON")
}

#[test]
fn a_chain_goes_on_where_the_last_one_ended() {
    let shell = Shell::new();
    let [first, second, third, _] = keys(&shell, ["a", "b", "c", "d"]);
    shell.ok(&["rotate", "a", "b"]);
    let made =
        shell.ok(&["rotate", "b", "c", "--keep", "revoke", "--keep", "sign", "--keep", "revoke", "--json"]);
    let links = made.json()["links"].clone();
    assert_eq!(made.json()["chain_file"], "c.rotation.json");
    let mode = fs::metadata(shell.path("c.rotation.json")).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o7777, 0o644, "a chain is for everybody");
    assert_eq!(
        (&links[0]["old_key"], &links[0]["new_key"], &links[0]["sequence"]),
        (&first.into(), &second.clone().into(), &1.into())
    );
    assert_eq!(
        (&links[1]["old_key"], &links[1]["new_key"], &links[1]["sequence"]),
        (&second.into(), &third.into(), &2.into())
    );
    assert_eq!(links[1]["keeps"], serde_json::json!(["sign", "revoke"]));
    let written = json(&shell, "c.rotation.json");
    assert_eq!((&written["version"], &written["algorithm"]), (&1.into(), &"Ed25519".into()));
    assert_eq!(written["links"][0], json(&shell, "b.rotation.json")["links"][0]);

    shell.run(&["rotate", "a", "d", "--chain", "c.rotation.json"]).refused(
        1,
        "not to the old key",
        "--chain FILE",
    );
    shell.run(&["rotate", "c", "a"]).refused(1, "cannot follow again", "generate-key");
    shell.run(&["rotate", "c", "c", "--out", "x"]).refused(1, "the new key is the old one", "generate-key");
    let early = ["rotate", "c", "d", "--valid-from", "2020-01-01T00:00:00Z"];
    shell.run(&early).refused(1, "cannot hold from 2020-01-01T00:00:00Z", "--valid-from");
    // A chain in another place must be named.
    fs::rename(shell.path("c.rotation.json"), shell.path("elsewhere.json")).expect("moved");
    let made = shell.ok(&["rotate", "c", "d", "--chain", "elsewhere.json", "--out", "out.json"]);
    assert_eq!((made.field("Number:"), made.field("Chain file:")), ("3", "out.json"));
    assert!(!shell.path("d.rotation.json").exists());
    shell.run(&["rotate", "c", "d", "--chain", "none.json"]).refused(8, "none.json does not exist", "");
}

#[test]
fn nothing_is_overwritten_unless_told_to() {
    let shell = Shell::new();
    keys(&shell, ["a", "b"]);
    shell.ok(&["rotate", "a", "b"]);
    let before = read(&shell, "b.rotation.json");
    let later = ["rotate", "a", "b", "--valid-from", "2999-01-01T00:00:00Z"];
    shell.run(&later).refused(1, "b.rotation.json exists already", "--force");
    assert_eq!(read(&shell, "b.rotation.json"), before);
    shell.ok(&[&later[..], &["--force"]].concat());
    assert_ne!(read(&shell, "b.rotation.json"), before);
    for words in [
        &["rotate", "a"][..],
        &["rotate", "a", "b", "--keep", "rotate"],
        &["rotate", "a", "b", "--valid-from", "tomorrow"],
        // The key is in no file, so the place of the chain is not known.
        &["rotate", "a", "ssh-agent"],
        &["rotate", "a", "pkcs11:token=t;object=o"],
    ] {
        let ended = shell.run(words);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{words:?}: {ended:?}");
    }
    shell.run(&["rotate", "a", "none"]).refused(8, "none.private does not exist", "generate-key");
    fs::set_permissions(shell.path("a.private"), fs::Permissions::from_mode(0o644)).expect("mode set");
    shell.run(&["rotate", "a", "b", "--force"]).refused(1, "has mode 0644", "chmod 600 a.private");
}

#[test]
fn encrypted_keys_pass_on() {
    let shell = Shell::new();
    fs::write(shell.path("passphrase"), "correct horse battery staple\n").expect("written");
    fs::set_permissions(shell.path("passphrase"), fs::Permissions::from_mode(0o600)).expect("mode set");
    let passphrase = ["--passphrase-file", "passphrase"];
    for name in ["a", "b"] {
        shell.ok(&[&["generate-key", name, "--encrypt"], &passphrase[..]].concat());
    }
    let made = shell.ok(&[&["rotate", "a", "b"], &passphrase[..]].concat());
    assert_eq!(made.field("New key:"), read(&shell, "b.public").trim());
}

/// The longest chain works like any other, and cannot be extended.
#[test]
fn a_chain_has_sixty_four_links_at_most() {
    let shell = Shell::new();
    let names: Vec<String> = (0..=65).map(|number| format!("k{number}")).collect();
    let [first] = keys(&shell, [&names[0]]);
    shell.ok(&["trust", "add", &first, "Ada"]);
    for pair in names[..65].windows(2) {
        keys(&shell, [&pair[1]]);
        shell.ok(&["rotate", &pair[0], &pair[1]]);
    }
    assert!(fs::metadata(shell.path("k64.rotation.json")).expect("metadata").len() <= 64 * 1024);
    sign(&shell, "k64");
    ship(&shell, "k64.rotation.json");
    shell.ok(&VERIFY);
    keys(&shell, ["k65"]);
    shell.run(&["rotate", "k64", "k65"]).refused(
        1,
        "ends with number 64",
        "users have to trust it themselves",
    );
    assert!(!shell.path("k65.rotation.json").exists());

    let mut longer = json(&shell, "k64.rotation.json");
    let links = longer["links"].as_array_mut().expect("links");
    links.push(links[0].clone());
    fs::write(shell.path(SHIPPED), longer.to_string()).expect("written");
    assert_eq!(shell.run(&VERIFY).code, 4);
}

#[test]
fn what_is_taken_over_is_neither_contradicted_nor_rolled_back() {
    let shell = Shell::new();
    let [first, ..] = keys(&shell, ["a", "b", "c", "thief"]);
    shell.ok(&["rotate", "a", "b"]);
    shell.ok(&["rotate", "b", "c"]);
    let import = ["trust", "import", "c.rotation.json"];
    shell.run(&import).refused(1, &format!("chain leads from {first}, which is neither trusted"), "--force");
    shell.ok(&["trust", "add", &first, "Ada"]);
    let taken = shell.ok(&["trust", "import", "b.rotation.json"]);
    assert!(taken.stdout.starts_with("✓ Rotations accepted: 1\n"), "{taken:?}");
    let taken = shell.ok(&[&import[..], &["--json"]].concat()).json();
    assert_eq!((&taken["kind"], &taken["known"]), (&"rotations".into(), &1.into()));
    assert_eq!(taken["added"].as_array().map(Vec::len), Some(1));

    let accepted = read(&shell, ".config/conductor/rotations.toml");
    assert_eq!(shell.ok(&import).stdout, "These rotations are known already\n");
    shell.run(&["trust", "import", "b.rotation.json"]).refused(
        1,
        "replay: the chain ends with number 1, number 2 was accepted already",
        "nothing is to be done",
    );
    for (old, new, error) in [
        ("a", "thief", "fork: key "),
        ("thief", "b", "fork: key "),
        ("c", "a", "leads back"),
        ("c", "thief", "has the number 1, where 3 would be next"),
    ] {
        // A rotation without the chain that led to the old key.
        fs::create_dir(shell.path("apart")).expect("a directory");
        for name in [old, new] {
            let file = format!("{name}.private");
            fs::copy(shell.path(&file), shell.path("apart").join(file)).expect("copied");
        }
        shell.ok(&[
            "rotate",
            &format!("apart/{old}"),
            &format!("apart/{new}"),
            "--out",
            "bad.json",
            "--force",
        ]);
        fs::remove_dir_all(shell.path("apart")).expect("removed");
        for words in [&["trust", "import", "bad.json"][..], &["trust", "import", "bad.json", "--force"]] {
            shell.run(words).refused(1, error, "");
        }
    }
    assert_eq!(read(&shell, ".config/conductor/rotations.toml"), accepted);

    let stranger = Shell::new();
    fs::copy(shell.path("c.rotation.json"), stranger.path("c.rotation.json")).expect("copied");
    stranger.ok(&[&import[..], &["--force"]].concat());
    stranger.ok(&import);
}

/// What the hint about a fork recommends is enough, if the first chain came from a thief of the key.
#[test]
fn the_user_decides_a_fork() {
    let shell = Shell::new();
    let [first, thief, right] = keys(&shell, ["a", "thief", "right"]);
    shell.ok(&["trust", "add", &first, "Ada"]);
    shell.ok(&["rotate", "a", "thief"]);
    shell.ok(&["trust", "import", "thief.rotation.json"]);
    shell.ok(&["rotate", "a", "right"]);
    sign(&shell, "right");
    ship(&shell, "right.rotation.json");
    shell.run(&VERIFY).refused(
        4,
        &format!("fork: key {first} passed on to {thief}, and here to {right}"),
        "ask the publisher which one is right",
    );
    shell.ok(&["trust", "revoke", &first, "--reason", "stolen"]);
    shell.run(&VERIFY).refused(3, &format!("key {right} is not trusted"), "");
    shell.run(&["trust", "import", "right.rotation.json", "--force"]).refused(
        1,
        "was revoked as compromised",
        "",
    );
    shell.ok(&["trust", "add", &right, "Ada, after the theft"]);
    shell.ok(&VERIFY);
    sign(&shell, "thief");
    fs::remove_file(shell.path(SHIPPED)).expect("removed");
    let waits = format!("key {thief} follows from {first}, which was revoked as compromised");
    shell.run(&VERIFY).refused(3, &waits, "");
}

#[test]
fn rotations_are_listed_with_the_key_in_use() {
    let shell = Shell::new();
    assert_eq!(shell.ok(&["trust", "rotations"]).stdout, "Rotations: 0\n");
    let [first, second, third] = keys(&shell, ["a", "b", "c"]);
    shell.ok(&["trust", "add", &first, "Ada"]);
    shell.ok(&["rotate", "a", "b", "--valid-from", "2025-01-01T00:00:00Z"]);
    shell.ok(&["rotate", "b", "c", "--valid-from", "2999-01-01T00:00:00Z"]);
    shell.ok(&["trust", "import", "c.rotation.json"]);
    let listed = shell.ok(&["trust", "rotations"]).stdout;
    let expected = format!(
        "Rotations: 2\n\n{first} (Ada)\n\
         \x20 1 -> {second} from 2025-01-01T00:00:00Z, the key in use\n\
         \x20 2 -> {third} from 2999-01-01T00:00:00Z\n"
    );
    assert_eq!(listed, expected);
    let listed = shell.ok(&["trust", "rotations", "--json"]).json();
    for (link, new, active) in
        [(&listed["rotations"][0], &second, true), (&listed["rotations"][1], &third, false)]
    {
        assert_eq!((&link["new_key"], &link["active"]), (&new.as_str().into(), &active.into()));
        assert!(link["accepted_at"].as_str().is_some_and(|time| time.ends_with('Z')));
    }
}

#[test]
fn files_that_are_no_chains_are_refused() {
    let shell = Shell::new();
    let [first, _] = keys(&shell, ["a", "b"]);
    shell.ok(&["trust", "add", &first, "Ada"]);
    shell.ok(&["rotate", "a", "b"]);
    let sound = read(&shell, "b.rotation.json");
    sign(&shell, "b");
    let zeros = format!("_signature\": \"{}", "0".repeat(8));
    let signature = &sound[sound.find("_signature").expect("a signature")..];
    for (bent, error) in [
        (sound.replace("\"version\": 1", "\"version\": 2"), "version 2"),
        (sound.replace("Ed25519", "none\\u001b[2J"), r"algorithm `none\u{1b}[2J`"),
        (sound.replace("\"links\"", "\"links\": [], \"links\""), "`links` occurs twice"),
        (sound.replace("\"old_key\"", "\"only\\u202e\": 1, \"old_key\""), r"only\u{202e}` is not known"),
        (sound.replace(&signature[..zeros.len()], &zeros), "is not valid"),
        (" ".repeat(64 * 1024 + 1), "larger than 65536 bytes"),
    ] {
        for file in ["bent.json", SHIPPED] {
            fs::write(shell.path(file), &bent).expect("written");
        }
        shell.run(&VERIFY).refused(4, error, "get the chain again from the publisher");
        if bent.contains("\"links\"") {
            shell.run(&["trust", "import", "bent.json"]).refused(1, error, "get the chain again");
            keys(&shell, ["next"]);
            let rotate = ["rotate", "b", "next", "--chain", "bent.json"];
            shell.run(&rotate).refused(1, error, "");
            for half in ["next.private", "next.public"] {
                fs::remove_file(shell.path(half)).expect("removed");
            }
        }
    }
    // Neither a FIFO nor a directory blocks the command.
    for words in [&["trust", "import", "odd"][..], &["rotate", "a", "b", "--force", "--chain", "odd"]] {
        end(Command::new("mkfifo").arg(shell.path("odd")));
        shell.run(words).refused(8, "odd is not a regular file", "");
        fs::remove_file(shell.path("odd")).expect("removed");
    }
    fs::remove_file(shell.path(SHIPPED)).expect("removed");
    end(Command::new("mkfifo").arg(shell.path(SHIPPED)));
    shell.run(&VERIFY).refused(8, &format!("{SHIPPED} is not a regular file"), "");
}

/// Row torn: on a full disk the old content stays, with no other file beside it.
#[test]
fn a_write_that_fails_leaves_the_old_chain() {
    let shell = Shell::new();
    let [first, ..] = keys(&shell, ["a", "b", "c"]);
    shell.ok(&["trust", "add", &first, "Ada"]);
    shell.ok(&["rotate", "a", "b"]);
    shell.ok(&["trust", "import", "b.rotation.json"]);
    shell.ok(&["rotate", "b", "c", "--out", "c.json"]);
    let files = ["b.rotation.json", ".config/conductor/rotations.toml"];
    let before = files.map(|file| read(&shell, file));
    for (words, code) in [
        (&["rotate", "a", "b", "--force"][..], 1),
        (&["rotate", "b", "c"], 1),
        (&["trust", "import", "c.json"], 7),
    ] {
        let mut full = Command::new("sh");
        full.args(["-c", "trap '' XFSZ && ulimit -f 0 && exec \"$@\"", "sh", PROGRAM]).args(words);
        let ended = end(full.current_dir(shell.home()).env_clear().env("HOME", shell.home()));
        ended.refused(code, "cannot write", "");
    }
    assert_eq!(files.map(|file| read(&shell, file)), before);
    assert!(!shell.path("c.rotation.json").exists());
    for directory in [shell.home().to_owned(), shell.path(".config/conductor")] {
        let names =
            fs::read_dir(directory).expect("listed").map(|entry| entry.expect("an entry").file_name());
        let left = names.filter(|name| name.to_string_lossy().starts_with(atomic_file::TEMPORARY_PREFIX));
        assert_eq!(left.count(), 0);
    }
    shell.ok(&["trust", "import", "c.json"]);
}
