//! A small web server on loopback, which receives the requests of the webhook plugin.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::TaskError;

/// Largest body that is accepted.
const MAX_BODY: usize = 64 * 1024;

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running server, which ends when this value is dropped.
pub(crate) struct WebServer {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WebServer {
    /// Starts a server on a free port of loopback that keeps the bodies of all requests.
    pub(crate) fn start() -> Result<Self, TaskError> {
        Self::start_with(true)
    }

    /// Starts a server that keeps no bodies, for more requests than fit into memory.
    pub(crate) fn start_forgetful() -> Result<Self, TaskError> {
        Self::start_with(false)
    }

    fn start_with(keeps: bool) -> Result<Self, TaskError> {
        let error = |source| TaskError::Start { command: "web server on 127.0.0.1".to_owned(), source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        let (bodies, ended) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (kept, stop) = (Arc::clone(&bodies), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                if let Ok(body) = serve(stream)
                    && keeps
                {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(body);
                }
            }
        });
        Ok(Self { address, bodies, ended, thread: Some(thread) })
    }

    /// Host and port, in the form of a grant.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bodies that arrived so far.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // The connection wakes the thread, which then sees that it is to end. If connecting fails, the thread has
        // ended.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads one request, answers it with 200 and returns its body.
fn serve(stream: TcpStream) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?.take(2 * MAX_BODY as u64));
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0).min(MAX_BODY);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}
