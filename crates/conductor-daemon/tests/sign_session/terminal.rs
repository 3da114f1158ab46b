//! Row terminal: control characters, bidirectional marks and line breaks in every field that a report shows.

use super::shell::Shell;

#[test]
fn nothing_from_a_file_drives_the_terminal() {
    let shell = Shell::new();
    let key = shell.signed();
    let evil = r"\u001b[31mred\u202e\u000a";
    let time = "2025-01-01T00:00:00Z";
    shell.config(
        "trusted_keys.toml",
        &format!(
            "version = 1\n[[keys]]\nname = \"{evil}\"\npublic_key = \"{key}\"\nadded_at = \"{time}\"\nemail = \"{evil}\"\n"
        ),
    );
    shell.config(
        "revoked_keys.toml",
        &format!(
            "version = 1\n[[revoked]]\npublic_key = \"{}\"\nname = \"{evil}\"\nreason = \"{evil}\"\nrevoked_at = \"{time}\"\n",
            shell.key("other")
        ),
    );
    shell
        .config("pins.toml", &format!("version = 1\n[[pins]]\nname = \"my_plugin\"\nversion = \"{evil}\"\n"));
    for words in [
        &["trust", "list"][..],
        &["trust", "show", &key],
        &["trust", "revoked"],
        &["trust", "pins"],
        &["verify", "my_plugin.wasm"],
        &["explain", "my_plugin.wasm"],
        &["impact", &key],
        &["trust", "list", "--json"],
        &["explain", "my_plugin.wasm", "--json"],
    ] {
        let ended = shell.run(words);
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{words:?}: {shown:?}");
        assert!(ended.stdout.lines().all(|line| !line.trim().is_empty() || line.is_empty()), "{shown:?}");
    }
}
