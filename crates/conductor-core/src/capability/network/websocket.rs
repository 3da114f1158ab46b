//! WebSockets (RFC 6455).
//!
//! The opening request goes where [`check_target`] and the look-up allow, and follows no redirect. From then on a task
//! reads into an [`Inbox`], and a message that is sent has been handed to the operating system when the plugin goes on.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, Risk, WebSocketEvent, WebSocketMessage, WebSocketOpened};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::broker::Live;
use crate::capability::{Call, Operation, Refusal, decode, encode};
use crate::grant::{Grant, Grants};
use crate::scope::{Excerpt, NetworkMethod, literal};

use super::inbox::{Inbox, Taken};
use super::lookup::{CheckingResolver, LookupError};
use super::service::CONNECT_TIMEOUT;
use super::target::Target;
use super::waiting::{self, AbortOnDrop};
use super::{
    MAX_REQUEST_TIME, Permit, check_target, headers, is_covered, opened, private, risk_of, taken_away,
};

/// Most bytes of the names of subprotocols.
const MAX_PROTOCOL_BYTES: usize = 1024;

/// How long the other side may take to part in an orderly way.
const FAREWELL: Duration = Duration::from_secs(1);

/// Memory for reading from one connection.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// Code for a connection that ended without a farewell (RFC 6455, section 7.4.1).
const ABNORMAL: u16 = 1006;

/// Code for a farewell that says nothing (the same).
const NO_STATUS: u16 = 1005;

/// Opens a WebSocket.
pub(crate) struct WebSocketOpen;

/// Sends a message.
pub(crate) struct WebSocketSend;

/// Waits for a message.
pub(crate) struct WebSocketReceive;

/// Closes a WebSocket.
pub(crate) struct WebSocketClose;

/// Where a WebSocket is to lead, and with which header fields.
pub(crate) struct Opening {
    target: Target,
    headers: HeaderMap,
}

/// A message for a WebSocket.
pub(crate) struct Outgoing<'a> {
    socket: u32,
    message: WebSocketMessage<'a>,
}

/// A WebSocket, and how long to wait for something to come through it.
pub(crate) struct Incoming {
    socket: u32,
    wait: Duration,
}

/// A connection, encrypted or not.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

type Stream = WebSocketStream<Box<dyn Transport>>;

/// Why a WebSocket is not open.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error(transparent)]
    Connection(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] tungstenite::Error),
    #[error("no connection within {} s", CONNECT_TIMEOUT.as_secs())]
    TimedOut,
}

/// A WebSocket that is open.
struct Socket {
    target: Target,
    inbox: Arc<Inbox<WebSocketEvent>>,
    sink: Arc<tokio::sync::Mutex<SplitSink<Stream, Message>>>,
    runtime: Handle,
    /// Whether the plugin was told that it was closed.
    is_done: AtomicBool,
    was_ended: AtomicBool,
    reader: AbortOnDrop,
}

/// What it takes to connect.
struct Connecting {
    target: Target,
    request: Request,
    resolver: CheckingResolver,
    tls: ClientConfig,
    max_message: usize,
}

impl Connecting {
    /// Connects to the first address that answers, and opens the WebSocket.
    async fn open(self) -> Result<(Stream, String), Failure> {
        timeout(CONNECT_TIMEOUT, self.open_at_leisure()).await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn open_at_leisure(self) -> Result<(Stream, String), Failure> {
        let (host, port) = (self.target.host(), self.target.port());
        let connection = connect(&self.resolver.addresses(host, port).await?).await?;
        connection.set_nodelay(true)?;
        let connection: Box<dyn Transport> = if self.target.is_secure() {
            let name = match literal(host) {
                Some(address) => ServerName::from(address),
                None => ServerName::try_from(host.to_string()).map_err(io::Error::other)?,
            };
            Box::new(TlsConnector::from(Arc::new(self.tls)).connect(name, connection).await?)
        } else {
            Box::new(connection)
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(self.max_message))
            .max_frame_size(Some(self.max_message));
        let (stream, response) = client_async_with_config(self.request, connection, Some(config)).await?;
        let protocol = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
        let protocol = protocol.and_then(|protocol| protocol.to_str().ok()).unwrap_or_default();
        Ok((stream, protocol.to_owned()))
    }
}

async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(connection) => return Ok(connection),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Reads until the connection ends, no further than the inbox has room.
async fn read(mut stream: SplitStream<Stream>, inbox: Arc<Inbox<WebSocketEvent>>) {
    let (code, reason) = loop {
        inbox.has_room().await;
        match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                inbox.put(WebSocketEvent::Text(text.as_str().to_owned()), text.len());
            }
            Some(Ok(Message::Binary(bytes))) => {
                inbox.put(WebSocketEvent::Binary(bytes.to_vec()), bytes.len());
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                // Reading on sends the answer to the farewell.
                let _ = timeout(FAREWELL, stream.next()).await;
                break frame.map_or((NO_STATUS, String::new()), |frame| {
                    (frame.code.into(), frame.reason.as_str().to_owned())
                });
            }
            Some(Err(error)) => break (ABNORMAL, Excerpt::new(&error.to_string()).to_string()),
            None => break (ABNORMAL, String::new()),
        }
    };
    inbox.put(WebSocketEvent::Closed { code, reason }, 0);
    inbox.finish();
}

