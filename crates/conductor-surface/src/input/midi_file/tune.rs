//! The events of a Standard MIDI File in their order. Each is read from the bytes of the file when it is due, so that
//! only the bytes are held in memory.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::slice;

use super::clock::Clock;
use super::damage::{Cause, Damage, MAX_EVENTS, TuneError};
use super::layout::{Chunk, Layout};
use super::track::{Item, Track};
use crate::midi::Message;

/// A file that can be played.
pub(super) struct Tune {
    bytes: Vec<u8>,
    layout: Layout,
    length: u64,
    damage: Option<Damage>,
}

impl Tune {
    /// Reads a file once from its beginning to its end.
    pub(super) fn new(bytes: Vec<u8>) -> Result<Self, TuneError> {
        let layout = Layout::of(&bytes)?;
        let mut events = Events::of(&bytes, &layout);
        let count = events.by_ref().take(MAX_EVENTS + 1).count();
        if count > MAX_EVENTS {
            return Err(TuneError::TooManyEvents);
        }
        let (length, damage) = (events.clock.now(), events.damage());
        if count == 0 {
            return Err(TuneError::Empty(damage));
        }
        Ok(Self { bytes, layout, length, damage })
    }

    /// When the last track ends, in microseconds from the start.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// What is wrong with the file, if anything is.
    pub(super) const fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// The messages, and when each is due, in microseconds from the start.
    pub(super) fn events(&self) -> impl Iterator<Item = (u64, Message)> {
        Events::of(&self.bytes, &self.layout)
    }
}

/// The messages of a file with the times that its tempo map gives them, in order.
struct Events<'b> {
    bytes: &'b [u8],
    layout: &'b Layout,
    /// The remaining songs: groups of tracks that are played together.
    songs: slice::Chunks<'b, Chunk>,
    song: Song<'b>,
    /// How many tracks the earlier songs have.
    tracks_before: usize,
    clock: Clock,
    /// The first damage in the earlier songs.
    damage: Option<(usize, u64, Cause)>,
    damaged_places: usize,
}

impl<'b> Events<'b> {
    fn of(bytes: &'b [u8], layout: &'b Layout) -> Self {
        let at_once = match layout.format {
            // The tracks are separate tunes, which are played one after the other.
            2 => 1,
            // The tracks are played together, and a tempo in any track holds for all tracks.
            _ => layout.tracks.len().max(1),
        };
        Self {
            bytes,
            layout,
            songs: layout.tracks.chunks(at_once),
            song: Song::default(),
            tracks_before: 0,
            clock: Clock::new(layout.timing, 0),
            damage: None,
            damaged_places: 0,
        }
    }

    /// Goes on with the next song.
    fn turn(&mut self) -> Option<()> {
        for (number, track) in (self.tracks_before + 1..).zip(&self.song.tracks) {
            let (damage, places) = track.damage();
            self.damage = self.damage.or(damage.map(|(tick, cause)| (number, tick, cause)));
            self.damaged_places += places;
        }
        self.tracks_before += self.song.tracks.len();
        self.song = Song::default();
        let chunks = self.songs.next()?;
        self.song = Song::of(chunks.iter().map(|chunk| Track::of(self.bytes, chunk)).collect());
        self.clock = Clock::new(self.layout.timing, self.clock.now());
        Some(())
    }

    /// What is wrong with the part that was read.
    fn damage(&self) -> Option<Damage> {
        let flaws = &self.layout.flaws;
        let (place, cause) = match self.damage {
            Some((track, tick, cause)) => (Some((track, tick)), cause),
            None => (None, *flaws.first()?),
        };
        Some(Damage { place, cause, more: self.damaged_places + flaws.len() - 1 })
    }
}

impl Iterator for Events<'_> {
    type Item = (u64, Message);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((tick, item)) = self.song.next() else {
                self.turn()?;
                continue;
            };
            let now = self.clock.advance_to(tick);
            match item {
                Item::Message(message) => return Some((now, message)),
                Item::Tempo(tempo) => self.clock.set_tempo(tempo),
                Item::End => {}
            }
        }
    }
}

/// A song: tracks that are played together.
#[derive(Default)]
struct Song<'b> {
    tracks: Vec<Track<'b>>,
    /// The tick of each track's next event, with the track's number. Events at the same tick come in the order of the
    /// tracks.
    due: BinaryHeap<Reverse<(u64, usize)>>,
}

impl<'b> Song<'b> {
    fn of(mut tracks: Vec<Track<'b>>) -> Self {
        let ticks = tracks.iter_mut().map(Track::advance).enumerate();
        let due = ticks.filter_map(|(number, tick)| Some(Reverse((tick?, number)))).collect();
        Self { tracks, due }
    }

    fn next(&mut self) -> Option<(u64, Item)> {
        loop {
            let Reverse((tick, number)) = *self.due.peek()?;
            let track = self.tracks.get_mut(number)?;
            if let Some(item) = track.take() {
                return Some((tick, item));
            }
            self.due.pop();
            self.due.extend(track.advance().map(|tick| Reverse((tick, number))));
        }
    }
}
