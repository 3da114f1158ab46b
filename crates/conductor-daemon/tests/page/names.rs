//! Plugins whose names are meant to attack a browser: their names stay text.

use serde_json::{Value as Json, json};

use super::browser::{Page, SILENT};
use crate::scratch::{Scratch, plugin};

const SCRIPT: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202e}";

#[test]
fn hostile_words_are_told_as_json_and_as_nothing_else() {
    let scratch = Scratch::new();
    let module = r#"(module (memory (export "memory") 1)
        (func (export "alloc") (param i32) (result i32) (i32.const 0))
        (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))"#;
    std::fs::write(scratch.path("songs.wasm"), wat::parse_str(module).expect("module")).expect("written");
    let text = serde_json::to_string(SCRIPT).expect("text");
    let manifest = format!(
        "name = \"songs\"\nversion = '1.0.0-<b>'\ndescription = {text}\nauthor = {text}\nlicense = {text}\n\
         [[actions]]\nname = \"sing\"\ndescription = {text}\n[[capabilities]]\nname = \"Filesystem\"\nreason = {text}\n"
    );
    std::fs::write(scratch.path("plugin.toml"), manifest).expect("written");
    scratch.conductor_sign(&["manifest", "add", "songs.wasm", "plugin.toml"]);
    scratch.conductor_sign(&["generate-key", "ada"]);
    scratch.conductor_sign(&["sign", "songs.wasm", "ada", "--name", "Ada", "--email", "ada@example.org"]);
    // The signing program refuses names with such characters. A name in a document without a statement is not signed by
    // anybody.
    let document = scratch.path("songs.wasm.sig");
    let mut fields: Json =
        serde_json::from_str(&std::fs::read_to_string(&document).expect("read")).expect("JSON");
    let members = fields.as_object_mut().expect("an object");
    members.retain(|name, _| !name.starts_with("statement"));
    members["developer"]["name"] = json!("<i>Ada");
    std::fs::write(&document, fields.to_string()).expect("written");
    let lenient = "[wasm]\nallow_self_signed = true\n";
    let page = Page::open(
        &scratch,
        &format!("{lenient}{}{SILENT}", plugin("songs", &scratch.path("songs.wasm"), "")),
    );
    page.ask(&json!({ "trigger": { "plugin": "songs", "action": SCRIPT, "parameters": SCRIPT } }));
    for path in
        ["/api/plugins", "/api/plugins/songs", "/api/pending", "/api/audit", "/api/keys", "/api/status"]
    {
        let answer = page.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.text().lines().count(), 1, "{path}: one line, whatever is in it");
    }
    let details = page.get("/api/plugins/songs").response()["plugin-show"].clone();
    for member in ["description", "author", "license"] {
        assert_eq!(details[member], SCRIPT, "{details}");
    }
    assert_eq!(details["actions"], json!([{ "name": "sing", "description": SCRIPT }]));
    assert_eq!(
        (&details["requested"][0]["reason"], &details["publisher"]["name"]),
        (&json!(SCRIPT), &json!("<i>Ada"))
    );

    // Words that a client sends come back the same way, and never as a page.
    for path in
        ["/<script>", "/api/plugins/<script>alert(1)</script>", "/api/plugins/%3Cscript%3E", "/%3Cscript%3E"]
    {
        let answer = page.get(path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        let _: Json = answer.response();
    }
    page.daemon.stop();
}
