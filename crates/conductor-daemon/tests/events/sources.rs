//! Sources that are exchanged, that break, and that come back.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value as Json;

use super::ctl::{SILENT, json, shown};
use crate::scratch::{LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

fn config(name: &str, path: &str) -> String {
    format!(
        "{LENIENT}{}{SILENT}[[inputs]]\nname = \"{name}\"\ntype = \"midi-raw\"\npath = \"{path}\"\n
        [[mappings]]\ntrigger = {{ input = \"{name}\" }}\nplugin = \"hostile\"\naction = \"count\"\n",
        plugin("hostile", &wasm::fixture("hostile"), "")
    )
}

/// Waits until the second input is in this state. Returns the reason.
fn wait_for(scratch: &Scratch, state: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let input: Json = json(scratch, &["status"])["inputs"][1].clone();
        if input["state"] == state {
            return input["why"].as_str().unwrap_or_default().to_owned();
        }
        assert!(Instant::now() < deadline, "{input} is not {state}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("FIFO made");
}

/// Opens the FIFO for writing. Opening waits until the daemon reads the FIFO.
fn writer(path: &Path) -> File {
    OpenOptions::new().write(true).open(path).expect("FIFO opened")
}

#[test]
fn what_takes_the_place_of_a_fifo_is_not_read() {
    let scratch = Scratch::new();
    let midi = scratch.path("midi");
    make_fifo(&midi);
    scratch.config(&config("pipe", "../midi"));
    let mut daemon = scratch.start(&[]);
    for (round, note) in [60, 62].into_iter().enumerate() {
        let mut keys = writer(&midi);
        keys.write_all(&[0x90, note, 1]).expect("written");
        let (_, row) = daemon.next_call();
        assert!(row["event"].as_str().is_some_and(|event| event.ends_with(" vel 1 ch 0")), "{row}");
        let swapped = scratch.path("swapped");
        if round == 0 {
            std::fs::write(&swapped, [0x90, 61, 2].repeat(100)).expect("written");
        } else {
            std::os::unix::fs::symlink("/dev/zero", &swapped).expect("linked");
        }
        std::fs::rename(&swapped, &midi).expect("swapped");
        drop(keys);
        let why = wait_for(&scratch, "waiting");
        assert!(why.contains("is no FIFO any more"), "{why}");
        std::fs::remove_file(&midi).expect("removed");
        make_fifo(&midi);
    }
    let mut keys = writer(&midi);
    keys.write_all(&[0x90, 64, 1]).expect("written");
    assert_eq!(daemon.next_call().1["event"], "pipe: note-on E4 vel 1 ch 0");
    assert_eq!(wait_for(&scratch, "delivering"), "");
    let (rows, log) = daemon.stop();
    assert_eq!(rows, Vec::<Json>::new(), "{log}");
    assert!(log.matches("is no FIFO any more").count() <= 2, "said once each: {log}");
}

#[test]
fn an_input_that_died_says_so_and_a_reload_starts_it_again() {
    let scratch = Scratch::new();
    // A plain file that cannot be read, because nothing is mapped at its beginning.
    scratch.config(&config("dead", "/proc/self/mem"));
    let mut daemon = scratch.start(&[]);
    for _ in 0..2 {
        daemon.next_log("cannot read /proc/self/mem");
        let why = wait_for(&scratch, "failed");
        assert!(why.contains("cannot read /proc/self/mem"), "{why}");
        let text = shown(&scratch, &["status"]);
        assert!(text.contains("Inputs:           2: 1 delivering, 1 failed\n"), "{text}");
        assert!(text.contains("dead failed: cannot read /proc/self/mem"), "{text}");
        shown(&scratch, &["reload"]);
    }
    daemon.stop();
}

#[test]
fn an_input_that_could_not_begin_begins_with_a_reload() {
    let scratch = Scratch::new();
    scratch.config(&config("late", "../late.raw"));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("unavailable here");
    assert!(wait_for(&scratch, "failed").contains("late.raw"));
    std::fs::write(scratch.path("late.raw"), [0x90, 60, 1]).expect("written");
    shown(&scratch, &["reload"]);
    assert_eq!(daemon.next_call().1["event"], "late: note-on C4 vel 1 ch 0");
    assert_eq!(wait_for(&scratch, "ended"), "");
    shown(&scratch, &["reload"]);
    let (rows, _) = daemon.stop();
    assert_eq!(rows, Vec::<Json>::new(), "what came to its end does not begin again");
}
