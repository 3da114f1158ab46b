//! Frames over a Unix socket, bounded in size and, for the supervisor, in time.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroize;

use super::frame::{self, LENGTH_BYTES};
use crate::outcome::WorkerFault;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// Capacity that a buffer keeps between frames; a larger one is given back.
const KEPT_BYTES: usize = 256 * 1024;

/// One end of the socket between supervisor and worker.
pub(super) struct Channel {
    stream: UnixStream,
    outgoing: Vec<u8>,
    /// What was read; the first `taken` bytes of it belong to frames that were handed out.
    incoming: Vec<u8>,
    taken: usize,
    max_frame: u64,
}

/// Where in a channel's buffer the bytes behind a head are.
#[derive(Debug)]
pub(super) struct Tail(Range<usize>);

/// Why a frame could not be sent or received.
#[derive(Debug)]
pub(super) enum ChannelError {
    /// The other end is closed.
    Closed,
    /// The deadline has passed.
    Late,
    /// The other end announced a frame that is too large.
    TooLarge { found: u64, max: u64 },
    /// The other end sent what is no frame of the kind that is expected.
    Garbage,
    /// The operating system failed.
    Failed,
}

impl Channel {
    /// A channel that waits as long as it takes.
    pub(super) const fn new(stream: UnixStream, max_frame: u64) -> Self {
        Self { stream, outgoing: Vec::new(), incoming: Vec::new(), taken: 0, max_frame }
    }

    /// A channel whose operations end by a deadline.
    pub(super) fn with_deadlines(stream: UnixStream, max_frame: u64) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self::new(stream, max_frame))
    }

    pub(super) const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Sends a frame; with a deadline only on a channel that was made for it.
    pub(super) fn send(
        &mut self,
        head: &impl Serialize,
        tail: &[u8],
        deadline: Option<Instant>,
    ) -> Result<(), ChannelError> {
        frame::encode(head, tail, &mut self.outgoing).map_err(|_| ChannelError::Garbage)?;
        let mut sent = 0;
        while let Some(left) = self.outgoing.get(sent..).filter(|left| !left.is_empty()) {
            match self.stream.write(left) {
                Ok(0) => return Err(ChannelError::Closed),
                Ok(count) => sent += count,
                Err(error) => self.wait_or_fail(error, PollFlags::OUT, deadline)?,
            }
        }
        self.outgoing.clear();
        self.outgoing.shrink_to(KEPT_BYTES);
        Ok(())
    }

    /// Receives a frame: its head, and where the bytes behind it are until the next one is received.
    pub(super) fn receive<H: DeserializeOwned>(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<(H, Tail), ChannelError> {
        self.incoming.drain(..self.taken);
        self.taken = 0;
        self.incoming.shrink_to(KEPT_BYTES.max(self.incoming.len()));
        let length = loop {
            if let Some(length) = self.incoming.first_chunk::<LENGTH_BYTES>() {
                break u64::from(u32::from_le_bytes(*length));
            }
            self.read_some(deadline)?;
        };
        if length > self.max_frame {
            return Err(ChannelError::TooLarge { found: length, max: self.max_frame });
        }
        let end = LENGTH_BYTES + usize::try_from(length).map_err(|_| ChannelError::Garbage)?;
        while self.incoming.len() < end {
            self.read_some(deadline)?;
        }
        self.taken = end;
        let frame = self.incoming.get(LENGTH_BYTES..end).unwrap_or_default();
        let (head, tail) = frame::decode(frame).map_err(|_| ChannelError::Garbage)?;
        Ok((head, Tail(end - tail.len()..end)))
    }

    /// The bytes behind the head that was received last.
    pub(super) fn bytes(&self, tail: Tail) -> &[u8] {
        self.incoming.get(tail.0).unwrap_or_default()
    }

    /// Overwrites what was sent last.
    pub(super) fn forget_sent(&mut self) {
        self.outgoing.zeroize();
    }

    /// Whether the other end has sent something that nobody asked for, or has closed.
    pub(super) fn has_unexpected(&mut self) -> bool {
        if self.incoming.len() > self.taken {
            return true;
        }
        let mut file = [PollFd::new(&self.stream, PollFlags::IN)];
        poll(&mut file, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    fn read_some(&mut self, deadline: Option<Instant>) -> Result<(), ChannelError> {
        let filled = self.incoming.len();
        self.incoming.resize(filled + READ_BYTES, 0);
        let result = self.stream.read(self.incoming.get_mut(filled..).unwrap_or_default());
        self.incoming.truncate(filled + result.as_ref().map_or(0, |count| *count));
        match result {
            Ok(0) => Err(ChannelError::Closed),
            Ok(_) => Ok(()),
            Err(error) => self.wait_or_fail(error, PollFlags::IN, deadline),
        }
    }

    /// After an operation that did not succeed: waits until it may, if that is what it takes.
    fn wait_or_fail(
        &self,
        error: io::Error,
        flags: PollFlags,
        deadline: Option<Instant>,
    ) -> Result<(), ChannelError> {
        match (error.kind(), deadline) {
            (io::ErrorKind::Interrupted, _) => Ok(()),
            (io::ErrorKind::WouldBlock, Some(deadline)) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(ChannelError::Late);
                }
                let timeout = Timespec {
                    tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: i64::from(left.subsec_nanos()),
                };
                // Whatever it ends with, the operation is tried again, and so is the deadline.
                let _ = poll(&mut [PollFd::new(&self.stream, flags)], Some(&timeout));
                Ok(())
            }
            (io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset, _) => Err(ChannelError::Closed),
            (_, _) => Err(ChannelError::Failed),
        }
    }
}

