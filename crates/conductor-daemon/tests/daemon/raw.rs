//! Raw MIDI bytes written into a FIFO, as `cat song.raw > fifo` does.

use std::fs::OpenOptions;
use std::io::Write as _;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

fn config(path: &str) -> String {
    let notes = plugin("notes", &wasm::plugin("notes"), "granted_capabilities = [\"Filesystem\"]");
    format!(
        "{LENIENT}{notes}
        [[inputs]]
        name = \"pipe\"
        type = \"midi-raw\"
        path = \"{path}\"
        [[mappings]]
        trigger = {{ input = \"pipe\" }}
        plugin = \"notes\"
        action = \"append\""
    )
}

#[test]
fn bytes_in_a_fifo_become_events_for_one_writer_after_the_other() {
    let scratch = Scratch::new();
    mknodat(CWD, scratch.path("midi"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("FIFO made");
    scratch.config(&config("../midi"));
    let mut daemon = scratch.start(&[]);
    let mut event = || {
        let (_, row) = daemon.next_call();
        assert_eq!(row["outcome"], "ok", "{row}");
        row["event"].as_str().expect("text").to_owned()
    };

    // Opening waits for the daemon. The bytes have running status, a clock within a message, and an unfinished message
    // at the end.
    let mut writer = OpenOptions::new().write(true).open(scratch.path("midi")).expect("FIFO opened");
    writer.write_all(&[0x90, 60, 0xf8, 100, 62, 101, 0xb1, 7, 64, 0x90, 64]).expect("written");
    assert_eq!(event(), "pipe: clock");
    assert_eq!(event(), "pipe: note-on C4 vel 100 ch 0");
    assert_eq!(event(), "pipe: note-on D4 vel 101 ch 0");
    assert_eq!(event(), "pipe: control-change 7 = 64 ch 1");
    drop(writer);

    for note in [70, 71, 72] {
        let mut writer =
            OpenOptions::new().write(true).open(scratch.path("midi")).expect("FIFO opened again");
        writer.write_all(&[0x95, note, 1]).expect("written");
        drop(writer);
        assert!(event().ends_with(" vel 1 ch 5"));
    }
    let (_, log) = daemon.stop();
    assert!(!log.contains("ERROR"), "{log}");
    assert_eq!(scratch.notes().lines().count(), 7);
}

#[test]
fn a_plain_file_is_read_to_its_end() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("song.raw"), [0xc2, 5, 6, 0xe0, 0, 0x40]).expect("written");
    scratch.config(&config("../song.raw"));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!(code, 0, "{log}");
    let events: Vec<&str> = rows.iter().filter_map(|row| row["event"].as_str()).collect();
    assert_eq!(
        events,
        ["pipe: program-change 5 ch 2", "pipe: program-change 6 ch 2", "pipe: pitch-bend 0 ch 0"]
    );
}
