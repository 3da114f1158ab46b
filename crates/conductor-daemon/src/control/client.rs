//! The client's end: asks a running daemon.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use conductor_signing::escape;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use zeroize::Zeroizing;

use super::message::{PROTOCOL_VERSION, Request, Response};
use super::socket::{SocketError, check_length};

/// How much longer than the daemon's own time limit the client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most bytes of a response. Stops a program that listens in the daemon's place from filling this program's memory. The
/// longest list of plugins fits.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// Pause before the next attempt, when a busy daemon ended the connection.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Asks the daemon at `socket`, and waits a little longer than [`Request::wait`].
///
/// # Errors
///
/// Fails if no daemon runs there, or if the answer is late or no response. A refusal is a response.
pub fn ask(socket: &Path, request: &Request) -> Result<Response, ClientError> {
    check_length(socket).map_err(|source| ClientError::Path { source })?;
    // It may hold a secret.
    let line = Zeroizing::new(request.to_line());
    let wait = request.wait() + PATIENCE;
    let deadline = Instant::now() + wait;
    let answer = loop {
        let answer = exchange(socket, &line, deadline).map_err(|error| classify(error, socket, wait))?;
        if !answer.is_empty() {
            break answer;
        }
        // A daemon with too many connections ends the oldest, which may have been this one.
        if Instant::now() + RETRY_PAUSE >= deadline {
            return Err(ClientError::Closed { socket: socket.into() });
        }
        thread::sleep(RETRY_PAUSE);
    };
    parse(&answer, socket)
}

/// Follows the daemon at `socket`: calls `tell` with each response, for as long as `tell` returns `true`.
///
/// # Errors
///
/// As [`ask`], and also when the daemon ends.
pub fn follow(
    socket: &Path,
    request: &Request,
    mut tell: impl FnMut(Response) -> bool,
) -> Result<(), ClientError> {
    check_length(socket).map_err(|source| ClientError::Path { source })?;
    let wait = request.wait() + PATIENCE;
    let failed = |error| classify(error, socket, wait);
    let mut stream = connect(socket, Instant::now() + wait).map_err(failed)?;
    stream.write_all(request.to_line().as_bytes()).map_err(failed)?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let read = (&mut lines).take(MAX_RESPONSE_BYTES as u64 + 1).read_until(b'\n', &mut line);
        if read.map_err(failed)? == 0 {
            return Err(ClientError::Closed { socket: socket.into() });
        }
        if !tell(parse(&line, socket)?) {
            return Ok(());
        }
    }
}

fn parse(line: &[u8], socket: &Path) -> Result<Response, ClientError> {
    let malformed = |cause: String| ClientError::Malformed { socket: socket.into(), cause };
    if line.len() > MAX_RESPONSE_BYTES {
        return Err(malformed(format!("it is longer than {MAX_RESPONSE_BYTES} bytes")));
    }
    let response = Response::from_line(line).map_err(|error| malformed(error.to_string()))?;
    response.ok_or_else(|| ClientError::Version { socket: socket.into() })
}

/// Sends a line and returns the line that comes back; empty if the connection ends without a line.
fn exchange(socket: &Path, line: &str, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut stream = connect(socket, deadline)?;
    // A daemon may refuse before it has read the whole line; its answer is read even if the rest cannot be sent.
    let _ = stream.write_all(line.as_bytes());
    let mut answer = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(Vec::new()),
            Ok(count) => {
                let new = chunk.get(..count).unwrap_or_default();
                answer.extend_from_slice(new);
                if new.contains(&b'\n') || answer.len() > MAX_RESPONSE_BYTES {
                    return Ok(answer);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
    }
}

/// Connects. The time limit is set first, because connecting waits while the daemon has too many clients to accept.
fn connect(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(left(deadline)?))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn classify(source: io::Error, socket: &Path, wait: Duration) -> ClientError {
    let socket = socket.into();
    let kind = source.kind();
    if matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused) {
        ClientError::NoDaemon { socket }
    } else if matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut) {
        ClientError::TimedOut { socket, wait }
    } else {
        ClientError::Io { socket, source }
    }
}

/// Why a daemon could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The path is not fit for a socket.
    #[error("{source}")]
    Path {
        /// Why.
        source: SocketError,
    },
    /// Nobody listens there.
    #[error("no daemon is running on {}", escape::path(socket))]
    NoDaemon {
        /// The socket.
        socket: PathBuf,
    },
    /// There was no answer in time.
    #[error("the daemon on {} did not answer within {} seconds", escape::path(socket), wait.as_secs())]
    TimedOut {
        /// The socket.
        socket: PathBuf,
        /// How long the client waited.
        wait: Duration,
    },
    /// The connection ended without an answer.
    #[error("the daemon on {} ended the connection without an answer", escape::path(socket))]
    Closed {
        /// The socket.
        socket: PathBuf,
    },
    /// The operating system refused.
    #[error("the daemon on {} cannot be asked: {source}", escape::path(socket))]
    Io {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The answer is no response.
    #[error("what {} answers is no response of a daemon: {cause}", escape::path(socket))]
    Malformed {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The daemon speaks another version of the protocol.
    #[error(
        "the daemon on {} does not speak version {PROTOCOL_VERSION} of the control protocol",
        escape::path(socket)
    )]
    Version {
        /// The socket.
        socket: PathBuf,
    },
}
