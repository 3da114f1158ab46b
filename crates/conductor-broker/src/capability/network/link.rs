//! Connections of a plugin that speak HTTP, and those of them that are kept for the next request.
//!
//! A connection carries one request at a time, whatever version it speaks, and is never found by another plugin, nor one to
//! an inner address by a request that may only reach public ones. No more are kept than [`MAX_IDLE`], over all hosts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{sleep, timeout};
use url::Host;

use super::Reach;
use super::dial::{CONNECT_TIMEOUT, Dialler};
use super::failure::Failure;
use super::frames::Protocol;
use super::headers::MAX_RECEIVED_BYTES;
use super::seats::{NoSeat, Seat, Seats};
use super::secrets::Way;
use super::target::Target;
use super::waiting::AbortOnDrop;
use super::wire::{Channel, Met};

/// Most connections that a plugin keeps without a request.
const MAX_IDLE: usize = 4;

/// How long a connection is kept without a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may take to be ready for the next request, once an answer is complete.
const READY_TIMEOUT: Duration = Duration::from_millis(100);

/// Bytes that a connection of HTTP/1.1 buffers: the largest header fields, and some of a body.
const HTTP1_BUFFER_BYTES: usize = MAX_RECEIVED_BYTES + 16 * 1024;

/// Most header fields of an answer.
const MAX_HEADERS: usize = 128;

/// Bytes of a body that a server of HTTP/2 may send before the plugin reads on.
const HTTP2_WINDOW_BYTES: u32 = 256 * 1024;

/// Bytes of one frame of HTTP/2, the least that the protocol allows.
const HTTP2_FRAME_BYTES: u32 = 16 * 1024;

/// Bytes of a request's body that wait for a server of HTTP/2 to take them.
const HTTP2_SEND_BYTES: usize = 64 * 1024;

/// Bytes of the table for compressed header fields of HTTP/2, the protocol's default.
const HTTP2_TABLE_BYTES: u32 = 4096;

/// Streams of HTTP/2 that were reset and are remembered; a connection has one stream at a time.
const HTTP2_RESET_STREAMS: usize = 8;

/// What a connection can be used for again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    is_secure: bool,
    host: Host<String>,
    port: u16,
    reach: Reach,
}

/// A connection that is ready for a request.
pub(super) struct Link {
    origin: Origin,
    /// Where it leads.
    peer: SocketAddr,
    sender: Sender,
    met: Met,
    _task: AbortOnDrop,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// The connections that a plugin keeps, the oldest first.
#[derive(Clone, Default)]
pub(super) struct Links(Arc<Mutex<Vec<(Link, Instant)>>>);

/// A request was not sent, because the connection had ended.
pub(super) struct NotSent;

impl Links {
    /// A connection that was kept for such a target, if the address at its other end may still be connected to: the ways may
    /// have changed since. One that may not is closed.
    pub(super) async fn reuse(&self, dialler: &Dialler, target: &Target) -> Option<Link> {
        loop {
            let link = self.take(target, dialler.resolver.reach)?;
            if dialler.resolver.still(link.peer).await.is_ok() {
                return Some(link);
            }
        }
    }

    fn take(&self, target: &Target, reach: Reach) -> Option<Link> {
        let origin = Origin::of(target, reach);
        let mut kept = self.lock();
        kept.retain(|(link, _)| !link.is_closed());
        let place = kept.iter().rposition(|(link, _)| link.origin == origin)?;
        Some(kept.remove(place).0)
    }

    /// A place for a new connection. One that is kept makes room for it where the plugin has no more.
    pub(super) async fn seat(&self, seats: &Seats) -> Result<Seat, NoSeat> {
        if let Ok(seat) = seats.try_take() {
            return Ok(seat);
        }
        self.drop_oldest();
        seats.take().await
    }

    /// A new connection.
    pub(super) async fn open(&self, dialler: &Dialler, target: &Target) -> Result<Link, Failure> {
        let seat = self.seat(&dialler.seats).await?;
        let mut channel = dialler.dial(target, seat).await?;
        let met = channel.met();
        let peer = channel.peer()?;
        let is_http2 = channel.agreed() == Some(b"h2".as_slice());
        if is_http2 {
            channel.carries(Protocol::Http2);
        }
        let (sender, task) = timeout(CONNECT_TIMEOUT, shake_hands(channel, is_http2))
            .await
            .map_err(|_| Failure::TimedOut)?
            .map_err(|error| Failure::broken(error, &met))?;
        let origin = Origin::of(target, dialler.resolver.reach);
        Ok(Link { origin, peer, sender, met, _task: task })
    }

