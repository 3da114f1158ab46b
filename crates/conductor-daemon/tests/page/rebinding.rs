//! Other sites: requests that the user's own browser sends for them are refused and change nothing.

use serde_json::{Value as Json, json};

use super::browser::{Answer, Page, SILENT, written};
use crate::scratch::Scratch;

/// The state that must not change: trusted keys, and the configuration.
fn state(scratch: &Scratch, page: &Page) -> (Json, String) {
    let config = std::fs::read_to_string(scratch.config_file()).expect("read");
    (page.get("/api/keys").response(), config)
}

/// Sends a request with this head that would trust a key.
fn trust(page: &Page, scratch: &Scratch, head: &[(&str, &str)]) -> Answer {
    let body = trust_body(scratch);
    let length = body.len().to_string();
    let all = [head, &[("content-length", length.as_str())]].concat();
    page.exchange(&written("POST", "/api/requests", &all, body.as_bytes()))
}

fn trust_body(scratch: &Scratch) -> String {
    let key = std::fs::read_to_string(scratch.path("ada.public")).expect("key");
    let key: conductor_signing::PublicKey = key.trim().parse().expect("a key");
    let (public_key, fingerprint) = (key.to_string(), key.fingerprint().to_string());
    let add = json!({ "name": "Ada", "public_key": public_key, "fingerprint": fingerprint });
    json!({ "version": 1, "request": { "trust-add": add } }).to_string()
}

fn open(scratch: &Scratch) -> Page {
    scratch.conductor_sign(&["generate-key", "ada"]);
    Page::open(scratch, SILENT)
}

