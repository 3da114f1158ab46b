//! MIDI 1.0 messages (The Complete MIDI 1.0 Detailed Specification, MMA 1996).

mod parser;

use std::fmt;
use std::sync::Arc;

pub use parser::Parser;

/// Longest system exclusive message in bytes, from any input. Stops a stream that never sends `F7`, or a file, from
/// filling memory.
pub const MAX_SYSEX_BYTES: usize = 64 * 1024;

/// A message that mappings can react to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A key was released. A note-on with velocity 0 counts as a note-off.
    NoteOff {
        /// 0 to 15.
        channel: u8,
        /// 0 to 127.
        note: u8,
        /// Release velocity, 0 to 127.
        velocity: u8,
    },
    /// A key was pressed.
    NoteOn {
        /// 0 to 15.
        channel: u8,
        /// 0 to 127.
        note: u8,
        /// 1 to 127.
        velocity: u8,
    },
    /// The pressure on one key changed.
    KeyPressure {
        /// 0 to 15.
        channel: u8,
        /// 0 to 127.
        note: u8,
        /// 0 to 127.
        value: u8,
    },
    /// A controller moved.
    ControlChange {
        /// 0 to 15.
        channel: u8,
        /// Controller number, 0 to 127.
        cc: u8,
        /// 0 to 127.
        value: u8,
    },
    /// Another sound was chosen.
    ProgramChange {
        /// 0 to 15.
        channel: u8,
        /// 0 to 127.
        program: u8,
    },
    /// The pressure on all keys changed.
    ChannelPressure {
        /// 0 to 15.
        channel: u8,
        /// 0 to 127.
        value: u8,
    },
    /// The bender moved.
    PitchBend {
        /// 0 to 15.
        channel: u8,
        /// -8192 to 8191; 0 is the centre.
        value: i16,
    },
    /// A system exclusive message without its framing bytes `F0` and `F7`.
    SystemExclusive(Sysex),
    /// One 24th of a quarter note has passed.
    Clock,
    /// The sequence starts at its beginning.
    Start,
    /// The sequence goes on.
    Continue,
    /// The sequence stops.
    Stop,
}

/// The bytes of a system exclusive message between `F0` and `F7`. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysex(Arc<[u8]>);

impl Sysex {
    /// A message of these bytes; `None` if there are more than [`MAX_SYSEX_BYTES`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= MAX_SYSEX_BYTES).then(|| Self(bytes.into()))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Message {
    /// Reads one complete message without running status. `None` if the bytes are no message, or a message that no
    /// mapping can react to (time code, song position, tuning, active sensing, reset).
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut parser = Parser::new();
        let (last, rest) = bytes.split_last()?;
        if rest.iter().any(|byte| parser.push(*byte).is_some()) {
            return None;
        }
        parser.push(*last)
    }

    /// The bytes of the message on a wire, without running status.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::NoteOff { channel, note, velocity } => vec![0x80 | channel, *note, *velocity],
            Self::NoteOn { channel, note, velocity } => vec![0x90 | channel, *note, *velocity],
            Self::KeyPressure { channel, note, value } => vec![0xa0 | channel, *note, *value],
            Self::ControlChange { channel, cc, value } => vec![0xb0 | channel, *cc, *value],
            Self::ProgramChange { channel, program } => vec![0xc0 | channel, *program],
            Self::ChannelPressure { channel, value } => vec![0xd0 | channel, *value],
            Self::PitchBend { channel, value } => {
                let value = (value + 8192).cast_unsigned();
                vec![0xe0 | channel, (value & 0x7f) as u8, (value >> 7) as u8]
            }
            Self::SystemExclusive(sysex) => [&[0xf0], sysex.bytes(), &[0xf7]].concat(),
            Self::Clock => vec![0xf8],
            Self::Start => vec![0xfa],
            Self::Continue => vec![0xfb],
            Self::Stop => vec![0xfc],
        }
    }

    /// A channel message from its status byte and data bytes, which must be below 128.
    pub(crate) fn channel_message(status: u8, first: u8, second: u8) -> Option<Self> {
        let channel = status & 0x0f;
        match status & 0xf0 {
            0x80 => Some(Self::NoteOff { channel, note: first, velocity: second }),
            0x90 if second == 0 => Some(Self::NoteOff { channel, note: first, velocity: 0 }),
            0x90 => Some(Self::NoteOn { channel, note: first, velocity: second }),
            0xa0 => Some(Self::KeyPressure { channel, note: first, value: second }),
            0xb0 => Some(Self::ControlChange { channel, cc: first, value: second }),
            0xc0 => Some(Self::ProgramChange { channel, program: first }),
            0xd0 => Some(Self::ChannelPressure { channel, value: first }),
            0xe0 => {
                let value = (i16::from(second) << 7 | i16::from(first)) - 8192;
                Some(Self::PitchBend { channel, value })
            }
            _ => None,
        }
    }
}

