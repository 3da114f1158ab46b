//! WebSockets to servers that misbehave in a chosen way.

mod vectors;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{
    Capability, Op, Status, WebSocketEvent, WebSocketMessage, WebSocketOpen, WebSocketOpened,
    WebSocketReceive, WebSocketSend,
};
use conductor_broker::Session;
use conductor_call::Answer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use crate::server::{Server, authority, respond};
use crate::{MAX_MESSAGE, assert_denied, broker, grants, limits, names, session, text};

const PATIENCE: Duration = Duration::from_secs(10);

trait Transport: Read + Write + Send {}
impl<T: Read + Write + Send> Transport for T {}

type Peer = WebSocket<Box<dyn Transport>>;

/// A server that accepts one connection; the channel gives the value that `talk` returns.
fn serve<T: Send + 'static>(
    tls: Option<ServerConfig>,
    talk: impl FnOnce(&mut Peer) -> T + Send + 'static,
) -> (SocketAddr, mpsc::Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    let (sender, result) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("time-out");
        let stream: Box<dyn Transport> = match tls {
            None => Box::new(stream),
            Some(tls) => {
                let connection = ServerConnection::new(Arc::new(tls)).expect("TLS");
                Box::new(StreamOwned::new(connection, stream))
            }
        };
        // Chooses the first of the subprotocols, if there are any.
        let choose = |request: &Request, mut response: Response| {
            if let Some(protocols) = request.headers().get("sec-websocket-protocol") {
                let first = protocols.to_str().expect("text").split(',').next().expect("a name");
                response.headers_mut().insert("sec-websocket-protocol", first.parse().expect("a value"));
            }
            Ok(response)
        };
        if let Ok(mut peer) = tungstenite::accept_hdr(stream, choose) {
            // The test may have ended.
            let _ = sender.send(talk(&mut peer));
        }
    });
    (address, result)
}

fn echo(peer: &mut Peer) {
    while let Ok(message) = peer.read() {
        if (message.is_text() || message.is_binary()) && peer.send(message).is_err() {
            break;
        }
    }
}

fn ask(session: &Session, op: Op, request: &impl serde::Serialize, patience: Duration) -> Answer {
    let wire = postcard::to_allocvec(request).expect("encodes");
    session.call(op.number(), &wire, Instant::now() + patience)
}

fn open(session: &Session, url: &str, protocols: &str) -> Answer {
    ask(session, Op::WebSocketOpen, &WebSocketOpen { url, protocols, headers: vec![] }, PATIENCE)
}

fn opened(answer: &Answer) -> WebSocketOpened {
    assert_eq!(answer.status, Status::Ok, "{}", text(answer));
    postcard::from_bytes(&answer.bytes).expect("decodes")
}

fn send(session: &Session, socket: u32, message: WebSocketMessage<'_>) -> Answer {
    ask(session, Op::WebSocketSend, &WebSocketSend { socket, message }, PATIENCE)
}

fn receive(session: &Session, socket: u32, wait_ms: u32) -> Answer {
    ask(session, Op::WebSocketReceive, &WebSocketReceive { socket, wait_ms }, PATIENCE)
}

fn event(answer: &Answer) -> WebSocketEvent {
    assert_eq!(answer.status, Status::Ok, "{}", text(answer));
    postcard::from_bytes(&answer.bytes).expect("decodes")
}

fn close(session: &Session, socket: u32) -> Answer {
    ask(session, Op::WebSocketClose, &socket, PATIENCE)
}

/// A session whose user granted the server by its address; and the server's URL with that address.
fn reaching(address: SocketAddr) -> (Arc<Session>, String) {
    (session(&[address.to_string()]), format!("ws://{address}/live"))
}

#[test]
fn messages_go_both_ways_and_the_connection_stays_open_between_operations() {
    let (address, _done) = serve(None, echo);
    let (session, url) = reaching(address);
    let WebSocketOpened { socket, protocol } = opened(&open(&session, &url, "one,two"));
    assert_eq!(protocol, "one");
    assert_eq!(event(&receive(&session, socket, 0)), WebSocketEvent::Nothing);
    assert_eq!(send(&session, socket, WebSocketMessage::Text("middle c")).status, Status::Ok);
    assert_eq!(send(&session, socket, WebSocketMessage::Binary(&[0, 255])).status, Status::Ok);
    assert_eq!(event(&receive(&session, socket, 5_000)), WebSocketEvent::Text("middle c".into()));
    assert_eq!(event(&receive(&session, socket, 5_000)), WebSocketEvent::Binary(vec![0, 255]));
    let start = Instant::now();
    assert_eq!(event(&receive(&session, socket, 50)), WebSocketEvent::Nothing);
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert_eq!(close(&session, socket).status, Status::Ok);
    assert_eq!(receive(&session, socket, 0).status, Status::Invalid);
    assert_eq!(close(&session, socket).status, Status::Invalid);
}

