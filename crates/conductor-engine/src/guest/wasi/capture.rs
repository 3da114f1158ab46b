//! Standard output and standard error of a plugin: kept up to a limit, and only counted beyond the limit.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// A bounded buffer that a plugin prints into and the host takes after each call.
#[derive(Clone)]
pub(crate) struct Capture {
    max: usize,
    buffer: Arc<Mutex<Output>>,
}

/// The output that was captured.
#[derive(Default)]
pub(crate) struct Output {
    /// The first bytes, at most the limit.
    pub(crate) bytes: Vec<u8>,
    /// Number of bytes after the first ones, which were dropped.
    pub(crate) dropped: u64,
}

impl Capture {
    pub(crate) fn new(max: u32) -> Self {
        Self { max: max as usize, buffer: Arc::default() }
    }

    /// The output since the last call of this function, if there was any.
    pub(crate) fn take(&self) -> Option<Output> {
        let mut output = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let printed = !output.bytes.is_empty() || output.dropped > 0;
        printed.then(|| std::mem::take(&mut *output))
    }

    /// Whether more was printed than is kept.
    pub(crate) fn overflowed(&self) -> bool {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner).dropped > 0
    }

    fn append(&self, bytes: &[u8]) {
        let mut output = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, dropped) = bytes.split_at(bytes.len().min(self.max.saturating_sub(output.bytes.len())));
        output.bytes.extend_from_slice(kept);
        output.dropped = output.dropped.saturating_add(dropped.len() as u64);
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        /// The number of bytes that wasmtime's own streams permit at once.
        const PERMIT: usize = 64 * 1024;
        Ok(PERMIT)
    }
}

impl Pollable for Capture {
    fn ready<'a: 'b, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        Self: 'b,
    {
        Box::pin(std::future::ready(()))
    }
}

impl AsyncWrite for Capture {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