impl ChannelError {
    /// What this says about the worker at the other end; `None` if it has only closed, and how it ended is known better
    /// from the process.
    pub(super) fn fault(&self, expected: &'static str) -> Option<WorkerFault> {
        match self {
            Self::Closed | Self::Failed => None,
            Self::Late => Some(WorkerFault::Hung),
            Self::TooLarge { found, max } => Some(WorkerFault::FrameTooLarge { found: *found, max: *max }),
            Self::Garbage => Some(WorkerFault::Garbage { expected }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    enum Word {
        Say(u32),
    }

    fn pair(max_frame: u64) -> (Channel, Channel) {
        let (near, far) = UnixStream::pair().expect("sockets");
        (
            Channel::with_deadlines(near, max_frame).expect("channel"),
            Channel::with_deadlines(far, u64::MAX).expect("channel"),
        )
    }

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(50))
    }

    #[test]
    fn frames_come_one_by_one_however_they_are_cut() {
        let (mut near, mut far) = pair(1 << 20);
        let tail = vec![7u8; 100_000];
        let sender = std::thread::spawn(move || {
            for number in 0..20 {
                far.send(
                    &Word::Say(number),
                    &tail[..number as usize * 5_000],
                    Some(Instant::now() + Duration::from_secs(10)),
                )
                .expect("sent");
            }
            far
        });
        for number in 0..20 {
            let deadline = Some(Instant::now() + Duration::from_secs(10));
            let (head, tail) = near.receive::<Word>(deadline).expect("received");
            assert_eq!(head, Word::Say(number));
            let tail = near.bytes(tail);
            assert!(tail.len() == number as usize * 5_000 && tail.iter().all(|byte| *byte == 7));
        }
        let far = sender.join().expect("sender");
        assert!(!near.has_unexpected());
        assert!(matches!(near.receive::<Word>(soon()), Err(ChannelError::Late)));
        drop(far);
        assert!(near.has_unexpected());
        assert!(matches!(near.receive::<Word>(soon()), Err(ChannelError::Closed)));
    }

    #[test]
    fn a_length_is_refused_before_anything_is_allocated_for_it() {
        let (mut near, far) = pair(1_000);
        (&far.stream).write_all(&(1u32 << 30).to_le_bytes()).expect("written");
        match near.receive::<Word>(soon()) {
            Err(ChannelError::TooLarge { found, max }) => assert_eq!((found, max), (1 << 30, 1_000)),
            other => panic!("{other:?}"),
        }
        assert!(near.incoming.capacity() < 100_000);
    }

    #[test]
    fn half_a_frame_and_bytes_that_are_none_are_told_apart() {
        let (mut near, far) = pair(1_000);
        (&far.stream).write_all(&[9, 0, 0, 0, 1, 2]).expect("written");
        assert!(matches!(near.receive::<Word>(soon()), Err(ChannelError::Late)));
        (&far.stream).write_all(&[0xff; 7]).expect("written");
        assert!(matches!(near.receive::<Word>(soon()), Err(ChannelError::Garbage)));
    }
}
