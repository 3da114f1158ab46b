//! The wrongs that peers do: one entry each, with the protocol that the host speaks and what the peer does once the
//! host has begun.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use conductor_call::Limit;
use rustls::{ServerConnection, StreamOwned};

/// The protocol that the host speaks with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP/1.1 without encryption.
    Http1,
    /// HTTP/2 over TLS.
    Http2,
    /// A WebSocket without encryption.
    WebSocket,
    /// TLS whose records the peer writes itself.
    Tls,
    /// The peer sends other bytes in place of TLS.
    Raw,
}

/// A peer, with the wrong that it does.
pub(crate) struct Wrong {
    pub(crate) name: &'static str,
    pub(crate) speaks: Speaks,
    /// Whether the host sends a body.
    pub(crate) posts: bool,
    /// The limit that the plugin is told of, where only a limit can end what the peer does.
    pub(crate) meets: Option<Limit>,
    pub(crate) does: fn(&mut dyn Stream) -> io::Result<()>,
}

/// A connection with the host.
pub(crate) trait Stream: Read + Write {
    /// Ends this direction of the connection, and leaves the other open.
    fn half_close(&mut self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn half_close(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn half_close(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        self.flush()
    }
}

const fn wrong(name: &'static str, speaks: Speaks, does: fn(&mut dyn Stream) -> io::Result<()>) -> Wrong {
    Wrong { name, speaks, posts: false, meets: None, does }
}

const fn posted(name: &'static str, speaks: Speaks, does: fn(&mut dyn Stream) -> io::Result<()>) -> Wrong {
    Wrong { name, speaks, posts: true, meets: None, does }
}

/// A peer whose flood only a limit can end.
const fn flood(name: &'static str, speaks: Speaks, does: fn(&mut dyn Stream) -> io::Result<()>) -> Wrong {
    Wrong { name, speaks, posts: false, meets: Some(Limit::NetworkFrames), does }
}

pub(crate) const ALL: &[Wrong] = &[
    wrong("http1::silent", Speaks::Http1, |_| silent()),
    wrong("http1::garbage", Speaks::Http1, |stream| pour(stream, &[0xa5; 4096])),
    wrong("http1::endless_head", Speaks::Http1, |stream| {
        after(stream, b"HTTP/1.1 200 OK\r\n", b"x-y: z\r\n")
    }),
    wrong("http1::endless_line", Speaks::Http1, |stream| {
        after(stream, b"HTTP/1.1 200 OK\r\nx: ", &[b'y'; 4096])
    }),
    wrong("http1::endless_interim", Speaks::Http1, |stream| pour(stream, b"HTTP/1.1 100 Continue\r\n\r\n")),
    wrong("http1::endless_body", Speaks::Http1, |stream| after(stream, CHUNKED, &chunk(4096))),
    flood("http1::endless_small_chunks", Speaks::Http1, |stream| {
        after(stream, CHUNKED, &chunk(1).repeat(512))
    }),
    wrong("http1::endless_chunk_size", Speaks::Http1, |stream| after(stream, CHUNKED, &[b'0'; 4096])),
    wrong("http1::endless_chunk_extension", Speaks::Http1, |stream| {
        after(stream, &[CHUNKED, b"1;"].concat(), &[b'x'; 4096])
    }),
    wrong("http1::endless_trailers", Speaks::Http1, |stream| {
        after(stream, &[CHUNKED, b"0\r\n"].concat(), b"x-y: z\r\n")
    }),
    wrong("http1::compressed", Speaks::Http1, |stream| {
        after(stream, b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0])
    }),
    wrong("http1::drips", Speaks::Http1, |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")?;
        loop {
            stream.write_all(b"x")?;
            stream.flush()?;
            thread::sleep(Duration::from_millis(20));
        }
    }),
    wrong("http1::breaks_off", Speaks::Http1, |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nx")
    }),
    wrong("http1::half_closes", Speaks::Http1, |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nx")?;
        stream.half_close()?;
        silent()
    }),
    wrong("tls::half_closes", Speaks::Tls, |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nx")?;
        stream.half_close()?;
        silent()
    }),
    wrong("http1::more_than_asked_for", Speaks::Http1, |stream| {
        after(
            stream,
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        )
    }),
    posted("http1::never_reads", Speaks::Http1, |_| silent()),
    wrong("http2::data", Speaks::Http2, |stream| after(stream, &answered(), &frame(0, 0, 1, &[]))),
    wrong("http2::headers", Speaks::Http2, |stream| {
        after(stream, &settings(), &frame(1, 4, 1, &[0x08, 3, b'1', b'0', b'0']))
    }),
    wrong("http2::header_bomb", Speaks::Http2, |stream| {
        // One long field in the header table, referenced again and again.
        let long = [&[0x40_u8, 1, b'a', 0x7f, 0x81, 0x1e][..], &[b'v'; 4000]].concat();
        after(
            stream,
            &[settings(), frame(1, 0, 1, &[&[0x88_u8][..], long.as_slice()].concat())].concat(),
            &frame(9, 0, 1, &[0xbe; 4096]),
        )
    }),
    flood("http2::priority", Speaks::Http2, |stream| {
        after(stream, &settings(), &frame(2, 0, 3, &[0, 0, 0, 0, 1]))
    }),
    wrong("http2::reset", Speaks::Http2, |stream| after(stream, &settings(), &frame(3, 0, 1, &[0, 0, 0, 8]))),
    flood("http2::settings", Speaks::Http2, |stream| pour(stream, &settings())),
    wrong("http2::push", Speaks::Http2, |stream| {
        after(stream, &settings(), &frame(5, 4, 1, &[0, 0, 0, 2, 0x82]))
    }),
    flood("http2::ping", Speaks::Http2, |stream| after(stream, &settings(), &frame(6, 0, 0, &[7; 8]))),
    wrong("http2::going_away", Speaks::Http2, |stream| {
        after(stream, &settings(), &frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]))
    }),
    wrong("http2::window", Speaks::Http2, |stream| {
        after(stream, &settings(), &frame(8, 0, 1, &[0, 0, 0, 1]))
    }),
    wrong("http2::continuation", Speaks::Http2, |stream| {
        after(stream, &[settings(), frame(1, 0, 1, &[0x88])].concat(), &frame(9, 0, 1, &[]))
    }),
    flood("http2::unknown", Speaks::Http2, |stream| after(stream, &settings(), &frame(0xfe, 0, 0, &[]))),
    wrong("http2::too_long", Speaks::Http2, |stream| after(stream, &settings(), &[0xff; 4096])),
    posted("http2::no_window", Speaks::Http2, |stream| {
        // A window of zero bytes, which then grows by one byte at a time.
        let none = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
        after(stream, &none, &frame(8, 0, 1, &[0, 0, 0, 1]))
    }),
    flood("websocket::ping", Speaks::WebSocket, |stream| pour(stream, &[0x89, 0].repeat(1024))),
    flood("websocket::pong", Speaks::WebSocket, |stream| pour(stream, &[0x8a, 0].repeat(1024))),
    flood("websocket::long_ping", Speaks::WebSocket, |stream| {
        pour(stream, &[&[0x89_u8, 125][..], &[1; 125]].concat().repeat(32))
    }),
    wrong("websocket::empty_messages", Speaks::WebSocket, |stream| pour(stream, &[0x81, 0].repeat(1024))),
    flood("websocket::empty_fragments", Speaks::WebSocket, |stream| {
        after(stream, &[0x01, 0], &[0, 0].repeat(1024))
    }),
    wrong("websocket::fragments", Speaks::WebSocket, |stream| {
        after(stream, &[0x02, 0], &[&[0_u8, 126, 16, 0][..], &[1; 4096]].concat())
    }),
    wrong("websocket::large_messages", Speaks::WebSocket, |stream| {
        pour(stream, &[&[0x82_u8, 127, 0, 0, 0, 0, 0, 0, 0x80, 0][..], &[1; 0x8000]].concat())
    }),
    wrong("websocket::announces_everything", Speaks::WebSocket, |stream| {
        after(stream, &[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[1; 4096])
    }),
    wrong("websocket::reserved", Speaks::WebSocket, |stream| pour(stream, &[0xf3, 0].repeat(1024))),
    wrong("websocket::farewells", Speaks::WebSocket, |stream| pour(stream, &[0x88, 0].repeat(1024))),
    posted("websocket::never_reads", Speaks::WebSocket, |_| silent()),
    flood("tls::small_records", Speaks::Tls, |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            stream.write_all(b"x")?;
            stream.flush()?;
        }
    }),
    wrong("tls::silent", Speaks::Raw, |_| silent()),
    wrong("tls::garbage", Speaks::Raw, |stream| pour(stream, &[0x55; 4096])),
    wrong("tls::endless_handshake", Speaks::Raw, |stream| {
        // A message that claims 16 MiB, in records of which the first begins it.
        let record = [&[22_u8, 3, 3, 0x40, 0][..], &[11, 0xff, 0xff, 0xff], &[1; 0x3ffc]].concat();
        after(stream, &record, &[&[22_u8, 3, 3, 0x40, 0][..], &[1; 0x4000]].concat())
    }),
    wrong("tls::alerts", Speaks::Raw, |stream| pour(stream, &[21, 3, 3, 0, 2, 1, 90])),
    wrong("tls::empty_records", Speaks::Raw, |stream| pour(stream, &[22, 3, 3, 0, 0].repeat(512))),
];

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(size: usize) -> Vec<u8> {
    [format!("{size:x}\r\n").as_bytes(), vec![b'x'; size].as_slice(), b"\r\n"].concat()
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

fn settings() -> Vec<u8> {
    frame(4, 0, 0, &[])
}

/// Settings, and the head of a response.
fn answered() -> Vec<u8> {
    [settings(), frame(1, 4, 1, &[0x88])].concat()
}

/// Sends nothing.
fn silent() -> io::Result<()> {
    thread::sleep(Duration::from_secs(600));
    Ok(())
}

/// Sends the same bytes without end, and reads nothing.
fn pour(stream: &mut dyn Stream, bytes: &[u8]) -> io::Result<()> {
    let bytes = bytes.repeat((4096 / bytes.len()).max(1));
    loop {
        stream.write_all(&bytes)?;
    }
}

/// Sends some bytes, and then the same bytes without end.
fn after(stream: &mut dyn Stream, first: &[u8], bytes: &[u8]) -> io::Result<()> {
    stream.write_all(first)?;
    pour(stream, bytes)
}
