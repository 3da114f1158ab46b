//! Frames over two pipes, one in each direction, bounded in size. Nothing in this file looks at the time: the
//! supervisor ends a worker that takes too long, and wakes up whoever waits for the worker here.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use conductor_call::WorkerFault;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::child::Child;
use super::frame::{self, LENGTH_BYTES};

/// Free space in the buffer for every read.
const READ_BYTES: usize = 16 * 1024;

/// Capacity that a buffer keeps between frames; a larger buffer is freed.
const KEPT_BYTES: usize = 256 * 1024;

/// Interval at which a blocked sender looks whether the worker was told to end. As soon as the sender can send, it is
/// woken up.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// One end of the pipes between supervisor and worker.
pub(super) struct Channel {
    from: Arc<PipeReader>,
    to: PipeWriter,
    /// The process at the other end, in a channel of the supervisor. Waiting for the process can end without its ends
    /// of the pipes being closed, because a process that cannot die keeps them open.
    other: Option<Arc<Child>>,
    outgoing: Vec<u8>,
    /// Buffer for received bytes: the first `filled` bytes were received, and the first `taken` of those belong to
    /// frames that were handed out.
    incoming: Vec<u8>,
    filled: usize,
    taken: usize,
    max_frame: u64,
}

/// Where in the buffer of a channel the bytes behind a head are.
#[derive(Debug)]
pub(super) struct Tail(Range<usize>);

/// Why a frame could not be sent or received.
#[derive(Debug)]
pub(super) enum ChannelError {
    /// The other end is closed.
    Closed,
    /// The process at the other end was told to end.
    Over,
    /// The other end announced a frame that is larger than allowed.
    TooLarge { found: u64, max: u64 },
    /// The other end sent bytes that are not a frame of the expected kind.
    Garbage,
    /// The operating system failed.
    Failed,
}

impl Channel {
    /// A channel to the supervisor, over these pipes.
    pub(super) fn new(from: PipeReader, to: PipeWriter, max_frame: u64) -> Self {
        let (from, other) = (Arc::new(from), None);
        Self { from, to, other, outgoing: Vec::new(), incoming: Vec::new(), filled: 0, taken: 0, max_frame }
    }

    /// A channel to a process that may be ended meanwhile.
    pub(super) fn to_child(
        from: Arc<PipeReader>,
        to: PipeWriter,
        max_frame: u64,
        other: Arc<Child>,
    ) -> io::Result<Self> {
        // Without blocking, waiting at a full pipe can be ended. The descriptor of the other end is not affected.
        fcntl_setfl(&to, OFlags::NONBLOCK)?;
        let (outgoing, incoming) = (Vec::new(), Vec::new());
        Ok(Self { from, to, other: Some(other), outgoing, incoming, filled: 0, taken: 0, max_frame })
    }

    /// The pipe for incoming frames and the pipe for outgoing frames.
    pub(super) fn pipes(&self) -> (&PipeReader, &PipeWriter) {
        (&self.from, &self.to)
    }

    /// Drops the channel except for the pipe for outgoing frames.
    pub(super) fn into_output(self) -> OwnedFd {
        self.to.into()
    }

    /// Sends a frame.
    pub(super) fn send(&mut self, head: &impl Serialize, tail: &[u8]) -> Result<(), ChannelError> {
        frame::encode(head, tail, &mut self.outgoing).map_err(|_| ChannelError::Garbage)?;
        let mut sent = 0;
        while let Some(left) = self.outgoing.get(sent..).filter(|left| !left.is_empty()) {
            match self.to.write(left) {
                Ok(0) => return Err(ChannelError::Closed),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for_room()?,
                Err(error) => again(&error)?,
            }
        }
        self.outgoing.clear();
        self.outgoing.shrink_to(KEPT_BYTES);
        Ok(())
    }