#[test]
fn what_names_another_host_or_comes_from_another_site_is_refused() {
    let scratch = Scratch::new();
    let page = open(&scratch);
    let before = state(&scratch, &page);
    let (host, port, bearer) = (page.host(), page.port, page.bearer());
    let hosts = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
        format!("127.0.0.1:{}", port ^ 1),
        format!("0.0.0.0:{port}"),
        format!("[::1]:{port}"),
        format!("127.1:{port}"),
        format!("2130706433:{port}"),
        format!("LOCALHOST:{port}"),
        format!("localhost.:{port}"),
        format!("a.localhost:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("{host}.evil.example"),
        format!("{host}@evil.example"),
        String::new(),
    ];
    let session = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for foreign in &hosts {
        let head = [&[("host", foreign.as_str())], &session[..]].concat();
        let refused = trust(&page, &scratch, &head);
        assert_eq!((refused.status, refused.cause().as_str()), (403, "foreign"), "{foreign}: {refused:?}");
        for path in ["/", "/app.js", "/api/status", "/api/session", "/nowhere"] {
            let read = page.exchange(&written("GET", path, &head[..2], b""));
            assert_eq!(read.status, 403, "{foreign} {path}: {read:?}");
        }
    }
    let own = ("host", host.as_str());
    for origin in [
        "null",
        "http://evil.example",
        &format!("https://{host}"),
        &format!("http://localhost:{port}"),
        "file://",
    ] {
        let refused = trust(&page, &scratch, &[&[own, ("origin", origin)], &session[..]].concat());
        assert_eq!((refused.status, refused.cause().as_str()), (403, "foreign"), "{origin}: {refused:?}");
        assert_eq!(page.send("GET", "/", &[("origin", origin)], b"").status, 403, "{origin}");
    }
    for site in ["cross-site", "same-site", "none", "x"] {
        let refused = trust(&page, &scratch, &[&[own, ("sec-fetch-site", site)], &session[..]].concat());
        assert_eq!((refused.status, refused.cause().as_str()), (403, "foreign"), "{site}: {refused:?}");
        let file = page.send("GET", "/", &[("sec-fetch-site", site)], b"");
        assert_eq!(file.status, if site == "none" { 200 } else { 403 }, "{site}");
    }
    assert_eq!(state(&scratch, &page), before, "nothing is changed");

    // The same request from the page itself succeeds, so only the origin kept the other ones out.
    let origin = format!("http://{host}");
    let from_page = [own, ("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
    let done = trust(&page, &scratch, &[&from_page[..], &session[..]].concat());
    assert_eq!(done.status, 200, "{done:?}");
    assert_ne!(state(&scratch, &page), before);
    page.daemon.stop();
}

#[test]
fn without_the_token_of_a_session_nothing_is_told_or_done() {
    let scratch = Scratch::new();
    let page = open(&scratch);
    let before = state(&scratch, &page);
    let host = page.host();
    let (wrong, cut, basic) = (
        format!("Bearer {}", "A".repeat(43)),
        page.bearer()[..20].to_owned(),
        format!("Basic {}", page.token),
    );
    let (lower, spaced) = (page.bearer().replace("Bearer", "bearer"), format!("{} x", page.bearer()));
    let values = ["", "Bearer", "Bearer ", page.token.as_str(), &wrong, &cut, &basic, &lower, &spaced];
    for value in values.map(|value| vec![("authorization", value)]).into_iter().chain([vec![]]) {
        let json = ("content-type", "application/json");
        let refused = trust(&page, &scratch, &[&[("host", host.as_str()), json], &value[..]].concat());
        assert_eq!((refused.status, refused.cause().as_str()), (401, "no-session"), "{value:?}");
        for path in
            ["/api/status", "/api/plugins", "/api/keys", "/api/audit?last=1", "/api/events", "/api/x", "/api"]
        {
            let refused = page.send("GET", path, &value, b"");
            assert_eq!((refused.status, refused.cause().as_str()), (401, "no-session"), "{path} {value:?}");
        }
        assert_eq!(page.send("POST", "/api/uploads", &value, b"x").status, 401);
        assert_eq!(page.send("OPTIONS", "/api/requests", &value, b"").status, 401);
    }
    // The token is looked for in its header only: an address ends up in logs, and a cookie is sent to every port.
    let query = page.send("GET", &format!("/api/status?token={}", page.token), &[], b"");
    let cookie = page.send("GET", "/api/status", &[("cookie", &format!("token={}", page.token))], b"");
    assert_eq!((query.status, cookie.status), (401, 401));
    let twice = [("authorization", page.bearer()), ("authorization", page.bearer())];
    let twice = twice.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(page.send("GET", "/api/status", &twice, b"").status, 400);
    assert_eq!(state(&scratch, &page), before, "nothing is changed");
    page.daemon.stop();
}

#[test]
fn only_what_no_other_site_can_send_changes_anything() {
    let scratch = Scratch::new();
    let page = open(&scratch);
    let before = state(&scratch, &page);
    let (host, bearer) = (page.host(), page.bearer());
    let session = [("host", host.as_str()), ("authorization", bearer.as_str())];
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/plain; application/json",
        "",
    ] {
        let refused = trust(&page, &scratch, &[&session[..], &[("content-type", media_type)]].concat());
        assert_eq!(refused.status, 415, "{media_type}: {refused:?}");
    }
    assert_eq!(trust(&page, &scratch, &session).status, 415, "no type");
    let body = trust_body(&scratch);
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"] {
        let head = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let refused = page.send(method, "/api/requests", &head, body.as_bytes());
        assert_eq!(refused.status, 405, "{method}: {refused:?}");
        assert_eq!(refused.header("allow"), Some("POST"));
    }
    for path in ["/api/status", "/api/plugins", "/api/keys", "/api/audit", "/", "/app.js"] {
        let refused = page.send("POST", path, &session[1..], b"{}");
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
    // Nothing can be changed by following a link.
    for path in ["/api/requests", "/api/requests?request=reload", "/api/reload", "/api/plugins/x/grant"] {
        assert!([404, 405].contains(&page.get(path).status), "{path}");
    }
    for request in [json!("ui"), json!("events")] {
        let refused = page.ask(&request);
        assert_eq!((refused.status, refused.cause().as_str()), (400, "malformed"), "{request}: {refused:?}");
    }
    assert_eq!(state(&scratch, &page), before, "nothing is changed");
    page.daemon.stop();
}

#[test]
fn no_answer_invites_another_origin() {
    let scratch = Scratch::new();
    let page = open(&scratch);
    let bearer = page.bearer();
    let preflight = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
        ("access-control-request-private-network", "true"),
        ("authorization", bearer.as_str()),
    ];
    for (method, path) in
        [("OPTIONS", "/api/requests"), ("OPTIONS", "/"), ("GET", "/api/status"), ("GET", "/")]
    {
        for origin in [Some("http://evil.example"), Some("null"), None] {
            let origin = origin.map(|origin| ("origin", origin));
            let head: Vec<_> = preflight.into_iter().chain(origin).collect();
            let answer = page.send(method, path, &head, b"");
            assert!(!answer.head.iter().any(|(name, _)| name.starts_with("access-control-")), "{answer:?}");
            assert!(answer.header("set-cookie").is_none(), "{answer:?}");
        }
    }
    page.daemon.stop();
}
