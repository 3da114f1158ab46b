//! Trust with limits, keys that could be mistaken for others, revocations and pins, as commands.

use std::fs;

use super::shell::Shell;

#[test]
fn trust_has_limits_that_verify_keeps() {
    let shell = Shell::new();
    let key = shell.signed();
    let added = shell.ok(&[
        "trust",
        "add",
        &key,
        "Ada",
        "--email",
        "ada@example.org",
        "--plugins",
        "acme-*",
        "--plugins",
        "my_*",
        "--max-risk",
        "low",
        "--expires",
        "2999-12-31",
    ]);
    assert_eq!(added.field("  Expires at:"), "3000-01-01T00:00:00Z");
    assert_eq!(added.field("  Plugins:"), "acme-*, my_*");
    let words = added.field("  In words:").split(' ').count();
    assert_eq!(words, 6, "twelve words in two lines: {added:?}");
    shell.ok(&["verify", "my_plugin.wasm"]);
    let shown = shell.ok(&["trust", "show", "Ada"]);
    assert!(shown.field("  Stands in:").ends_with("trusted_keys.toml:5"), "{shown:?}");
    assert_eq!(shell.ok(&["trust", "show", &key[..8], "--json"]).json()["trusted"]["max_risk"], "low");

    shell.ok(&["trust", "renew", &key[..8], "--expires", "2020-01-01"]);
    shell.run(&["verify", "my_plugin.wasm"]).refused(6, "ended at 2020-01-02T00:00:00Z", "trust renew <key>");
    shell.ok(&["trust", "renew", &key, "--never"]);
    shell.ok(&["verify", "my_plugin.wasm"]);
    shell.ok(&["trust", "remove", &key]);
    shell.ok(&["trust", "add", &key, "Ada", "--plugins", "acme-*"]);
    shell.run(&["verify", "my_plugin.wasm"]).refused(3, "not trusted for a plugin of this name", "");
    for words in [
        &["trust", "add", &key, "K", "--plugins", "a/b"][..],
        &["trust", "add", &key, "K", "--max-risk", "huge"],
        &["trust", "add", &key, "K", "--expires", "soon"],
        &["trust", "renew", &key],
        &["trust", "renew", &key, "--never", "--expires", "2999-01-01"],
    ] {
        shell.run(words).refused_usage();
    }
}

#[test]
fn a_key_that_could_be_taken_for_another_is_looked_at_twice() {
    let shell = Shell::new();
    let (first, second, third) = (shell.key("a"), shell.key("b"), shell.key("c"));
    shell.ok(&["trust", "add", &first, "Official Plugin"]);
    for name in
        ["Official Plugin", "official plugin", "0fficial Plugin", "Offici\u{430}l Plugin", "Oficial Plugin"]
    {
        shell.run(&["trust", "add", &second, name]).refused(1, "`Official Plugin`", "--force");
    }
    shell.ok(&["trust", "remove", &first]);
    shell.run(&["trust", "add", &second, "Official Plugin"]).refused(1, "is removed", "--force");
    shell.run(&["trust", "add", &first, "Another Name"]).refused(1, "under another name", "--force");
    shell.ok(&["trust", "add", &second, "Official Plugin", "--force"]);

    let mut typist = shell.type_in(&["trust", "add", &third, "Official Plugin"]);
    typist.answer("Trust it all the same? [y/N] ", "n");
    let (code, shown) = typist.end();
    assert!(code == 1 && shown.contains("another key of the name"), "{shown}");
    // Text that was typed before the question does not answer it.
    let mut typist = shell.type_in_late(&["trust", "add", &third, "Official Plugin"]);
    typist.answer("soon\r\n", "y");
    typist.answer("Trust it all the same? [y/N] ", "n");
    let (code, shown) = typist.end();
    assert_eq!(code, 1, "{shown}");
    let mut typist = shell.type_in(&["trust", "add", &third, "Official Plugin"]);
    typist.answer("Trust it all the same? [y/N] ", "y");
    let (code, shown) = typist.end();
    assert_eq!(code, 0, "{shown}");
}

#[test]
fn a_yes_is_about_the_doubt_that_was_read() {
    let shell = Shell::new();
    let (first, second, third) = (shell.key("a"), shell.key("b"), shell.key("c"));
    shell.ok(&["trust", "add", &first, "Official Plugin"]);
    let mut typist = shell.type_in(&["trust", "add", &third, "Official Plugin"]);
    let doubt = |key: &str| format!("is trusted: {key}\r\nTrust it all the same? [y/N] ");
    typist.wait_for(&doubt(&first));
    // Another doubt has taken the place of the one that the user read.
    shell.ok(&["trust", "remove", &first]);
    shell.ok(&["trust", "add", &second, "Official Plugin", "--force"]);
    typist.type_in("y");
    typist.answer(&doubt(&second), "n");
    let (code, shown) = typist.end();
    assert_eq!(code, 1, "{shown}");
}

#[test]
fn a_weak_key_is_refused_always() {
    let shell = Shell::new();
    let identity = format!("01{}", "0".repeat(62));
    shell.run(&["trust", "add", &identity, "Identity", "--force"]).refused_usage();
    shell.run(&["trust", "pin", "chord", &identity]).refused_usage();
}

