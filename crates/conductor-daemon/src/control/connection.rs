//! One connection of one client: one line in, one or more lines out, within bounds of size and time.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use zeroize::Zeroizing;

use super::Asker;
use super::interface::{Answer, Interface, Later};
use super::message::{EXCHANGE_WAIT, Refusal, RefusalCause, Request, Response};
use crate::calls::{CallRow, Follower};

/// Most bytes of a request, with its line end. More is never read. Stops a client from filling the daemon's memory.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Time between two looks for an answer that comes later.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Most bytes of rows that are written to one follower before the other clients are served again. Calls may end as fast
/// as rows are written.
const MAX_ROW_BYTES: usize = 64 * 1024;

/// Bytes that are read at once.
const CHUNK: usize = 4096;

pub(super) struct Connection {
    stream: UnixStream,
    asker: Asker,
    /// When the connection ends, whatever its step; none for a follower.
    deadline: Option<Instant>,
    step: Step,
}

enum Step {
    /// The bytes of the request so far, which may hold a secret.
    Reading(Zeroizing<Vec<u8>>),
    /// The source of an answer that comes later.
    Waiting(Later),
    /// The answer, and how many bytes of it were sent.
    Writing(Vec<u8>, usize),
    /// The source of rows, the bytes being sent, and how many of them were sent.
    Following(Follower, Vec<u8>, usize),
}

/// What a connection needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Waits,
    Over,
}

impl Connection {
    /// A connection that was accepted at `now` from `asker`.
    pub(super) fn new(stream: UnixStream, asker: Asker, now: Instant) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            asker,
            deadline: Some(now + EXCHANGE_WAIT),
            step: Step::Reading(Zeroizing::default()),
        })
    }

    /// Whether the client has not sent its request yet.
    pub(super) const fn has_asked_nothing(&self) -> bool {
        matches!(self.step, Step::Reading(_))
    }

    /// Whether a thread works on the answer, such as on a decision that is being written.
    pub(super) fn is_worked_on(&self) -> bool {
        matches!(&self.step, Step::Waiting(Later::Work(work)) if !work.has_begun_more())
    }

    /// When the connection needs attention even if the client does nothing.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        let look = match &self.step {
            Step::Waiting(_) | Step::Following(..) => Some(now + LOOK_EVERY),
            Step::Reading(_) | Step::Writing(..) => None,
        };
        [look, self.deadline].into_iter().flatten().min()
    }

    /// The socket, and the events to poll it for.
    pub(super) fn waits_for(&self) -> (BorrowedFd<'_>, PollFlags) {
        let flags = match &self.step {
            Step::Reading(_) => PollFlags::IN,
            Step::Writing(..) => PollFlags::OUT,
            Step::Following(_, bytes, written) if *written < bytes.len() => PollFlags::OUT,
            // Poll reports errors and the end in any case.
            Step::Waiting(_) | Step::Following(..) => PollFlags::empty(),
        };
        (self.stream.as_fd(), flags)
    }

    /// Goes on as far as possible without waiting.
    pub(super) fn advance(&mut self, interface: &Arc<Interface>, now: Instant) -> Progress {
        let is_late = self.deadline.is_some_and(|deadline| deadline <= now);
        if let Step::Reading(request) = &mut self.step {
            if is_late {
                return Progress::Over;
            }
            match read(&mut self.stream, request) {
                Ok(Received::Line(length)) => {
                    match Request::from_line(request.get(..length).unwrap_or_default()) {
                        Ok(request) => self.answer(interface, request, now),
                        Err(refusal) => self.respond(&Response::Refused(refusal)),
                    }
                }
                Ok(Received::TooMuch) => self.respond(&Response::Refused(too_large())),
                Ok(Received::Part) => return Progress::Waits,
                // There is nobody to answer.
                Ok(Received::End) | Err(_) => return Progress::Over,
            }
        }
        if let Step::Waiting(later) = &self.step {
            let response = later.look().or_else(|| is_late.then(|| later.took_too_long()));
            let Some(response) = response else { return Progress::Waits };
            self.deadline = Some(now + EXCHANGE_WAIT);
            self.respond(&response);
        } else if is_late {
            return Progress::Over;
        }
        self.write()
    }

    fn answer(&mut self, interface: &Arc<Interface>, request: Request, now: Instant) {
        let wait = request.wait();
        match interface.begin(request, &self.asker) {
            Answer::Now(response) => self.respond(&response),
            Answer::Later(later) => {
                self.deadline = Some(now + wait);
                self.step = Step::Waiting(later);
            }
            Answer::Following(calls) => {
                self.deadline = None;
                // The first line says that calls follow from now on.
                let first = Response::Event(None).to_line().into_bytes();
                self.step = Step::Following(calls, first, 0);
            }
        }
    }

    fn respond(&mut self, response: &Response) {
        self.step = Step::Writing(response.to_line().into_bytes(), 0);
    }

    fn write(&mut self) -> Progress {
        let mut room = MAX_ROW_BYTES;
        loop {
            let (bytes, written, calls) = match &mut self.step {
                Step::Writing(bytes, written) => (bytes, written, None),
                Step::Following(calls, bytes, written) => (bytes, written, Some(calls)),
                Step::Reading(_) | Step::Waiting(_) => return Progress::Waits,
            };
            while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
                match self.stream.write(rest) {
                    Ok(count) => *written += count,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waits,
                    Err(_) => return Progress::Over,
                }
            }
            let Some(calls) = calls else { return Progress::Over };
            bytes.clear();
            *written = 0;
            let ended = take_rows(calls, bytes, room);
            room = room.saturating_sub(bytes.len());
            if bytes.is_empty() {
                let is_over = ended == Some(TryRecvError::Disconnected) || !is_open(&mut self.stream);
                return if is_over { Progress::Over } else { Progress::Waits };
            }
        }
    }
}

