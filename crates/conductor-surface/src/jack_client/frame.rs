//! Messages in a ring buffer of bytes. A frame is a port number, a length and the bytes of one message.
//!
//! Neither end allocates, locks or waits, so either may be on the real-time thread.

use jack::{RingBufferReader, RingBufferWriter};

use crate::midi::MAX_SYSEX_BYTES;

/// Port number (2 bytes) and length (4 bytes).
const HEADER_BYTES: usize = 6;

/// Longest message: a system exclusive message with its two framing bytes.
const MAX_FRAME_BYTES: usize = MAX_SYSEX_BYTES + 2;

/// The end at which frames are put in.
pub(super) struct FrameWriter {
    ring: RingBufferWriter,
    capacity: usize,
}

impl FrameWriter {
    pub(super) fn new(mut ring: RingBufferWriter) -> Self {
        let capacity = ring.space();
        Self { ring, capacity }
    }

    /// Puts a message in. Returns `false` if it does not fit.
    pub(super) fn write(&mut self, port: u16, bytes: &[u8]) -> bool {
        if bytes.len() > MAX_FRAME_BYTES || self.ring.space() < HEADER_BYTES + bytes.len() {
            return false;
        }
        let [p0, p1] = port.to_le_bytes();
        let [l0, l1, l2, l3] = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.ring.write_buffer(&[p0, p1, l0, l1, l2, l3]);
        self.ring.write_buffer(bytes);
        true
    }

    /// Whether the reader has taken everything out.
    pub(super) fn is_empty(&mut self) -> bool {
        self.ring.space() == self.capacity
    }
}

/// The end at which frames are taken out.
pub(super) struct FrameReader {
    ring: RingBufferReader,
    buffer: Box<[u8]>,
}

impl FrameReader {
    pub(super) fn new(ring: RingBufferReader) -> Self {
        Self { ring, buffer: vec![0; MAX_FRAME_BYTES].into_boxed_slice() }
    }

    /// Length of the next message, if it is complete.
    pub(super) fn next_len(&self) -> Option<usize> {
        let (_, len) = self.peek()?;
        (self.ring.space() >= HEADER_BYTES + len).then_some(len)
    }

    /// Takes the next message out.
    pub(super) fn next(&mut self) -> Option<(u16, &[u8])> {
        let len = self.next_len()?;
        let (port, _) = self.peek()?;
        self.ring.advance(HEADER_BYTES);
        let bytes = self.buffer.get_mut(..len)?;
        self.ring.read_buffer(bytes);
        Some((port, bytes))
    }

    /// Takes all messages out.
    pub(super) fn drain(&mut self, mut take: impl FnMut(u16, &[u8])) {
        while let Some((port, bytes)) = self.next() {
            take(port, bytes);
        }
    }

    fn peek(&self) -> Option<(u16, usize)> {
        let mut header = [0; HEADER_BYTES];
        if self.ring.space() < HEADER_BYTES || self.ring.peek(&mut header) < HEADER_BYTES {
            return None;
        }
        let [p0, p1, l0, l1, l2, l3] = header;
        Some((u16::from_le_bytes([p0, p1]), usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?))
    }
}
