//! `impact`: what a revocation would stop working.

use std::fs;

use super::shell::Shell;

#[test]
fn what_would_be_refused_is_named_with_its_grants_and_its_calls() {
    let shell = Shell::new();
    let key = shell.signed();
    let other = shell.key("other");
    shell.ok(&["trust", "add", &key, "Ada"]);
    shell.ok(&["trust", "add", &other, "Somebody Else"]);
    let installed = shell.path(".local/share/conductor/plugins");
    fs::create_dir_all(&installed).expect("a directory");
    for name in ["my_plugin.wasm", "my_plugin.wasm.sig"] {
        fs::copy(shell.path(name), installed.join(name)).expect("installed");
    }
    fs::write(installed.join("unsigned.wasm"), b"\0asm\x01\0\0\0").expect("installed");
    shell.config("config.toml", "[plugins.my_plugin]\ngranted_capabilities = [\"Midi=synth\"]\n");
    let state = shell.path(".local/state/conductor");
    fs::create_dir_all(&state).expect("a directory");
    let now = jiff::Timestamp::now();
    let line = |event: &str| {
        format!(
            "{{\"version\":1,\"time\":\"{now}\",\"plugin\":\"my_plugin\",\"event\":\"{event}\",\"capability\":\"Midi\"}}\n"
        )
    };
    let old = "{\"version\":1,\"time\":\"2020-01-01T00:00:00Z\",\"plugin\":\"my_plugin\",\"event\":\"plugin-loaded\"}\n";
    let log = format!(
        "{old}not json\n{}{}{}",
        line("plugin-loaded"),
        line("capability-used"),
        line("capability-used")
    );
    fs::write(state.join("audit.jsonl"), log).expect("written");

    // Grants of the user beside the configuration, to this publisher and to another one; one grant has ended.
    let grant = |holder: &str, capability: &str, more: &str| {
        format!(
            "[[grants]]\nplugin = \"my_plugin\"\npublisher = \"{holder}\"\ngrant = \"{capability}\"\n\
             granted_at = \"2026-01-01T00:00:00Z\"\n{more}\n"
        )
    };
    let grants = [
        grant(&key, "Midi=piano", "until = \"9999-12-31T23:59:59Z\"\n"),
        grant(&key, "Midi=drums", "until = \"2026-02-01T00:00:00Z\"\n"),
        grant(&other, "Midi=organ", ""),
    ];
    shell.config("grants.toml", &format!("version = 1\n{}", grants.concat()));

    let report = shell.ok(&["impact", "Ada"]);
    assert_eq!(report.field("  By you:"), "Midi=piano until 9999-12-31T23:59:59Z");
    assert!(report.stdout.contains("would stop 1 plugin:"), "{report:?}");
    assert_eq!(report.field("  Granted:"), "Midi=synth");
    assert!(
        report.field("  Last 30 days:").starts_with("loaded once, used Midi 2 times, last active at "),
        "{report:?}"
    );
    let json = shell.ok(&["impact", &key, "--json"]).json();
    assert_eq!(json["plugins"][0]["recent"]["uses"]["Midi"], 2);
    assert_eq!(json["plugins"][0]["alias"], "my_plugin");
    let none = shell.ok(&["impact", &other]);
    assert!(none.stdout.contains("would stop no plugin"), "{none:?}");
    shell.run(&["impact", "Nobody"]).refused(1, "neither a key", "");
    // `impact` changed nothing.
    shell.ok(&["verify", "my_plugin.wasm"]);
}
