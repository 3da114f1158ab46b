//! Requests to a server on loopback, which has to be granted by its name.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::exec::{exec, home};
use super::server::serve;
use crate::wasm;

#[test]
fn sends_the_body_and_headers_that_it_is_told() {
    let (address, server) = serve("204 No Content");
    let parameters = json!({
        "url": format!("http://{address}/hook"),
        "headers": { "x-token": "secret" },
        "body": { "text": "note {note}." },
    });
    let grant = format!("Network={address}");
    let arguments =
        ["--unsigned-ok", "--grant", &grant, "--action", "post", "--params", &parameters.to_string()];
    let sent = exec(home().path(), &wasm::plugin("webhook"), &arguments);
    assert_eq!(sent.status, Some(0), "{}", sent.report);
    assert_eq!(sent.report["reply"], json!({ "status": 204 }));
    let request = server.join().expect("server");
    let (head, body) = request.split_once("\r\n\r\n").expect("a request");
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /hook http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nx-token: secret\r\n") || head.ends_with("\r\nx-token: secret"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(body, r#"{"text":"note ."}"#);
}

#[test]
fn fails_when_the_server_does() {
    let (address, server) = serve("500 Internal Server Error");
    let parameters = json!({ "url": format!("http://{address}/") }).to_string();
    let grant = format!("Network={address}");
    let arguments = ["--unsigned-ok", "--grant", &grant, "--action", "post", "--params", &parameters];
    let failed = exec(home().path(), &wasm::plugin("webhook"), &arguments);
    assert_eq!(failed.status, Some(1), "{}", failed.report);
    assert!(failed.report.to_string().contains("server answered with status 500"), "{}", failed.report);
    let request = server.join().expect("server");
    let (_, body) = request.split_once("\r\n\r\n").expect("a request");
    let event: Value = serde_json::from_str(body).expect("the event as JSON");
    assert!(event.get("timestamp").is_some(), "{event}");
}

#[test]
fn reaches_no_private_address_that_nobody_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let parameters =
        json!({ "url": format!("http://{}/", listener.local_addr().expect("address")) }).to_string();
    let arguments = ["--unsigned-ok", "--action", "post", "--params", &parameters];
    let refused = exec(home().path(), &wasm::plugin("webhook"), &arguments);
    assert_eq!(refused.status, Some(1), "{}", refused.report);
    listener.set_nonblocking(true).expect("non-blocking");
    let untouched = listener.accept().expect_err("nobody connected");
    assert_eq!(untouched.kind(), std::io::ErrorKind::WouldBlock);
}
