//! Reads messages from a stream of raw MIDI bytes.

use super::{MAX_SYSEX_BYTES, Message, Sysex, data_bytes};

/// Reads messages from a stream of bytes, with running status and with real-time bytes in any place, even within other
/// messages. Bytes that belong to no message are skipped. A system exclusive message longer than [`MAX_SYSEX_BYTES`] is
/// dropped as a whole.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    sysex: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Between messages. Data bytes are skipped until a status byte.
    #[default]
    Idle,
    /// Within a message with this status, whose first data byte may have come.
    Channel { status: u8, first: Option<u8> },
    /// Within a system common message with this many data bytes left. Mappings cannot react to such messages.
    Common { left: usize },
    /// Within a system exclusive message.
    Sysex,
    /// Within a system exclusive message that is too long.
    Overlong,
}

impl Parser {
    /// A parser that waits for a status byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a system exclusive message has begun and not ended.
    #[must_use]
    pub const fn is_in_sysex(&self) -> bool {
        matches!(self.state, State::Sysex | State::Overlong)
    }

    /// Takes the next byte. Returns the message that the byte completes.
    pub fn push(&mut self, byte: u8) -> Option<Message> {
        match byte {
            0xf8..=0xff => real_time(byte),
            0x80..=0xf7 => self.status(byte),
            0x00..=0x7f => self.data(byte),
        }
    }

    fn status(&mut self, byte: u8) -> Option<Message> {
        let ended = match (self.state, byte) {
            (State::Sysex, 0xf7) => Sysex::new(&self.sysex).map(Message::SystemExclusive),
            (
                State::Idle | State::Channel { .. } | State::Common { .. } | State::Sysex | State::Overlong,
                _,
            ) => None,
        };
        self.sysex.clear();
        self.state = match byte {
            0x80..=0xef => State::Channel { status: byte, first: None },
            0xf0 => State::Sysex,
            // System common messages end running status.
            _ => match data_bytes(byte) {
                Some(left @ 1..) => State::Common { left },
                Some(0) | None => State::Idle,
            },
        };
        ended
    }

    fn data(&mut self, byte: u8) -> Option<Message> {
        match self.state {
            State::Idle | State::Overlong => None,
            State::Channel { status, first: None } if data_bytes(status) == Some(1) => {
                Message::channel_message(status, byte, 0)
            }
            State::Channel { status, first: None } => {
                self.state = State::Channel { status, first: Some(byte) };
                None
            }
            State::Channel { status, first: Some(first) } => {
                self.state = State::Channel { status, first: None };
                Message::channel_message(status, first, byte)
            }
            State::Common { left } => {
                self.state = if left > 1 { State::Common { left: left - 1 } } else { State::Idle };
                None
            }
            State::Sysex if self.sysex.len() == MAX_SYSEX_BYTES => {
                self.sysex = Vec::new();
                self.state = State::Overlong;
                None
            }
            State::Sysex => {
                self.sysex.push(byte);
                None
            }
        }
    }
}

/// A message of one byte, which may stand anywhere. Mappings cannot react to active sensing and reset.
const fn real_time(byte: u8) -> Option<Message> {
    match byte {
        0xf8 => Some(Message::Clock),
        0xfa => Some(Message::Start),
        0xfb => Some(Message::Continue),
        0xfc => Some(Message::Stop),
        _ => None,
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Vec<Message> {
        let mut parser = Parser::new();
        bytes.iter().filter_map(|byte| parser.push(*byte)).collect()
    }

    #[test]
    fn running_status_repeats_the_last_channel_status() {
        let note = |note, velocity| Message::NoteOn { channel: 1, note, velocity };
        assert_eq!(parse(&[0x91, 60, 1, 61, 2, 62, 3]), [note(60, 1), note(61, 2), note(62, 3)]);
        assert_eq!(parse(&[0xc0, 1, 2]).len(), 2);
        assert_eq!(parse(&[0x91, 60, 1, 0xf3, 7, 61, 2]).len(), 1, "a system common message ends it");
    }

    #[test]
    fn real_time_bytes_may_stand_within_any_message() {
        let messages = parse(&[0x90, 0xf8, 60, 0xfa, 100, 0xf0, 1, 0xfc, 2, 0xf7]);
        let note = Message::NoteOn { channel: 0, note: 60, velocity: 100 };
        let sysex = Message::SystemExclusive(Sysex::new(&[1, 2]).expect("fits"));
        assert_eq!(messages, [Message::Clock, Message::Start, note, Message::Stop, sysex]);
    }

    #[test]
    fn a_status_byte_ends_an_unfinished_message() {
        assert_eq!(parse(&[0x90, 60, 0x80, 61, 0]), [Message::NoteOff { channel: 0, note: 61, velocity: 0 }]);
        assert_eq!(parse(&[0xf0, 1, 2, 0x90, 60, 1]).len(), 1);
    }

    #[test]
    fn an_overlong_sysex_is_dropped_and_the_stream_goes_on() {
        let mut bytes = vec![0xf0];
        bytes.resize(MAX_SYSEX_BYTES + 2, 1);
        bytes.extend([0xf7, 0x90, 60, 1]);
        let mut parser = Parser::new();
        let messages: Vec<_> = bytes.iter().filter_map(|byte| parser.push(*byte)).collect();
        assert_eq!(messages, [Message::NoteOn { channel: 0, note: 60, velocity: 1 }]);
        assert!(parser.sysex.capacity() <= MAX_SYSEX_BYTES);

        let mut longest = vec![0xf0];
        longest.resize(MAX_SYSEX_BYTES + 1, 1);
        longest.push(0xf7);
        let sysex = Sysex::new(&[1; MAX_SYSEX_BYTES]).expect("fits");
        assert_eq!(parse(&longest), [Message::SystemExclusive(sysex)]);
    }
}
