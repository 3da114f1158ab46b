//! Bodies that are read in pieces.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{Capability, HttpOpened, HttpPiece, HttpRead, HttpRequest, Op, Status};
use conductor_broker::Session;
use conductor_call::Answer;

use crate::server::{Server, Stream, respond};
use crate::{MAX_MESSAGE, assert_denied, call, response, session, text};

const PATIENCE: Duration = Duration::from_secs(10);

fn open(session: &Session, url: &str) -> Answer {
    let request = HttpRequest { method: "GET", url, headers: vec![], body: &[] };
    let wire = postcard::to_allocvec(&request).expect("encodes");
    session.call(Op::HttpOpen.number(), &wire, Instant::now() + PATIENCE)
}

fn opened(answer: &Answer) -> HttpOpened {
    assert_eq!(answer.status, Status::Ok, "{}", text(answer));
    postcard::from_bytes(&answer.bytes).expect("decodes")
}

fn read_within(session: &Session, body: u32, max: u32, patience: Duration) -> Answer {
    let wire = postcard::to_allocvec(&HttpRead { body, max }).expect("encodes");
    session.call(Op::HttpRead.number(), &wire, Instant::now() + patience)
}

fn read(session: &Session, body: u32, max: u32) -> Answer {
    read_within(session, body, max, PATIENCE)
}

fn piece(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.status, Status::Ok, "{}", text(answer));
    postcard::from_bytes::<HttpPiece>(&answer.bytes).expect("decodes").bytes
}

fn close(session: &Session, body: u32) -> Answer {
    let wire = postcard::to_allocvec(&body).expect("encodes");
    session.call(Op::HttpClose.number(), &wire, Instant::now() + PATIENCE)
}

fn large() -> Vec<u8> {
    (0..40 * MAX_MESSAGE).map(|number| (number % 251) as u8).collect()
}

/// Writes chunks until nobody reads them any more, and counts their bytes.
fn pour(stream: &mut dyn Stream, poured: &AtomicU64) -> io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    loop {
        stream.write_all(b"1000\r\n")?;
        stream.write_all(&[b'x'; 0x1000])?;
        stream.write_all(b"\r\n")?;
        poured.fetch_add(0x1000, Ordering::SeqCst);
    }
}

#[test]
fn a_body_larger_than_an_answer_comes_in_pieces() {
    let server = Server::http(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-note: c\r\n\r\n", large().len())?;
        stream.write_all(&large())
    });
    let origin = format!("127.0.0.1:{}", server.port());
    let session = session(std::slice::from_ref(&origin));
    let url = format!("http://{origin}/");
    assert_eq!(
        call(&session, &HttpRequest { method: "GET", url: &url, headers: vec![], body: &[] }).status,
        Status::TooLarge
    );

    let HttpOpened { body, status, headers } = opened(&open(&session, &url));
    assert_eq!(status, 200);
    assert!(headers.contains(&("x-note".into(), "c".into())));
    let mut whole = Vec::new();
    for max in [1, 10, 1_000, u32::MAX].into_iter().cycle() {
        let piece = piece(&read(&session, body, max));
        assert!(piece.len() <= max as usize);
        if piece.is_empty() {
            break;
        }
        whole.extend(piece);
    }
    assert!(whole == large(), "{} bytes", whole.len());
    assert!(piece(&read(&session, body, 1)).is_empty(), "the end stays the end");
    assert_eq!(close(&session, body).status, Status::Ok);
    assert_eq!(read(&session, body, 1).status, Status::Invalid);
}

#[test]
fn a_body_without_end_is_held_up_and_can_be_closed() {
    let poured = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&poured);
    let server = Server::http(move |_, stream| pour(stream, &counted));
    let origin = format!("127.0.0.1:{}", server.port());
    let session = session(std::slice::from_ref(&origin));
    let opened = opened(&open(&session, &format!("http://{origin}/")));

    let held_up = |since: u64| {
        thread::sleep(Duration::from_millis(300));
        poured.load(Ordering::SeqCst) == since
    };
    let start = Instant::now();
    while !held_up(poured.load(Ordering::SeqCst)) {
        assert!(start.elapsed() < PATIENCE, "it goes on without being read");
    }
    let buffered = poured.load(Ordering::SeqCst);
    assert!(buffered < 64 * 1024 * 1024, "{buffered} bytes");
    let mut count = 0;
    while count < buffered {
        count += piece(&read(&session, opened.body, u32::MAX)).len() as u64;
    }
    assert!(!held_up(buffered), "reading makes it go on");
    assert_eq!(close(&session, opened.body).status, Status::Ok);
    let start = Instant::now();
    while !held_up(poured.load(Ordering::SeqCst)) {
        assert!(start.elapsed() < PATIENCE, "it goes on after it was closed");
    }
}

