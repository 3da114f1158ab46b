//! What plugins send to MIDI outputs.

use std::fs::OpenOptions;
use std::io::Write as _;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::pipe::fcntl_setpipe_size;

use super::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

fn config(to: &str) -> String {
    let chord = plugin("chord", &wasm::plugin("chord"), "");
    format!(
        "{LENIENT}{chord}
        [midi.outputs.synth]
        to = \"{to}\"
        [[inputs]]
        name = \"song\"
        type = \"midi-raw\"
        path = \"../song.raw\"
        [[mappings]]
        trigger = {{ event = [\"note-on\", \"note-off\"] }}
        plugin = \"chord\"
        action = \"chord\"
        parameters = {{ port = \"synth\" }}"
    )
}

#[test]
fn a_chord_ends_up_in_the_file() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("song.raw"), [0x90, 60, 100, 0x80, 60, 0]).expect("written");
    scratch.config(&config("file:../synth.raw"));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!((code, rows.len()), (0, 2), "{log}");
    assert!(rows.iter().all(|row| row["outcome"] == "ok"), "{rows:?}");
    let sent = std::fs::File::open(scratch.path("synth.raw")).expect("file");
    let sent: Vec<u8> = std::io::Read::bytes(sent).map(|byte| byte.expect("byte")).collect();
    assert_eq!(sent[..9], [0x90, 60, 100, 0x90, 64, 100, 0x90, 67, 100]);
    assert_eq!(sent.len(), 18);
}

#[test]
fn a_reader_that_never_reads_does_not_hold_up_the_plugin() {
    let scratch = Scratch::new();
    mknodat(CWD, scratch.path("synth"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("FIFO made");
    // This keeps the FIFO open for reading without ever reading. It is also open for writing, so that opening does not
    // wait.
    let reader = OpenOptions::new().read(true).write(true).open(scratch.path("synth")).expect("FIFO opened");
    fcntl_setpipe_size(&reader, 4096).expect("pipe made small");
    let mut song = std::fs::File::create(scratch.path("song.raw")).expect("song");
    // Every chord ends the previous one: that is 18 bytes a note, so the pipe is full after 228 notes.
    song.write_all(&[0x90]).expect("written");
    for _ in 0..450 {
        song.write_all(&[60, 100]).expect("written");
    }
    scratch.config(&config("file:../synth"));
    let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
    assert_eq!((code, rows.len()), (0, 450), "{log}");
    let failed = rows.iter().filter(|row| row["outcome"] == "failed").count();
    assert!(failed > 200, "{failed} calls failed");
    let micros: u64 = rows.iter().filter_map(|row| row["micros"].as_u64()).max().expect("times");
    assert!(micros < 1_000_000, "a call took {micros} microseconds");
}
