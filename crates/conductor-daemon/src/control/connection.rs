//! One connection of one client: a line in, a line out, within bounds of size and time.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::interface::Interface;
use super::message::{Refusal, RefusalCause, Request, Response};

/// Most bytes of a request with the end of its line; stops a client from filling the daemon's memory. No more than that
/// is ever read.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Longest that a connection lasts, from being accepted to the last byte of the answer; stops a slow client from keeping
/// its place.
pub const EXCHANGE_WAIT: Duration = Duration::from_secs(3);

/// Bytes that are read at once.
const CHUNK: usize = 4096;

pub(super) struct Connection {
    stream: UnixStream,
    deadline: Instant,
    step: Step,
}

enum Step {
    /// What came of the request so far.
    Reading(Vec<u8>),
    /// The answer, and how many bytes of it are gone.
    Writing(Vec<u8>, usize),
}

/// What a connection needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Waits,
    Over,
}

impl Connection {
    /// A connection that was accepted at `now`.
    pub(super) fn new(stream: UnixStream, now: Instant) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, deadline: now + EXCHANGE_WAIT, step: Step::Reading(Vec::new()) })
    }

    /// When it ends, whatever it has come to.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The file and what is waited for.
    pub(super) fn waits_for(&self) -> (BorrowedFd<'_>, PollFlags) {
        let flags = match &self.step {
            Step::Reading(_) => PollFlags::IN,
            Step::Writing(..) => PollFlags::OUT,
        };
        (self.stream.as_fd(), flags)
    }

    /// Goes on as far as it can without waiting.
    pub(super) fn advance(&mut self, interface: &Interface) -> Progress {
        if let Step::Reading(request) = &mut self.step {
            let response = match read(&mut self.stream, request) {
                Ok(Received::Line(length)) => {
                    match Request::from_line(request.get(..length).unwrap_or_default()) {
                        Ok(request) => interface.answer(&request),
                        Err(refusal) => Response::Refused(refusal),
                    }
                }
                Ok(Received::TooMuch) => Response::Refused(too_large()),
                Ok(Received::Part) => return Progress::Waits,
                // There is nobody to answer.
                Ok(Received::End) | Err(_) => return Progress::Over,
            };
            self.step = Step::Writing(response.to_line().into_bytes(), 0);
        }
        self.write()
    }

    fn write(&mut self) -> Progress {
        let Step::Writing(bytes, written) = &mut self.step else { return Progress::Waits };
        while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => *written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waits,
                Err(_) => return Progress::Over,
            }
        }
        Progress::Over
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

/// Tells a client of another user that it is not served; the connection is closed after it.
pub(super) fn turn_away(mut stream: UnixStream) {
    let message = "this daemon belongs to another user".to_owned();
    let refusal = Response::Refused(Refusal::new(RefusalCause::OtherUser, message));
    // The line fits into an empty buffer; whoever does not take it is not waited for.
    let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(refusal.to_line().as_bytes()));
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
