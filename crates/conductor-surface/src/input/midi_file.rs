//! A Standard MIDI File, played at its own tempo.

mod clock;
mod damage;
mod layout;
mod track;
mod tune;

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use conductor_signing::escape;
use rustix::fs::OFlags;
use tracing::Level;

use super::pace::Pace;
use super::{Emitter, InputError, OpenInput};
use crate::event::Body;
use crate::stop::{Stop, Wake};
use tune::Tune;

/// Largest MIDI file in bytes. Stops a file of the wrong kind from being read into memory.
const MAX_MIDI_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Shortest tune that may be repeated, measured at its speed. Anything shorter is a busy loop, not music.
const MIN_LOOP: Duration = Duration::from_millis(10);

/// Most events in a fiftieth of a second, 51,200 in a second.
const MAX_AT_ONCE: usize = 1024;

/// How late an event may be before the rest of the tune is delayed by the same time. So events that were missed while
/// this process was stopped, or its machine was busy, do not come in a burst.
const MAX_LATE: Duration = Duration::from_millis(250);

/// Opens a file. A damaged file is played as far as it can be read, unless `is_strict`.
pub(super) fn open(path: &Path, speed: f64, repeat: bool, is_strict: bool) -> Result<OpenInput, InputError> {
    let path = path.to_owned();
    let tune = match Tune::new(read(&path)?) {
        Ok(tune) => tune,
        Err(cause) => return Err(InputError::NotMidi { path, cause: cause.to_string() }),
    };
    if let Some(damage) = tune.damage().filter(|_| is_strict) {
        return Err(InputError::Damaged { path, damage: damage.to_string() });
    }
    let length = at_speed(tune.length(), speed);
    if repeat && length < MIN_LOOP {
        return Err(InputError::ShortLoop { path, length, min: MIN_LOOP });
    }
    Ok(OpenInput::new(!repeat, move |emitter, stop| {
        if let Some(damage) = tune.damage() {
            let path = escape::path(&path);
            let text = format_args!("{path} is damaged and played as far as it can be read: {damage}");
            emitter.state().log(Level::WARN, text);
            emitter.state().set_damage(Some(damage.to_string()));
        }
        let mut start = Instant::now();
        let mut pace = Pace::new(MAX_AT_ONCE, start);
        while play(&tune, speed, &mut start, &mut pace, emitter, stop) == Wake::Elapsed && repeat {
            start += length;
        }
        Ok(())
    }))
}

/// Plays the tune once from `start`. `start` is moved if the tune is delayed.
fn play(
    tune: &Tune,
    speed: f64,
    start: &mut Instant,
    pace: &mut Pace,
    emitter: &Emitter,
    stop: &Stop,
) -> Wake {
    for (due, message) in tune.events() {
        let due = *start + at_speed(due, speed);
        if stop.wait_until(due) == Wake::Stopped {
            return Wake::Stopped;
        }
        if let Some(room) = pace.next(1, Instant::now())
            && stop.wait_until(room) == Wake::Stopped
        {
            return Wake::Stopped;
        }
        let late = Instant::now().saturating_duration_since(due);
        if late > MAX_LATE {
            *start += late;
        }
        emitter.emit(Body::Midi(message));
    }
    if stop.is_stopped() { Wake::Stopped } else { Wake::Elapsed }
}

