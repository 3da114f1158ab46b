//! A Standard MIDI File, played at its own tempo.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use midly::{Format, MetaMessage, MidiMessage, Smf, Timing, Track, TrackEventKind};
use rustix::fs::OFlags;

use super::{InputError, OpenInput};
use crate::event::Body;
use crate::midi::Message;
use crate::stop::Wake;

/// Largest MIDI file in bytes; a file of the wrong kind must not be read into memory.
const MAX_MIDI_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Tempo until the file says otherwise: 120 quarter notes a minute, in microseconds per quarter note.
const DEFAULT_TEMPO: u64 = 500_000;

/// A message and when it is due, in microseconds from the start of the tune.
type Due = (u64, Message);

pub(super) fn open(path: &Path, speed: f64, repeat: bool) -> Result<OpenInput, InputError> {
    let bytes = read(path)?;
    let not_midi = |cause: String| InputError::NotMidi { path: path.to_owned(), cause };
    let tune = schedule(&bytes).map_err(|error| not_midi(error.to_string()))?;
    let length = tune.last().map_or(0, |(due, _)| *due);
    if tune.is_empty() {
        return Err(not_midi("it has no events".into()));
    }
    Ok(OpenInput::new(!repeat, move |emitter, stop| {
        let mut start = Instant::now();
        loop {
            for (due, message) in &tune {
                if stop.wait_until(start + at_speed(*due, speed)) == Wake::Stopped {
                    return Ok(());
                }
                emitter.emit(Body::Midi(message.clone()));
            }
            // A tune without length that is repeated would be a busy loop.
            if !repeat || length == 0 {
                return Ok(());
            }
            start += at_speed(length, speed);
        }
    }))
}

/// Reads a plain file; opening never waits, as that of a FIFO without writer would.
fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    let fail = |source| InputError::Read { path: path.to_owned(), source };
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(fail)?;
    if !file.metadata().map_err(fail)?.is_file() {
        return Err(InputError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(MAX_MIDI_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_MIDI_FILE_BYTES {
        return Err(InputError::TooLarge { path: path.to_owned(), max: MAX_MIDI_FILE_BYTES });
    }
    Ok(bytes)
}

fn at_speed(micros: u64, speed: f64) -> Duration {
    Duration::from_micros(micros).div_f64(speed)
}

/// All messages of the file with the times that its tempo map gives them, in order.
fn schedule(bytes: &[u8]) -> Result<Vec<Due>, midly::Error> {
    let file = Smf::parse(bytes)?;
    let mut due = Vec::new();
    match file.header.format {
        // Tracks are played together, and a tempo in any of them holds for all.
        Format::SingleTrack | Format::Parallel => {
            play(&file.tracks, file.header.timing, 0, &mut due);
        }
        // Tracks are tunes of their own, played one after the other.
        Format::Sequential => {
            let mut start = 0;
            for track in &file.tracks {
                start = play(std::slice::from_ref(track), file.header.timing, start, &mut due);
            }
        }
    }
    Ok(due)
}

/// Appends the messages of tracks that are played together from `start`; returns when the last of them ends.
fn play(tracks: &[Track<'_>], timing: Timing, start: u64, due: &mut Vec<Due>) -> u64 {
    let mut events: Vec<(u64, &TrackEventKind<'_>)> = Vec::new();
    for track in tracks {
        let mut tick = 0;
        for event in track {
            tick += u64::from(event.delta.as_int());
            events.push((tick, &event.kind));
        }
    }
    // Stable, so that events at the same tick stay in the order of tracks and within a track.
    events.sort_by_key(|(tick, _)| *tick);

    let mut clock = Clock::new(timing, start);
    for (tick, kind) in events {
        let now = clock.advance_to(tick);
        match kind {
            TrackEventKind::Meta(MetaMessage::Tempo(tempo)) => clock.tempo = u64::from(tempo.as_int()),
            TrackEventKind::Midi { channel, message } => {
                due.push((now, message_of(channel.as_int(), *message)))
            }
            TrackEventKind::SysEx(bytes) => {
                if let Some((0xf7, bytes)) = bytes.split_last() {
                    due.push((now, Message::SystemExclusive((*bytes).into())));
                }
            }
            TrackEventKind::Meta(_) | TrackEventKind::Escape(_) => {}
        }
    }
    clock.now()
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
    use midly::{Fps, Header, TrackEvent};
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

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
        let due = schedule(&bytes).expect("parses").into_iter();
        due.map(|(due, message)| {
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

    #[test]
    fn what_is_no_midi_file_is_refused_with_its_name() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("tune.mid");
        std::fs::write(&path, b"RIFF").expect("write");
        let error = open(&path, 1.0, false).err().expect("refused");
        assert!(matches!(error, InputError::NotMidi { .. }), "{error}");
        std::fs::File::create(&path).expect("file").set_len(MAX_MIDI_FILE_BYTES + 1).expect("length");
        assert!(matches!(open(&path, 1.0, false), Err(InputError::TooLarge { .. })));
    }

    #[test]
    fn a_fifo_or_a_directory_is_refused_without_waiting() {
        let directory = tempfile::tempdir().expect("directory");
        let fifo = directory.path().join("tune.mid");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("FIFO made");
        for path in [&fifo, directory.path()] {
            let error = open(path, 1.0, false).err().expect("refused");
            assert_eq!(error.to_string(), format!("{} is not a plain file", path.display()));
        }
    }
}
