//! The stream of calls and changes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value as Json, json};

use super::browser::{Page, SILENT, head_of, written};
use crate::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

/// Reads events as they arrive.
struct Events(BufReader<TcpStream>);

impl Events {
    fn follow(page: &Page) -> Self {
        let mut stream = page.connect();
        let (host, bearer) = (page.host(), page.bearer());
        let head = [("host", host.as_str()), ("authorization", bearer.as_str())];
        stream.write_all(&written("GET", "/api/events", &head, b"")).expect("sent");
        let mut reader = BufReader::new(stream);
        let (status, head) = head_of(&mut reader).expect("an answer");
        assert_eq!(status, 200);
        assert!(head.contains(&("content-type".to_owned(), "text/event-stream".to_owned())), "{head:?}");
        Self(reader)
    }

    /// The next event of a kind; none at the end of the stream.
    fn next(&mut self, wanted: &str) -> Option<Json> {
        let mut kind = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                kind = event.trim_end().to_owned();
            } else if let (Some(data), true) = (line.strip_prefix("data: "), kind == wanted) {
                return Some(serde_json::from_str(data).expect("JSON"));
            }
        }
    }

    /// Waits for a line that shows that the daemon lives.
    fn beat(&mut self) {
        let mut line = String::new();
        while line.trim_end() != ":" {
            line.clear();
            assert_ne!(self.0.read_line(&mut line).expect("a line"), 0);
        }
    }
}

#[test]
fn calls_and_changes_are_told_of_as_they_come() {
    let scratch = Scratch::new();
    let config = format!("{LENIENT}{}{SILENT}", plugin("hostile", &wasm::fixture("hostile"), ""));
    let page = Page::open(&scratch, &config);
    let mut events = Events::follow(&page);
    events.beat();
    assert_eq!(events.next("changed"), Some(json!({})), "what was read before may be old");
    let triggered = page.ask(&json!({ "trigger": { "plugin": "hostile", "action": "count" } }));
    assert_eq!(triggered.response()["trigger"]["outcome"], "ok", "{triggered:?}");
    let call = events.next("call").expect("a call");
    assert_eq!(
        (&call["plugin"], &call["action"], &call["outcome"]),
        (&json!("hostile"), &json!("count"), &json!("ok"))
    );
    events.beat();

    let disabled = page.ask(&json!({ "plugin-disable": { "plugin": "hostile" } }));
    assert_eq!(disabled.status, 200, "{disabled:?}");
    assert!(events.next("changed").is_some(), "a plugin's state");
    scratch.conductor_sign(&["generate-key", "ada"]);
    let key = std::fs::read_to_string(scratch.path("ada.public")).expect("key");
    scratch.conductor_sign(&["trust", "add", key.trim(), "Ada"]);
    assert!(events.next("changed").is_some(), "a key that another program wrote");

    // The stream ends with the daemon.
    page.daemon.stop();
    assert_eq!(events.next("call"), None);
}

#[test]
fn a_plugin_is_told_of_with_what_it_did() {
    let scratch = Scratch::new();
    let config = format!("{LENIENT}{}{SILENT}", plugin("hostile", &wasm::fixture("hostile"), ""));
    let page = Page::open(&scratch, &config);
    for _ in 0..3 {
        page.ask(&json!({ "trigger": { "plugin": "hostile", "action": "count" } }));
    }
    let list = page.get("/api/plugins").response();
    let status = &list["plugin-list"]["plugins"][0];
    assert_eq!(
        (&status["calls"], &status["trust_level"], &status["publisher"]),
        (&json!(3), &json!("unsigned"), &Json::Null)
    );
    assert!(status["fuel_used"].as_u64().is_some_and(|fuel| fuel > 0), "{status}");
    let details = page.get("/api/plugins/hostile").response()["plugin-show"].clone();
    assert_eq!(details["digest"].as_str().map(str::len), Some(64), "{details}");
    assert_eq!(details["limits"]["max_memory_bytes"], 134_217_728);
    assert!(details["memory_bytes"].as_u64().is_some_and(|bytes| bytes >= 65_536), "{details}");
    let safety = &details["safety"];
    let terms = safety["terms"].as_array().expect("terms");
    let sum: i64 = terms.iter().map(|term| term["points"].as_i64().expect("points")).sum();
    assert_eq!(safety["score"].as_i64(), Some(100 + sum), "{safety}");
    assert!(terms.iter().any(|term| term["points"] == -40 && term["why"] == "nobody signed it"), "{safety}");
    // Samples are taken every few seconds.
    let deadline = std::time::Instant::now() + crate::scratch::PATIENCE;
    loop {
        let list = page.get("/api/plugins").response();
        let samples = list["plugin-list"]["plugins"][0]["activity"].as_array().expect("samples").clone();
        if samples.iter().map(|sample| sample["calls"].as_u64().expect("calls")).sum::<u64>() == 3 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{samples:?}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    page.daemon.stop();
}