/// Number of data bytes that follow a status byte; `None` for the start of a system exclusive message.
pub(crate) const fn data_bytes(status: u8) -> Option<usize> {
    match status {
        0x80..=0xbf | 0xe0..=0xef | 0xf2 => Some(2),
        0xc0..=0xdf | 0xf1 | 0xf3 => Some(1),
        0xf0 => None,
        _ => Some(0),
    }
}

/// Writes a note as a name, where 60 is `C4`.
pub(crate) struct NoteName(pub(crate) u8);

impl fmt::Display for NoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 12] = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
        let name = NAMES.get(usize::from(self.0) % 12).copied().unwrap_or_default();
        write!(f, "{name}{}", i16::from(self.0) / 12 - 1)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoteOff { channel, note, .. } => write!(f, "note-off {} ch {channel}", NoteName(*note)),
            Self::NoteOn { channel, note, velocity } => {
                write!(f, "note-on {} vel {velocity} ch {channel}", NoteName(*note))
            }
            Self::KeyPressure { channel, note, value } => {
                write!(f, "key-pressure {} {value} ch {channel}", NoteName(*note))
            }
            Self::ControlChange { channel, cc, value } => {
                write!(f, "control-change {cc} = {value} ch {channel}")
            }
            Self::ProgramChange { channel, program } => write!(f, "program-change {program} ch {channel}"),
            Self::ChannelPressure { channel, value } => write!(f, "channel-pressure {value} ch {channel}"),
            Self::PitchBend { channel, value } => write!(f, "pitch-bend {value} ch {channel}"),
            Self::SystemExclusive(sysex) => write!(f, "sysex of {} bytes", sysex.bytes().len()),
            Self::Clock => f.write_str("clock"),
            Self::Start => f.write_str("start"),
            Self::Continue => f.write_str("continue"),
            Self::Stop => f.write_str("stop"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_they_are_read() {
        for status in 0x80..=0xef {
            for data in [[0, 1], [64, 64], [127, 127]] {
                let bytes = [&[status], &data[..data_bytes(status).expect("a channel message")]].concat();
                assert_eq!(Message::from_bytes(&bytes).expect("a message").to_bytes(), bytes);
            }
        }
        for bytes in [&[0xf8][..], &[0xfa], &[0xfb], &[0xfc], &[0xf0, 1, 2, 0xf7]] {
            assert_eq!(Message::from_bytes(bytes).expect("a message").to_bytes(), bytes);
        }
    }

    #[test]
    fn complete_messages_are_read() {
        for (bytes, shown) in [
            (&[0x90, 60, 100][..], "note-on C4 vel 100 ch 0"),
            (&[0x9f, 60, 0], "note-off C4 ch 15"),
            (&[0xe0, 0, 0x40], "pitch-bend 0 ch 0"),
            (&[0xe0, 0, 0], "pitch-bend -8192 ch 0"),
            (&[0xe0, 0x7f, 0x7f], "pitch-bend 8191 ch 0"),
            (&[0xc3, 5], "program-change 5 ch 3"),
            (&[0xf0, 1, 2, 0xf7], "sysex of 2 bytes"),
            (&[0xf8], "clock"),
        ] {
            assert_eq!(Message::from_bytes(bytes).map(|message| message.to_string()).as_deref(), Some(shown));
        }
        for bytes in
            [&[][..], &[60, 100], &[0x90, 60], &[0x90, 60, 100, 64, 0], &[0xfe], &[0xf0, 1], &[0xf2, 0, 0]]
        {
            assert_eq!(Message::from_bytes(bytes), None, "{bytes:?}");
        }
    }
}