/// Reads a plain file. Opening never waits, as it would for a FIFO without a writer.
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::thread;

    use midly::num::{u4, u7, u15, u24, u28};
    use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::input::InputState;

    /// Writes a tune of notes and a rest. Each number is the microseconds since the previous note.
    fn write(path: &Path, deltas: &[u32], rest: u32) {
        let event = |delta, kind| TrackEvent { delta: u28::new(delta), kind };
        // A quarter note has a thousand ticks and takes a millisecond, so a tick is a microsecond.
        let mut track = vec![event(0, TrackEventKind::Meta(MetaMessage::Tempo(u24::new(1000))))];
        track.extend(deltas.iter().map(|delta| {
            let message = MidiMessage::NoteOn { key: u7::new(60), vel: u7::new(100) };
            event(*delta, TrackEventKind::Midi { channel: u4::new(0), message })
        }));
        track.push(event(rest, TrackEventKind::Meta(MetaMessage::EndOfTrack)));
        let header = Header { format: Format::SingleTrack, timing: Timing::Metrical(u15::new(1000)) };
        Smf { header, tracks: vec![track] }.save(path).expect("written");
    }

    #[test]
    fn a_loop_of_a_microsecond_is_refused_and_a_short_one_is_not() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("tune.mid");
        for (deltas, rest, speed, is_played) in [
            (&[0, 1][..], 0, 1.0, false),
            (&[0], 0, 1.0, false),
            (&[0, 9_999], 0, 1.0, false),
            (&[0, 10_000], 0, 1.0, true),
            (&[0, 5_000], 5_000, 1.0, true),
            (&[0], 10_000, 1.0, true),
            (&[0, 100_000], 0, 11.0, false),
        ] {
            write(&path, deltas, rest);
            let opened = open(&path, speed, true, false);
            assert_eq!(opened.is_ok(), is_played, "{deltas:?}");
            if let Err(error) = opened {
                assert!(error.to_string().contains("too short to be repeated"), "{error}");
            }
            assert!(open(&path, speed, false, false).is_ok(), "{deltas:?} once");
        }
    }

    #[test]
    fn a_flood_at_one_instant_and_a_pause_are_no_bursts() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("tune.mid");
        // Three times as many notes as may come at once, and the same again a second later.
        let instant = vec![0; 3 * MAX_AT_ONCE];
        let deltas = [&instant[..], &[1_000_000], &instant[1..]].concat();
        write(&path, &deltas, 0);
        let times = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&times);
        let first = std::sync::Once::new();
        let emitter = Emitter::new(
            Arc::new(InputState::new("tune".into())),
            Arc::new(move |_, _| {
                sink.lock().expect("lock").push(Instant::now());
                // This simulates a process that is stopped for longer than the whole tune.
                first.call_once(|| thread::sleep(Duration::from_millis(1500)));
            }),
        );
        let tune = open(&path, 1.0, false, false).expect("opens");
        tune.run(&emitter, &Stop::new().expect("pipe")).expect("runs");
        let times = times.lock().expect("lock");
        assert_eq!(times.len(), deltas.len());
        let at = |index: usize| times[index];
        let half = instant.len();
        let flood = at(half - 1) - at(1);
        assert!(
            flood >= 2 * crate::input::pace::WINDOW - Duration::from_millis(1),
            "the flood took {flood:?}"
        );
        let between = at(half) - at(half - 1);
        assert!(between >= Duration::from_millis(900), "what was missed is not made up for: {between:?}");
    }

    #[test]
    fn a_round_lasts_until_the_tune_ends() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("tune.mid");
        write(&path, &[0], 200_000);
        let times = Arc::new(Mutex::new(Vec::new()));
        let (sink, stop) = (Arc::clone(&times), Stop::new().expect("pipe"));
        let enough = stop.clone();
        let emitter = Emitter::new(
            Arc::new(InputState::new("tune".into())),
            Arc::new(move |_, _| {
                let mut times = sink.lock().expect("lock");
                times.push(Instant::now());
                if times.len() == 4 {
                    enough.stop();
                }
            }),
        );
        open(&path, 2.0, true, false).expect("opens").run(&emitter, &stop).expect("runs");
        let times = times.lock().expect("lock");
        let took = times[3] - times[0];
        assert!(took >= Duration::from_millis(300), "three rounds of 100 ms took {took:?}");
    }

    #[test]
    fn a_damaged_file_says_so_and_is_refused_if_it_has_to_be_right() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("tune.mid");
        write(&path, &[0, 1000], 0);
        assert!(open(&path, 1.0, false, true).is_ok());
        let mut bytes = read(&path).expect("read");
        bytes.truncate(bytes.len() - 5);
        std::fs::write(&path, bytes).expect("written");
        let error = open(&path, 1.0, false, true).err().expect("refused").to_string();
        let damage = "track 1, tick 1000: the track ends within an event";
        assert!(error.contains(damage) && error.contains("leave out `strict`"), "{error}");
        let state = Arc::new(InputState::new("tune".into()));
        let emitter = Emitter::new(Arc::clone(&state), Arc::new(|_, _| {}));
        open(&path, 1.0, false, false)
            .expect("opens")
            .run(&emitter, &Stop::new().expect("pipe"))
            .expect("runs");
        assert_eq!(state.damage().as_deref(), Some(damage));
    }

    #[test]
    fn what_is_no_midi_file_is_refused_with_its_name() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("tune.mid");
        std::fs::write(&path, b"RIFF").expect("write");
        let error = open(&path, 1.0, false, false).err().expect("refused");
        assert!(matches!(error, InputError::NotMidi { .. }), "{error}");
        std::fs::File::create(&path).expect("file").set_len(MAX_MIDI_FILE_BYTES + 1).expect("length");
        assert!(matches!(open(&path, 1.0, false, false), Err(InputError::TooLarge { .. })));
    }

    #[test]
    fn a_fifo_or_a_directory_is_refused_without_waiting() {
        let directory = tempfile::tempdir().expect("directory");
        let fifo = directory.path().join("tune.mid");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("FIFO made");
        for path in [&fifo, directory.path()] {
            let error = open(path, 1.0, false, false).err().expect("refused");
            assert_eq!(error.to_string(), format!("{} is not a plain file", path.display()));
        }
    }
}