#[test]
fn both_sides_can_part() {
    let (address, _) = serve(None, |peer| {
        let frame = CloseFrame { code: CloseCode::Library(4009), reason: "no \u{1b}[2J more".into() };
        peer.send(Message::text("last")).and_then(|()| peer.close(Some(frame)))
    });
    let (session, url) = reaching(address);
    let socket = opened(&open(&session, &url, "")).socket;
    assert_eq!(event(&receive(&session, socket, 5_000)), WebSocketEvent::Text("last".into()));
    let closed = WebSocketEvent::Closed { code: 4009, reason: "no \u{1b}[2J more".into() };
    assert_eq!(event(&receive(&session, socket, 5_000)), closed);
    assert_eq!(receive(&session, socket, 0).status, Status::Failed);
    assert_eq!(send(&session, socket, WebSocketMessage::Text("x")).status, Status::Failed);

    let (address, parted) = serve(None, |peer| {
        loop {
            match peer.read() {
                Ok(Message::Close(_)) => break true,
                Ok(_) => {}
                Err(_) => break false,
            }
        }
    });
    let (session, url) = reaching(address);
    let socket = opened(&open(&session, &url, "")).socket;
    assert_eq!(close(&session, socket).status, Status::Ok);
    assert_eq!(parted.recv_timeout(PATIENCE), Ok(true), "the server is told");
}

#[test]
fn encrypted_ones_need_a_certificate_of_a_trusted_authority_for_that_name() {
    let (pem, tls) = authority("studio.test");
    let named = names(&[("studio.test", &["127.0.0.1"]), ("other.test", &["127.0.0.1"])]);
    let broker = broker(named, Some(&pem));
    let open_at = |host: &str| {
        let (address, _done) = serve(Some(tls.clone()), echo);
        let grant = format!("Network={host}:{};private=yes", address.port());
        let session = broker.session("test", grants(None, &[&grant]), &limits());
        let answer = open(&session, &format!("wss://{host}:{}/", address.port()), "");
        (session, answer)
    };
    let (session, answer) = open_at("studio.test");
    let socket = opened(&answer).socket;
    assert_eq!(send(&session, socket, WebSocketMessage::Text("hello")).status, Status::Ok);
    assert_eq!(event(&receive(&session, socket, 5_000)), WebSocketEvent::Text("hello".into()));
    let (_, refused) = open_at("other.test");
    assert_eq!(refused.status, Status::Failed);
    assert!(text(&refused).contains("certificate"), "{}", text(&refused));
}

#[test]
fn only_what_is_granted_is_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("address").port();
    let automatic = session(&[]);
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        assert_denied(&open(&automatic, &format!("ws://{host}:{port}/"), ""), "Network");
    }
    // A grant by name allows exactly that host and port.
    let named = session(&[format!("localhost:{port}")]);
    assert_denied(&open(&named, &format!("ws://127.0.0.1:{port}/"), ""), "Network");
    assert_denied(&open(&named, &format!("ws://localhost:{}/", port ^ 1), ""), "Network");
    // In a scope, a WebSocket is a method of its own.
    let reading = session(&[format!("localhost:{port};methods=GET,POST")]);
    assert_denied(&open(&reading, &format!("ws://localhost:{port}/"), ""), "outside the scope");
    // A public name with a local address.
    let rebound = broker(names(&[("rebound.example", &["127.0.0.1"])]), None);
    let grant = format!("Network=rebound.example:{port}");
    let rebound = rebound.session("test", grants(None, &[&grant]), &limits());
    let refused = open(&rebound, &format!("ws://rebound.example:{port}/"), "");
    assert_eq!(refused.status, Status::Failed);
    assert!(text(&refused).contains("no address that this plugin may connect to"), "{}", text(&refused));
    assert_eq!(rebound.denials(), 1);
    listener.set_nonblocking(true).expect("non-blocking");
    assert!(listener.accept().is_err(), "nobody connected");

    for url in ["http://localhost/", "wss://a:b@localhost/", "ws:", "file:///etc/passwd"] {
        assert_eq!(open(&named, url, "").status, Status::Invalid, "{url}");
    }
    assert_eq!(open(&named, &format!("ws://localhost:{port}/"), "a\r\nb").status, Status::Invalid);
    let headers = vec![("Sec-WebSocket-Key", "x")];
    let url = format!("ws://localhost:{port}/");
    let request = WebSocketOpen { url: &url, protocols: "", headers };
    assert_eq!(ask(&named, Op::WebSocketOpen, &request, PATIENCE).status, Status::Invalid);
}