impl Socket {
    fn open(opening: &Opening, permit: Permit, call: &Call<'_>) -> Result<(Self, String), Refusal> {
        let session = call.session;
        let service = session.http().started(session.devices())?;
        let target = &opening.target;
        let mut request = target.url().as_str().into_client_request().map_err(|error| {
            Refusal::invalid(format!("{target} cannot be opened: {}", Excerpt::new(&error.to_string())))
        })?;
        request.headers_mut().extend(opening.headers.clone());
        let connecting = Connecting {
            target: target.clone(),
            request,
            resolver: session.connections().resolver(permit.reach, session.devices()),
            tls: service.tls(),
            max_message: session.max_message_bytes(),
        };
        let deadline = call.deadline.min(Instant::now() + MAX_REQUEST_TIME);
        let (stream, protocol) = waiting::carry_out(target, call, deadline, connecting.open())?
            .map_err(|failure| refusal(target, failure))?;
        let (sink, stream) = stream.split();
        let inbox = Arc::new(Inbox::new(session.max_message_bytes()));
        let reader = service.runtime().spawn(read(stream, Arc::clone(&inbox)));
        let socket = Self {
            target: target.clone(),
            inbox,
            sink: Arc::new(tokio::sync::Mutex::new(sink)),
            runtime: service.runtime().clone(),
            is_done: AtomicBool::new(false),
            was_ended: AtomicBool::new(false),
            reader: AbortOnDrop(reader.abort_handle()),
        };
        Ok((socket, protocol))
    }

    /// Sends a message, and ends the connection if that is given up halfway.
    fn send(&self, message: WebSocketMessage<'_>, call: &Call<'_>) -> Result<(), Refusal> {
        let message = match message {
            WebSocketMessage::Text(text) => Message::text(text),
            WebSocketMessage::Binary(bytes) => Message::binary(bytes.to_vec()),
        };
        let sink = Arc::clone(&self.sink);
        let work = async move { sink.lock().await.send(message).await };
        let deadline = call.deadline.min(Instant::now() + MAX_REQUEST_TIME);
        let sent = waiting::carry_out(&self.target, call, deadline, work).inspect_err(|_| self.end());
        sent?.map_err(|error| refusal(&self.target, error.into()))
    }

    fn receive(&self, deadline: Instant) -> Result<WebSocketEvent, Refusal> {
        match self.inbox.take(deadline) {
            Taken::Next(event) => {
                if matches!(event, WebSocketEvent::Closed { .. }) {
                    self.is_done.store(true, Ordering::Release);
                }
                Ok(event)
            }
            Taken::Nothing => Ok(WebSocketEvent::Nothing),
            Taken::Over if self.was_ended.load(Ordering::Acquire) => Err(taken_away()),
            Taken::Over => Err(Refusal::failed(format!("{} was closed", self.target))),
        }
    }
}

impl Live for Socket {
    fn is_covered(&self, grants: &Grants) -> bool {
        is_covered(&self.target, grants)
    }

    fn end(&self) {
        self.was_ended.store(true, Ordering::Release);
        self.reader.0.abort();
        self.inbox.end();
        let sink = Arc::clone(&self.sink);
        // What the other side has to say to it is of no interest.
        self.runtime.spawn(async move {
            let _ = timeout(FAREWELL, async { sink.lock().await.close().await }).await;
        });
    }

    fn has_ended(&self) -> bool {
        self.is_done.load(Ordering::Acquire) || self.was_ended.load(Ordering::Acquire)
    }
}

const fn length(message: WebSocketMessage<'_>) -> usize {
    match message {
        WebSocketMessage::Text(text) => text.len(),
        WebSocketMessage::Binary(bytes) => bytes.len(),
    }
}

fn refusal(target: &Target, failure: Failure) -> Refusal {
    match failure {
        Failure::Lookup(LookupError::Refused(kind)) => private(target, &format!("has {kind}")),
        Failure::TimedOut => Refusal::timed_out(format!("{target} did not answer in time")),
        Failure::Lookup(LookupError::Resolver(_) | LookupError::Busy)
        | Failure::Connection(_)
        | Failure::Protocol(_) => {
            Refusal::failed(format!("{target} failed: {}", Excerpt::new(&failure.to_string())))
        }
    }
}

