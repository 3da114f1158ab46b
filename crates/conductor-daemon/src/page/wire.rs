//! The bytes of a connection. The HTTP library itself answers requests that it cannot read; such an answer is replaced
//! by this server's own, so that every answer has the same headers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::reply::HEADERS;
use crate::control::{Refusal, RefusalCause, Response};

/// Where the status is in the first line of an answer: `HTTP/1.1 400 …`.
const STATUS: std::ops::Range<usize> = 9..12;

pub(super) struct Wire {
    stream: TcpStream,
    /// Whether a request was read. If so, the bytes that are written are this server's answer.
    heard: Arc<AtomicBool>,
    /// The answer to a request that could not be read, and how many bytes of the answer were written.
    complaint: Option<(Vec<u8>, usize)>,
}

impl Wire {
    pub(super) const fn new(stream: TcpStream, heard: Arc<AtomicBool>) -> Self {
        Self { stream, heard, complaint: None }
    }

    /// Writes the rest of the complaint, if there is one.
    fn poll_complain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some((bytes, written)) = &mut self.complaint {
            while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
                *written += ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.heard.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        self.complaint.get_or_insert_with(|| (complaint(bytes), 0));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_complain(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_complain(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The answer that takes the place of the library's own, with the same status.
fn complaint(library: &[u8]) -> Vec<u8> {
    let (status, cause, message) = match library.get(STATUS) {
        Some(b"414") => ("414 URI Too Long", RefusalCause::TooLarge, "the address is too long"),
        Some(b"431") => (
            "431 Request Header Fields Too Large",
            RefusalCause::TooLarge,
            "the head of the request is too long",
        ),
        Some(_) | None => ("400 Bad Request", RefusalCause::Malformed, "this is no request"),
    };
    let line = Response::Refused(Refusal::new(cause, message.to_owned())).to_line();
    let mut answer = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in HEADERS {
        answer += &format!("{name}: {value}\r\n");
    }
    answer += &format!(
        "content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{line}",
        line.len()
    );
    answer.into_bytes()
}
