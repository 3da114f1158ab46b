//! What a MIDI message can leave sounding, or out of its neutral position, and the message that ends it.
//!
//! Notes sound until a note-off. Pedals hold notes beyond that. Pitch bend, channel pressure and the modulation wheel
//! are where a player's hand holds them, and bend or shake whatever is played next; MIDI's own reset of controllers
//! (RP-015) brings exactly these back to neutral. Volume, pan, expression, programs and banks are settings: they stay.

use std::ops::RangeInclusive;

/// MIDI channels of a port.
const CHANNELS: usize = 16;

/// Keys of a channel.
const KEYS: usize = 128;

/// All notes of a port.
const NOTES: usize = CHANNELS * KEYS;

/// The controllers that are pedals: sustain, sostenuto, soft and hold 2.
const PEDALS: [u8; 4] = [64, 66, 67, 69];

/// The controller that is the modulation wheel.
const MODULATION: u8 = 1;

/// Row of pitch bend, which follows those of the pedals.
const BEND_ROW: usize = PEDALS.len();

/// Row of channel pressure.
const PRESSURE_ROW: usize = BEND_ROW + 1;

/// Row of the modulation wheel.
const MODULATION_ROW: usize = PRESSURE_ROW + 1;

/// Rows of what is held on each channel beside notes.
const ROWS: usize = MODULATION_ROW + 1;

/// Number of sounds that a port can have.
pub const SOUNDS: usize = NOTES + ROWS * CHANNELS;

/// The neutral pitch bend: the middle of 14 bits.
const BEND_CENTRE: [u8; 2] = [0x00, 0x40];

/// The velocity of a note-off that nobody played (MIDI 1.0 Detailed Specification 4.2: 64 without a sensor).
const RELEASE_VELOCITY: u8 = 64;

/// Most times that a note is struck and not released before the host releases it once for each further strike. Stops a
/// plugin that never releases its notes, such as one that plays drums, from making its end take long.
pub const MAX_STRIKES: u8 = 16;

/// A note of a channel, or something that a channel holds. They are ordered as they are to be ended: notes, then
/// pedals, then bends, then pressure and modulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sound(u16);

/// What a message does to a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The sound.
    pub sound: Sound,
    /// Whether the message begins the sound or holds it; otherwise the message ends it.
    pub begins: bool,
}

impl Sound {
    fn new(index: usize) -> Option<Self> {
        u16::try_from(index).ok().filter(|_| index < SOUNDS).map(Self)
    }

    /// All sounds, in the order in which they are ended.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SOUNDS).filter_map(Self::new)
    }

    /// The place of the sound among [`SOUNDS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether the sound is a note, which can be struck several times.
    #[must_use]
    pub const fn is_note(self) -> bool {
        self.index() < NOTES
    }

    /// The most that can be counted of the sound: a note is struck again and again, anything else is held or not.
    #[must_use]
    pub const fn most(self) -> u8 {
        if self.is_note() { MAX_STRIKES } else { 1 }
    }

    /// The message that ends the sound once.
    #[must_use]
    pub fn end(self) -> Message {
        let index = self.index();
        if self.is_note() {
            let (channel, key) = (data(index / KEYS), data(index % KEYS));
            return Message([0x80 | channel, key, RELEASE_VELOCITY], 3);
        }
        let (row, channel) = ((index - NOTES) / CHANNELS, data((index - NOTES) % CHANNELS));
        match (row, PEDALS.get(row)) {
            (_, Some(pedal)) => Message([0xb0 | channel, *pedal, 0], 3),
            (BEND_ROW, _) => Message([0xe0 | channel, BEND_CENTRE[0], BEND_CENTRE[1]], 3),
            (PRESSURE_ROW, _) => Message([0xd0 | channel, 0, 0], 2),
            (_, None) => Message([0xb0 | channel, MODULATION, 0], 3),
        }
    }
}

/// A message that the host itself sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message([u8; 3], usize);

impl Message {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or(&self.0)
    }
}

/// The messages that silence a channel whatever sounds there: all sound off, then all notes off.
pub(crate) fn silence_of(channel: u8) -> [Message; 2] {
    [120, 123].map(|controller| Message([0xb0 | channel, controller, 0], 3))
}

