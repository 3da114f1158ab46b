//! One connection of one client: a line in, a line or more out, within bounds of size and time.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::Asker;
use super::interface::{Answer, Interface, Later};
use super::message::{EXCHANGE_WAIT, Refusal, RefusalCause, Request, Response};
use crate::calls::{CallRow, Follower};

/// Most bytes of a request with the end of its line; stops a client from filling the daemon's memory. No more than that
/// is ever read.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// How often it is looked for an answer that comes later.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Most bytes of rows that are written to one follower before the other clients are looked after again: calls may end as fast as
/// they are written.
const MAX_ROW_BYTES: usize = 64 * 1024;

/// Bytes that are read at once.
const CHUNK: usize = 4096;

pub(super) struct Connection {
    stream: UnixStream,
    asker: Asker,
    /// When it ends, whatever it has come to; none for one that follows.
    deadline: Option<Instant>,
    step: Step,
}

enum Step {
    /// What came of the request so far.
    Reading(Vec<u8>),
    /// The answer comes later.
    Waiting(Later),
    /// The answer, and how many bytes of it are gone.
    Writing(Vec<u8>, usize),
    /// Calls are told of as they end; what is being written of that, and how many bytes of it are gone.
    Following(Follower, Vec<u8>, usize),
}

/// What a connection needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Waits,
    Over,
}

impl Connection {
    /// A connection that was accepted at `now`, from whom it comes.
    pub(super) fn new(stream: UnixStream, asker: Asker, now: Instant) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, asker, deadline: Some(now + EXCHANGE_WAIT), step: Step::Reading(Vec::new()) })
    }

    /// When something is to be done about it even if the client does nothing.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        let look = match &self.step {
            Step::Waiting(_) | Step::Following(..) => Some(now + LOOK_EVERY),
            Step::Reading(_) | Step::Writing(..) => None,
        };
        [look, self.deadline].into_iter().flatten().min()
    }

    /// The file and what is waited for.
    pub(super) fn waits_for(&self) -> (BorrowedFd<'_>, PollFlags) {
        let flags = match &self.step {
            Step::Reading(_) => PollFlags::IN,
            Step::Writing(..) => PollFlags::OUT,
            Step::Following(_, bytes, written) if *written < bytes.len() => PollFlags::OUT,
            // Errors and the end are told of in any case.
            Step::Waiting(_) | Step::Following(..) => PollFlags::empty(),
        };
        (self.stream.as_fd(), flags)
    }

    /// Goes on as far as it can without waiting.
    pub(super) fn advance(&mut self, interface: &Interface, now: Instant) -> Progress {
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

    fn answer(&mut self, interface: &Interface, request: Request, now: Instant) {
        let wait = request.wait();
        match interface.answer(request, &self.asker) {
            Answer::Now(response) => self.respond(&response),
            Answer::Later(later) => {
                self.deadline = Some(now + wait);
                self.step = Step::Waiting(later);
            }
            Answer::Following(calls) => {
                self.deadline = None;
                // It says that calls are told of from now on.
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

/// Takes rows out until there are `room` bytes of them, or says why there are no more.
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

/// Whether the client is still there. What it says after its request is not looked at.
fn is_open(stream: &mut UnixStream) -> bool {
    match stream.read(&mut [0; CHUNK]) {
        Ok(count) => count > 0,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}

/// What was read so far.
#[derive(Debug, PartialEq, Eq)]
enum Received {
    /// A line of so many bytes.
    Line(usize),
    /// The beginning of one.
    Part,
    /// More than a request may have.
    TooMuch,
    /// The end of the stream before the end of the line.
    End,
}

/// Adds to `request` what is there to be read, up to [`MAX_REQUEST_BYTES`]. What follows the first line is not looked at.
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

/// Tells a client why it is not served; the connection is closed after it.
pub(super) fn turn_away(mut stream: UnixStream, refusal: Refusal) {
    let line = Response::Refused(refusal).to_line();
    // The line fits into an empty buffer; whoever does not take it is not waited for.
    let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(line.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that has so many bytes at a time, and then no more for now.
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
