//! What the page shows of a plugin before it is installed.

use serde_json::{Value as Json, json};

use super::browser::{Page, SILENT, ctl};
use crate::scratch::Scratch;

/// A module that would run for ever if any part of it ran.
const ENDLESS: &str = r#"(module (memory (export "memory") 1)
    (func $endless (loop $again (br $again))) (start $endless)
    (func (export "alloc") (param i32) (result i32) (i32.const 0))
    (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))"#;

/// A module that does nothing.
const IDLE: &str = r#"(module (memory (export "memory") 1)
    (func (export "alloc") (param i32) (result i32) (i32.const 0))
    (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))"#;

fn build(scratch: &Scratch, file: &str, module: &str, version: &str, capabilities: &str) {
    std::fs::write(scratch.path(file), wat::parse_str(module).expect("module")).expect("written");
    let manifest = format!(
        "name = \"songs\"\nversion = \"{version}\"\ndescription = \"Sings\"\nauthor = \"Ada\"\nlicense = \"MIT\"\n\
         [[actions]]\nname = \"sing\"\ndescription = \"sings a song\"\n{capabilities}"
    );
    std::fs::write(scratch.path("plugin.toml"), manifest).expect("written");
    scratch.conductor_sign(&["manifest", "add", file, "plugin.toml"]);
}

fn capability(name: &str, scope: &str, reason: &str) -> String {
    format!("[[capabilities]]\nname = \"{name}\"\nscope = \"{scope}\"\nreason = \"{reason}\"\n")
}

fn sign(scratch: &Scratch, file: &str, key: &str) {
    scratch.conductor_sign(&["sign", file, key, "--name", "Ada", "--email", "ada@example.org", "--force"]);
}

fn preview(page: &Page, scratch: &Scratch, alias: &str, file: &str) -> Json {
    let request = json!({ "plugin": alias, "path": scratch.path(file) });
    let answer = page.ask(&json!({ "plugin-preview": request }));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.response()["plugin-preview"].clone()
}

#[test]
fn everything_is_said_before_anything_runs() {
    let scratch = Scratch::new();
    scratch.conductor_sign(&["generate-key", "ada"]);
    let key = std::fs::read_to_string(scratch.path("ada.public")).expect("key").trim().to_owned();
    let page = Page::open(&scratch, SILENT);
    let asks = capability("Network", "example.org", "looks up songs")
        + &capability("Subprocess", "programs=/usr/bin/aplay", "plays");
    build(&scratch, "songs.wasm", ENDLESS, "1.0.0", &asks);

    let unsigned = preview(&page, &scratch, "songs", "songs.wasm");
    assert_eq!(
        (&unsigned["trust_level"], &unsigned["accepted"]),
        (&json!("unsigned"), &json!(false)),
        "{unsigned}"
    );
    assert!(unsigned["why"].as_str().is_some_and(|why| why.contains("has no signature")), "{unsigned}");
    for (member, value) in [
        ("plugin", "songs"),
        ("name", "songs"),
        ("version", "1.0.0"),
        ("description", "Sings"),
        ("author", "Ada"),
        ("license", "MIT"),
    ] {
        assert_eq!(unsigned[member], value, "{unsigned}");
    }
    assert_eq!(unsigned["actions"], json!([{ "name": "sing", "description": "sings a song" }]));
    let requested = unsigned["requested"].as_array().expect("requests");
    let told = |request: &Json| {
        ["capability", "risk", "reason"].map(|member| request[member].as_str().expect("text").to_owned())
    };
    assert_eq!(told(&requested[0]), ["Network", "low", "looks up songs"]);
    assert_eq!(told(&requested[1]), ["Subprocess", "high", "plays"]);
    assert_eq!((&requested[0]["pending"], &requested[1]["pending"]), (&json!(false), &json!(true)));
    assert_eq!((&unsigned["installed"], &unsigned["publisher"]), (&Json::Null, &Json::Null));

    sign(&scratch, "songs.wasm", "ada");
    let untrusted = preview(&page, &scratch, "songs", "songs.wasm");
    assert_eq!((&untrusted["trust_level"], &untrusted["accepted"]), (&json!("self-signed"), &json!(false)));
    assert_eq!(untrusted["publisher"]["public_key"], json!(key));
    scratch.conductor_sign(&["trust", "add", &key, "Ada"]);
    let trusted = preview(&page, &scratch, "songs", "songs.wasm");
    assert_eq!(
        (&trusted["trust_level"], &trusted["accepted"]),
        (&json!("trusted"), &json!(true)),
        "{trusted}"
    );
    assert!(trusted["trust"].as_str().is_some_and(|words| words.contains("Ada")), "{trusted}");

    let mut file = std::fs::OpenOptions::new().append(true).open(scratch.path("songs.wasm")).expect("module");
    std::io::Write::write_all(&mut file, b"\0\x05\x04more").expect("changed");
    let changed = preview(&page, &scratch, "songs", "songs.wasm");
    assert_eq!(
        (&changed["trust_level"], &changed["publisher"]),
        (&json!("invalid"), &Json::Null),
        "{changed}"
    );
    assert_eq!(changed["accepted"], false);

    for (alias, path) in
        [("songs", "none.wasm"), ("songs", "."), ("../songs", "songs.wasm"), ("", "songs.wasm")]
    {
        let request = json!({ "plugin": alias, "path": scratch.path(path) });
        let refused = page.ask(&json!({ "plugin-preview": request }));
        assert_eq!(
            (refused.status, refused.cause().as_str()),
            (409, "not-changed"),
            "{alias} {path}: {refused:?}"
        );
    }
    build(&scratch, "odd.wasm", IDLE, "1.0.0", &capability("Midi", "tea=green", "brews"));
    sign(&scratch, "odd.wasm", "ada");
    let odd = preview(&page, &scratch, "songs", "odd.wasm");
    assert_eq!((&odd["trust_level"], &odd["accepted"]), (&json!("trusted"), &json!(false)), "{odd}");
    assert!(odd["why"].as_str().is_some_and(|why| why.contains("tea")), "{odd}");
    std::fs::write(scratch.path("text.wasm"), "no module").expect("written");
    assert_eq!(preview(&page, &scratch, "songs", "text.wasm")["accepted"], false);
    page.daemon.stop();
}