/// The channels of a port.
pub(crate) const CHANNEL_NUMBERS: RangeInclusive<u8> = 0..=15;

impl Change {
    /// What one complete message with its status byte does. `None` for a message that leaves nothing sounding, such as
    /// System Exclusive, whose content is not looked at.
    #[must_use]
    pub fn of(message: &[u8]) -> Option<Self> {
        let [status, data @ ..] = message else { return None };
        let channel = usize::from(status & 0x0f);
        let held =
            |row: usize, begins| Some(Self { sound: Sound::new(NOTES + row * CHANNELS + channel)?, begins });
        match (status & 0xf0, data) {
            (0x80, [key, _]) => Self::note(channel, *key, false),
            // A note-on with velocity 0 is a note-off.
            (0x90, [key, velocity]) => Self::note(channel, *key, *velocity > 0),
            (0xb0, [MODULATION, value]) => held(MODULATION_ROW, *value > 0),
            // A pedal that is half down holds as well, on instruments that know half pedals.
            (0xb0, [controller, value]) => {
                let row = PEDALS.iter().position(|pedal| pedal == controller)?;
                held(row, *value > 0)
            }
            (0xd0, [pressure]) => held(PRESSURE_ROW, *pressure > 0),
            (0xe0, [low, high]) => held(BEND_ROW, [*low, *high] != BEND_CENTRE),
            (_, _) => None,
        }
    }

    fn note(channel: usize, key: u8, begins: bool) -> Option<Self> {
        let key = usize::from(key);
        let sound = (key < KEYS).then(|| Sound::new(channel * KEYS + key))??;
        Some(Self { sound, begins })
    }
}

/// A number that fits into a data byte.
fn data(number: usize) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins(message: &[u8]) -> Option<(Sound, bool)> {
        Change::of(message).map(|change| (change.sound, change.begins))
    }

    #[test]
    fn every_sound_is_ended_by_a_message_that_ends_it() {
        assert_eq!(Sound::all().count(), SOUNDS);
        for sound in Sound::all() {
            let end = sound.end();
            assert_eq!(begins(end.bytes()), Some((sound, false)), "{:02x?}", end.bytes());
        }
    }

    #[test]
    fn what_begins_and_what_ends_a_sound() {
        let same = |on: &[u8], off: &[u8]| {
            let (on, off) = (begins(on).expect("a sound"), begins(off).expect("a sound"));
            assert_eq!((on.0, on.1, off.1), (off.0, true, false));
        };
        same(&[0x9f, 127, 1], &[0x8f, 127, 0]);
        same(&[0x90, 0, 127], &[0x90, 0, 0]);
        for pedal in PEDALS {
            same(&[0xb3, pedal, 1], &[0xb3, pedal, 0]);
            same(&[0xb3, pedal, 127], &[0xb3, pedal, 0]);
        }
        same(&[0xb3, 1, 5], &[0xb3, 1, 0]);
        same(&[0xd3, 5], &[0xd3, 0]);
        same(&[0xe3, 0, 0], &[0xe3, 0, 64]);
        same(&[0xe3, 1, 64], &[0xe3, 0, 64]);
    }

    #[test]
    fn settings_and_what_is_no_channel_message_leave_nothing_sounding() {
        let messages: [&[u8]; 12] = [
            &[],
            &[0xb0, 7, 100],
            &[0xb0, 11, 0],
            &[0xb0, 65, 127],
            &[0xb0, 123, 0],
            &[0xc0, 5],
            &[0xa0, 60, 5],
            &[0xf0, 0x90, 60, 100, 0xf7],
            &[0xf8],
            &[0xff],
            &[0x90, 60],
            &[0x90, 60, 100, 61],
        ];
        for message in messages {
            assert_eq!(Change::of(message), None, "{message:02x?}");
        }
    }

    #[test]
    fn sounds_end_in_the_order_notes_pedals_bends_and_the_rest() {
        let kind = |sound: Sound| match sound.end().bytes() {
            [0x80..=0x8f, ..] => 0,
            [0xb0..=0xbf, 64 | 66 | 67 | 69, _] => 1,
            [0xe0..=0xef, ..] => 2,
            _ => 3,
        };
        assert!(Sound::all().map(kind).is_sorted());
    }
}
