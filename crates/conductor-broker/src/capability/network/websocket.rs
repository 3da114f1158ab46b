//! WebSockets (RFC 6455).
//!
//! The opening request goes where [`check_target`] and the look-up allow, and follows no redirect. From then on a task
//! reads into an [`Inbox`], and a message that is sent has been handed to the operating system when the plugin goes on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, Risk, WebSocketEvent, WebSocketMessage, WebSocketOpened};
use conductor_call::{Caller, Limit, Refusal};
use conductor_policy::grant::{Grant, Grants};
use conductor_policy::scope::{Excerpt, NetworkMethod};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::capability::continuation::{Closable, Continuation};
use crate::capability::{Call, Operation, decode, encode};
use crate::handles::Live;

use super::dial::{CONNECT_TIMEOUT, Dialler};
use super::failure::Failure;
use super::frames::Protocol;
use super::inbox::{Inbox, Taken};
use super::link::Links;
use super::meter::Meter;
use super::secrets::{self, Carried, Filler, Names, Way};
use super::target::Target;
use super::waiting::{self, AbortOnDrop};
use super::wire::{Channel, Met};
use super::{
    MAX_REQUEST_TIME, Permit, Reach, check_target, headers, is_covered, opened, risk_of, taken_away,
};

/// Most bytes of the names of subprotocols.
const MAX_PROTOCOL_BYTES: usize = 1024;

/// How long the other side may take to part in an orderly way.
const FAREWELL: Duration = Duration::from_secs(1);

/// Memory for reading from one connection.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// Bytes beside those of a message that wait to be sent: headers of frames, and answers to a server that asks whether this
/// side is still there and does not read them.
const WRITE_RESERVE_BYTES: usize = 16 * 1024;

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

/// Where a WebSocket is to lead, and with which header fields.
pub(crate) struct Opening {
    target: Target,
    headers: HeaderMap,
    secrets: Names,
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

type Stream = WebSocketStream<Channel>;

/// The half that sends; none once the connection has ended.
type Sender = Arc<tokio::sync::Mutex<Option<SplitSink<Stream, Message>>>>;

/// A WebSocket that is open.
pub(crate) struct Socket {
    target: Target,
    carried: Carried,
    reach: Reach,
    meter: Arc<Meter>,
    met: Met,
    inbox: Arc<Inbox<WebSocketEvent>>,
    sink: Sender,
    runtime: Handle,
    /// Whether the plugin was told that it was closed.
    is_done: AtomicBool,
    was_ended: AtomicBool,
    reader: AbortOnDrop,
}

/// Connects to the first address that answers, and opens the WebSocket.
async fn open(
    links: Links,
    dialler: Dialler,
    target: Target,
    mut request: Request,
    filler: Filler,
    max_message: usize,
) -> Result<(Stream, String, Met), Failure> {
    let seat = links.seat(&dialler.seats).await?;
    let mut channel = dialler.dial(&target, seat).await?;
    let peer = Some(channel.peer()?);
    channel.carries(Protocol::WebSocket);
    let met = channel.met();
    let (host, port, is_secure) = (target.host(), target.port(), target.is_secure());
    filler.fill(request.headers_mut(), Way { host, port, is_secure, peer }).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(max_message.saturating_add(WRITE_RESERVE_BYTES))
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message));
    let opening = client_async_with_config(request, channel, Some(config));
    let opened = timeout(CONNECT_TIMEOUT, opening).await.map_err(|_| Failure::TimedOut)?;
    let (stream, response) = opened.map_err(|error| Failure::broken(error, &met))?;
    let protocol = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
    let protocol = protocol.and_then(|protocol| protocol.to_str().ok()).unwrap_or_default();
    Ok((stream, protocol.to_owned(), met))
}

