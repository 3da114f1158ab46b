//! Secrets in requests of HTTP/2: in the field where the plugin wrote them, and nowhere else.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use bytes::Bytes;
use conductor_abi::{HttpRequest, Op, Status};
use conductor_broker::Session;
use conductor_call::Answer;
use futures_util::future::select;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::log;
use crate::world::{SECRET, World, ask, text};

/// How a field is written whose name is `authorization` and whose value must not be kept in a table (RFC 7541, sections
/// 6.2.3 and A): a literal that is never indexed, with the name of entry 23.
const NEVER_INDEXED: [u8; 2] = [0x1f, 23 - 15];

/// Where a path leads.
type Redirects = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A server of HTTP/2 over TLS, which ends when it is dropped.
pub(crate) struct Http2Server {
    port: u16,
    heard: Heard,
    _stop: oneshot::Sender<()>,
}

/// What arrived.
#[derive(Clone, Default)]
struct Heard {
    requests: Arc<Mutex<Vec<Seen>>>,
    /// The bytes that the client sent, without TLS.
    wire: Arc<Mutex<Vec<u8>>>,
}

/// A request.
#[derive(Clone, Debug)]
struct Seen {
    uri: String,
    fields: Vec<(String, String)>,
    body: String,
}

impl Http2Server {
    pub(crate) fn start(mut tls: ServerConfig, redirects: Redirects) -> Self {
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("changed");
        let ((stop, stopped), heard) = (oneshot::channel(), Heard::default());
        let serving = serve(listener, TlsAcceptor::from(Arc::new(tls)), redirects, heard.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            runtime.expect("a runtime").block_on(select(pin!(serving), stopped));
        });
        Self { port, heard, _stop: stop }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// What has arrived since this was last called.
    fn take(&self) -> (Vec<Seen>, Vec<u8>) {
        let requests = std::mem::take(&mut *self.heard.requests.lock().expect("requests"));
        (requests, std::mem::take(&mut *self.heard.wire.lock().expect("bytes")))
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, redirects: Redirects, heard: Heard) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, redirects, heard) = (acceptor.clone(), Arc::clone(&redirects), heard.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let io = TokioIo::new(Overheard { stream, heard: heard.clone() });
            let service = service_fn(move |request| {
                let (redirects, heard) = (Arc::clone(&redirects), heard.clone());
                async move { Ok::<_, Infallible>(answer(request, &*redirects, &heard).await) }
            });
            // The client may leave at any time.
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    redirects: &(dyn Fn(&str) -> Option<String> + Send + Sync),
    heard: &Heard,
) -> Response<Full<Bytes>> {
    assert_eq!(request.version(), Version::HTTP_2);
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let fields = head.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes())));
    let seen = Seen { uri: head.uri.to_string(), fields: fields.collect(), body: text(&body) };
    heard.requests.lock().expect("requests").push(seen);
    let mut response = Response::new(Full::new(Bytes::from_static(b"done")));
    if let Some(to) = redirects(head.uri.path()) {
        *response.status_mut() = hyper::StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert("location", to.parse().expect("a field"));
    }
    response
}

/// A connection whose incoming bytes are noted.
struct Overheard {
    stream: TlsStream<TcpStream>,
    heard: Heard,
}

impl AsyncRead for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.heard.wire.lock().expect("bytes").extend_from_slice(&buf.filled()[before..]);
        polled
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn post(session: &Session, url: &str, headers: &[(&str, &str)]) -> Answer {
    let request = HttpRequest { method: "POST", url, headers: headers.to_vec(), body: b"what is sent" };
    ask(session, Op::HttpRequest, &request)
}

/// The fields of a request in which the secret stands.
fn with_secret(seen: &Seen) -> Vec<(&str, &str)> {
    let fields = seen.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    fields.filter(|(name, value)| name.contains(SECRET) || value.contains(SECRET)).collect()
}

