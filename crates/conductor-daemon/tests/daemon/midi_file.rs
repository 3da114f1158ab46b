//! A MIDI file, played to its end.

use std::time::{Duration, Instant};

use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};

use super::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

fn write_tune(scratch: &Scratch, notes: u8) {
    let event = |delta, kind| TrackEvent { delta: u28::new(delta), kind };
    // 96 ticks a quarter note and 96 ms a quarter note: a tick is a millisecond.
    let mut track = vec![event(0, TrackEventKind::Meta(MetaMessage::Tempo(u24::new(96_000))))];
    for note in 0..notes {
        for (delta, velocity) in [(0, 100), (10, 0)] {
            let message = MidiMessage::NoteOn { key: u7::new(note), vel: u7::new(velocity) };
            track.push(event(delta, TrackEventKind::Midi { channel: u4::new(3), message }));
        }
    }
    let header = Header { format: Format::SingleTrack, timing: Timing::Metrical(u15::new(96)) };
    Smf { header, tracks: vec![track] }.save(scratch.path("tune.mid")).expect("tune written");
}

fn config(speed: f64) -> String {
    let notes = plugin("notes", &wasm::plugin("notes"), "granted_capabilities = [\"Filesystem\"]");
    format!(
        "{LENIENT}{notes}
        [[inputs]]
        name = \"tune\"
        type = \"midi-file\"
        path = \"../tune.mid\"
        speed = {speed}
        [[mappings]]
        trigger = {{ input = \"tune\", event = \"note-on\", channel = 3 }}
        plugin = \"notes\"
        action = \"append\""
    )
}

#[test]
fn every_note_arrives_in_order_and_in_time() {
    let scratch = Scratch::new();
    write_tune(&scratch, 100);
    scratch.config(&config(1.0));
    let mut daemon = scratch.start(&["--exit-at-end"]);
    let (first, row) = daemon.next_call();
    assert_eq!(row["event"], "tune: note-on C-1 vel 100 ch 3");
    assert_eq!(row["outcome"], "ok", "{row}");
    let rows: Vec<_> = (1..100).map(|_| daemon.next_call()).collect();
    let took = rows.last().expect("rows").0 - first;
    assert!(took >= Duration::from_millis(980), "99 notes of 10 ms took {took:?}");
    let (code, more, log) = daemon.wait();
    assert_eq!((code, more.len()), (0, 0), "{log}");
    let notes = scratch.notes();
    let lines: Vec<&str> = notes.lines().collect();
    assert_eq!(lines.len(), 100);
    for (number, line) in lines.iter().enumerate() {
        assert!(line.contains(&format!("note={number} ")) && line.contains("channel=3"), "{line}");
    }
}

#[test]
fn speed_shortens_the_tune() {
    let scratch = Scratch::new();
    write_tune(&scratch, 120);
    scratch.config(&config(1000.0));
    let daemon = scratch.start(&["--exit-at-end"]);
    let (code, rows, log) = daemon.wait();
    assert_eq!((code, rows.len()), (0, 120), "{log}");
}

#[test]
fn the_table_is_for_people() {
    let scratch = Scratch::new();
    write_tune(&scratch, 3);
    scratch.config(&config(10.0));
    let started = Instant::now();
    let ended = scratch.conductor(&["run", "--events", "--exit-at-end"]);
    assert_eq!(ended.code, 0, "{ended:?} after {:?}", started.elapsed());
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ended.stdout);
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["EVENT", "PLUGIN", "ACTION", "OUTCOME", "FUEL", "MICROS"]
    );
    for line in &lines[1..] {
        assert_eq!(line.len(), lines[0].len(), "{}", ended.stdout);
        assert!(line.starts_with("tune: note-on ") && line.contains(" notes "), "{line}");
    }
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'), "{ended:?}");
}