#[test]
fn redirects_and_refusals_are_failures() {
    let inner = Server::http(|_, stream| respond(stream, "200 OK", "", "secret"));
    let location = format!("location: ws://127.0.0.1:{}/\r\n", inner.port());
    for (status, header) in [("302 Found", location.as_str()), ("401 Unauthorized", ""), ("200 OK", "")] {
        let header = header.to_owned();
        let server = Server::http(move |_, stream| respond(stream, status, &header, ""));
        let session = session(&["127.0.0.1:*".to_owned()]);
        let answer = open(&session, &format!("ws://127.0.0.1:{}/", server.port()), "");
        assert_eq!(answer.status, Status::Failed, "{status}: {}", text(&answer));
    }
    assert!(inner.requests().is_empty());
}

#[test]
fn taking_the_capability_away_ends_a_connection_that_is_waited_for() {
    let (address, parted) = serve(None, |peer| {
        let start = Instant::now();
        while peer.read().is_ok() {}
        start.elapsed()
    });
    let (session, url) = reaching(address);
    let socket = opened(&open(&session, &url, "")).socket;
    let waiting = Arc::clone(&session);
    let reader = thread::spawn(move || (receive(&waiting, socket, 10_000), Instant::now()));
    thread::sleep(Duration::from_millis(100));
    let revoked = Instant::now();
    session.revoke(Capability::Network);
    let (answer, ended) = reader.join().expect("reader");
    assert_denied(&answer, "taken away");
    assert!(ended.saturating_duration_since(revoked) < Duration::from_secs(1));
    assert!(parted.recv_timeout(PATIENCE).is_ok(), "the connection is gone");
    assert_denied(&send(&session, socket, WebSocketMessage::Text("x")), "Network");
}

#[test]
fn a_plugin_that_ends_leaves_no_connection() {
    let (address, parted) = serve(None, |peer| while peer.read().is_ok() {});
    let (session, url) = reaching(address);
    opened(&open(&session, &url, ""));
    drop(session);
    assert!(parted.recv_timeout(PATIENCE).is_ok(), "the connection is gone");
}

#[test]
fn a_flood_is_held_up_and_fills_no_memory() {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let (address, _) = serve(None, move |peer| {
        while peer.send(Message::binary(vec![7; 4096])).is_ok() {
            counted.fetch_add(4096, Ordering::SeqCst);
        }
    });
    let (session, url) = reaching(address);
    let socket = opened(&open(&session, &url, "")).socket;
    let start = Instant::now();
    let held_up = loop {
        let before = sent.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(300));
        if sent.load(Ordering::SeqCst) == before {
            break before;
        }
        assert!(start.elapsed() < PATIENCE, "it goes on without being read");
    };
    assert!(held_up < 64 * 1024 * 1024, "{held_up} bytes");
    let mut read = 0;
    while read <= held_up {
        let WebSocketEvent::Binary(bytes) = event(&receive(&session, socket, 5_000)) else { break };
        read += bytes.len() as u64;
    }
    assert!(read > held_up, "reading makes it go on");
    assert_eq!(close(&session, socket).status, Status::Ok);
}

#[test]
fn messages_have_the_size_of_a_host_call() {
    let (address, _) = serve(None, |peer| peer.send(Message::binary(vec![7; MAX_MESSAGE as usize + 1])));
    let (session, url) = reaching(address);
    let socket = opened(&open(&session, &url, "")).socket;
    let WebSocketEvent::Closed { code, reason } = event(&receive(&session, socket, 5_000)) else {
        panic!("a message that is too large came through");
    };
    assert_eq!(code, 1006);
    assert!(reason.contains("too long"), "{reason}");
}

#[test]
fn so_many_are_open_at_once() {
    let session = session(&["127.0.0.1:*".to_owned()]);
    let mut sockets = Vec::new();
    let refused = loop {
        let (address, _done) = serve(None, echo);
        let answer = open(&session, &format!("ws://{address}/"), "");
        if answer.status != Status::Ok {
            break answer;
        }
        sockets.push(opened(&answer).socket);
    };
    assert_eq!((refused.status, sockets.len()), (Status::RateLimited, 16), "{}", text(&refused));
    assert_eq!(close(&session, sockets[0]).status, Status::Ok);
    let (address, _done) = serve(None, echo);
    opened(&open(&session, &format!("ws://{address}/"), ""));
}

#[test]
fn a_server_that_says_nothing_does_not_outlast_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("address");
    let (session, url) = reaching(address);
    let start = Instant::now();
    let request = WebSocketOpen { url: &url, protocols: "", headers: vec![] };
    let answer = ask(&session, Op::WebSocketOpen, &request, Duration::from_millis(200));
    assert_eq!(answer.status, Status::TimedOut, "{}", text(&answer));
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(TcpStream::connect(address));
}
