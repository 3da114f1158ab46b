//! Clients that are slow, long-winded, many or ambiguous: each is bounded, and others are served meanwhile.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::browser::{Page, SILENT, answer, ctl, written};
use crate::scratch::{PATIENCE, Scratch};

/// Checks that the page and the control socket both answer.
fn assert_served(scratch: &Scratch, page: &Page) {
    assert_eq!(page.get("/api/status").status, 200);
    assert_eq!(ctl(scratch, &["status"]).code, 0);
}

/// Waits until the server ends the connection. Returns what the server sent.
fn ended(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => said,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => said,
        Err(error) => panic!("the connection does not end: {error}"),
    }
}

#[test]
fn slow_clients_end_and_delay_nobody() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let (host, bearer) = (page.host(), page.bearer());
    let mut silent = page.connect();
    let mut half = page.connect();
    half.write_all(b"GET / HTTP/1.1\r\nhost: ").expect("sent");
    let mut body = page.connect();
    let head = [
        ("host", host.as_str()),
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("content-length", "1000"),
    ];
    body.write_all(&written("POST", "/api/requests", &head, b"{")).expect("sent");

    // A client that sends one byte at a time does not make the wait for a head longer.
    let started = Instant::now();
    let mut slow = page.connect();
    let drips = thread::spawn(move || {
        slow.write_all(b"GET / HTTP/1.1\r\nx: ").expect("sent");
        while slow.write_all(b"y").is_ok() {
            assert!(started.elapsed() < PATIENCE, "the connection does not end");
            thread::sleep(Duration::from_millis(20));
        }
    });
    while !drips.is_finished() {
        assert_served(&scratch, &page);
        thread::sleep(Duration::from_millis(50));
    }
    drips.join().expect("ended by the server");
    assert_eq!(ended(&mut silent), b"");
    assert_eq!(ended(&mut half), b"");
    assert_eq!(ended(&mut body), b"", "a body without its end is none");

    // A client that asks and does not read.
    let mut deaf = page.connect();
    deaf.write_all(&written("GET", "/api/events", &head[..2], b"")).expect("sent");
    assert_served(&scratch, &page);
    page.daemon.stop();
}

#[test]
fn hundreds_of_connections_keep_nobody_out() {
    const MANY: usize = 600;
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let files = || std::fs::read_dir(format!("/proc/{}/fd", page.daemon.pid())).expect("descriptors").count();
    let before = files();
    let (host, bearer) = (page.host(), page.bearer());
    // The connection of an open page stays: connections without a session are ended first.
    let mut events = page.connect();
    let head = [("host", host.as_str()), ("authorization", bearer.as_str())];
    events.write_all(&written("GET", "/api/events", &head, b"")).expect("sent");
    let mut first = [0; 12];
    events.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    let connections: Vec<TcpStream> = (0..MANY).map(|_| page.connect()).collect();
    assert_served(&scratch, &page);
    assert!(files() <= before + 262, "{} descriptors, {before} before", files());
    drop(connections);
    let mut heard = Vec::new();
    while !heard.ends_with(b":\n\n\r\n") {
        let mut byte = [0];
        events.read_exact(&mut byte).expect("it goes on");
        heard.push(byte[0]);
    }
    page.daemon.stop();
}

#[test]
fn a_connection_carries_one_request() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let (host, bearer) = (page.host(), page.bearer());
    let head = [("host", host.as_str()), ("authorization", bearer.as_str())];
    let status = written("GET", "/api/status", &head, b"");
    let one = page.exchange(&[written("GET", "/", &head, b""), status.clone()].concat());
    assert_eq!((one.status, one.header("connection")), (200, Some("close")));
    assert!(!one.text().contains("HTTP/1.1"), "what follows a request is not read");

    // Bodies whose end two readers could see in different places.
    let post = |more: &[(&str, &str)], body: &[u8]| {
        let all = [&head[..], &[("content-type", "application/json")], more].concat();
        let mut stream = page.connect();
        let _ = stream.write_all(&written("POST", "/api/requests", &all, body));
        answer(stream).map(|answer| (answer.status, answer.text().contains("HTTP/1.1")))
    };
    let smuggled = [b"0\r\n\r\n".to_vec(), status].concat();
    let length = smuggled.len().to_string();
    for more in [
        &[("content-length", length.as_str()), ("transfer-encoding", "chunked")][..],
        &[("transfer-encoding", "chunked"), ("content-length", "4")],
        &[("content-length", "4"), ("content-length", "5")],
        &[("content-length", "+4")],
        &[("content-length", "4, 5")],
        &[("transfer-encoding", "chunked, identity")],
        &[("transfer-encoding", "xchunked")],
        &[("transfer-encoding", "chunked")],
    ] {
        assert_eq!(post(more, &smuggled), Some((400, false)), "{more:?}");
    }
    // Line ends that are invalid, and a name with a space before the colon.
    for head in ["host : x", "a\0b: x", "x: a\r b", " folded: x"] {
        let raw = format!("GET / HTTP/1.1\r\n{head}\r\nhost: {host}\r\n\r\n");
        assert_eq!(page.exchange(raw.as_bytes()).status, 400, "{head:?}");
    }
    let upgrade = [head[0], ("upgrade", "websocket"), ("connection", "upgrade")];
    assert_eq!(page.exchange(&written("GET", "/", &upgrade, b"")).status, 200, "it goes on as HTTP/1.1");
    let mut other_version = page.connect();
    other_version.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
    assert_eq!(ended(&mut other_version), b"");
    assert_served(&scratch, &page);
    page.daemon.stop();
}

#[test]
fn a_body_of_a_gibibyte_is_refused_early() {
    let scratch = Scratch::new();
    let page = Page::open(&scratch, SILENT);
    let (host, bearer) = (page.host(), page.bearer());
    let head = |path: &str, more: &[(&str, &str)]| {
        let own = [
            ("host", host.as_str()),
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        written("POST", path, &[&own, more].concat(), b"")
    };
    for path in ["/api/requests", "/api/uploads", "/api/session"] {
        let mut stream = page.connect();
        stream.write_all(&head(path, &[("content-length", "1073741824")])).expect("sent");
        assert_eq!(answer(stream).map(|answer| answer.status), Some(413), "{path}: its length says enough");
    }
    // A body whose length is not announced.
    let mut stream = page.connect();
    stream.write_all(&head("/api/requests", &[("transfer-encoding", "chunked")])).expect("sent");
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x1_0000], b"\r\n".to_vec()].concat();
    let mut sent = 0;
    while sent < 1024 * 1024 * 1024 && stream.write_all(&chunk).is_ok() {
        sent += chunk.len();
    }
    // The buffers of the connection take some bytes more than the server reads.
    assert!(sent < 32 * 1024 * 1024, "{sent} bytes were taken");
    assert_served(&scratch, &page);
    page.daemon.stop();
}
