//! A connection as it is on the wire: every byte is counted here, both ways, whatever protocol it is of.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use conductor_call::Limit;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::frames::{FrameReader, Protocol};
use super::meter::Meter;
use super::seats::Seat;

/// Most bytes of one reading.
const READING_BYTES: usize = 16 * 1024;

/// Bytes that one connection moves before the others have their turn; stops a server that sends without a pause from holding
/// up the connections of all plugins, which share a thread.
const TURN_BYTES: usize = 64 * 1024;

/// The limit that ended a connection, if one did: the protocols on top hand on no more than that it broke.
#[derive(Clone, Default)]
pub(super) struct Met(Arc<OnceLock<Limit>>);

impl Met {
    pub(super) fn limit(&self) -> Option<Limit> {
        self.0.get().copied()
    }

    fn by(&self, limit: Limit) -> io::Error {
        // The first one ended it.
        let _ = self.0.set(limit);
        io::Error::other(limit.to_string())
    }
}

/// A TCP connection of a plugin.
pub(super) struct Wire {
    stream: TcpStream,
    meter: Arc<Meter>,
    met: Met,
    records: Option<FrameReader>,
    /// Bytes since it last had to wait.
    turn: usize,
    _seat: Seat,
}

impl Wire {
    /// Connects to an address that was checked; the seat comes back if that fails.
    pub(super) async fn connect(
        address: SocketAddr,
        meter: Arc<Meter>,
        seat: Seat,
    ) -> Result<Self, (io::Error, Seat)> {
        let connected = TcpStream::connect(address).await;
        match connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => {
                Ok(Self { stream, meter, met: Met::default(), records: None, turn: 0, _seat: seat })
            }
            Err(error) => Err((error, seat)),
        }
    }

    /// Counts records of TLS from now on.
    pub(super) fn carries_tls(&mut self) {
        self.records = Some(FrameReader::new(Protocol::Tls));
    }

    /// The limit that ends it.
    pub(super) fn met(&self) -> Met {
        self.met.clone()
    }

    fn admit(&self) -> io::Result<()> {
        if self.meter.traffic().is_used_up(Instant::now()) {
            Err(self.met.by(Limit::NetworkRate))
        } else {
            Ok(())
        }
    }

    fn moved(&mut self, bytes: usize) {
        self.turn += bytes;
        self.meter.traffic().count(bytes, Instant::now());
    }

    /// Leaves the others their turn.
    fn rest(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.turn < TURN_BYTES {
            return Poll::Ready(());
        }
        self.turn = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        wire.admit()?;
        ready!(wire.rest(cx));
        let most = buf.remaining().min(READING_BYTES);
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        let Poll::Ready(read) = Pin::new(&mut wire.stream).poll_read(cx, &mut part) else {
            wire.turn = 0;
            return Poll::Pending;
        };
        read?;
        let (bytes, now) = (part.filled(), Instant::now());
        if let Some(records) = &mut wire.records {
            let frames = wire.meter.frames();
            records.read(bytes, |kind| frames.count(kind, now)).map_err(|limit| wire.met.by(limit))?;
        }
        let count = bytes.len();
        buf.advance(count);
        wire.moved(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        wire.admit()?;
        ready!(wire.rest(cx));
        let written = Pin::new(&mut wire.stream).poll_write(cx, bytes);
        match written {
            Poll::Ready(Ok(count)) => wire.moved(count),
            Poll::Ready(Err(_)) | Poll::Pending => wire.turn = 0,
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// A connection, encrypted or not, with the frames of what is spoken over it counted.
pub(super) struct Channel {
    io: Io,
    frames: Option<FrameReader>,
    meter: Arc<Meter>,
    met: Met,
}

enum Io {
    Plain(Wire),
    Encrypted(Box<TlsStream<Wire>>),
}

impl Channel {
    pub(super) fn plain(wire: Wire) -> Self {
        let (meter, met) = (Arc::clone(&wire.meter), wire.met());
        Self { io: Io::Plain(wire), frames: None, meter, met }
    }

    pub(super) fn encrypted(stream: TlsStream<Wire>) -> Self {
        let (wire, _) = stream.get_ref();
        let (meter, met) = (Arc::clone(&wire.meter), wire.met());
        Self { io: Io::Encrypted(Box::new(stream)), frames: None, meter, met }
    }

    /// The address at the other end.
    pub(super) fn peer(&self) -> io::Result<SocketAddr> {
        match &self.io {
            Io::Plain(wire) => wire.stream.peer_addr(),
            Io::Encrypted(stream) => stream.get_ref().0.stream.peer_addr(),
        }
    }

    /// The protocol that both sides agreed on, if they did (RFC 7301).
    pub(super) fn agreed(&self) -> Option<&[u8]> {
        match &self.io {
            Io::Plain(_) => None,
            Io::Encrypted(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }

    /// Counts frames of this protocol from now on.
    pub(super) fn carries(&mut self, protocol: Protocol) {
        self.frames = Some(FrameReader::new(protocol));
    }

    /// The limit that ends it.
    pub(super) fn met(&self) -> Met {
        self.met.clone()
    }
}

impl AsyncRead for Channel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { io, frames, meter, met } = self.get_mut();
        let before = buf.filled().len();
        ready!(match io {
            Io::Plain(wire) => Pin::new(wire).poll_read(cx, buf),
            Io::Encrypted(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        })?;
        if let Some(reader) = frames {
            let (bytes, now) = (buf.filled().get(before..).unwrap_or_default(), Instant::now());
            reader.read(bytes, |kind| meter.frames().count(kind, now)).map_err(|limit| met.by(limit))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(wire) => Pin::new(wire).poll_write(cx, bytes),
            Io::Encrypted(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(wire) => Pin::new(wire).poll_flush(cx),
            Io::Encrypted(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            Io::Encrypted(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