#[test]
fn an_update_says_what_is_different() {
    let scratch = Scratch::new();
    let (first, second) = ("ada", "somebody");
    for (name, is) in [(first, "Ada"), (second, "Somebody Else")] {
        scratch.conductor_sign(&["generate-key", name]);
        let key = std::fs::read_to_string(scratch.path(&format!("{name}.public"))).expect("key");
        scratch.conductor_sign(&["trust", "add", key.trim(), is]);
    }
    let page = Page::open(&scratch, SILENT);
    build(&scratch, "songs.wasm", IDLE, "1.0.0", &capability("Midi", "ports=synth", "plays"));
    sign(&scratch, "songs.wasm", first);
    let shown = preview(&page, &scratch, "songs", "songs.wasm")["id"].clone();
    let install = json!({ "plugin": "songs", "path": scratch.path("songs.wasm"), "shown": shown });
    let installed = page.ask(&json!({ "plugin-install": install }));
    assert_eq!(installed.status, 200, "{installed:?}");

    build(&scratch, "next.wasm", IDLE, "1.1.0", &capability("Filesystem", "bytes=1000000", "keeps songs"));
    sign(&scratch, "next.wasm", first);
    let next = preview(&page, &scratch, "songs", "next.wasm");
    assert_eq!((&next["accepted"], &next["installed"]["version"]), (&json!(true), &json!("1.0.0")), "{next}");
    let changes: Vec<&str> =
        next["changes"].as_array().expect("changes").iter().filter_map(Json::as_str).collect();
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert_eq!(changes[0], "version 1.1.0 in place of 1.0.0");
    assert!(changes[1].starts_with("asks for Filesystem") && changes[1].ends_with("as well"), "{changes:?}");
    assert_eq!(changes[2], "asks for Midi (synth), of low risk no more");

    let shown = ctl(&scratch, &["plugin", "preview", "next.wasm", "--name", "songs"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""), "{shown:?}");
    for line in [
        "Name:       songs 1.1.0",
        "What it is: Sings",
        "Trust:      signed by the trusted key Ada",
        "Publisher:  Ada <ada@example.org>",
        "Policy:     it would be loaded",
        "It asks for:",
        "In place of what songs is now:",
        "  - version 1.1.0 in place of 1.0.0",
    ] {
        assert!(shown.stdout.lines().any(|shown| shown == line), "{line}\n{}", shown.stdout);
    }

    sign(&scratch, "next.wasm", second);
    let other = preview(&page, &scratch, "songs", "next.wasm");
    // The name is pinned to another publisher. The user is asked about that when the plugin is installed.
    assert!(other["accepted"] == true && other["why"].is_null(), "{other}");
    assert!(other["waits"]["differences"].to_string().contains("another publisher: signed by"), "{other}");
    assert!(other["changes"].to_string().contains("signed by another key"), "{other}");
    page.daemon.stop();
}

