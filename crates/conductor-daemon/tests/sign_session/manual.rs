//! The manual's chapter about signatures, compared with the output of `verify`.

use std::fs;

use super::shell::{Ended, Shell};

const CHAPTER: &str = include_str!("../../../../docs/src/signatures.md");
const VERIFY: [&str; 2] = ["verify", "my_plugin.wasm"];

/// The lines of the chapter's table: the output, cut where it varies, and the exit status if there is one.
fn table() -> Vec<(Vec<String>, Option<i32>)> {
    let rows = CHAPTER.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix('|'));
    rows.filter_map(|row| {
        let (line, rest) = row.split_once('`')?;
        let parts = line.split('…').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
        Some((parts.collect(), rest.rsplit('|').next()?.trim().parse().ok()))
    })
    .collect()
}

/// Asserts that the chapter has every line of a report, and the exit status for the last line.
fn told(ended: &Ended, status: i32) {
    assert_eq!(ended.code, status, "{ended:?}");
    let table = table();
    let verdicts: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with(['✓', '⚠', '✗'])).collect();
    assert!(!verdicts.is_empty(), "{ended:?}");
    for line in verdicts {
        let is_told = |parts: &[String]| {
            let mut rest = line;
            parts.iter().enumerate().all(|(place, part)| match rest.split_once(part.as_str()) {
                Some((before, after)) if place > 0 || before.is_empty() => {
                    rest = after;
                    true
                }
                Some(_) | None => false,
            })
        };
        let statuses: Vec<Option<i32>> =
            table.iter().filter(|(parts, _)| is_told(parts)).map(|(_, status)| *status).collect();
        assert!(!statuses.is_empty(), "the chapter lacks: {line}");
        // A line with its own status is the whole reason, unless the cause says more.
        if line.starts_with('⚠') && !line.contains("cosigned") {
            assert!(statuses.contains(&Some(status)), "{line}: {statuses:?}");
        }
    }
}

#[test]
fn every_state_is_told_as_it_is() {
    let shell = Shell::new();
    let verify = |status| told(&shell.run(&VERIFY), status);
    verify(5);
    let key = shell.signed();
    verify(3);
    shell.ok(&["trust", "add", &key, "Ada"]);
    verify(0);
    shell.ok(&["trust", "revoke", &key, "--reason", "stolen"]);
    verify(6);
    shell.ok(&["trust", "unrevoke", &key]);
    shell.ok(&["trust", "renew", &key, "--expires", "2020-01-01"]);
    verify(6);
    shell.ok(&["trust", "remove", &key]);
    shell.ok(&["trust", "add", &key, "Ada", "--plugins", "acme-*"]);
    verify(3);
    shell.ok(&["trust", "remove", &key]);
    shell.ok(&["trust", "add", &key, "Ada"]);

    // The key signed as a publisher, and is trusted as a cosigner only.
    shell.ok(&["trust", "remove", &key]);
    shell.ok(&["trust", "add", &key, "Ada", "--role", "cosign"]);
    verify(3);
    shell.ok(&["trust", "remove", &key]);
    shell.ok(&["trust", "add", &key, "Ada"]);

    // Cosigners, pins, versions and rules.
    shell.key("cosigner");
    shell.ok(&["cosign", "my_plugin.wasm", "cosigner", "--name", "B", "--email", "b@example.org"]);
    verify(0);
    shell.config("config.toml", "[[policy.rules]]\nsigners = 2\n");
    verify(3);
    shell.config("config.toml", "");
    let other = shell.key("other");
    shell.ok(&["trust", "pin", "my_plugin", &other]);
    verify(3);
    shell.ok(&["trust", "allow-downgrade", "my_plugin", "--to", "2.0.0"]);
    shell.ok(&["trust", "pin", "my_plugin", &key]);
    shell.ok(&["trust", "allow-downgrade", "my_plugin", "--to", "2.0.0"]);
    verify(1);
    let versioned = ["sign", "my_plugin.wasm", "key", "--name", "N", "--email", "n@example.org", "--force"];
    shell.ok(&[&versioned[..], &["--plugin-version", "2.0.0a"]].concat());
    verify(1);
    shell.ok(&["trust", "unpin", "my_plugin"]);
    let sign = ["sign", "my_plugin.wasm", "key", "--name", "N", "--email", "n@example.org", "--force"];
    shell.ok(&[&sign[..], &["--cosigner", &other]].concat());
    verify(4);
    shell.ok(&sign);

    // Rotations, before, at and after their time, and from a stolen key.
    shell.key("next");
    let beside = shell.path("my_plugin.wasm.rotation.json");
    let rotate = |more: &[&str]| {
        shell.ok(&[&["rotate", "key", "next", "--force", "--out", "my_plugin.wasm.rotation.json"][..], more]
            .concat());
    };
    rotate(&["--valid-from", "2999-01-01T00:00:00Z"]);
    shell.ok(&["sign", "my_plugin.wasm", "next", "--name", "N", "--email", "n@example.org"]);
    verify(3);
    rotate(&["--valid-from", "2020-01-01T00:00:00Z"]);
    verify(0);
    shell.ok(&["cosign", "my_plugin.wasm", "cosigner", "--name", "B", "--email", "b@example.org"]);
    shell.ok(&["trust", "revoke", &key, "--reason", "stolen"]);
    verify(3);
    shell.ok(&["trust", "unrevoke", &key]);
    shell.ok(&sign);
    verify(6);
    fs::write(&beside, "{}").expect("written");
    verify(4);
    fs::remove_file(&beside).expect("removed");

    fs::write(shell.path("my_plugin.wasm"), b"\0asm\x01\0\0\0").expect("changed");
    verify(4);
}
