//! Manifests put into modules that other languages built.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::shell::Shell;

const PLUGIN_TOML: &str = r#"
name = "chord"
version = "1.0.0"
description = "Plays chords"

[[actions]]
name = "play"

[[capabilities]]
name = "Midi"
scope = "synth"
reason = "plays notes"
"#;

#[test]
fn a_manifest_is_added_shown_signed_and_stated() {
    let shell = Shell::new();
    let plugin = shell.path("my_plugin.wasm");
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o640)).expect("mode set");
    fs::write(shell.path("plugin.toml"), PLUGIN_TOML).expect("written");
    let add = ["manifest", "add", "my_plugin.wasm", "plugin.toml"];
    shell.ok(&add);
    assert_eq!(fs::metadata(&plugin).expect("metadata").permissions().mode() & 0o7777, 0o640);
    let shown = shell.ok(&["manifest", "show", "my_plugin.wasm"]).stdout;
    assert_eq!(
        shown,
        "Name:        chord\nVersion:     1.0.0\nDescription: Plays chords\nActions:     play\n\
         Capabilities:\n  Midi=synth  plays notes\n"
    );
    let json = shell.ok(&["manifest", "show", "my_plugin.wasm", "--json"]).json();
    assert_eq!(json["capabilities"][0]["scope"], "synth");

    shell.run(&add).refused(1, "the module has a manifest already", "--replace");
    shell.signed();
    let statement =
        shell.run(&["verify", "my_plugin.wasm", "--json"]).json()["signature"]["statement"].take();
    assert_eq!(statement["plugin_name"], "chord");
    assert_eq!(statement["capabilities"], json["capabilities"]);

    fs::write(shell.path("plugin.toml"), PLUGIN_TOML.replace("1.0.0", "1.1.0")).expect("written");
    let replaced = shell.run(&[&add[..], &["--replace"]].concat());
    assert_eq!((replaced.code, replaced.field("Version:")), (0, "1.1.0"));
    assert!(
        replaced.stderr.starts_with("warning: ") && replaced.stderr.contains("sign it again"),
        "{replaced:?}"
    );
    shell.run(&["verify", "my_plugin.wasm"]).refused(4, "was signed", "changed after it was signed");

    let who = ["--name", "N", "--email", "n@example.org", "--plugin-name", "other"];
    shell.run(&[&["sign", "my_plugin.wasm", "key"], &who[..]].concat()).refused(
        1,
        "the name `chord`",
        "--plugin-name",
    );
}

#[test]
fn mistakes_in_a_manifest_are_named() {
    let shell = Shell::new();
    for (text, error) in [
        ("name = \"a\"\n", "missing field `version`"),
        ("name = \"a\"\nversion = \"1\"\ncolour = 1\n", "line 3: unknown field `colour`"),
        ("name = \"../a\"\nversion = \"1\"\n", "manifest field `name`"),
        ("name = \"a\"\nversion = \"1\"\nabi = 9\n", "ABI version 9"),
    ] {
        fs::write(shell.path("plugin.toml"), text).expect("written");
        shell.run(&["manifest", "add", "my_plugin.wasm", "plugin.toml"]).refused(1, error, "");
    }
    fs::write(shell.path("plugin.toml"), PLUGIN_TOML).expect("written");
    fs::write(shell.path("text.wasm"), "(module)").expect("written");
    shell.run(&["manifest", "add", "text.wasm", "plugin.toml"]).refused(1, "WebAssembly text", "");
    shell.run(&["manifest", "show", "text.wasm"]).refused(1, "WebAssembly text", "");
}
