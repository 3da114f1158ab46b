//! What sounds at one output, and who holds it.

use crate::sound::{Change, SOUNDS, Sound};

/// A count for each sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts(Box<[u8]>);

impl Default for Counts {
    fn default() -> Self {
        Self(vec![0; SOUNDS].into_boxed_slice())
    }
}

impl Counts {
    pub(crate) fn of(&self, sound: Sound) -> u8 {
        self.0.get(sound.index()).copied().unwrap_or(0)
    }

    pub(crate) fn set(&mut self, sound: Sound, count: u8) {
        if let Some(held) = self.0.get_mut(sound.index()) {
            *held = count.min(sound.most());
        }
    }

    pub(crate) fn are_zero(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }

    fn add(&mut self, sound: Sound) {
        self.set(sound, self.of(sound).saturating_add(1));
    }

    fn take(&mut self, sound: Sound) {
        let left = if sound.is_note() { self.of(sound).saturating_sub(1) } else { 0 };
        self.set(sound, left);
    }
}

/// Who plays, by number.
pub(crate) type PlayerId = u64;

/// What sounds at one output.
///
/// `wire` counts what was sent: the note-ons less the note-offs, and whether a pedal or bend is away from neutral. What
/// a player holds is counted apart. A sound that nobody holds any more is owed to the listener: whatever `wire` still
/// counts of it is ended.
#[derive(Debug, Default)]
pub(crate) struct Sounding {
    wire: Counts,
    players: Vec<(PlayerId, Counts)>,
    /// Sounds that are about to be sent, with how many threads are about to: they are in the record before they sound.
    coming: Vec<(Sound, u8)>,
    /// Whether something is owed.
    owes: bool,
}

impl Sounding {
    /// What sounds without anybody who holds it.
    pub(crate) fn left(wire: Counts) -> Self {
        let owes = !wire.are_zero();
        Self { wire, owes, ..Self::default() }
    }

    /// Whether something sounds that nobody holds.
    pub(crate) const fn owes(&self) -> bool {
        self.owes
    }

    /// Whether nothing sounds and nothing is about to.
    pub(crate) fn is_silent(&self) -> bool {
        self.coming.is_empty() && self.wire.are_zero()
    }

    /// What the record is to hold of a sound: what sounds, and what is about to.
    pub(crate) fn to_record(&self, sound: Sound) -> u8 {
        let coming = self.coming.iter().find(|(coming, _)| *coming == sound).map_or(0, |(_, count)| *count);
        self.wire.of(sound).saturating_add(coming).min(sound.most())
    }

    /// As [`Sounding::to_record`], of all sounds.
    pub(crate) fn all_to_record(&self) -> Counts {
        let mut counts = self.wire.clone();
        for (sound, _) in &self.coming {
            counts.set(*sound, self.to_record(*sound));
        }
        counts
    }