/// Takes out rows up to about `room` bytes, or says why there are no more.
fn take_rows(calls: &Follower, bytes: &mut Vec<u8>, room: usize) -> Option<TryRecvError> {
    while bytes.len() < room {
        let row = match calls.try_recv() {
            Ok(row) => row,
            Err(none) => return Some(none),
        };
        let row = Box::new(CallRow::clone(&row));
        bytes.extend_from_slice(Response::Event(Some(row)).to_line().as_bytes());
    }
    None
}

/// Whether the client is still there. Bytes after its request are ignored.
fn is_open(stream: &mut UnixStream) -> bool {
    match stream.read(&mut [0; CHUNK]) {
        Ok(count) => count > 0,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}

/// What was read so far.
#[derive(Debug, PartialEq, Eq)]
enum Received {
    /// A line of this many bytes.
    Line(usize),
    /// The beginning of a line.
    Part,
    /// More bytes than a request may have.
    TooMuch,
    /// The end of the stream before the end of the line.
    End,
}

/// Adds the bytes that can be read now to `request`, up to [`MAX_REQUEST_BYTES`]. Bytes after the first line are
/// ignored.
fn read(stream: &mut impl io::Read, request: &mut Vec<u8>) -> io::Result<Received> {
    let mut chunk = [0; CHUNK];
    loop {
        let room = MAX_REQUEST_BYTES - request.len();
        if room == 0 {
            return Ok(Received::TooMuch);
        }
        let before = request.len();
        match stream.take(room as u64).read(&mut chunk) {
            Ok(0) => return Ok(Received::End),
            Ok(count) => request.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Part),
            Err(error) => return Err(error),
        }
        let new = request.get(before..).unwrap_or_default();
        if let Some(end) = new.iter().position(|byte| *byte == b'\n') {
            return Ok(Received::Line(before + end));
        }
    }
}

fn too_large() -> Refusal {
    let message = format!("a request has at most {MAX_REQUEST_BYTES} bytes");
    Refusal::new(RefusalCause::TooLarge, message)
}

/// Tells a client why it is not served. The connection is closed afterwards.
pub(super) fn turn_away(mut stream: UnixStream, refusal: Refusal) {
    let line = Response::Refused(refusal).to_line();
    // The line fits into an empty socket buffer; a client that does not take the line is not waited for.
    let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(line.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that gives its pieces one at a time, and then would block.
    struct Drip<'b>(Vec<&'b [u8]>);

    impl io::Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.first_mut() {
                Some(bytes) => {
                    let count = bytes.read(buffer)?;
                    if bytes.is_empty() {
                        self.0.remove(0);
                    }
                    Ok(count)
                }
                None => Err(ErrorKind::WouldBlock.into()),
            }
        }
    }

    #[test]
    fn a_line_ends_where_it_ends() {
        let mut request = Vec::new();
        assert_eq!(read(&mut Drip(vec![b"ab", b"c"]), &mut request).expect("reads"), Received::Part);
        assert_eq!(read(&mut Drip(vec![b"d\nrest"]), &mut request).expect("reads"), Received::Line(4));
        assert_eq!(read(&mut &b"no end"[..], &mut Vec::new()).expect("reads"), Received::End);
    }

    #[test]
    fn no_more_is_kept_than_a_request_may_have() {
        let mut request = Vec::new();
        let endless = read(&mut io::repeat(b'x'), &mut request).expect("reads");
        assert_eq!((endless, request.len()), (Received::TooMuch, MAX_REQUEST_BYTES));
        let mut line = vec![b' '; MAX_REQUEST_BYTES - 1];
        line.push(b'\n');
        let longest = read(&mut &line[..], &mut Vec::new()).expect("reads");
        assert_eq!(longest, Received::Line(MAX_REQUEST_BYTES - 1));
    }
}
