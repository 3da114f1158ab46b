//! The events of a Standard MIDI File in their order, read from its bytes as they are due: a file is held once, and what it says is
//! held nowhere else.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::vec;

use midly::{EventIter, Format, MetaMessage, MidiMessage, Timing, TrackEventKind};

use crate::midi::{Message, Sysex};

/// Most tracks; the header of a file counts no more, and each costs a place beside its bytes.
const MAX_TRACKS: usize = 65_535;

/// Most events of a file; a day of music at ten events a second has fewer.
const MAX_EVENTS: usize = 1_000_000;

/// Tempo until the file says otherwise: 120 quarter notes a minute, in microseconds per quarter note.
const DEFAULT_TEMPO: u64 = 500_000;

/// A file that can be played.
pub(super) struct Tune {
    bytes: Vec<u8>,
    length: u64,
}

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub(super) enum TuneError {
    /// It is no MIDI file.
    #[error("{0}")]
    Malformed(#[from] midly::Error),
    /// It has more tracks than the format can count.
    #[error("it has more than {MAX_TRACKS} tracks")]
    TooManyTracks,
    /// It has more events than anybody plays.
    #[error("it has more than {MAX_EVENTS} events")]
    TooManyEvents,
    /// There is nothing to play.
    #[error("it has no events")]
    Empty,
}

impl Tune {
    /// Reads a file once from its beginning to its end.
    pub(super) fn new(bytes: Vec<u8>) -> Result<Self, TuneError> {
        let mut last = None;
        for (count, (due, _)) in Events::of(&bytes)?.enumerate() {
            if count == MAX_EVENTS {
                return Err(TuneError::TooManyEvents);
            }
            last = Some(due);
        }
        let length = last.ok_or(TuneError::Empty)?;
        Ok(Self { bytes, length })
    }

    /// When the last event is due, in microseconds from the start.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// The messages, and when each is due, in microseconds from the start.
    pub(super) fn events(&self) -> impl Iterator<Item = (u64, Message)> {
        // That it can be read was seen when it was made.
        Events::of(&self.bytes).into_iter().flatten()
    }
}

/// The messages of a file with the times that its tempo map gives them, in order.
struct Events<'b> {
    timing: Timing,
    /// Tracks that are played together, for as often as others follow them.
    songs: vec::IntoIter<Vec<EventIter<'b>>>,
    song: Song<'b>,
    clock: Clock,
}

impl<'b> Events<'b> {
    fn of(bytes: &'b [u8]) -> Result<Self, TuneError> {
        let (header, tracks) = midly::parse(bytes)?;
        let mut found = Vec::new();
        for track in tracks {
            if found.len() == MAX_TRACKS {
                return Err(TuneError::TooManyTracks);
            }
            found.push(track?);
        }
        let songs = match header.format {
            // Tracks are played together, and a tempo in any of them holds for all.
            Format::SingleTrack | Format::Parallel => vec![found],
            // Tracks are tunes of their own, played one after the other.
            Format::Sequential => found.into_iter().map(|track| vec![track]).collect(),
        };
        let clock = Clock::new(header.timing, 0);
        Ok(Self { timing: header.timing, songs: songs.into_iter(), song: Song::default(), clock })
    }
}

impl Iterator for Events<'_> {
    type Item = (u64, Message);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((tick, kind)) = self.song.next() else {
                self.song = Song::of(self.songs.next()?);
                self.clock = Clock::new(self.timing, self.clock.now());
                continue;
            };
            let now = self.clock.advance_to(tick);
            match kind {
                TrackEventKind::Meta(MetaMessage::Tempo(tempo)) => {
                    self.clock.tempo = u64::from(tempo.as_int());
                }
                TrackEventKind::Midi { channel, message } => {
                    return Some((now, message_of(channel.as_int(), message)));
                }
                TrackEventKind::SysEx([bytes @ .., 0xf7]) => {
                    // One that is longer than any input takes is left out, as at the others.
                    if let Some(sysex) = Sysex::new(bytes) {
                        return Some((now, Message::SystemExclusive(sysex)));
                    }
                }
                TrackEventKind::SysEx(_) | TrackEventKind::Meta(_) | TrackEventKind::Escape(_) => {}
            }
        }
    }
}

