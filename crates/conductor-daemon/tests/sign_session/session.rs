//! The manual's session, command by command.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::shell::{Shell, module};

#[test]
fn the_manuals_session_gives_the_manuals_output_and_files() {
    let shell = Shell::new();
    let home = shell.home().display().to_string();

    let made = shell.ok(&["generate-key", "~/.conductor/my-plugin-key"]);
    let key = made.field("Public key (hex):").to_owned();
    assert_eq!(
        made.stdout,
        format!(
            "Generating Ed25519 keypair...\n\
             ✓ Keypair generated successfully!\n\
             \n\
             Private key: {home}/.conductor/my-plugin-key.private\n\
             Public key:  {home}/.conductor/my-plugin-key.public\n\
             \n\
             Public key (hex): {key}\n\
             \n\
             ⚠️  Keep your private key secure and never share it!\n"
        )
    );
    let private = fs::metadata(shell.path(".conductor/my-plugin-key.private")).expect("a private key");
    assert_eq!((private.len(), private.permissions().mode() & 0o7777), (32, 0o600));
    let directory = fs::metadata(shell.path(".conductor")).expect("a directory");
    assert_eq!(directory.permissions().mode() & 0o7777, 0o700);
    let public = fs::read_to_string(shell.path(".conductor/my-plugin-key.public")).expect("a public key");
    assert_eq!(public, format!("{key}\n"));

    let signing = [
        "sign",
        "my_plugin.wasm",
        "~/.conductor/my-plugin-key",
        "--name",
        "Your Name",
        "--email",
        "you@example.com",
    ];
    shell.ok(&signing);
    let document = fs::read_to_string(shell.path("my_plugin.wasm.sig")).expect("a document");
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let digest = conductor_signing::Digest::from_bytes(&module()).to_string();
    assert_eq!(document["version"], 1);
    assert_eq!(document["algorithm"], "Ed25519");
    assert_eq!(document["plugin_hash"], Value::from(digest));
    assert_eq!(document["plugin_size"], module().len());
    assert_eq!(document["public_key"], Value::from(key.clone()));
    assert_eq!(document["signature"].as_str().map(str::len), Some(128));
    assert_eq!(document["developer"], serde_json::json!({ "name": "Your Name", "email": "you@example.com" }));
    let signed_at = document["signed_at"].as_str().expect("a time").to_owned();
    assert!(signed_at.len() == 20 && signed_at.ends_with('Z'), "{signed_at}");

    let report = |trusted: u32, verdict: &str| {
        format!(
            "Verifying plugin: my_plugin.wasm\n\
             Signature file: \"my_plugin.wasm.sig\"\n\
             Trusted keys: {trusted}\n\
             \n\
             Signature Details:\n\
             \x20 Version:     1\n\
             \x20 Algorithm:   Ed25519\n\
             \x20 Signed at:   {signed_at}\n\
             \x20 Developer:   Your Name <you@example.com>\n\
             \x20 Public key:  {key}\n\
             \n\
             ✓ Signature verified successfully!\n\
             {verdict}\n"
        )
    };
    let untrusted = shell.run(&["verify", "my_plugin.wasm"]);
    assert_eq!(untrusted.stdout, report(0, "⚠️  Plugin signed by a key that is not trusted"));
    untrusted.refused(3, &format!("key {key} is not trusted"), "get the publisher's key from the publisher");

    shell.ok(&["trust", "add", &key, "Official Plugin"]);
    let trusted = shell.ok(&["verify", "my_plugin.wasm"]);
    assert_eq!(trusted.stdout, report(1, "✓ Plugin signed by trusted key"));
    let file = shell.path(".config/conductor/trusted_keys.toml");
    assert_eq!(fs::metadata(&file).expect("a trust file").permissions().mode() & 0o7777, 0o600);
    assert_eq!(
        fs::metadata(shell.path(".config/conductor")).expect("a directory").permissions().mode() & 0o7777,
        0o700
    );

    let listed = shell.ok(&["trust", "list"]).stdout;
    assert!(listed.starts_with("Trusted keys: 1\n\nOfficial Plugin\n"), "{listed}");
    assert!(listed.contains(&format!("  Public key:  {key}\n")), "{listed}");
    let removed = shell.ok(&["trust", "remove", &format!("{}...", &key[..8])]);
    assert_eq!(removed.field("Public key:"), key);
    assert_eq!(shell.ok(&["trust", "list"]).stdout, "Trusted keys: 0\n");
    assert_eq!(shell.run(&["verify", "my_plugin.wasm"]).code, 3);
}

#[test]
fn a_rotated_key_signs_over_the_old_one() {
    let shell = Shell::new();
    let first = shell.signed();
    let second = shell.ok(&["generate-key", "key-v2.private"]).field("Public key (hex):").to_owned();
    shell.ok(&[
        "sign",
        "my_plugin.wasm",
        "key-v2.private",
        "--name",
        "Your Name",
        "--email",
        "you@example.com",
    ]);
    let report = shell.run(&["verify", "my_plugin.wasm"]);
    assert_eq!(report.field("  Public key:"), second);
    assert_ne!(first, second);
}

#[test]
fn every_command_that_prints_data_prints_json() {
    let shell = Shell::new();
    let made = shell.ok(&["generate-key", "key", "--json"]).json();
    let key = made["public_key"].as_str().expect("a key").to_owned();
    assert_eq!(made["private_key_file"], "key.private");
    let signed = shell
        .ok(&[
            "--json",
            "sign",
            "my_plugin.wasm",
            "key",
            "--name",
            "A",
            "--email",
            "a@b",
            "--plugin-version",
            "1.2",
        ])
        .json();
    assert_eq!(signed["public_key"], Value::from(key.clone()));

    let untrusted = shell.run(&["verify", "my_plugin.wasm", "--json"]);
    let report = untrusted.json();
    assert_eq!((untrusted.code, &report["exit_code"]), (3, &3.into()));
    assert_eq!((&report["valid"], &report["trusted"]), (&true.into(), &false.into()));
    assert!(report["hint"].as_str().is_some_and(|hint| hint.contains("trust add")));
    let statement = &report["signature"]["statement"];
    assert_eq!(
        (&statement["plugin_name"], &statement["plugin_version"]),
        (&"my_plugin".into(), &"1.2".into())
    );
    assert_eq!(statement["capabilities"], Value::Null);

    assert_eq!(shell.ok(&["trust", "add", &key, "K", "--json"]).json()["name"], "K");
    let report = shell.ok(&["verify", "my_plugin.wasm", "--json"]).json();
    assert_eq!((&report["trusted"], &report["key_name"]), (&true.into(), &"K".into()));
    assert_eq!(report["error"], Value::Null);
    let listed = shell.ok(&["trust", "list", "--json"]).json();
    assert_eq!(
        (&listed["keys"][0]["public_key"], &listed["keys"][0]["revoked"]),
        (&key.clone().into(), &false.into())
    );
    assert_eq!(shell.ok(&["trust", "remove", &key, "--json"]).json()["public_key"], Value::from(key));
}