#[test]
fn what_was_revoked_is_refused_and_can_be_handed_on() {
    let shell = Shell::new();
    let key = shell.signed();
    let issuer = shell.key("issuer");
    shell.ok(&["trust", "add", &key, "Ada"]);
    shell.ok(&["verify", "my_plugin.wasm"]);
    let report = shell.ok(&["trust", "revoke", &key[..10], "--reason", "laptop stolen"]);
    assert_eq!((report.field("  Kind:"), report.field("  Reason:")), ("compromised", "laptop stolen"));
    shell.run(&["verify", "my_plugin.wasm"]).refused(6, "laptop stolen", "");
    shell.run(&["trust", "add", &key, "Ada", "--force"]).refused(
        1,
        "is revoked",
        &format!("trust unrevoke {key}"),
    );
    shell.run(&["trust", "revoke", &key, "--reason", "again"]).refused(1, "revoked already", "trust revoked");
    let hash = shell.run(&["verify", "my_plugin.wasm", "--json"]).json()["plugin_hash"]
        .as_str()
        .expect("a hash")
        .to_owned();
    shell.ok(&["trust", "revoke", &format!("sha256:{hash}"), "--reason", "bad release"]);
    let listed = shell.ok(&["trust", "revoked", "--json"]).json();
    assert_eq!(listed["revoked"][0]["name"], "Ada");
    assert_eq!(listed["revoked"][1]["digest"], hash);
    shell.run(&["trust", "revoke", &hash, "--reason", "x", "--superseded", "--digest"]).refused(
        2,
        "only a key",
        "",
    );

    shell.ok(&["trust", "export-revocations", "issuer"]);
    shell.run(&["trust", "export-revocations", "issuer"]).refused(
        1,
        "revocations.json exists already",
        "--force",
    );
    shell.ok(&["trust", "export-revocations", "issuer", "--out", "second.json"]);
    let other = Shell::new();
    for name in ["revocations.json", "second.json"] {
        fs::copy(shell.path(name), other.path(name)).expect("handed on");
    }
    other.run(&["trust", "import", "second.json"]).refused(1, "which is not trusted", "--force");
    other.ok(&["trust", "add", &issuer, "Issuer"]);
    let imported = other.ok(&["trust", "import", "second.json", "--json"]).json();
    assert_eq!(
        (imported["sequence"].as_u64(), imported["added"].as_array().map(Vec::len)),
        (Some(2), Some(2))
    );
    other.run(&["trust", "import", "revocations.json"]).refused(1, "replay", "");
    other.run(&["trust", "add", &key, "Ada"]).refused(1, "is revoked", "");

    shell.ok(&["trust", "unrevoke", &key]);
    shell.ok(&["trust", "unrevoke", &hash]);
    shell.ok(&["verify", "my_plugin.wasm"]);
    shell.run(&["trust", "unrevoke", &key]).refused(1, "is not revoked", "trust revoked");
}

/// Digits that could be a key or a digest are revoked as both, so that nothing stays unrevoked.
#[test]
fn digits_that_could_be_a_key_or_a_digest_are_both() {
    let shell = Shell::new();
    let unknown = shell.key("unknown");
    let report = shell.run(&["trust", "revoke", &unknown, "--reason", "advisory", "--json"]);
    assert!(report.code == 0 && report.stderr.contains("both are revoked"), "{report:?}");
    assert_eq!(report.json()["revoked"].as_array().map(Vec::len), Some(2));
    let other = shell.key("other");
    assert_eq!(
        shell.ok(&["trust", "revoke", &other, "--reason", "r", "--key", "--json"]).json()["revoked"][0]["public_key"],
        other
    );
}

#[test]
fn pins_are_set_shown_and_forgotten() {
    let shell = Shell::new();
    let (key, other) = (shell.signed(), shell.key("other"));
    shell.ok(&["trust", "add", &key, "Ada"]);
    shell.run(&["trust", "pins", "my_plugin"]).refused(1, "nothing is known about a plugin `my_plugin`", "");
    let pinned = shell.ok(&["trust", "pin", "my_plugin", &other]);
    assert!(pinned.field("  Publisher:").ends_with("(your decision)"), "{pinned:?}");
    let pins = shell.path(".config/conductor/pins.toml");
    shell.run(&["verify", "my_plugin.wasm"]).refused(
        3,
        "comes from another publisher",
        "trust pin my_plugin <key>",
    );
    let explained = shell.run(&["explain", "my_plugin.wasm"]);
    let text = fs::read_to_string(&pins).expect("read");
    let line = 1 + text.lines().position(|line| line == "[[pins]]").expect("a pin");
    assert!(explained.stdout.contains(&format!("[{}:{line}]", pins.display())), "{explained:?}");
    shell.ok(&["trust", "pin", "my_plugin", &key]);
    shell.ok(&["verify", "my_plugin.wasm"]);
    shell.ok(&["trust", "allow-downgrade", "my_plugin", "--to", "1.0"]);
    assert_eq!(shell.ok(&["trust", "pins", "--json"]).json()["pins"][0]["version"], "1.0");
    shell.run(&["verify", "my_plugin.wasm"]).refused(1, "has no signed version", "allow-downgrade");
    shell.ok(&["trust", "unpin", "my_plugin"]);
    shell.ok(&["verify", "my_plugin.wasm"]);
    shell.run(&["trust", "unpin", "my_plugin"]).refused(1, "nothing is known", "trust pins");
}