/// Tracks that are played together.
#[derive(Default)]
struct Song<'b> {
    tracks: Vec<(EventIter<'b>, Option<TrackEventKind<'b>>)>,
    /// The tick of each track's next event, and the track; events of one tick are in the order of tracks.
    due: BinaryHeap<Reverse<(u64, usize)>>,
}

impl<'b> Song<'b> {
    fn of(tracks: Vec<EventIter<'b>>) -> Self {
        let mut song = Self::default();
        for (number, track) in tracks.into_iter().enumerate() {
            song.tracks.push((track, None));
            song.read(number, 0);
        }
        song
    }

    /// Reads the next event of a track that is at `tick`.
    fn read(&mut self, number: usize, tick: u64) {
        let Some((track, next)) = self.tracks.get_mut(number) else { return };
        // A track that is malformed ends there.
        *next = track.next().and_then(Result::ok).map(|event| {
            self.due.push(Reverse((tick + u64::from(event.delta.as_int()), number)));
            event.kind
        });
    }

    fn next(&mut self) -> Option<(u64, TrackEventKind<'b>)> {
        let Reverse((tick, number)) = self.due.pop()?;
        let kind = self.tracks.get_mut(number)?.1.take()?;
        self.read(number, tick);
        Some((tick, kind))
    }
}

/// Ticks to microseconds. Fractions are carried along, so long files do not drift.
struct Clock {
    timing: Timing,
    tempo: u64,
    tick: u64,
    start: u64,
    /// Time since `start` in units of `1 / ticks` microseconds (metrical) or in ticks (time code).
    elapsed: u128,
}

impl Clock {
    const fn new(timing: Timing, start: u64) -> Self {
        Self { timing, tempo: DEFAULT_TEMPO, tick: 0, start, elapsed: 0 }
    }

    fn advance_to(&mut self, tick: u64) -> u64 {
        let ticks = u128::from(tick.saturating_sub(self.tick));
        self.tick = tick;
        self.elapsed += match self.timing {
            Timing::Metrical(_) => ticks * u128::from(self.tempo),
            Timing::Timecode(..) => ticks,
        };
        self.now()
    }

    fn now(&self) -> u64 {
        let micros = match self.timing {
            Timing::Metrical(per_quarter) => self.elapsed / u128::from(per_quarter.as_int().max(1)),
            Timing::Timecode(frames, per_frame) => {
                let per_second = f64::from(frames.as_f32()) * f64::from(per_frame.max(1));
                (self.elapsed as f64 * 1e6 / per_second) as u128
            }
        };
        self.start.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

fn message_of(channel: u8, message: MidiMessage) -> Message {
    match message {
        MidiMessage::NoteOn { key, vel } if vel.as_int() > 0 => {
            Message::NoteOn { channel, note: key.as_int(), velocity: vel.as_int() }
        }
        MidiMessage::NoteOn { key, vel } | MidiMessage::NoteOff { key, vel } => {
            Message::NoteOff { channel, note: key.as_int(), velocity: vel.as_int() }
        }
        MidiMessage::Aftertouch { key, vel } => {
            Message::KeyPressure { channel, note: key.as_int(), value: vel.as_int() }
        }
        MidiMessage::Controller { controller, value } => {
            Message::ControlChange { channel, cc: controller.as_int(), value: value.as_int() }
        }
        MidiMessage::ProgramChange { program } => {
            Message::ProgramChange { channel, program: program.as_int() }
        }
        MidiMessage::ChannelAftertouch { vel } => Message::ChannelPressure { channel, value: vel.as_int() },
        MidiMessage::PitchBend { bend } => Message::PitchBend { channel, value: bend.as_int() },
    }
}

#[cfg(test)]
mod tests {
    use midly::num::{u4, u7, u15, u24, u28};
    use midly::{Fps, Header, Smf, Track, TrackEvent};

    use super::*;
    use crate::midi::MAX_SYSEX_BYTES;

    fn note(delta: u32, key: u8) -> TrackEvent<'static> {
        let message = MidiMessage::NoteOn { key: u7::new(key), vel: u7::new(100) };
        TrackEvent { delta: u28::new(delta), kind: TrackEventKind::Midi { channel: u4::new(0), message } }
    }

    fn tempo(delta: u32, micros: u32) -> TrackEvent<'static> {
        let kind = TrackEventKind::Meta(MetaMessage::Tempo(u24::new(micros)));
        TrackEvent { delta: u28::new(delta), kind }
    }

