//! Frames that a server sends: told apart as their bytes arrive and counted by type, because each costs the host work however
//! short it is.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use conductor_call::Limit;

/// How long frames count.
const WINDOW: Duration = Duration::from_secs(1);

/// Shorter records of TLS and pieces of a body are counted; longer ones are paid for by their bytes.
pub(super) const SMALL_BYTES: u64 = 128;

/// Bytes of the longest header of a frame: that of a WebSocket with the longest length and a mask (RFC 6455, section 5.2).
const MAX_HEADER_BYTES: usize = 14;

/// Types of frames that are told apart.
const TYPES: usize = 32;

/// What frames are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Records of TLS (RFC 8446, section 5.1).
    Tls,
    /// Frames of HTTP/2 (RFC 9113, section 4.1).
    Http2,
    /// Frames of a WebSocket, after the answer of HTTP/1.1 that opens it.
    WebSocket,
}

/// A type of frame, as a number below [`TYPES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameType(u8);

impl FrameType {
    /// A record of TLS that carries next to nothing.
    const SMALL_RECORD: Self = Self(0);
    /// A piece of a body that carries next to nothing.
    pub(super) const SMALL_PIECE: Self = Self(1);

    /// One of HTTP/2; those that it does not define count together.
    const fn http2(kind: u8) -> Self {
        Self(2 + if kind < 10 { kind } else { 10 })
    }

    /// One of a WebSocket.
    const fn websocket(opcode: u8) -> Self {
        Self(16 + opcode % 16)
    }
}

/// Counts the frames of all connections of a plugin, in windows of a second.
pub(super) struct Frames {
    max: u32,
    window: Mutex<(Option<Instant>, [u32; TYPES])>,
}

impl Frames {
    pub(super) const fn new(max: u32) -> Self {
        Self { max, window: Mutex::new((None, [0; TYPES])) }
    }

    /// Counts a frame, unless there were as many of its type in this second as there may be.
    pub(super) fn count(&self, kind: FrameType, now: Instant) -> Result<(), Limit> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, counts) = &mut *window;
        if begun.is_none_or(|begun| now.saturating_duration_since(begun) >= WINDOW) {
            (*begun, *counts) = (Some(now), [0; TYPES]);
        }
        let count = counts.get_mut(usize::from(kind.0)).ok_or(Limit::NetworkFrames)?;
        if *count >= self.max {
            return Err(Limit::NetworkFrames);
        }
        *count += 1;
        Ok(())
    }
}

/// Reads the headers of frames out of a stream of bytes, and looks at nothing else.
pub(super) struct FrameReader {
    protocol: Protocol,
    state: State,
}

enum State {
    /// The answer that opens a WebSocket; so many bytes of its end were seen.
    Head {
        matched: usize,
    },
    Header {
        bytes: [u8; MAX_HEADER_BYTES],
        have: usize,
    },
    Payload {
        left: u64,
    },
}

impl State {
    const NEXT: Self = Self::Header { bytes: [0; MAX_HEADER_BYTES], have: 0 };
}

/// What a header says.
struct Header {
    kind: Option<FrameType>,
    payload: u64,
}

impl FrameReader {
    pub(super) const fn new(protocol: Protocol) -> Self {
        let state = match protocol {
            Protocol::WebSocket => State::Head { matched: 0 },
            Protocol::Tls | Protocol::Http2 => State::NEXT,
        };
        Self { protocol, state }
    }

