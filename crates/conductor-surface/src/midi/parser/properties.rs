//! The raw MIDI parser on every stream that a sender may make of a list of messages, and on random bytes.

use proptest::prelude::*;

use crate::midi::{MAX_SYSEX_BYTES, Message, Parser, Sysex};

/// A message and its bytes after the status byte; real-time messages have none.
fn message() -> impl Strategy<Value = (Message, u8, Vec<u8>)> {
    let data = || 0..=127_u8;
    let channel = || 0..=15_u8;
    prop_oneof![
        (channel(), data(), data()).prop_map(|(channel, note, velocity)| {
            (Message::NoteOff { channel, note, velocity }, 0x80 | channel, vec![note, velocity])
        }),
        (channel(), data(), 1..=127_u8).prop_map(|(channel, note, velocity)| {
            (Message::NoteOn { channel, note, velocity }, 0x90 | channel, vec![note, velocity])
        }),
        (channel(), data(), data()).prop_map(|(channel, cc, value)| {
            (Message::ControlChange { channel, cc, value }, 0xb0 | channel, vec![cc, value])
        }),
        (channel(), data()).prop_map(|(channel, program)| {
            (Message::ProgramChange { channel, program }, 0xc0 | channel, vec![program])
        }),
        (channel(), -8192..=8191_i16).prop_map(|(channel, value)| {
            let bits = u16::try_from(value + 8192).expect("14 bits").to_le_bytes();
            let low = bits[0] & 0x7f;
            let high = bits[1] << 1 | bits[0] >> 7;
            (Message::PitchBend { channel, value }, 0xe0 | channel, vec![low, high])
        }),
        prop::collection::vec(data(), 0..40).prop_map(|bytes| {
            (Message::SystemExclusive(Sysex::new(&bytes).expect("fits")), 0xf0, [bytes, vec![0xf7]].concat())
        }),
    ]
}

/// Bytes that may stand between any two bytes, and the message that they give.
fn interruption() -> impl Strategy<Value = Option<(u8, Option<Message>)>> {
    prop_oneof![
        6 => Just(None),
        1 => Just(Some((0xf8, Some(Message::Clock)))),
        1 => Just(Some((0xfa, Some(Message::Start)))),
        1 => Just(Some((0xfc, Some(Message::Stop)))),
        1 => Just(Some((0xfe, None))),
    ]
}

proptest! {
    #[test]
    fn every_encoding_of_a_list_of_messages_is_read_back(
        messages in prop::collection::vec(message(), 0..60),
        interruptions in prop::collection::vec(interruption(), 1..50),
        running in any::<bool>(),
    ) {
        let mut interruptions = interruptions.into_iter().cycle();
        let mut parser = Parser::new();
        let mut expected = Vec::new();
        let mut read = Vec::new();
        let mut status_before = None;
        for (message, status, data) in messages {
            let repeated = running && status < 0xf0 && status_before == Some(status);
            let bytes = if repeated { data } else { [vec![status], data].concat() };
            for byte in bytes {
                if let Some(Some((interruption, heard))) = interruptions.next() {
                    expected.extend(heard);
                    read.extend(parser.push(interruption));
                }
                let ended = parser.push(byte);
                if ended.is_some() {
                    expected.push(message.clone());
                }
                read.extend(ended);
            }
            prop_assert_eq!(read.last(), Some(&message));
            status_before = (status < 0xf0).then_some(status);
        }
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn rubbish_gives_valid_messages_or_none(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let mut parser = Parser::new();
        for message in bytes.iter().filter_map(|byte| parser.push(*byte)) {
            match message {
                Message::NoteOn { channel, note, velocity } | Message::NoteOff { channel, note, velocity } => {
                    prop_assert!(channel < 16 && note < 128 && velocity < 128);
                }
                Message::SystemExclusive(sysex) => {
                    let bytes = sysex.bytes();
                    prop_assert!(bytes.len() <= MAX_SYSEX_BYTES && bytes.iter().all(|byte| *byte < 128));
                }
                Message::KeyPressure { .. }
                | Message::ControlChange { .. }
                | Message::ProgramChange { .. }
                | Message::ChannelPressure { .. }
                | Message::PitchBend { .. }
                | Message::Clock
                | Message::Start
                | Message::Continue
                | Message::Stop => {}
            }
        }
    }
}
