//! Times, orders, damage and random bytes.

mod damage;
mod properties;
mod standard;

use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Fps, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};

use super::*;
use crate::midi::MAX_SYSEX_BYTES;

fn event(delta: u32, kind: TrackEventKind<'_>) -> TrackEvent<'_> {
    TrackEvent { delta: u28::new(delta), kind }
}

fn note(delta: u32, key: u8) -> TrackEvent<'static> {
    let message = MidiMessage::NoteOn { key: u7::new(key), vel: u7::new(100) };
    event(delta, TrackEventKind::Midi { channel: u4::new(0), message })
}

fn tempo(delta: u32, micros: u32) -> TrackEvent<'static> {
    event(delta, TrackEventKind::Meta(MetaMessage::Tempo(u24::new(micros))))
}

fn end(delta: u32) -> TrackEvent<'static> {
    event(delta, TrackEventKind::Meta(MetaMessage::EndOfTrack))
}

/// The bytes of a file. Each of its tracks ends with its last event.
fn file<'e>(format: Format, timing: Timing, mut tracks: Vec<Vec<TrackEvent<'e>>>) -> Vec<u8> {
    let is_end = |event: &TrackEvent<'e>| event.kind == TrackEventKind::Meta(MetaMessage::EndOfTrack);
    tracks.iter_mut().filter(|track| !track.last().is_some_and(is_end)).for_each(|track| track.push(end(0)));
    let mut bytes = Vec::new();
    Smf { header: Header { format, timing }, tracks }.write_std(&mut bytes).expect("writes");
    bytes
}

fn sound(bytes: Vec<u8>) -> Tune {
    let tune = Tune::new(bytes).expect("a tune");
    assert_eq!(tune.damage(), None);
    tune
}

fn times(format: Format, timing: Timing, tracks: Vec<Vec<TrackEvent<'_>>>) -> Vec<(u64, u8)> {
    let note_of = |message| {
        let Message::NoteOn { note, .. } = message else { panic!("unexpected {message}") };
        note
    };
    sound(file(format, timing, tracks)).events().map(|(due, message)| (due, note_of(message))).collect()
}

const QUARTER: Timing = Timing::Metrical(u15::new(480));

#[test]
fn a_tempo_in_one_track_holds_for_all() {
    let tracks = vec![vec![tempo(480, 250_000)], vec![note(0, 60), note(480, 61), note(480, 62)]];
    assert_eq!(times(Format::Parallel, QUARTER, tracks), [(0, 60), (500_000, 61), (750_000, 62)]);
}

#[test]
fn sequential_tracks_follow_each_other() {
    let tracks = vec![vec![tempo(0, 1_000_000), note(480, 60), end(480)], vec![note(480, 61)]];
    assert_eq!(times(Format::Sequential, QUARTER, tracks), [(1_000_000, 60), (2_500_000, 61)]);
}

#[test]
fn time_code_needs_no_tempo() {
    for (frames, per_frame, ticks, micros) in [
        (Fps::Fps25, 40, 1000, 1_000_000),
        (Fps::Fps24, 4, 96, 1_000_000),
        (Fps::Fps29, 100, 3000, 1_001_000),
        (Fps::Fps30, 80, 2400, 1_000_000),
    ] {
        let tracks = vec![vec![tempo(0, 1), note(ticks, 60), note(ticks / 2, 61)]];
        let timing = Timing::Timecode(frames, per_frame);
        assert_eq!(times(Format::SingleTrack, timing, tracks), [(micros, 60), (micros * 3 / 2, 61)]);
    }
}

#[test]
fn thirds_do_not_drift() {
    let track = (0..30_000).map(|_| note(1, 60)).collect();
    let timing = Timing::Metrical(u15::new(3));
    let last = times(Format::SingleTrack, timing, vec![track]).last().copied();
    assert_eq!(last, Some((5_000_000_000, 60)));
}

#[test]
fn a_tune_lasts_until_the_last_of_its_tracks_ends() {
    let length = |format, tracks| sound(file(format, QUARTER, tracks)).length();
    let tracks = || vec![vec![note(0, 60), end(960)], vec![note(480, 61), end(0)], vec![end(1920)]];
    assert_eq!(length(Format::Parallel, tracks()), 2_000_000);
    assert_eq!(length(Format::Sequential, tracks()), 3_500_000);
    assert_eq!(length(Format::SingleTrack, vec![vec![note(0, 60), end(480)]]), 500_000);
}

fn tune(track: Vec<TrackEvent<'_>>) -> Result<Tune, TuneError> {
    Tune::new(file(Format::SingleTrack, QUARTER, vec![track]))
}

#[test]
fn a_system_exclusive_message_is_as_long_as_at_any_input() {
    for (length, expected) in [(MAX_SYSEX_BYTES, 2), (MAX_SYSEX_BYTES + 1, 1), (12 << 20, 1)] {
        let mut bytes = vec![1; length];
        bytes.push(0xf7);
        let tune = tune(vec![event(0, TrackEventKind::SysEx(&bytes)), note(1, 60)]).expect("a tune");
        assert_eq!(tune.events().count(), expected, "{length} bytes");
        let packets = [
            event(0, TrackEventKind::SysEx(&bytes[1..length])),
            event(0, TrackEventKind::Escape(&[1, 0xf7])),
        ];
        let tune = self::tune([&packets[..], &[note(1, 60)]].concat()).expect("a tune");
        assert_eq!(tune.events().count(), expected, "{length} bytes in packets");
    }
}

#[test]
fn a_file_has_only_so_many_events() {
    let notes = |count| vec![note(1, 60); count];
    assert!(tune(notes(MAX_EVENTS)).is_ok());
    assert!(matches!(tune(notes(MAX_EVENTS + 1)), Err(TuneError::TooManyEvents)));
    assert!(matches!(tune(vec![tempo(0, 1)]), Err(TuneError::Empty(None))));
    let clocks = [0xf8; MAX_EVENTS + 1];
    assert!(matches!(tune(vec![event(0, TrackEventKind::Escape(&clocks))]), Err(TuneError::TooManyEvents)));
}

#[test]
fn no_file_takes_long_to_read() {
    let track = [&b"MThd\0\0\0\x06\0\x01\xff\xff\x01\xe0MTrk\x01\0\0\0"[..], &[0, 0x90, 60, 1]].concat();
    for pattern in [
        &[0xff][..],
        &[0x80],
        &[0, 0x90],
        // Lengths that reach beyond the end, and packets with and without an end.
        &[0, 0xf0, 0xff, 0xff, 0xff, 0x7f],
        &[0, 0xf0, 2, 1, 2],
        &[0, 0xf0, 5, 1, 0xf7],
        &[0, 0xff, 1, 0xff, 0xff, 0xff, 0x7f],
        &[0xf8, 0, 0xf2],
        b"MTrk",
        b"MTrk\0\0\0\x05",
        b"MTrk\0\x7f\0\0",
        b"MTrk\0\0\0\0\0\0\0\xff\x2f\0",
        b"abcd\0\0\0\0",
    ] {
        let size = 1 << 20;
        let bytes: Vec<u8> = track.iter().chain(pattern.iter().cycle()).take(size).copied().collect();
        let start = std::time::Instant::now();
        let events = Tune::new(bytes).map(|tune| tune.events().count());
        let took = start.elapsed();
        assert!(took.as_secs() < 20, "{pattern:x?} took {took:?} for {events:?}");
    }
}