    /// Keeps a connection whose answer is complete, if it can take another request.
    pub(super) async fn keep(&self, mut link: Link) {
        let is_ready = timeout(READY_TIMEOUT, link.sender.ready()).await;
        if !is_ready.is_ok_and(|ready| ready.is_ok()) {
            return;
        }
        let mut kept = self.lock();
        kept.retain(|(link, _)| !link.is_closed());
        if kept.len() >= MAX_IDLE {
            kept.remove(0);
        }
        kept.push((link, Instant::now()));
        drop(kept);
        let links = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            sleep(IDLE_TIMEOUT).await;
            Self::drop_expired(&links);
        });
    }

    fn drop_oldest(&self) {
        let mut kept = self.lock();
        if !kept.is_empty() {
            kept.remove(0);
        }
    }

    fn drop_expired(links: &Weak<Mutex<Vec<(Link, Instant)>>>) {
        if let Some(links) = links.upgrade() {
            Self(links).lock().retain(|(_, since)| since.elapsed() < IDLE_TIMEOUT);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Link, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to speak HTTP.
async fn shake_hands(channel: Channel, is_http2: bool) -> hyper::Result<(Sender, AbortOnDrop)> {
    let io = TokioIo::new(channel);
    // How a connection ends is seen by whoever uses it.
    if is_http2 {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(HTTP2_WINDOW_BYTES)
            .initial_connection_window_size(HTTP2_WINDOW_BYTES)
            .adaptive_window(false)
            .max_frame_size(HTTP2_FRAME_BYTES)
            .max_header_list_size(MAX_RECEIVED_BYTES as u32)
            .header_table_size(HTTP2_TABLE_BYTES)
            .max_send_buf_size(HTTP2_SEND_BYTES)
            .max_concurrent_streams(0)
            .max_concurrent_reset_streams(HTTP2_RESET_STREAMS)
            .max_pending_accept_reset_streams(HTTP2_RESET_STREAMS)
            .max_local_error_reset_streams(HTTP2_RESET_STREAMS)
            .handshake(io)
            .await?;
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok((Sender::Http2(sender), AbortOnDrop(task.abort_handle())))
    } else {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HTTP1_BUFFER_BYTES)
            .max_headers(MAX_HEADERS)
            .handshake(io)
            .await?;
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok((Sender::Http1(sender), AbortOnDrop(task.abort_handle())))
    }
}

impl Link {
    pub(super) const fn is_http2(&self) -> bool {
        match self.sender {
            Sender::Http1(_) => false,
            Sender::Http2(_) => true,
        }
    }

    /// What it leads to.
    pub(super) const fn way(&self) -> Way<'_> {
        let Origin { is_secure, host, port, .. } = &self.origin;
        Way { host, port: *port, is_secure: *is_secure, peer: Some(self.peer) }
    }

    /// The limit that ended it.
    pub(super) const fn met(&self) -> &Met {
        &self.met
    }

    fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Result<Response<Incoming>, NotSent>, Failure> {
        let sent = match &mut self.sender {
            Sender::Http1(sender) => sender.try_send_request(request).await,
            Sender::Http2(sender) => sender.try_send_request(request).await,
        };
        match sent {
            Ok(response) => Ok(Ok(response)),
            Err(mut error) => match error.take_message() {
                Some(_) if self.met.limit().is_none() => Ok(Err(NotSent)),
                _ => Err(Failure::broken(error.into_error(), &self.met)),
            },
        }
    }
}

impl Sender {
    async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Self::Http1(sender) => sender.ready().await,
            Self::Http2(sender) => sender.ready().await,
        }
    }
}

impl Origin {
    fn of(target: &Target, reach: Reach) -> Self {
        Self { is_secure: target.is_secure(), host: target.host().clone(), port: target.port(), reach }
    }
}