    /// Notes that a sound is about to begin.
    pub(crate) fn comes(&mut self, sound: Sound) {
        match self.coming.iter_mut().find(|(coming, _)| *coming == sound) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.coming.push((sound, 1)),
        }
    }

    /// Takes [`Sounding::comes`] back.
    pub(crate) fn came(&mut self, sound: Sound) {
        if let Some(at) = self.coming.iter().position(|(coming, _)| *coming == sound)
            && let Some((_, count)) = self.coming.get_mut(at)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.coming.swap_remove(at);
            }
        }
    }

    /// Makes room for another strike of a note that was struck too often, by releasing it once.
    pub(crate) fn make_room(&mut self, sound: Sound, send: &mut dyn FnMut(&[u8]) -> bool) {
        if sound.is_note() && self.wire.of(sound) >= sound.most() && send(sound.end().bytes()) {
            self.wire.take(sound);
        }
    }

    /// Counts a message that a player has sent.
    pub(crate) fn sent(&mut self, player: PlayerId, change: Change, send: &mut dyn FnMut(&[u8]) -> bool) {
        let Change { sound, begins } = change;
        if begins {
            self.wire.add(sound);
            self.of_player(player).add(sound);
            return;
        }
        self.wire.take(sound);
        if let Some((_, held)) = self.players.iter_mut().find(|(id, _)| *id == player) {
            held.take(sound);
        }
        if !self.is_held(sound) && !self.release(sound, send) {
            self.owes = true;
        }
    }

    /// Ends what a player holds and nobody else does; returns whether the player held anything.
    pub(crate) fn end(&mut self, player: PlayerId, send: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let before = self.players.len();
        self.players.retain(|(id, _)| *id != player);
        if before == self.players.len() {
            return false;
        }
        self.owes = true;
        let _has_sent = self.settle(send);
        true
    }

    /// Ends what anybody holds.
    pub(crate) fn end_all(&mut self, send: &mut dyn FnMut(&[u8]) -> bool) {
        self.players.clear();
        self.owes = true;
        let _has_sent = self.settle(send);
    }

    /// Ends what nobody holds, in order, up to the first message that is not taken. Returns whether any was taken.
    pub(crate) fn settle(&mut self, send: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let mut has_sent = false;
        if !self.owes {
            return has_sent;
        }
        let send: &mut dyn FnMut(&[u8]) -> bool = &mut |bytes| {
            let is_taken = send(bytes);
            has_sent |= is_taken;
            is_taken
        };
        self.owes = Sound::all()
            .any(|sound| self.wire.of(sound) > 0 && !self.is_held(sound) && !self.release(sound, send));
        has_sent
    }

    /// Counts nothing any more: the output is gone.
    pub(crate) fn forget(&mut self) {
        self.wire = Counts::default();
        self.players.clear();
        self.owes = false;
    }

    fn is_held(&self, sound: Sound) -> bool {
        self.players.iter().any(|(_, held)| held.of(sound) > 0)
    }

    /// Sends the ends of a sound; returns whether all were taken.
    fn release(&mut self, sound: Sound, send: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        while self.wire.of(sound) > 0 {
            if !send(sound.end().bytes()) {
                return false;
            }
            self.wire.take(sound);
        }
        true
    }

    fn of_player(&mut self, player: PlayerId) -> &mut Counts {
        let at = match self.players.iter().position(|(id, _)| *id == player) {
            Some(at) => at,
            None => {
                self.players.push((player, Counts::default()));
                self.players.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "the place was found or made above")]
        &mut self.players[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(message: &[u8]) -> Change {
        Change::of(message).expect("it sounds")
    }

    /// A port that two players play on, and what it was sent by the host itself.
    #[derive(Default)]
    struct Two {
        sounding: Sounding,
        sent: Vec<Vec<u8>>,
    }

    impl Two {
        fn plays(&mut self, player: PlayerId, message: &[u8]) -> &mut Self {
            let sent = &mut self.sent;
            let send = &mut |bytes: &[u8]| {
                sent.push(bytes.to_vec());
                true
            };
            self.sounding.sent(player, change(message), send);
            self
        }

        fn ends(&mut self, player: PlayerId) -> Vec<Vec<u8>> {
            let sent = &mut self.sent;
            let send = &mut |bytes: &[u8]| {
                sent.push(bytes.to_vec());
                true
            };
            self.sounding.end(player, send);
            std::mem::take(&mut self.sent)
        }
    }

    const ON: [u8; 3] = [0x90, 60, 100];
    const OFF: [u8; 3] = [0x80, 60, 0];
    const RELEASED: [u8; 3] = [0x80, 60, 64];

    #[test]
    fn a_note_of_two_players_ends_with_the_last_one() {
        let mut two = Two::default();
        two.plays(1, &ON).plays(2, &ON);
        assert!(two.ends(1).is_empty(), "the other one still holds it");
        assert_eq!(two.ends(2), [RELEASED, RELEASED], "two note-ons, two note-offs");
        assert!(two.sounding.is_silent());
    }

    #[test]
    fn a_release_by_the_last_player_also_releases_what_the_first_left() {
        let mut two = Two::default();
        two.plays(1, &ON).plays(2, &ON);
        assert!(two.ends(1).is_empty());
        two.plays(2, &OFF);
        assert_eq!(std::mem::take(&mut two.sent), [RELEASED], "what the first left is owed");
        assert!(two.sounding.is_silent() && two.ends(2).is_empty());
    }

    #[test]
    fn a_release_of_ones_own_passes_and_leaves_the_other_to_its_end() {
        let mut two = Two::default();
        two.plays(1, &ON).plays(2, &ON).plays(1, &OFF);
        assert!(two.sent.is_empty(), "nothing is added");
        assert!(two.ends(1).is_empty());
        assert_eq!(two.ends(2), [RELEASED]);
    }

    #[test]
    fn a_release_by_somebody_who_holds_nothing_is_counted() {
        let mut two = Two::default();
        two.plays(1, &ON).plays(2, &OFF);
        assert!(two.ends(2).is_empty() && two.ends(1).is_empty(), "it was released already");
        assert!(two.sounding.is_silent());
    }

    #[test]
    fn strikes_are_counted_up_to_a_limit() {
        let mut two = Two::default();
        for _ in 0..usize::from(crate::sound::MAX_STRIKES) + 3 {
            let sent = &mut two.sent;
            two.sounding.make_room(change(&ON).sound, &mut |bytes| {
                sent.push(bytes.to_vec());
                true
            });
            two.plays(1, &ON);
        }
        assert_eq!(std::mem::take(&mut two.sent), [RELEASED; 3]);
        assert_eq!(two.ends(1).len(), usize::from(crate::sound::MAX_STRIKES));
    }

    #[test]
    fn what_is_held_by_two_returns_to_neutral_with_the_last() {
        for (held, neutral) in [
            (&[0xb0, 64, 127][..], &[0xb0, 64, 0][..]),
            (&[0xe0, 0, 127], &[0xe0, 0, 64]),
            (&[0xd0, 3], &[0xd0, 0]),
            (&[0xb0, 1, 3], &[0xb0, 1, 0]),
        ] {
            let mut two = Two::default();
            two.plays(1, held).plays(2, held).plays(2, held);
            assert!(two.ends(2).is_empty());
            assert_eq!(two.ends(1), [neutral]);
            two.plays(1, held).plays(2, held).plays(2, neutral);
            assert!(two.ends(2).is_empty() && two.ends(1).is_empty(), "it is neutral already");
        }
    }

    #[test]
    fn what_an_output_does_not_take_stays_owed() {
        let mut sounding = Sounding::default();
        for message in [&[0x91, 60, 1][..], &[0x90, 60, 1], &[0xb0, 64, 1], &[0xe0, 1, 1]] {
            sounding.sent(1, change(message), &mut |_| true);
        }
        let mut sent = Vec::new();
        sounding.end(1, &mut |bytes| {
            sent.push(bytes.to_vec());
            sent.len() < 2
        });
        assert!(sounding.owes() && !sounding.is_silent());
        sent.pop();
        sounding.settle(&mut |bytes| {
            sent.push(bytes.to_vec());
            true
        });
        let expected: [&[u8]; 4] = [&[0x80, 60, 64], &[0x81, 60, 64], &[0xb0, 64, 0], &[0xe0, 0, 64]];
        assert_eq!(sent, expected, "in order, and each once");
        assert!(!sounding.owes() && sounding.is_silent());
    }

    #[test]
    fn the_record_is_ahead_of_what_sounds() {
        let mut sounding = Sounding::default();
        let sound = change(&ON).sound;
        sounding.comes(sound);
        sounding.comes(sound);
        assert_eq!(sounding.to_record(sound), 2);
        sounding.came(sound);
        sounding.sent(1, change(&ON), &mut |_| true);
        assert_eq!(sounding.to_record(sound), 2);
        sounding.came(sound);
        assert_eq!(sounding.to_record(sound), 1);
        sounding.sent(1, change(&OFF), &mut |_| true);
        assert_eq!(sounding.to_record(sound), 0);
    }
}