    fn times(format: Format, timing: Timing, tracks: Vec<Track<'static>>) -> Vec<(u64, u8)> {
        let mut bytes = Vec::new();
        Smf { header: Header { format, timing }, tracks }.write_std(&mut bytes).expect("writes");
        let tune = Tune::new(bytes).expect("parses");
        tune.events()
            .map(|(due, message)| {
                let Message::NoteOn { note, .. } = message else { panic!("unexpected {message}") };
                (due, note)
            })
            .collect()
    }

    const QUARTER: Timing = Timing::Metrical(u15::new(480));

    #[test]
    fn a_tempo_in_one_track_holds_for_all() {
        let tracks = vec![vec![tempo(480, 250_000)], vec![note(0, 60), note(480, 61), note(480, 62)]];
        assert_eq!(times(Format::Parallel, QUARTER, tracks), [(0, 60), (500_000, 61), (750_000, 62)]);
    }

    #[test]
    fn sequential_tracks_follow_each_other() {
        let tracks = vec![vec![tempo(0, 1_000_000), note(480, 60)], vec![note(480, 61)]];
        assert_eq!(times(Format::Sequential, QUARTER, tracks), [(1_000_000, 60), (1_500_000, 61)]);
    }

    #[test]
    fn time_code_needs_no_tempo() {
        let timing = Timing::Timecode(Fps::Fps25, 40);
        let tracks = vec![vec![tempo(0, 1), note(1000, 60), note(500, 61)]];
        assert_eq!(times(Format::SingleTrack, timing, tracks), [(1_000_000, 60), (1_500_000, 61)]);
    }

    #[test]
    fn thirds_do_not_drift() {
        let track = (0..30_000).map(|_| note(1, 60)).collect();
        let timing = Timing::Metrical(u15::new(3));
        let last = times(Format::SingleTrack, timing, vec![track]).last().copied();
        assert_eq!(last, Some((5_000_000_000, 60)));
    }

    fn tune(track: Track<'_>) -> Result<Tune, TuneError> {
        let header = Header { format: Format::SingleTrack, timing: QUARTER };
        let mut bytes = Vec::new();
        Smf { header, tracks: vec![track] }.write_std(&mut bytes).expect("writes");
        Tune::new(bytes)
    }

    #[test]
    fn a_system_exclusive_message_is_as_long_as_at_any_input() {
        for (length, expected) in [(MAX_SYSEX_BYTES, 2), (MAX_SYSEX_BYTES + 1, 1), (12 << 20, 1)] {
            let mut bytes = vec![1; length];
            bytes.push(0xf7);
            let sysex = TrackEvent { delta: u28::new(0), kind: TrackEventKind::SysEx(&bytes) };
            let tune = tune(vec![sysex, note(1, 60)]).expect("a tune");
            assert_eq!(tune.events().count(), expected, "{length} bytes");
        }
    }

    #[test]
    fn a_file_has_only_so_many_events() {
        let notes = |count| vec![note(1, 60); count];
        assert!(tune(notes(MAX_EVENTS)).is_ok());
        assert!(matches!(tune(notes(MAX_EVENTS + 1)), Err(TuneError::TooManyEvents)));
        assert!(matches!(tune(vec![tempo(0, 1)]), Err(TuneError::Empty)));
    }
}
