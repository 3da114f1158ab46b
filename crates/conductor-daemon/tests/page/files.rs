//! The files of the page, and the headers that every answer has.

use serde_json::json;

use super::browser::{Answer, Page, SILENT, written};
use crate::scratch::Scratch;

/// Headers that every answer has, with a part of the value of each.
const HEADERS: [(&str, &str); 11] = [
    ("content-security-policy", "default-src 'none'; script-src 'self'"),
    ("content-security-policy", "frame-ancestors 'none'"),
    ("content-security-policy", "require-trusted-types-for 'script'"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("permissions-policy", "camera=()"),
    ("cache-control", "no-store"),
];

fn assert_protected(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    for (name, part) in HEADERS {
        assert!(answer.header(name).is_some_and(|value| value.contains(part)), "{name}: {answer:?}");
    }
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
}

#[test]
fn every_answer_is_protected_whatever_it_is() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let host = page.host();
    let bearer = page.bearer();
    let session = [("authorization", bearer.as_str())];
    assert_protected(&page.send("GET", "/", &[], b""), 200);
    assert_protected(&page.send("HEAD", "/", &[], b""), 200);
    assert_protected(&page.get("/api/status"), 200);
    assert_protected(&page.get("/api/plugins/none"), 404);
    assert_protected(&page.get("/api/nothing"), 404);
    assert_protected(&page.send("GET", "/nothing", &[], b""), 404);
    assert_protected(&page.send("GET", "/api/status", &[], b""), 401);
    assert_protected(&page.exchange(&written("GET", "/", &[("host", "evil.example")], b"")), 403);
    assert_protected(&page.send("DELETE", "/", &[], b""), 405);
    assert_protected(&page.send("POST", "/api/requests", &session, b"{}"), 415);
    assert_protected(&page.ask(&json!("nothing")), 400);
    let json = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    assert_protected(&page.send("POST", "/api/requests", &json, &[b' '; 70_000]), 413);
    assert_protected(&page.send("POST", "/api/uploads", &session, b"x"), 201);
    // Bytes that are no request are answered all the same.
    assert_protected(&page.exchange(b"GARBAGE\r\n\r\n"), 400);
    assert_protected(&page.exchange(b"GET / HTTP/1.0\r\n\r\n"), 400);
    assert_protected(&page.exchange(b"GET /\x01 HTTP/1.1\r\n\r\n"), 400);
    assert_protected(&page.exchange(&written("GET", "*", &[("host", &host)], b"")), 400);
    let many: Vec<(&str, &str)> = std::iter::repeat_n(("x", "y"), 200).collect();
    assert_protected(&page.exchange(&written("GET", "/", &many, b"")), 431);
    let long = "x".repeat(100_000);
    let too_long = page.exchange(&written("GET", "/", &[("host", &host), ("x", &long)], b""));
    assert_protected(&too_long, 431);
    assert_eq!(too_long.cause(), "too-large");
    page.daemon.stop();
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let index = page.send("GET", "/", &[], b"");
    assert_eq!(index.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(index.text(), page.send("GET", "/index.html", &[], b"").text());
    assert!(page.send("HEAD", "/", &[], b"").body.is_empty());
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
    for file in std::fs::read_dir(directory).expect("files of the page") {
        let name = file.expect("a file").file_name().into_string().expect("text");
        let answer = page.send("GET", &format!("/{name}"), &[], b"");
        assert_eq!(answer.status, 200, "{name}");
        let text = answer.text().replace("http://www.w3.org/", "");
        for part in
            ["http:", "https:", "innerHTML", "eval(", "document.write", " style=", " onclick=", "@import"]
        {
            assert!(!text.contains(part), "{part} in {name}");
        }
    }
    for path in
        ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "/..%2fCargo.toml", "//", "/index.html/", "/INDEX.HTML"]
    {
        assert_eq!(page.send("GET", path, &[], b"").status, 404, "{path}");
    }
    page.daemon.stop();
}
