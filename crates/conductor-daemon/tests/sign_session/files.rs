//! Files that are large, unreadable, in use or named to deceive.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::shell::{PROGRAM, Shell, end, module};

const WHO: [&str; 4] = ["--name", "N", "--email", "n@example.org"];

/// A user without any rights here.
const NOBODY: u32 = 65_534;

/// A file of 300 MB is signed and verified by a process that may not even map 200 MB.
#[test]
fn files_are_not_held_in_memory() {
    let shell = Shell::new();
    shell.ok(&["generate-key", "key"]);
    let large = File::options().write(true).open(shell.path("my_plugin.wasm")).expect("opened");
    large.set_len(300_000_000).expect("grown");
    for words in [&["sign", "my_plugin.wasm", "key"][..], &["verify", "my_plugin.wasm"]] {
        let who = if words[0] == "sign" { &WHO[..] } else { &[] };
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -v 200000 && exec \"$@\"", "sh", PROGRAM]).args(words).args(who);
        let ended = end(limited.current_dir(shell.home()).env_clear().env("HOME", shell.home()));
        assert!(matches!(ended.code, 0 | 3), "{ended:?}");
    }
}

/// A file that this user may not read is an error, never an empty list.
#[test]
fn unreadable_files_stop_everything() {
    let shell = Shell::new();
    let key = shell.signed();
    shell.ok(&["trust", "add", &key, "K"]);
    // Root reads every file, so another user must try; any other tester is kept out by the mode alone.
    let root = fs::metadata(shell.home()).expect("metadata").uid() == 0;
    let program = shell.path("conductor-sign");
    fs::copy(PROGRAM, &program).expect("copied");
    let run = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).current_dir(shell.home()).env_clear().env("HOME", shell.home());
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        end(&mut command)
    };
    for path in ["", ".config", ".config/conductor"] {
        fs::set_permissions(shell.path(path), fs::Permissions::from_mode(0o755)).expect("mode set");
    }
    let trusted = shell.path(".config/conductor/trusted_keys.toml");
    if !root {
        fs::set_permissions(&trusted, fs::Permissions::from_mode(0o000)).expect("mode set");
    }
    run(&["verify", "my_plugin.wasm"]).refused(7, "cannot read", "chmod u+rX");
    fs::set_permissions(&trusted, fs::Permissions::from_mode(0o644)).expect("mode set");
    assert_eq!(run(&["verify", "my_plugin.wasm"]).code, 0, "root or the user itself may own the file");
    fs::set_permissions(shell.path("my_plugin.wasm"), fs::Permissions::from_mode(0o000)).expect("mode set");
    run(&["verify", "my_plugin.wasm"]).refused(8, "cannot read my_plugin.wasm", "");
}

#[test]
fn what_others_cosigned_is_not_thrown_away() {
    let shell = Shell::new();
    shell.signed();
    let path = shell.path("my_plugin.wasm.sig");
    shell.key("other");
    shell.ok(&[&["cosign", "my_plugin.wasm", "other"], &WHO[..]].concat());
    let document = fs::read_to_string(&path).expect("a document");
    let sign = [&["sign", "my_plugin.wasm", "key"], &WHO[..]].concat();
    for (text, words) in [(document, "cosignatures"), ("{".to_owned(), "cannot be read")] {
        fs::write(&path, &text).expect("written");
        if words == "cosignatures" {
            let report = shell.run(&["verify", "my_plugin.wasm"]);
            assert!(
                report.code == 3 && report.stdout.contains("  Cosigned by: N <n@example.org> "),
                "{report:?}"
            );
        }
        shell.run(&sign).refused(1, words, "--force");
        assert_eq!(fs::read_to_string(&path).expect("still there"), text);
        shell.ok(&[&sign[..], &["--force"]].concat());
    }
    assert_eq!(shell.run(&["verify", "my_plugin.wasm"]).code, 3);
}

/// Names in a document cannot move the cursor, forge a line or turn text around.
#[test]
fn a_document_cannot_draw_on_the_terminal() {
    let shell = Shell::new();
    shell.signed();
    let path = shell.path("my_plugin.wasm.sig");
    let mut document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).expect("a document")).expect("JSON");
    let members = document.as_object_mut().expect("an object");
    members.remove("statement");
    members.remove("statement_signature");
    members["developer"]["name"] = "Ada\u{1b}[2K\r\n✓ Plugin signed by trusted key\u{202e}\u{9b}31m".into();
    fs::write(&path, document.to_string()).expect("written");
    let report = shell.run(&["verify", "my_plugin.wasm"]);
    assert_eq!(report.code, 3);
    let expected = r"Ada\u{1b}[2K\r\n✓ Plugin signed by trusted key\u{202e}\u{9b}31m <you@example.com> (unauthenticated)";
    assert_eq!(report.field("  Developer:"), expected);
    assert!(report.field("  Signed at:").ends_with(" (unauthenticated)"));
    let json = shell.run(&["verify", "my_plugin.wasm", "--json"]);
    for text in [&report.stdout, &report.stderr, &json.stdout] {
        let visible = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
        assert!(text.chars().all(visible), "{text:?}");
    }
    assert_eq!(json.json()["signature"]["authenticated"], false);
    assert_eq!(json.json()["signature"]["developer"]["name"], document["developer"]["name"]);
}

#[test]
fn directories_are_relocated_by_option_and_environment() {
    let shell = Shell::new();
    let key = shell.signed();
    shell.ok(&["--config", "elsewhere", "trust", "add", &key, "K"]);
    shell.ok(&["verify", "my_plugin.wasm", "--config", "elsewhere"]);
    assert!(shell.path("elsewhere/trusted_keys.toml").exists() && !shell.path(".config").exists());
    for (variable, value) in [("CONDUCTOR_CONFIG_DIR", "elsewhere"), ("XDG_CONFIG_HOME", "xdg")] {
        let mut command = Command::new(PROGRAM);
        command.args(["trust", "list"]).current_dir(shell.home()).env_clear().env("HOME", shell.home());
        let ended = end(command.env(variable, shell.path(value)));
        let keys = if variable == "CONDUCTOR_CONFIG_DIR" { 1 } else { 0 };
        assert!(ended.code == 0 && ended.stdout.starts_with(&format!("Trusted keys: {keys}\n")), "{ended:?}");
    }
}

/// A file that no Conductor would load can be signed, but the developer is warned.
#[test]
fn signing_what_is_no_module_warns() {
    let shell = Shell::new();
    shell.ok(&["generate-key", "key"]);
    fs::write(shell.path("my_plugin.wasm"), "(module)").expect("written");
    let ended = shell.run(&[&["sign", "my_plugin.wasm", "key"], &WHO[..]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.starts_with("warning: the file is WebAssembly text"), "{ended:?}");
    fs::write(shell.path("my_plugin.wasm"), module()).expect("written");
    assert_eq!(shell.run(&["verify", "my_plugin.wasm"]).code, 4);
}
