//! `explain`: the whole decision, which is the same as everywhere else.

use std::fs;

use super::shell::Shell;

#[test]
fn every_check_is_there_with_the_rule_that_decided() {
    let shell = Shell::new();
    let key = shell.signed();
    let refused = shell.run(&["explain", "my_plugin.wasm", "--json"]);
    assert_eq!(refused.code, 3);
    let json = refused.json();
    let steps = json["steps"].as_array().expect("a list");
    let verdicts: Vec<(&str, &str)> = steps
        .iter()
        .map(|step| (step["check"].as_str().expect("a word"), step["verdict"].as_str().expect("a word")))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("digest-revocation", "passed"),
            ("document", "passed"),
            ("subject", "passed"),
            ("signatures", "passed"),
            ("statements", "passed"),
            ("manifest", "not-applicable"),
            ("key-revocation", "passed"),
            ("validity", "passed"),
            ("statement-requirement", "passed"),
            ("rotation", "not-applicable"),
            ("signers", "passed"),
            ("policy", "failed"),
            ("publisher", "not-reached"),
            ("cosigners", "not-reached"),
            ("version", "not-reached"),
            ("rules", "not-reached"),
        ]
    );
    assert_eq!(steps[10]["steps"][0]["verdict"], "noted");
    assert_eq!((&json["let_in"], &json["exit_code"]), (&false.into(), &3.into()));

    shell.ok(&["trust", "add", &key, "Ada"]);
    let config =
        shell.config("config.toml", "[wasm]\nrequire_statement = \"always\"\nallow_self_signed = true\n");
    let text = shell.ok(&["explain", "my_plugin.wasm"]).stdout;
    for (line, what) in
        [(2, "require_statement = \"always\""), (3, "require_signature = true, allow_self_signed = true")]
    {
        let expected = format!("{what}  [{}:{line}]", config.display());
        assert!(text.contains(&expected), "{expected}: {text}");
    }
    assert!(
        text.contains(&format!("{key}: trusted as `Ada`  ["))
            && text.ends_with("✓ The plugin may be loaded\n"),
        "{text}"
    );
}

#[test]
fn what_the_configuration_lets_in_unsigned_is_said_to_be() {
    let shell = Shell::new();
    shell.config("config.toml", "[wasm]\nrequire_signature = false\n");
    let report = shell.ok(&["explain", "my_plugin.wasm"]);
    assert!(report.stdout.ends_with("✓ The plugin may be loaded, as unsigned\n"), "{report:?}");
    assert!(
        report.stdout.contains("✗ Is there a signature document?: my_plugin.wasm has no signature"),
        "{report:?}"
    );
    shell.config("config.toml", "[wasm]\nrequire_signature = maybe\n");
    let broken = shell.run(&["explain", "my_plugin.wasm"]);
    assert!(broken.code == 1 && broken.stderr.contains("config.toml:2:"), "{broken:?}");
    shell.run(&["verify", "my_plugin.wasm"]).refused(1, "config.toml:2:", "");
    fs::remove_file(shell.path(".config/conductor/config.toml")).expect("removed");
    // Faults in other parts of the file do not matter for verification.
    shell.config("config.toml", "[[inputs]]\nname = 7\n");
    shell.run(&["verify", "my_plugin.wasm"]).refused(5, "has no signature", "");
}