fn times(wire: &[u8], wanted: &[u8]) -> usize {
    wire.windows(wanted.len()).filter(|window| *window == wanted).count()
}

#[test]
fn a_field_of_http2_has_the_secret_and_nothing_else_has() {
    let world = World::new();
    let (session, url) = (world.session(), world.with_ports("https://api.example:HTTP2/path?query=1"));
    let bearer = format!("Bearer {SECRET}");
    // Twice over one connection: the second time, the tables of the first one are there.
    for _ in 0..2 {
        let headers = [("authorization", "Bearer {secret:token}"), ("x-plain", "hello"), ("cookie", "a=b")];
        let answer = post(&session, &url, &headers);
        assert_eq!((answer.status, text(&answer).contains("done")), (Status::Ok, true), "{}", text(&answer));
        let (requests, wire) = world.http2.take();
        let [seen] = requests.as_slice() else { panic!("{requests:?}") };
        assert_eq!(with_secret(seen), [("authorization", bearer.as_str())]);
        assert_eq!(seen.uri, url);
        assert_eq!(seen.body, "what is sent");
        assert!(seen.fields.iter().any(|(name, value)| name == "x-plain" && value == "hello"), "{seen:?}");
        assert_eq!(times(&wire, &NEVER_INDEXED), 1, "it is in no table: {wire:02x?}");
        assert_eq!(times(&wire, SECRET.as_bytes()), 0, "fields are compressed, and nothing else has it");
        assert!(!text(&answer).contains(SECRET) && !log::holds(SECRET));
    }
    // What is done again in one call is summed up, so both are looked at together.
    drop(session);
    let records = world.records.take();
    assert!(records.contains("with the secret `token`") && !records.contains(SECRET), "{records}");
}

#[test]
fn what_is_refused_does_not_reach_a_server_of_http2() {
    let world = World::new();
    let session = world.session();
    let url = |text: &str| world.with_ports(text);
    for (url, headers) in [
        (url("https://api.example:HTTP2/{secret:token}"), &[][..]),
        (url("https://api.example:HTTP2/"), &[("{secret:token}", "x")][..]),
        (url("https://api.example:HTTP2/"), &[("x-a", "{secret:token"), ("x-b", "}")][..]),
        (url("https://api.example:HTTP2/"), &[(":authority", "{secret:token}")][..]),
        (url("https://evil.example:HTTP2/"), &[("authorization", "{secret:token}")][..]),
    ] {
        let answer = post(&session, &url, headers);
        assert_ne!(answer.status, Status::Ok, "{url} {headers:?}");
    }
    let (requests, _) = world.http2.take();
    assert!(requests.is_empty(), "{requests:?}");
}

#[test]
fn a_redirect_of_http2_takes_the_secret_to_no_other_origin() {
    let world = World::new();
    let session = world.session();
    let headers = [("authorization", "{secret:token}"), ("x-key", "{secret:token}"), ("x-plain", "hello")];
    let to = |path: &str| world.with_ports(&format!("https://api.example:HTTP2{path}"));

    let answer = post(&session, &to("/to/next"), &headers);
    assert_eq!(answer.status, Status::Ok, "{}", text(&answer));
    let (requests, _) = world.http2.take();
    let fields: Vec<usize> = requests.iter().map(|seen| with_secret(seen).len()).collect();
    assert_eq!(fields, [2, 2], "the same origin gets it again");

    let answer = post(&session, &to("/to/other-host"), &headers);
    assert_eq!(answer.status, Status::Ok, "{}", text(&answer));
    let (requests, _) = world.http2.take();
    let [first, second] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(with_secret(first).len(), 2);
    assert!(second.uri.starts_with("https://evil.example:"), "{second:?}");
    let names: Vec<&str> = second.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert!(!names.contains(&"authorization") && !names.contains(&"x-key"), "{second:?}");
    assert!(!format!("{second:?}").contains(SECRET), "{second:?}");
}
