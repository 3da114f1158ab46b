//! The piece that is played: Johann Sebastian Bach, Prelude in C major, BWV 846 (1722), as a Standard MIDI File.
//!
//! Every bar breaks one chord of five notes twice: first the bass, the tenor, then the upper three notes upwards, two
//! times. Each voice has its own channel, so that it can be mapped to its own plugin.

use std::path::Path;

use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};

use crate::error::TaskError;

/// Channel of the lowest voice.
pub(crate) const BASS: u8 = 0;
/// Channel of the voice above it.
pub(crate) const TENOR: u8 = 1;
/// Channel of the three highest notes.
pub(crate) const UPPER: u8 = 2;

/// Ticks of a quarter note.
const QUARTER: u16 = 96;
/// Ticks of a sixteenth note, which is the length of all notes except the last chord.
const SIXTEENTH: u32 = 24;
/// Microseconds of a quarter note: 72 to the minute.
const TEMPO: u32 = 60_000_000 / 72;

/// The chords of the bars, from the bass up.
const BARS: [[u8; 5]; 32] = [
    [60, 64, 67, 72, 76],
    [60, 62, 69, 74, 77],
    [59, 62, 67, 74, 77],
    [60, 64, 67, 72, 76],
    [60, 64, 69, 76, 81],
    [60, 62, 66, 69, 74],
    [59, 62, 67, 74, 79],
    [59, 60, 64, 67, 72],
    [57, 60, 64, 67, 72],
    [50, 57, 62, 66, 72],
    [55, 59, 62, 67, 71],
    [55, 58, 64, 67, 73],
    [53, 57, 62, 69, 74],
    [53, 56, 62, 65, 71],
    [52, 55, 60, 67, 72],
    [52, 53, 57, 60, 65],
    [50, 53, 57, 60, 65],
    [43, 50, 55, 59, 65],
    [48, 52, 55, 60, 64],
    [48, 55, 58, 60, 64],
    [41, 53, 57, 60, 64],
    [42, 48, 57, 60, 63],
    [44, 53, 59, 60, 62],
    [43, 53, 55, 59, 62],
    [43, 52, 55, 60, 64],
    [43, 50, 55, 60, 65],
    [43, 50, 55, 59, 65],
    [43, 51, 57, 60, 66],
    [43, 52, 55, 60, 67],
    [43, 50, 55, 60, 65],
    [43, 50, 55, 59, 65],
    [36, 48, 55, 58, 64],
];

/// The two bars before the end, which are runs instead of broken chords.
const RUNS: [[u8; 16]; 2] = [
    [36, 48, 53, 57, 60, 65, 60, 57, 60, 57, 53, 57, 53, 50, 53, 50],
    [36, 47, 67, 71, 74, 77, 74, 71, 74, 71, 67, 71, 62, 65, 64, 62],
];

/// The last chord.
const LAST: [u8; 5] = [36, 48, 64, 67, 72];

/// One note: channel, key, start and length in ticks.
#[derive(Clone, Copy)]
struct Note {
    channel: u8,
    key: u8,
    start: u32,
    length: u32,
}

/// The piece, with which the demo counts the expected results.
pub(crate) struct Tune {
    notes: Vec<Note>,
}

impl Tune {
    /// The whole piece.
    pub(crate) fn prelude() -> Self {
        let mut notes = Vec::new();
        let mut start = 0;
        for [bass, tenor, low, middle, high] in BARS {
            for _ in 0..2 {
                let half = [bass, tenor, low, middle, high, low, middle, high];
                add_sixteenths(&mut notes, &mut start, &half);
            }
        }
        for run in RUNS {
            add_sixteenths(&mut notes, &mut start, &run);
        }
        let last = LAST.iter().zip([BASS, TENOR, UPPER, UPPER, UPPER]);
        notes.extend(last.map(|(key, channel)| Note { channel, key: *key, start, length: 16 * SIXTEENTH }));
        Self { notes }
    }

    /// Events in the file: a start and an end for each note.
    pub(crate) fn events(&self) -> usize {
        2 * self.notes.len()
    }

    /// The number of notes of a channel from key `lowest` upwards.
    pub(crate) fn notes(&self, channel: u8, lowest: u8) -> usize {
        self.notes.iter().filter(|note| note.channel == channel && note.key >= lowest).count()
    }

    /// Writes the piece as a file of format 0.
    pub(crate) fn write(&self, path: &Path) -> Result<(), TaskError> {
        let timing = Timing::Metrical(u15::new(QUARTER));
        let file = Smf { header: Header::new(Format::SingleTrack, timing), tracks: vec![self.track()] };
        file.save(path).map_err(|source| TaskError::File { path: path.to_owned(), source })
    }

    fn track(&self) -> Vec<TrackEvent<'static>> {
        let mut moments: Vec<(u32, bool, Note)> = Vec::new();
        for note in &self.notes {
            moments.push((note.start, true, *note));
            moments.push((note.start + note.length, false, *note));
        }
        // At the same tick, notes end before others begin, because the same key may be struck again.
        moments.sort_by_key(|(tick, begins, _)| (*tick, *begins));
        let mut track = vec![
            meta(MetaMessage::TrackName(b"Prelude in C major, BWV 846")),
            meta(MetaMessage::Tempo(u24::new(TEMPO))),
        ];
        let mut now = 0;
        for (tick, begins, note) in moments {
            let (key, vel) = (u7::new(note.key), u7::new(if begins { 80 } else { 0 }));
            let message = match begins {
                true => MidiMessage::NoteOn { key, vel },
                false => MidiMessage::NoteOff { key, vel },
            };
            let kind = TrackEventKind::Midi { channel: u4::new(note.channel), message };
            track.push(TrackEvent { delta: u28::new(tick - now), kind });
            now = tick;
        }
        track.push(meta(MetaMessage::EndOfTrack));
        track
    }
}

/// Adds notes one after the other. In each group of eight, the first note is the bass and the second the tenor.
fn add_sixteenths(notes: &mut Vec<Note>, start: &mut u32, keys: &[u8]) {
    for (index, key) in keys.iter().enumerate() {
        let channel = match index {
            0 => BASS,
            1 => TENOR,
            _ => UPPER,
        };
        notes.push(Note { channel, key: *key, start: *start, length: SIXTEENTH });
        *start += SIXTEENTH;
    }
}

fn meta(message: MetaMessage<'static>) -> TrackEvent<'static> {
    TrackEvent { delta: u28::new(0), kind: TrackEventKind::Meta(message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_whole_piece() {
        let tune = Tune::prelude();
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("prelude.mid");
        tune.write(&path).expect("written");
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::fs::File::open(&path).expect("file"), &mut bytes).expect("read");
        let file = Smf::parse(&bytes).expect("a MIDI file");
        let notes =
            file.tracks[0].iter().filter(|event| matches!(event.kind, TrackEventKind::Midi { .. })).count();
        assert_eq!(notes, tune.events());
        assert_eq!(tune.events(), 2 * (32 * 16 + 2 * 16 + 5));
        let ticks: u32 = file.tracks[0].iter().map(|event| event.delta.as_int()).sum();
        assert_eq!(ticks, 35 * 4 * u32::from(QUARTER));
    }
}