#[test]
fn taking_the_capability_away_ends_a_body_that_is_waited_for() {
    let server = Server::http(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab")?;
        stream.flush()?;
        thread::sleep(PATIENCE);
        Ok(())
    });
    let origin = format!("127.0.0.1:{}", server.port());
    let session = session(std::slice::from_ref(&origin));
    let body = opened(&open(&session, &format!("http://{origin}/"))).body;
    assert_eq!(piece(&read(&session, body, 9)), b"ab");
    let late = read_within(&session, body, 9, Duration::from_millis(50));
    assert_eq!(late.status, Status::TimedOut, "{}", text(&late));

    let waiting = Arc::clone(&session);
    let reader = thread::spawn(move || (read(&waiting, body, 9), Instant::now()));
    thread::sleep(Duration::from_millis(100));
    let revoked = Instant::now();
    session.revoke(Capability::Network);
    let (answer, ended) = reader.join().expect("reader");
    assert_denied(&answer, "taken away");
    assert!(ended.saturating_duration_since(revoked) < Duration::from_secs(1));
    assert_denied(&read(&session, body, 9), "Network");
}

#[test]
fn a_body_that_breaks_off_is_an_error_and_not_an_end() {
    let server = Server::http(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab")?;
        Err(io::ErrorKind::BrokenPipe.into())
    });
    let origin = format!("127.0.0.1:{}", server.port());
    let session = session(std::slice::from_ref(&origin));
    let body = opened(&open(&session, &format!("http://{origin}/"))).body;
    assert_eq!(piece(&read(&session, body, 9)), b"ab");
    assert_eq!(read(&session, body, 9).status, Status::Failed);
}

#[test]
fn redirects_of_a_body_are_checked_too() {
    let inner = Server::http(|_, stream| respond(stream, "200 OK", "", "secret"));
    let location = format!("location: http://127.0.0.1:{}/\r\n", inner.port());
    let server = Server::http(move |_, stream| respond(stream, "302 Found", &location, ""));
    let origin = format!("127.0.0.1:{}", server.port());
    let session = session(std::slice::from_ref(&origin));
    assert_denied(&open(&session, &format!("http://{origin}/")), "after a redirect");
    assert!(inner.requests().is_empty());
}

#[test]
fn every_method_is_sent_as_it_is_and_granted_by_name() {
    let server = Server::http(|request, stream| match request {
        head if head.starts_with("HEAD") => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n")
        }
        moved if moved.contains(" /moved ") => respond(stream, "301 Moved", "location: /new\r\n", ""),
        _ => respond(stream, "200 OK", "", ""),
    });
    let origin = format!("127.0.0.1:{}", server.port());
    let granted = session(&[format!("{origin};methods=HEAD,PUT,PATCH,DELETE,POST")]);
    let send = |method, path: &str, body| {
        let url = format!("http://{origin}{path}");
        call(&granted, &HttpRequest { method, url: &url, headers: vec![], body })
    };
    for (method, body) in [("HEAD", &b""[..]), ("PUT", b"a"), ("PATCH", b"b"), ("DELETE", b"")] {
        let answer = send(method, "/moved", body);
        assert_eq!(response(&answer).status, 200, "{method}");
    }
    let requests = server.requests();
    let lines: Vec<_> = requests.iter().filter_map(|request| request.lines().next()).collect();
    assert!(lines.contains(&"PUT /new HTTP/1.1") && lines.contains(&"DELETE /new HTTP/1.1"), "{lines:?}");
    assert!(
        requests.iter().any(|request| request.starts_with("PATCH /new") && request.ends_with("\r\n\r\nb"))
    );
    assert_denied(&send("GET", "/", b""), "outside the scope that was granted");
    // A redirected POST continues as a GET, which is not granted.
    assert_denied(&send("POST", "/moved", b"x"), "after a redirect");
    assert_eq!(send("DELETE", "/", b"x").status, Status::Invalid);
    assert_eq!(send("WEBSOCKET", "/", b"").status, Status::Invalid);
    assert_eq!(send("TRACE", "/", b"").status, Status::Invalid);
}