/// Reads until the connection ends, no further than the inbox has room, and closes it: the server of one that has failed is not
/// to wait for the plugin (RFC 6455, section 7.1.7).
async fn read(mut stream: SplitStream<Stream>, sink: Sender, inbox: Arc<Inbox<WebSocketEvent>>) {
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
    drop((stream, sink.lock().await.take()));
}

impl Socket {
    fn open(opening: &Opening, permit: Permit, call: &Call<'_>) -> Result<(Self, String), Refusal> {
        let session = call.session;
        let service = session.http().started(session.devices())?;
        let (target, reach) = (&opening.target, permit.reach);
        let (connections, meter) = (session.connections(), session.connections().meter());
        let mut request = target.url().as_str().into_client_request().map_err(|error| {
            Refusal::invalid(format!("{target} cannot be opened: {}", Excerpt::new(&error.to_string())))
        })?;
        request.headers_mut().extend(opening.headers.clone());
        let carried = Carried::by(&opening.headers, session)?;
        let dialler = connections.websocket(reach, session)?;
        let (links, max_message) = (connections.links().clone(), session.max_message_bytes());
        let filler = carried.filler(session);
        let opening = open(links, dialler, target.clone(), request, filler, max_message);
        let deadline = call.deadline.min(Instant::now() + MAX_REQUEST_TIME);
        let (stream, protocol, met) = waiting::carry_out(target, &carried, call, deadline, opening)?
            .map_err(|failure| failure.refusal(target, reach, meter))?;
        let (sink, stream) = stream.split();
        let inbox = Arc::new(Inbox::new(session.max_message_bytes(), Arc::clone(meter)));
        let sink = Arc::new(tokio::sync::Mutex::new(Some(sink)));
        let reader = service.runtime().spawn(read(stream, Arc::clone(&sink), Arc::clone(&inbox)));
        let socket = Self {
            target: target.clone(),
            carried,
            reach,
            meter: Arc::clone(meter),
            met,
            inbox,
            sink,
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
        let work = async move {
            match sink.lock().await.as_mut() {
                Some(sink) => sink.send(message).await,
                None => Err(tungstenite::Error::AlreadyClosed),
            }
        };
        let deadline = call.deadline.min(Instant::now() + MAX_REQUEST_TIME);
        let sent =
            waiting::carry_out(&self.target, &self.carried, call, deadline, work).inspect_err(|_| self.end());
        sent?.map_err(|error| self.refusal(error.into()))
    }

    /// What a failure leads to.
    fn refusal(&self, failure: Failure) -> Refusal {
        self.met.limit().map_or(failure, Failure::Limit).refusal(&self.target, self.reach, &self.meter)
    }

    /// The limit that ended it, as a refusal.
    fn ended_by(&self, limit: Limit) -> Refusal {
        Failure::Limit(limit).refusal(&self.target, self.reach, &self.meter)
    }

    fn receive(&self, deadline: Instant, caller: &dyn Caller) -> Result<WebSocketEvent, Refusal> {
        match self.inbox.take(deadline, caller) {
            Taken::Next(event) => {
                if matches!(event, WebSocketEvent::Closed { .. }) {
                    self.is_done.store(true, Ordering::Release);
                    if let Some(limit) = self.met.limit() {
                        return Err(self.ended_by(limit));
                    }
                }
                Ok(event)
            }
            // The plugin may ask again before the inbox is told that nothing more comes.
            Taken::Nothing if !self.is_done.load(Ordering::Acquire) => Ok(WebSocketEvent::Nothing),
            Taken::Nothing | Taken::Over if self.was_ended.load(Ordering::Acquire) => Err(taken_away()),
            Taken::Nothing | Taken::Over => Err(Refusal::failed(format!("{} was closed", self.target))),
        }
    }
}

impl Live for Socket {
    fn is_covered(&self, grants: &Grants) -> bool {
        is_covered(&self.target, &self.carried, grants)
    }