const OWN: &str = r#"
[[settings]]
name = "gain"
type = "number"
min = 0
max = 1
default = 0.5
description = "How \u001b[2Jloud"
[[settings]]
name = "word"
type = "text"
default = "hush"
secret = true
[[secrets]]
name = "token"
reason = "to \u001b[2Jcall home"
hosts = ["api.example.org", "localhost:8123"]
"#;

#[test]
fn settings_and_secrets_are_shown_before_anything_runs() {
    let scratch = Scratch::new();
    scratch.conductor_sign(&["generate-key", "ada"]);
    let key = std::fs::read_to_string(scratch.path("ada.public")).expect("key");
    scratch.conductor_sign(&["trust", "add", key.trim(), "Ada"]);
    let page = Page::open(&scratch, SILENT);
    build(&scratch, "songs.wasm", IDLE, "1.0.0", OWN);
    sign(&scratch, "songs.wasm", "ada");
    let first = preview(&page, &scratch, "songs", "songs.wasm");
    assert_eq!(
        first["settings"],
        json!([
            { "name": "gain", "type": "number", "description": "How \u{1b}[2Jloud", "range": "from 0 to 1",
              "default": "0.5", "secret": false },
            { "name": "word", "type": "text", "description": null, "range": null, "default": null, "secret": true },
        ])
    );
    assert_eq!(
        first["secrets"],
        json!([{
            "name": "token",
            "reason": "to \u{1b}[2Jcall home",
            "hosts": ["api.example.org", "localhost:8123"],
        }])
    );
    let said = ctl(&scratch, &["plugin", "preview", "songs.wasm"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    let lines = "It uses secrets that it never gets:\n  \
                 - token: would go to: api.example.org, localhost:8123\n    \
                 reason, in its own words: to \\u{1b}[2Jcall home\n\
                 Settings:\n  \
                 - gain: number, from 0 to 1; default 0.5\n    \
                 in its own words: How \\u{1b}[2Jloud\n  \
                 - word: text; its value is not shown\n";
    assert!(said.stdout.contains(lines) && !said.stdout.contains('\u{1b}'), "{}", said.stdout);
    let installed = ctl(&scratch, &["plugin", "install", "songs.wasm"]);
    assert!(installed.code == 0 && installed.stderr.contains(lines), "{installed:?}");

    let more = OWN.replace("\"localhost:8123\"", "\"other.example.org\"").replace("gain", "loudness");
    let more = more + "[[secrets]]\nname = \"key\"\nhosts = [\"api.example.org\"]\n";
    build(&scratch, "next.wasm", IDLE, "1.1.0", &more);
    sign(&scratch, "next.wasm", "ada");
    let next = preview(&page, &scratch, "songs", "next.wasm");
    assert_eq!(
        next["changes"],
        json!([
            "version 1.1.0 in place of 1.0.0",
            "would send the secret token to other.example.org as well",
            "uses the secret key as well, for api.example.org",
            "has the setting loudness as well",
            "has the setting gain no more",
        ])
    );
    build(&scratch, "odd.wasm", IDLE, "1.2.0", &OWN.replace("localhost:8123", "localhost:0"));
    sign(&scratch, "odd.wasm", "ada");
    let odd = preview(&page, &scratch, "songs", "odd.wasm");
    assert_eq!(odd["accepted"], false, "{odd}");
    assert!(
        odd["why"].as_str().is_some_and(|why| why.contains("`localhost:0` is no single host")
            || why.contains("localhost:0 is no single host")),
        "{odd}"
    );
    page.daemon.stop();
}
