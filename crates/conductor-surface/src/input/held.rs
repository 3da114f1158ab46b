//! What an input leaves sounding: keys, pedals and wheels that are down, for whoever hears its events.
//!
//! A key that is down when a cable is pulled is never released by itself: whoever hears the input would hold the note for
//! ever. So the host says what the player would have said.

use std::sync::{Mutex, PoisonError};

use conductor_sounding::sound::{Change, SOUNDS, Sound};

use crate::midi::Message;

/// How often each sound was begun and not ended. Nothing is allocated before the first one.
#[derive(Default)]
pub(super) struct Held(Mutex<Vec<u8>>);

impl Held {
    /// Counts a message that the input delivers.
    pub(super) fn hears(&self, message: &Message) {
        let Some(Change { sound, begins }) = change(message) else { return };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.is_empty() {
            if !begins {
                return;
            }
            counts.resize(SOUNDS, 0);
        }
        let Some(count) = counts.get_mut(sound.index()) else { return };
        *count = match (begins, sound.is_note()) {
            (true, _) => count.saturating_add(1).min(sound.most()),
            (false, true) => count.saturating_sub(1),
            (false, false) => 0,
        };
    }

    /// The messages that end everything that is held, which counts as ended from now on: notes first, then pedals, bends,
    /// pressure and modulation.
    pub(super) fn let_go(&self) -> Vec<Message> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut ends = Vec::new();
        for (sound, count) in Sound::all().zip(counts) {
            let end = Message::from_bytes(sound.end().bytes());
            ends.extend(std::iter::repeat_n(end, count.into()).flatten());
        }
        ends
    }
}

/// What a message does to a sound.
fn change(message: &Message) -> Option<Change> {
    let bytes: &[u8] = match *message {
        Message::NoteOff { channel, note, velocity } => &[0x80 | channel, note, velocity],
        Message::NoteOn { channel, note, velocity } => &[0x90 | channel, note, velocity],
        Message::ControlChange { channel, cc, value } => &[0xb0 | channel, cc, value],
        Message::ChannelPressure { channel, value } => &[0xd0 | channel, value],
        Message::PitchBend { channel, value } => {
            let value = (value + 8192).cast_unsigned();
            &[0xe0 | channel, (value & 0x7f) as u8, (value >> 7) as u8]
        }
        Message::KeyPressure { .. }
        | Message::ProgramChange { .. }
        | Message::SystemExclusive(_)
        | Message::Clock
        | Message::Start
        | Message::Continue
        | Message::Stop => return None,
    };
    Change::of(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use conductor_sounding::sound::MAX_STRIKES;
    use proptest::prelude::*;

    use super::*;

    fn message(bytes: &[u8]) -> Message {
        Message::from_bytes(bytes).expect("a message")
    }

    fn let_go_after(messages: &[&[u8]]) -> Vec<Vec<u8>> {
        let held = Held::default();
        messages.iter().for_each(|bytes| held.hears(&message(bytes)));
        let ends = held.let_go().iter().map(Message::to_bytes).collect();
        assert_eq!(held.let_go(), [], "once");
        ends
    }

    #[test]
    fn what_is_down_is_let_go_notes_first() {
        let ends = let_go_after(&[
            &[0xe2, 0, 0],
            &[0xb1, 64, 127],
            &[0x91, 60, 100],
            &[0x91, 62, 100],
            &[0x81, 62, 0],
            &[0x95, 60, 1],
            &[0xd0, 9],
            &[0xb0, 1, 3],
            &[0xb0, 7, 100],
            &[0xc0, 5],
            &[0xf8],
        ]);
        let expected: [&[u8]; 6] =
            [&[0x81, 60, 64], &[0x85, 60, 64], &[0xb1, 64, 0], &[0xe2, 0, 64], &[0xd0, 0], &[0xb0, 1, 0]];
        assert_eq!(ends, expected);
    }

    #[test]
    fn what_was_released_is_not_let_go_again() {
        let none: [Vec<u8>; 0] = [];
        assert_eq!(let_go_after(&[]), none);
        assert_eq!(let_go_after(&[&[0x80, 60, 0], &[0xb0, 64, 0], &[0xe0, 0, 64]]), none);
        assert_eq!(
            let_go_after(&[&[0x90, 60, 1], &[0x90, 60, 0], &[0xb0, 64, 50], &[0xb0, 64, 90], &[0xb0, 64, 0]]),
            none
        );
    }

    #[test]
    fn each_strike_is_released_up_to_a_bound() {
        let strike: &[u8] = &[0x90, 60, 1];
        assert_eq!(let_go_after(&[strike; 3]).len(), 3);
        assert_eq!(let_go_after(&[strike; 100]).len(), usize::from(MAX_STRIKES));
    }

    proptest! {
        #[test]
        fn nothing_is_down_at_the_end(bytes in prop::collection::vec((0x80_u8..0xf0, 0_u8..128, 0_u8..128), 0..200)) {
            let held = Held::default();
            let mut down: BTreeMap<Sound, u8> = BTreeMap::new();
            let mut hear = |message: &Message| {
                let Some(Change { sound, begins }) = Change::of(&message.to_bytes()) else { return };
                let count = down.entry(sound).or_default();
                *count = match (begins, sound.is_note()) {
                    (true, _) => (*count + 1).min(sound.most()),
                    (false, true) => count.saturating_sub(1),
                    (false, false) => 0,
                };
            };
            for (status, first, second) in bytes {
                let message = Message::channel_message(status, first, second).expect("a message");
                held.hears(&message);
                hear(&message);
            }
            held.let_go().iter().for_each(&mut hear);
            prop_assert!(down.values().all(|count| *count == 0), "{down:?}");
        }
    }
}
