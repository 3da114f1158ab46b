//! Secrets that are taken away while they are used, or cannot be read.

use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{HttpRequest, Op, Status, WebSocketOpen, WebSocketOpened, WebSocketReceive};
use conductor_broker::Session;
use conductor_broker::devices::SecretValueError;
use conductor_call::Answer;
use conductor_policy::secret::HeldSecrets;

use crate::world::{SECRET, World, ask, text};

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn get(session: &Session, url: &str) -> Answer {
    let headers = vec![("authorization", "{secret:token}")];
    ask(session, Op::HttpRequest, &HttpRequest { method: "GET", url, headers, body: &[] })
}

/// The plugin's secrets, of which the user took `token` away.
fn taken(world: &World) -> HeldSecrets {
    let mut secrets = world.secrets();
    secrets.withhold("token");
    secrets
}

#[test]
fn a_secret_that_was_taken_away_is_not_sent_again() {
    let world = World::new();
    let (session, url) = (world.session(), world.with_ports("https://api.example:TLS/"));
    assert_eq!(get(&session, &url).status, Status::Ok);
    session.set_secrets(taken(&world));
    let refused = get(&session, &url);
    assert_eq!(refused.status, Status::Denied);
    assert!(text(&refused).contains("has not entered the secret `token`"), "{}", text(&refused));
    assert_eq!(world.tls.requests().len(), 1);
    session.set_secrets(world.secrets());
    assert_eq!(get(&session, &url).status, Status::Ok);
    assert_eq!(world.tls.connections(), 1, "the connection is kept");
}

#[test]
fn a_secret_that_is_taken_away_while_it_is_read_is_not_sent() {
    let world = World::new();
    let (session, url) = (world.session(), world.with_ports("https://api.example:TLS/"));
    let (other, secrets) = (Arc::downgrade(&session), taken(&world));
    *world.values.before.lock().expect("before") =
        Some(Box::new(move || other.upgrade().expect("a session").set_secrets(secrets.clone())));
    let refused = get(&session, &url);
    assert_eq!(refused.status, Status::Denied, "{}", text(&refused));
    assert!(world.tls.requests().is_empty());
}

#[test]
fn a_request_under_way_ends_with_its_secret() {
    let world = World::new();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let (arrived, is_there) = mpsc::channel();
    let port = silent.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (stream, _) = silent.accept().expect("a connection");
        arrived.send(stream).expect("somebody waits");
    });
    let session = world.session_for(port);
    let ending = Arc::clone(&session);
    let taker = thread::spawn(move || {
        let stream = is_there.recv_timeout(PATIENCE).expect("a connection");
        thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        ending.set_secrets(HeldSecrets::default());
        (began, stream)
    });
    let refused = get(&session, &format!("http://localhost:{port}/"));
    let (began, _stream) = taker.join().expect("taken");
    assert_eq!(refused.status, Status::Denied, "{}", text(&refused));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_websocket_ends_with_the_secret_that_it_was_opened_with() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let port = listener.local_addr().expect("an address").port();
    let (opened, is_open) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let mut found = String::new();
        let look = |request: &tungstenite::handshake::server::Request, response| {
            found = format!("{:?}", request.headers()["authorization"]);
            Ok(response)
        };
        let mut socket = tungstenite::accept_hdr(stream, look).expect("a WebSocket");
        opened.send(found).expect("somebody waits");
        let ends = loop {
            match socket.read() {
                Ok(message) if message.is_close() => break "farewell".to_owned(),
                Ok(_) => {}
                Err(error) => break error.to_string(),
            }
        };
        opened.send(ends).expect("somebody waits");
    });
    let session = world.session_for(port);
    let url = format!("ws://localhost:{port}/");
    let headers = vec![("authorization", "Bearer {secret:token}")];
    let answer = ask(&session, Op::WebSocketOpen, &WebSocketOpen { url: &url, protocols: "", headers });
    assert_eq!(answer.status, Status::Ok, "{}", text(&answer));
    let WebSocketOpened { socket, .. } = postcard::from_bytes(&answer.bytes).expect("decodes");
    assert_eq!(is_open.recv_timeout(PATIENCE).expect("opened"), format!("{:?}", format!("Bearer {SECRET}")));
    session.set_secrets(HeldSecrets::default());
    let began = Instant::now();
    let end = is_open.recv_timeout(PATIENCE).expect("ended");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(!end.is_empty());
    let answer = ask(&session, Op::WebSocketReceive, &WebSocketReceive { socket, wait_ms: 0 });
    assert_ne!(answer.status, Status::Ok, "{}", text(&answer));
}

#[test]
fn what_cannot_be_read_or_could_end_a_field_is_not_sent() {
    let world = World::new();
    let (session, url) = (world.session(), world.with_ports("https://api.example:TLS/"));
    for (found, expected) in [
        (Err(SecretValueError::Locked), "the collection in which it is kept is locked"),
        (Err(SecretValueError::Missing), "it is not where it was kept"),
        (Ok("a\r\nx-b: c".to_owned()), "a character that header fields cannot have"),
        (Ok("a\nGET / HTTP/1.1".to_owned()), "a character that header fields cannot have"),
        (Ok(String::new()), "the secret is empty"),
        (Ok("x".repeat(5000)), "longer than 4096 bytes"),
    ] {
        *world.values.text.lock().expect("text") = found;
        let refused = get(&session, &url);
        assert_eq!(refused.status, Status::Unavailable, "{}", text(&refused));
        assert!(text(&refused).contains(expected), "{}", text(&refused));
        assert!(text(&refused).contains("`token`"), "{}", text(&refused));
    }
    assert!(world.tls.requests().is_empty());
}
