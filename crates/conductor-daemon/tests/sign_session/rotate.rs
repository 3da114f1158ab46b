//! `rotate`, and how a chain is treated by a user who trusts its first key.

use std::fs;

use super::shell::Shell;

fn sign(shell: &Shell, key: &str) {
    shell.ok(&["sign", "my_plugin.wasm", key, "--name", "N", "--email", "n@example.org"]);
}

#[test]
fn a_plugin_of_the_new_key_is_valid_where_the_old_was_trusted() {
    let shell = Shell::new();
    let keys: Vec<String> = ["v1", "v2", "v3"].iter().map(|name| shell.key(name)).collect();
    shell.ok(&["trust", "add", &keys[0], "Ada"]);
    let report = shell.ok(&["rotate", "v1", "v2"]);
    assert_eq!((report.field("Old key:"), report.field("New key:")), (keys[0].as_str(), keys[1].as_str()));
    assert_eq!(report.field("Number:"), "1");
    let report = shell.ok(&["rotate", "v2", "v3", "--json"]).json();
    assert_eq!(report["links"].as_array().map(Vec::len), Some(2), "the chain goes on where it was");
    assert_eq!(report["links"][1]["sequence"], 2);

    sign(&shell, "v3");
    shell.run(&["verify", "my_plugin.wasm"]).refused(3, "is not trusted", "");
    fs::copy(shell.path("v3.rotation.json"), shell.path("my_plugin.wasm.rotation.json")).expect("shipped");
    let report = shell.ok(&["verify", "my_plugin.wasm"]);
    assert!(
        report.stdout.contains(&format!("a key that the trusted key {} passed on to", keys[0])),
        "{report:?}"
    );
    fs::remove_file(shell.path("my_plugin.wasm.rotation.json")).expect("removed");

    shell.ok(&["trust", "import", "v3.rotation.json"]);
    shell.ok(&["verify", "my_plugin.wasm"]);
    let again = shell.ok(&["trust", "import", "v3.rotation.json"]);
    assert!(again.stdout.contains("known already"), "{again:?}");
    shell.run(&["trust", "import", "v2.rotation.json"]).refused(
        1,
        "replay: the chain ends with number 1",
        "nothing",
    );
    let listed = shell.ok(&["trust", "rotations"]);
    assert!(
        listed.stdout.contains(&format!("2 -> {} from ", keys[2]))
            && listed.stdout.contains("the key in use")
    );
    let shown = shell.ok(&["trust", "show", "Ada", "--json"]).json();
    assert_eq!(shown["rotations"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_fork_is_refused_until_the_user_decides() {
    let shell = Shell::new();
    let keys: Vec<String> = ["old", "right", "thief"].iter().map(|name| shell.key(name)).collect();
    shell.ok(&["trust", "add", &keys[0], "Ada"]);
    shell.ok(&["rotate", "old", "right"]);
    shell.ok(&["trust", "import", "right.rotation.json"]);
    shell.ok(&["rotate", "old", "thief"]);
    shell.run(&["trust", "import", "thief.rotation.json"]).refused(1, "fork: key", "ask the publisher");
    sign(&shell, "thief");
    fs::copy(shell.path("thief.rotation.json"), shell.path("my_plugin.wasm.rotation.json")).expect("shipped");
    shell.run(&["verify", "my_plugin.wasm"]).refused(4, "fork: key", "ask the publisher");
    let explained = shell.run(&["explain", "my_plugin.wasm"]);
    assert!(explained.code == 4 && explained.stdout.contains("✗ Do key rotations hold?"), "{explained:?}");
}

#[test]
fn rotate_says_what_is_wrong() {
    let shell = Shell::new();
    for name in ["a", "b", "c"] {
        shell.key(name);
    }
    shell.ok(&["rotate", "a", "b"]);
    shell.run(&["rotate", "a", "b"]).refused(1, "b.rotation.json exists already", "--force");
    shell.run(&["rotate", "c", "a", "--chain", "b.rotation.json"]).refused(
        1,
        "not to the old key",
        "--chain FILE",
    );
    shell.run(&["rotate", "b", "a"]).refused(1, "cannot follow again", "generate-key");
    shell.run(&["rotate", "c", "c"]).refused(1, "the new key is the old one", "generate-key");
    shell.run(&["rotate", "c", "none"]).refused(8, "none.private", "generate-key none");
    shell.run(&["rotate", "a", "c", "--keep", "rotate"]).refused_usage();
    shell.run(&["rotate", "a", "c", "--valid-from", "soon"]).refused_usage();
    let report = shell.ok(&["rotate", "a", "c", "--out", "d.json", "--keep", "sign", "--keep", "revoke"]);
    assert_eq!(report.field("Old key may go on to:"), "sign, revoke");
    fs::write(shell.path("b.rotation.json"), "{}").expect("written");
    shell.run(&["rotate", "b", "c"]).refused(1, "b.rotation.json: chain is malformed", "again");
    shell.run(&["trust", "import", "b.rotation.json"]).refused(1, "malformed", "again");
    shell.run(&["trust", "import", "d.json"]).refused(1, "neither trusted here", "--force");
    shell.run(&["trust", "import", "none.json"]).refused(8, "none.json does not exist", "");
    shell.run(&["trust", "import", "/dev/zero"]).refused(8, "not a regular file", "");
    shell.ok(&["trust", "import", "d.json", "--force"]);
}