    /// Reads on, and calls `frame` for every header that is complete.
    pub(super) fn read<E>(
        &mut self,
        mut bytes: &[u8],
        mut frame: impl FnMut(FrameType) -> Result<(), E>,
    ) -> Result<(), E> {
        const END: &[u8; 4] = b"\r\n\r\n";
        while let Some((&byte, rest)) = bytes.split_first() {
            match &mut self.state {
                State::Head { matched } => {
                    *matched = if END.get(*matched) == Some(&byte) {
                        *matched + 1
                    } else {
                        usize::from(byte == b'\r')
                    };
                    bytes = rest;
                    if *matched == END.len() {
                        self.state = State::NEXT;
                    }
                }
                State::Header { bytes: header, have } => {
                    if let Some(place) = header.get_mut(*have) {
                        *place = byte;
                    }
                    *have += 1;
                    bytes = rest;
                    if let Some(Header { kind, payload }) =
                        self.protocol.header(header.get(..*have).unwrap_or(header))
                    {
                        self.state = State::Payload { left: payload };
                        kind.map_or(Ok(()), &mut frame)?;
                    }
                }
                State::Payload { left } => {
                    let passed = (*left).min(bytes.len() as u64);
                    *left -= passed;
                    bytes = bytes.get(passed as usize..).unwrap_or_default();
                    if *left == 0 {
                        self.state = State::NEXT;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Protocol {
    /// What a header says, once it is complete.
    fn header(self, bytes: &[u8]) -> Option<Header> {
        match (self, bytes) {
            (Self::Tls, &[_, _, _, high, low]) => {
                let payload = u64::from(u16::from_be_bytes([high, low]));
                Some(Header { kind: (payload < SMALL_BYTES).then_some(FrameType::SMALL_RECORD), payload })
            }
            (Self::Http2, &[high, middle, low, kind, _, _, _, _, _]) => {
                let payload = u64::from(u32::from_be_bytes([0, high, middle, low]));
                Some(Header { kind: Some(FrameType::http2(kind)), payload })
            }
            (Self::WebSocket, &[first, second, ref rest @ ..]) => {
                let mask = if second & 0x80 == 0 { 0 } else { 4 };
                let (length_bytes, short) = match second & 0x7f {
                    126 => (2, None),
                    127 => (8, None),
                    short => (0, Some(u64::from(short))),
                };
                if rest.len() < length_bytes + mask {
                    return None;
                }
                let long =
                    || rest.iter().take(length_bytes).fold(0, |length, byte| length << 8 | u64::from(*byte));
                let payload = short.unwrap_or_else(long);
                Some(Header { kind: Some(FrameType::websocket(first & 0x0f)), payload })
            }
            (Self::Tls | Self::Http2 | Self::WebSocket, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The types of frames in these bytes, however they are cut.
    fn types(protocol: Protocol, bytes: &[u8]) -> Vec<u8> {
        let whole = read(protocol, bytes, bytes.len());
        for size in 1..bytes.len() {
            assert_eq!(read(protocol, bytes, size), whole, "in pieces of {size}");
        }
        whole
    }

    fn read(protocol: Protocol, bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut reader, mut found) = (FrameReader::new(protocol), Vec::new());
        for piece in bytes.chunks(size) {
            let read: Result<(), ()> = reader.read(piece, |kind| {
                found.push(kind.0);
                Ok(())
            });
            assert_eq!(read, Ok(()));
        }
        found
    }

    #[test]
    fn frames_are_told_apart_however_they_arrive() {
        let http2 =
            b"\0\0\x02\x04\0\0\0\0\0ab\0\0\0\x06\0\0\0\0\0\0\0\x01\xfe\0\0\0\0\0c\0\0\0\0\0\0\0\0\x01";
        assert_eq!(types(Protocol::Http2, http2), [4 + 2, 6 + 2, 10 + 2, 2]);

        let mut websocket = b"HTTP/1.1 101 S\r\nx: \r\r\n\r\n".to_vec();
        websocket
            .extend(b"\x89\x00\x81\x03abc\x82\x7e\0\x04abcd\x8a\x7f\0\0\0\0\0\0\0\x01a\x89\x81mask!\x80\0");
        assert_eq!(types(Protocol::WebSocket, &websocket), [16 + 9, 16 + 1, 16 + 2, 16 + 10, 16 + 9, 16]);

        let mut tls = b"\x17\x03\x03\0\x02ab".to_vec();
        tls.extend(b"\x17\x03\x03\x01\0");
        tls.extend([0; 256]);
        tls.extend(b"\x16\x03\x03\0\0");
        assert_eq!(types(Protocol::Tls, &tls), [0, 0], "long records do not count");
    }

    #[test]
    fn a_second_has_so_many_of_each_type() {
        let frames = Frames::new(2);
        let start = Instant::now();
        for kind in [FrameType::http2(6), FrameType::websocket(9)] {
            assert_eq!(frames.count(kind, start), Ok(()));
            assert_eq!(frames.count(kind, start), Ok(()));
            assert_eq!(frames.count(kind, start + WINDOW / 2), Err(Limit::NetworkFrames));
        }
        assert_eq!(frames.count(FrameType::http2(6), start + WINDOW), Ok(()), "another second");
        for number in 0..=u8::MAX {
            assert!(usize::from(FrameType::http2(number).0) < 16);
            assert!((16..TYPES).contains(&usize::from(FrameType::websocket(number).0)));
        }
    }
}