    /// Receives a frame: its head, and the place of the bytes behind the head, which stay until the next frame is
    /// received.
    pub(super) fn receive<H: DeserializeOwned>(&mut self) -> Result<(H, Tail), ChannelError> {
        self.make_room();
        let length = loop {
            if let Some(length) = self.received().first_chunk::<LENGTH_BYTES>() {
                break u64::from(u32::from_le_bytes(*length));
            }
            self.read_some()?;
        };
        if length > self.max_frame {
            return Err(ChannelError::TooLarge { found: length, max: self.max_frame });
        }
        let end = LENGTH_BYTES + usize::try_from(length).map_err(|_| ChannelError::Garbage)?;
        while self.filled < end {
            self.read_some()?;
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

    /// Whether the other end has sent something that nobody asked for, or has closed its end.
    pub(super) fn has_unexpected(&mut self) -> bool {
        if self.filled > self.taken {
            return true;
        }
        let mut file = [PollFd::new(&self.from, PollFlags::IN)];
        poll(&mut file, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Waits a moment for room in the pipe; fails if the other end was told to end.
    fn wait_for_room(&self) -> Result<(), ChannelError> {
        let mut file = [PollFd::new(&self.to, PollFlags::OUT)];
        // The result does not matter, because the next attempt to write reports any error.
        let _ = poll(&mut file, Some(&LOOK_EVERY));
        if self.is_over() { Err(ChannelError::Over) } else { Ok(()) }
    }

    /// Whether the process at the other end was told to end. A process that ended by itself is not meant: the frames
    /// that it sent are still read.
    fn is_over(&self) -> bool {
        self.other.as_ref().is_some_and(|other| other.is_told())
    }

    /// The bytes that were received and are still in the buffer.
    fn received(&self) -> &[u8] {
        self.incoming.get(..self.filled).unwrap_or_default()
    }

    /// Drops the frame that was handed out last, and frees the memory of a large frame.
    fn make_room(&mut self) {
        self.incoming.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        if self.incoming.len() > KEPT_BYTES && self.filled <= KEPT_BYTES {
            self.incoming.truncate(KEPT_BYTES);
            self.incoming.shrink_to_fit();
        }
    }

    fn read_some(&mut self) -> Result<(), ChannelError> {
        if self.incoming.len() < self.filled + READ_BYTES {
            self.incoming.resize(self.filled + READ_BYTES, 0);
        }
        if self.is_over() {
            return Err(ChannelError::Over);
        }
        let read = (&*self.from).read(self.incoming.get_mut(self.filled..).unwrap_or_default());
        // The bytes may come from the thread that ended the process, which writes to the pipe to wake this reader.
        match read {
            Ok(_) if self.is_over() => Err(ChannelError::Over),
            Ok(0) => Err(ChannelError::Closed),
            Ok(count) => {
                self.filled += count;
                Ok(())
            }
            Err(error) => again(&error),
        }
    }
}

/// Whether to try an operation again that did not succeed.
#[expect(clippy::wildcard_enum_match_arm, reason = "there are two ends of a pipe that are no failure")]
fn again(error: &io::Error) -> Result<(), ChannelError> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::BrokenPipe => Err(ChannelError::Closed),
        _ => Err(ChannelError::Failed),
    }
}

impl ChannelError {
    /// The fault of the worker that this error shows. `None` if the channel is only closed or the worker was ended:
    /// then the process itself tells the cause better.
    pub(super) fn fault(&self, expected: &'static str) -> Option<WorkerFault> {
        match self {
            Self::Closed | Self::Over | Self::Failed => None,
            Self::TooLarge { found, max } => Some(WorkerFault::FrameTooLarge { found: *found, max: *max }),
            Self::Garbage => Some(WorkerFault::Garbage { expected }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    enum Word {
        Say(u32),
    }

    fn pair(max_frame: u64) -> (Channel, Channel) {
        let (there, back) = (io::pipe().expect("pipe"), io::pipe().expect("pipe"));
        (Channel::new(back.0, there.1, max_frame), Channel::new(there.0, back.1, u64::MAX))
    }

    #[test]
    fn frames_come_one_by_one_however_they_are_cut() {
        let (mut near, mut far) = pair(1 << 20);
        let tail = vec![7u8; 100_000];
        let sender = std::thread::spawn(move || {
            for number in 0..20 {
                far.send(&Word::Say(number), &tail[..number as usize * 5_000]).expect("sent");
            }
            far
        });
        for number in 0..20 {
            let (head, tail) = near.receive::<Word>().expect("received");
            assert_eq!(head, Word::Say(number));
            let tail = near.bytes(tail);
            assert!(tail.len() == number as usize * 5_000 && tail.iter().all(|byte| *byte == 7));
        }
        let far = sender.join().expect("sender");
        assert!(!near.has_unexpected());
        drop(far);
        // A process that another test starts at this moment holds a copy of the other end, until it executes its own
        // program.
        let closed = std::time::Instant::now();
        while !near.has_unexpected() {
            assert!(closed.elapsed() < std::time::Duration::from_secs(10), "the end is not seen");
            std::thread::yield_now();
        }
        assert!(matches!(near.receive::<Word>(), Err(ChannelError::Closed)));
    }

    #[test]
    fn a_length_is_refused_before_anything_is_allocated_for_it() {
        let (mut near, far) = pair(1_000);
        (&far.to).write_all(&(1u32 << 30).to_le_bytes()).expect("written");
        match near.receive::<Word>() {
            Err(ChannelError::TooLarge { found, max }) => assert_eq!((found, max), (1 << 30, 1_000)),
            other => panic!("{other:?}"),
        }
        assert!(near.incoming.capacity() < 100_000);
    }

    #[test]
    fn half_a_frame_and_bytes_that_are_none_are_told_apart() {
        let (mut near, far) = pair(1_000);
        (&far.to).write_all(&[9, 0, 0, 0, 1, 2]).expect("written");
        (&far.to).write_all(&[0xff; 7]).expect("written");
        assert!(matches!(near.receive::<Word>(), Err(ChannelError::Garbage)));
        (&far.to).write_all(&[9, 0, 0, 0, 1, 2]).expect("written");
        drop(far);
        assert!(matches!(near.receive::<Word>(), Err(ChannelError::Closed)));
    }
}