impl Operation for WebSocketOpen {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "websocket-open";
    type Request<'a> = Opening;
    type Permit = Permit;

    fn parse(request: &[u8]) -> Result<Opening, Refusal> {
        headers::check_count(request)?;
        let conductor_abi::WebSocketOpen { url, protocols, headers } = decode(request)?;
        if headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("sec-websocket-")) {
            return Err(Refusal::invalid("header fields `sec-websocket-…` are set by the host"));
        }
        let mut headers = headers::outgoing(&headers)?;
        if !protocols.is_empty() {
            let names = HeaderValue::from_str(protocols).ok();
            let names = names.filter(|_| protocols.len() <= MAX_PROTOCOL_BYTES).ok_or_else(|| {
                Refusal::invalid(format!(
                    "subprotocols are names separated by commas, of at most {MAX_PROTOCOL_BYTES} bytes"
                ))
            })?;
            headers.insert(SEC_WEBSOCKET_PROTOCOL, names);
        }
        Ok(Opening { target: Target::parse(NetworkMethod::WebSocket, url)?, headers })
    }

    fn needs(request: &Opening) -> Option<String> {
        Some(request.target.scope())
    }

    fn check(request: &Opening, grant: &Grant) -> Result<Permit, Refusal> {
        check_target(&request.target, grant)
    }

    fn risk(request: &Opening, permit: Option<&Permit>) -> Risk {
        risk_of(&request.target, permit)
    }

    fn act(request: &Opening, permit: Permit, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        call.session.connections().traffic().admit()?;
        let (socket, protocol) = Socket::open(request, permit, call)?;
        encode(&WebSocketOpened { socket: call.keep_open(Arc::new(socket))?, protocol })
    }
}

impl Operation for WebSocketSend {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "websocket-send";
    const GOES_ON: bool = true;
    type Request<'a> = Outgoing<'a>;
    type Permit = ();

    fn parse(request: &[u8]) -> Result<Outgoing<'_>, Refusal> {
        let conductor_abi::WebSocketSend { socket, message } = decode(request)?;
        Ok(Outgoing { socket, message })
    }

    /// What is open is held against the grants when it is used.
    fn check(_request: &Outgoing<'_>, _grant: &Grant) -> Result<(), Refusal> {
        Ok(())
    }

    fn act(request: &Outgoing<'_>, (): (), call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let socket = opened::<Socket>(request.socket, call)?;
        let traffic = call.session.connections().traffic();
        traffic.admit()?;
        traffic.count(length(request.message));
        socket.send(request.message, call).map(|()| Vec::new())
    }
}

impl Operation for WebSocketReceive {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "websocket-receive";
    const RECORDS_USE: bool = false;
    const GOES_ON: bool = true;
    type Request<'a> = Incoming;
    type Permit = ();

    fn parse(request: &[u8]) -> Result<Incoming, Refusal> {
        let conductor_abi::WebSocketReceive { socket, wait_ms } = decode(request)?;
        Ok(Incoming { socket, wait: Duration::from_millis(wait_ms.into()) })
    }

    /// What is open is held against the grants when it is used.
    fn check(_request: &Incoming, _grant: &Grant) -> Result<(), Refusal> {
        Ok(())
    }

    fn act(request: &Incoming, (): (), call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let socket = opened::<Socket>(request.socket, call)?;
        let traffic = call.session.connections().traffic();
        traffic.admit()?;
        let event = socket.receive(call.deadline.min(Instant::now() + request.wait))?;
        traffic.count(match &event {
            WebSocketEvent::Text(text) => text.len(),
            WebSocketEvent::Binary(bytes) => bytes.len(),
            WebSocketEvent::Nothing | WebSocketEvent::Closed { .. } => 0,
        });
        encode(&event)
    }
}

impl Operation for WebSocketClose {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "websocket-close";
    const RECORDS_USE: bool = false;
    const GOES_ON: bool = true;
    type Request<'a> = Incoming;
    type Permit = ();

    fn parse(request: &[u8]) -> Result<Incoming, Refusal> {
        Ok(Incoming { socket: decode(request)?, wait: Duration::ZERO })
    }

    /// Closing needs no scope.
    fn check(_request: &Incoming, _grant: &Grant) -> Result<(), Refusal> {
        Ok(())
    }

    fn act(request: &Incoming, (): (), call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        call.session.handles().close::<Socket>(request.socket).map(|_| Vec::new())
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

impl fmt::Display for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes to WebSocket {}", length(self.message), self.socket)
    }
}

impl fmt::Display for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocket {}", self.socket)
    }
}
