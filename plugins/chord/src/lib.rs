//! Plays a chord while a note is held, or plays the notes of held chords one by one as an arpeggio.

#![forbid(unsafe_code)]

use std::{collections::BTreeMap, sync::Mutex};

use conductor_plugin::{Call, HostError, NoteEvent, midi, plugin};
use serde::Deserialize;

plugin! {
    capabilities: { Midi: "plays the notes on the output port of your choice" },
    actions: {
        /// Plays a chord with a note and ends it with the note: map it to note-on and note-off.
        chord { port: "MIDI output", channel: "0 to 15", intervals: "semitones above the note, [0, 4, 7] if absent" },
        /// Holds the chord of a note silently, for `step` to play: map it to note-on and note-off.
        hold { port: "as for step", channel: "as for step", intervals: "as for chord" },
        /// Plays the next note of the chords on hold: map it to an interval or a clock.
        step { port: "MIDI output", channel: "0 to 15" },
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    port: String,
    #[serde(default)]
    channel: u8,
    intervals: Option<Vec<i8>>,
}

/// The chord of every note that is down, each with its velocity, and the note that `step` played last.
#[derive(Default)]
struct Voices {
    chords: BTreeMap<u8, (u8, Vec<u8>)>,
    last: Option<u8>,
}

/// Notes to end, and notes to begin, each with its velocity.
type Change = (Vec<u8>, Vec<(u8, u8)>);

/// Voices by action, port and channel.
static VOICES: Mutex<BTreeMap<(&str, String, u8), Voices>> = Mutex::new(BTreeMap::new());

impl Voices {
    /// Begins or ends the chord of a note. A note that another chord holds as well goes on when one chord ends.
    fn follow(&mut self, call: &Call<Parameters>) -> Change {
        let Some(event) = call.note_event() else { return Change::default() };
        let (NoteEvent::On { note: root, .. } | NoteEvent::Off { note: root }) = event;
        let (_, mut ended) = self.chords.remove(&root).unwrap_or_default();
        ended.retain(|note| !self.chords.values().any(|(_, notes)| notes.contains(note)));
        let NoteEvent::On { velocity, .. } = event else { return (ended, Vec::new()) };
        let intervals = call.parameters.intervals.as_deref().unwrap_or(&[0, 4, 7]).iter();
        let notes = intervals.filter_map(|interval| root.checked_add_signed(*interval));
        let notes: Vec<u8> = notes.filter(|note| *note < 128).collect();
        let begun = notes.iter().map(|note| (*note, velocity)).collect();
        self.chords.insert(root, (velocity, notes));
        (ended, begun)
    }

    /// Ends the last note and begins the next higher one, or the lowest if there is none higher.
    fn step(&mut self) -> Change {
        let chords = self.chords.values();
        let held = chords.flat_map(|(velocity, notes)| notes.iter().map(move |note| (*note, *velocity)));
        let above = held.clone().filter(|(note, _)| self.last.is_some_and(|last| *note > last)).min();
        let next = above.or(held.min());
        let ended = std::mem::replace(&mut self.last, next.map(|(note, _)| note));
        (ended.into_iter().collect(), next.into_iter().collect())
    }
}

fn chord(call: Call<Parameters>) -> Result<(), HostError> {
    send(&call.parameters, change("chord", &call, |voices| voices.follow(&call)))
}

fn hold(call: Call<Parameters>) -> Result<(), HostError> {
    change("hold", &call, |voices| voices.follow(&call));
    Ok(())
}

fn step(call: Call<Parameters>) -> Result<(), HostError> {
    send(&call.parameters, change("hold", &call, Voices::step))
}

fn change(action: &'static str, call: &Call<Parameters>, by: impl FnOnce(&mut Voices) -> Change) -> Change {
    let place = (action, call.parameters.port.clone(), call.parameters.channel);
    by(VOICES.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).entry(place).or_default())
}

fn send(Parameters { port, channel, .. }: &Parameters, (ended, begun): Change) -> Result<(), HostError> {
    let ended = ended.iter().flat_map(|note| midi::note_off(*channel, *note));
    let begun = begun.iter().flat_map(|(note, velocity)| midi::note_on(*channel, *note, *velocity));
    let messages: Vec<u8> = ended.chain(begun).collect();
    if messages.is_empty() { Ok(()) } else { midi::send(port, &messages) }
}

#[cfg(test)]
mod tests;
