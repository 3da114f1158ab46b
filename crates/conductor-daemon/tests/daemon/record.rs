//! `conductor exec --record`: which grants a plugin turns out to need.

use serde_json::Value as Json;

use super::scratch::Scratch;
use crate::wasm;

/// Makes one call and returns the grants that it turns out to need.
fn needs(plugin: &str, action: &str, parameters: &str, more: &[&str]) -> (i32, Json) {
    let (scratch, module) = (Scratch::new(), wasm::plugin(plugin));
    let module = module.to_str().expect("path");
    let arguments =
        ["exec", module, "--unsigned-ok", "--record", "--json", "--action", action, "--params", parameters];
    let ended = scratch.conductor(&[&arguments[..], more].concat());
    let report: Json =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let kept = std::fs::read_dir(scratch.path("state")).expect("state directory");
    let left: Vec<_> = kept.map(|entry| entry.expect("entry").file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("record")), "{left:?}");
    assert_eq!(scratch.notes(), "", "nothing is written where it counts");
    (ended.code, report["needs"].clone())
}

#[test]
fn what_is_denied_is_written_down_as_the_least_grant() {
    for (plugin, action, parameters, need) in [
        (
            "webhook",
            "post",
            r#"{"url":"https://hooks.example.org/a?b=c"}"#,
            "Network=hooks.example.org;methods=POST",
        ),
        ("webhook", "post", r#"{"url":"http://localhost:8080/"}"#, "Network=localhost:8080;methods=POST"),
        ("obs", "scenes", "{}", "Network=localhost:4455;methods=WEBSOCKET"),
        ("sampler", "tone", r#"{"hz":440,"output":"booth"}"#, "Audio=booth"),
        (
            "script",
            "run",
            r#"{"program":"/bin/echo","arguments":["a,b","c"]}"#,
            "Subprocess=/bin/echo;args=a%2Cb,c",
        ),
        ("media", "volume", r#"{"level":0.5}"#, "SystemControl=volume"),
        ("desk", "lock", "null", "SystemControl=lock"),
    ] {
        let (code, found) = needs(plugin, action, parameters, &[]);
        assert_eq!((code, found), (1, Json::from(vec![need])), "{plugin} {action}");
    }
}

#[test]
fn files_are_tried_where_they_cost_nothing() {
    assert_eq!(needs("notes", "append", "{}", &[]), (0, Json::from(vec!["Filesystem"])));
    assert_eq!(needs("notes", "read", "{}", &[]).1, Json::Array(Vec::new()));
}

#[test]
fn what_is_granted_is_done_and_written_down() {
    let parameters = r#"{"program":"/bin/echo","arguments":["x"]}"#;
    let granted = ["--grant", "Subprocess=/bin/echo;args=*"];
    let (code, found) = needs("script", "run", parameters, &granted);
    assert_eq!((code, found), (0, Json::from(vec!["Subprocess=/bin/echo;args=x"])));
}

#[test]
fn it_is_printed_to_be_pasted() {
    let (scratch, module) = (Scratch::new(), wasm::plugin("media"));
    let module = module.to_str().expect("path");
    let ended = scratch.conductor(&["exec", module, "--unsigned-ok", "--record", "--action", "next"]);
    assert!(ended.stdout.contains("    SystemControl(\"media\"): \"\",\n"), "{ended:?}");
    assert!(ended.stdout.contains("\ngranted_capabilities = [\"SystemControl=media\"]\n"), "{ended:?}");
}