    fn end(&self) {
        self.was_ended.store(true, Ordering::Release);
        self.reader.0.abort();
        self.inbox.end();
        let sink = Arc::clone(&self.sink);
        // What the other side has to say to it is of no interest.
        self.runtime.spawn(async move {
            let farewell = async {
                if let Some(sink) = sink.lock().await.as_mut() {
                    let _ = sink.close().await;
                }
            };
            let _ = timeout(FAREWELL, farewell).await;
        });
    }

    fn has_ended(&self) -> bool {
        self.is_done.load(Ordering::Acquire) || self.was_ended.load(Ordering::Acquire)
    }
}

impl Closable for Socket {
    const CAPABILITY: Capability = Capability::Network;
    const CLOSING: &'static str = "websocket-close";
    const WORD: &'static str = "WebSocket ";
}

const fn bytes(message: WebSocketMessage<'_>) -> &[u8] {
    match message {
        WebSocketMessage::Text(text) => text.as_bytes(),
        WebSocketMessage::Binary(bytes) => bytes,
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
        secrets::refuse_in("a URL", url)?;
        secrets::refuse_in("the names of subprotocols", protocols)?;
        let mut headers = headers::outgoing(&headers)?;
        let secrets = Names::of(&headers)?;
        if !protocols.is_empty() {
            let names = HeaderValue::from_str(protocols).ok();
            let names = names.filter(|_| protocols.len() <= MAX_PROTOCOL_BYTES).ok_or_else(|| {
                Refusal::invalid(format!(
                    "subprotocols are names separated by commas, of at most {MAX_PROTOCOL_BYTES} bytes"
                ))
            })?;
            headers.insert(SEC_WEBSOCKET_PROTOCOL, names);
        }
        Ok(Opening { target: Target::parse(NetworkMethod::WebSocket, url)?, headers, secrets })
    }

    fn needs(request: &Opening) -> Option<String> {
        Some(request.target.scope())
    }

    fn check(request: &Opening, grant: &Grant) -> Result<Permit, Refusal> {
        check_target(&request.target, grant)
    }

    fn risk(request: &Opening, permit: Option<&Permit>) -> Risk {
        risk_of(&request.target, &request.secrets, permit)
    }

    fn act(request: &Opening, permit: Permit, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        call.session.connections().meter().traffic().admit()?;
        let (socket, protocol) = Socket::open(request, permit, call)?;
        encode(&WebSocketOpened { socket: call.keep_open(Arc::new(socket))?, protocol })
    }
}

impl Continuation for WebSocketSend {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "websocket-send";
    const RECORDS_USE: bool = true;
    type Request<'a> = Outgoing<'a>;

    fn parse(request: &[u8]) -> Result<Outgoing<'_>, Refusal> {
        let conductor_abi::WebSocketSend { socket, message } = decode(request)?;
        Ok(Outgoing { socket, message })
    }

    fn act(request: &Outgoing<'_>, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let socket = opened::<Socket>(request.socket, call)?;
        secrets::refuse_in_content(bytes(request.message), call.session)?;
        socket.send(request.message, call).map(|()| Vec::new())
    }
}

impl Continuation for WebSocketReceive {
    const CAPABILITY: Capability = Capability::Network;
    const NAME: &'static str = "websocket-receive";
    type Request<'a> = Incoming;

    fn parse(request: &[u8]) -> Result<Incoming, Refusal> {
        let conductor_abi::WebSocketReceive { socket, wait_ms } = decode(request)?;
        Ok(Incoming { socket, wait: Duration::from_millis(wait_ms.into()) })
    }

    fn act(request: &Incoming, call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
        let socket = opened::<Socket>(request.socket, call)?;
        let event = socket.receive(call.deadline.min(Instant::now() + request.wait), call.caller)?;
        encode(&event)
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.target, self.secrets)
    }
}

impl fmt::Display for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes to WebSocket {}", bytes(self.message).len(), self.socket)
    }
}

impl fmt::Display for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocket {}", self.socket)
    }
}
