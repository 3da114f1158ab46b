//! Several inputs of one plugin that does not keep up.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::ctl::{json, shown};
use super::desk::{self, Desk};
use crate::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

/// A mapping to a call of two milliseconds.
const SLOW: &str = "plugin = \"hostile\"\naction = \"sleep\"\nparameters = { once_ns = 2_000_000 }\n";

#[test]
fn a_flood_takes_nothing_from_a_clock_nor_from_the_user() {
    const TICKS: usize = 100;
    let scratch = Scratch::new();
    scratch.config(&format!(
        "{LENIENT}{}{}[[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"20ms\"\ncount = {TICKS}\n
        [[mappings]]\ntrigger = {{ input = \"desk\" }}\n{SLOW}
        [[mappings]]\ntrigger = {{ input = \"clock\" }}\nplugin = \"hostile\"\naction = \"count\"\n",
        plugin("hostile", &wasm::fixture("hostile"), "max_queued_events = 100"),
        desk::INPUT
    ));
    let mut daemon = scratch.start(&[]);
    let desk = Desk::of(&mut daemon);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                desk.send(&["/flood"; 50]);
                thread::yield_now();
            }
        });
        for _ in 0..5 {
            shown(&scratch, &["trigger", "hostile", "count"]);
        }
        daemon.wait_for_log("input ended");
        is_over.store(true, Ordering::Relaxed);
    });
    let refused = json(&scratch, &["status"])["events"]["refused"].as_u64();
    assert!(refused > Some(1000), "{refused:?}: that was no flood");
    let (rows, log) = daemon.stop();
    let of_clock = rows.iter().filter(|row| row["input"] == "clock").count();
    let by_hand = rows.iter().filter(|row| row["input"] == "conductorctl").count();
    assert_eq!((of_clock, by_hand), (TICKS, 5), "{log}");
}

#[test]
fn notes_end_however_full_the_queue_is() {
    let scratch = Scratch::new();
    mknodat(CWD, scratch.path("midi"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("FIFO made");
    scratch.config(&format!(
        "{LENIENT}{}[[inputs]]\nname = \"keys\"\ntype = \"midi-raw\"\npath = \"../midi\"\n
        [[mappings]]\ntrigger = {{ input = \"keys\" }}\n{SLOW}",
        plugin("hostile", &wasm::fixture("hostile"), "max_queued_events = 16"),
    ));
    let mut daemon = scratch.start(&[]);
    daemon.wait_for_log("ready");
    let mut keys = OpenOptions::new().write(true).open(scratch.path("midi")).expect("FIFO");
    let ons: Vec<u8> = (0..200).flat_map(|_| [0x90, 60, 100]).collect();
    let endings: Vec<u8> = (0..8).flat_map(|note| [0x80, note, 0]).collect();
    keys.write_all(&[&ons[..], &endings, &ons, &[0xfc]].concat()).expect("written");
    let mut ended = Vec::new();
    loop {
        let (_, row) = daemon.next_call();
        let event = row["event"].as_str().expect("text").to_owned();
        if event == "keys: stop" {
            break;
        }
        ended.extend(event.contains("note-off").then_some(event));
    }
    assert_eq!(ended.len(), 8, "{ended:?}");
    let (_, log) = daemon.stop();
    assert!(log.contains("limit=\"max_queued_events\""), "that was no flood: {log}");
}
