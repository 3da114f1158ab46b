//! Nothing sounds that nobody plays: what ends, by whatever, ends its notes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::Signal;

use super::ctl::{ctl, shown};
use super::desk::{Desk, Heard, bytes, major};
use crate::scratch::Ended;
use crate::wasm;

fn silence(desk: &Desk) -> Ended {
    desk.scratch.conductor(&["silence"])
}

/// Every note-on has its note-off in the end, and no more.
fn is_balanced(desk: &Desk) {
    let mut sums = Heard::new();
    for [status, key, velocity] in desk.messages("synth") {
        *sums.entry((status & 0x0f, key)).or_default() += match (status & 0xf0, velocity) {
            (0x90, 1..) => 1,
            (0x80, _) | (0x90, 0) => -1,
            _ => 0,
        };
    }
    sums.retain(|_, sum| *sum != 0);
    assert_eq!(sums, Heard::new(), "{:02x?}", desk.messages("synth"));
}

#[test]
fn a_worker_that_is_killed_between_two_calls_leaves_nothing_sounding() {
    let mut desk = Desk::new("");
    let daemon = desk.start(&[]);
    desk.chord(0, 60);
    desk.chord(1, 72);
    desk.kill_worker("one");
    desk.wait("synth", "the chord of the other one goes on alone", |heard| *heard == major(72));
    desk.play(&[0x81, 72, 0]);
    desk.silent("the player ends its own chord");
    is_balanced(&desk);
    daemon.stop();
}

#[test]
fn a_note_of_two_plugins_ends_with_the_last_one() {
    let mut desk = Desk::new("");
    let daemon = desk.start(&[]);
    desk.chord(0, 60);
    desk.chord(1, 60);
    desk.kill_worker("one");
    desk.play(&[0x91, 20, 100]);
    desk.wait("synth", "the worker is gone", |heard| heard.contains_key(&(0, 20)));
    assert_eq!(desk.heard("synth").get(&(0, 60)), Some(&2), "the other plugin holds it");
    desk.kill_worker("two");
    desk.silent("nobody holds it");
    is_balanced(&desk);
    daemon.stop();
}

#[test]
fn a_disabled_plugin_a_reload_a_revoked_capability_and_the_end_leave_nothing_sounding() {
    let mut desk = Desk::new("");
    let daemon = desk.start(&[]);
    desk.chord(1, 60);
    shown(&desk.scratch, &["plugin", "disable", "two"]);
    desk.silent("the disabled plugin is gone");
    shown(&desk.scratch, &["plugin", "enable", "two"]);
    desk.chord(1, 48);
    // The module is another file now, with the same content.
    let copy = desk.scratch.path("copy.wasm");
    fs::copy(wasm::plugin("chord"), &copy).expect("copied");
    let text = fs::read_to_string(desk.scratch.config_file()).expect("configuration");
    let chord = wasm::plugin("chord").display().to_string();
    desk.scratch.config(&text.replace(&chord, &copy.display().to_string()));
    shown(&desk.scratch, &["reload"]);
    desk.silent("the plugin was loaded anew");
    desk.chord(0, 60);
    desk.chord(1, 60);
    // Both have the name that the denial is for.
    shown(&desk.scratch, &["plugin", "revoke", "one", "Midi"]);
    assert_eq!(desk.heard("synth"), Heard::new(), "it ended before the answer");
    daemon.stop();
    is_balanced(&desk);
}

#[test]
fn an_output_that_is_taken_away_or_leads_elsewhere_is_silent_before() {
    let mut desk = Desk::new("");
    let daemon = desk.start(&[]);
    desk.chord(0, 60);
    let text = fs::read_to_string(desk.scratch.config_file()).expect("configuration");
    desk.scratch.config(&text.replace("file:../synth.raw", "file:../other.raw"));
    shown(&desk.scratch, &["reload"]);
    assert_eq!(desk.heard("synth"), Heard::new());
    desk.play(&[0x91, 48, 100]);
    desk.wait("other", "the chord sounds elsewhere", |heard| *heard == major(48));
    daemon.stop();
    assert_eq!((desk.heard("synth"), desk.heard("other")), (Heard::new(), Heard::new()));
}

#[test]
fn what_a_killed_daemon_left_sounding_is_ended_by_a_command() {
    let mut desk = Desk::new("");
    assert_eq!(silence(&desk).stderr, "no daemon left anything sounding\n");
    let daemon = desk.start(&[]);
    desk.chord(0, 60);
    desk.chord(1, 60);
    let record = desk.scratch.path("state/sounding");
    assert_eq!(fs::metadata(&record).expect("the record").mode() & 0o777, 0o600);

    let ended = silence(&desk);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
    assert!(ended.stderr.starts_with("a daemon is running"), "{ended:?}");
    assert_eq!(desk.heard("synth").len(), 3, "what is played goes on");

    daemon.signal(Signal::KILL);
    daemon.wait();
    assert_eq!(desk.heard("synth").len(), 3);
    let ended = silence(&desk);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, "silent again: synth\n"), "{ended:?}");
    assert_eq!(desk.heard("synth"), Heard::new());
    is_balanced(&desk);
    assert_eq!(silence(&desk).stderr, "no daemon left anything sounding\n");
}

#[test]
fn what_a_killed_daemon_left_sounding_is_ended_by_the_next_start() {
    let mut desk = Desk::new("");
    let daemon = desk.start(&[]);
    desk.chord(0, 60);
    daemon.signal(Signal::KILL);
    daemon.wait();
    let mut daemon = desk.start(&[]);
    assert_eq!(desk.heard("synth"), Heard::new(), "before the daemon says that it is ready");
    daemon.wait_for_log("what a daemon that was killed left sounding is ended");
    is_balanced(&desk);
    desk.chord(0, 62);
    daemon.stop();
    is_balanced(&desk);
}

#[test]
fn silence_says_what_it_cannot_reach_and_leaves_it_for_the_next_time() {
    let mut desk = Desk::new("");
    let daemon = desk.start(&[]);
    desk.chord(0, 60);
    daemon.signal(Signal::KILL);
    daemon.wait();
    let text = fs::read_to_string(desk.scratch.config_file()).expect("configuration");
    desk.scratch.config(&text.replace("outputs.synth", "outputs.strings"));
    let ended = silence(&desk);
    assert_eq!(ended.code, 1, "{ended:?}");
    let words = "error: something may still sound at synth: the configuration names no such output";
    assert!(ended.stderr.contains(words), "{ended:?}");
    // Faults in other parts of the file do not keep it from working.
    desk.scratch.config(&(text + "\n[ui]\nport = \"none\"\n"));
    let ended = silence(&desk);
    assert_eq!((ended.code, desk.heard("synth")), (0, Heard::new()), "{ended:?}");
}

#[test]
fn a_record_that_was_tampered_with_keeps_nobody_from_starting() {
    let mut desk = Desk::new("");
    let record = desk.scratch.path("state/sounding");
    let daemon = desk.start(&[]);
    desk.chord(0, 60);
    daemon.signal(Signal::KILL);
    daemon.wait();
    let whole = bytes(&record);
    let noise: Vec<u8> = whole.iter().enumerate().map(|(at, byte)| byte.wrapping_add(at as u8 | 1)).collect();
    fs::write(&record, noise).expect("overwritten");
    let ended = silence(&desk);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("is not known in full: it is in a format that"), "{ended:?}");
    fs::write(&record, &whole[..5000]).expect("cut");
    let mut daemon = desk.start(&[]);
    daemon.wait_for_log("is not known in full");
    assert_eq!(ctl(&desk.scratch, &["status"]).code, 0);
    daemon.stop();
    // Anybody of the group could have written this one.
    fs::set_permissions(&record, std::os::unix::fs::PermissionsExt::from_mode(0o620)).expect("mode");
    let ended = silence(&desk);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("is not a plain file of your own that nobody else may use"), "{ended:?}");
    let mut daemon = desk.start(&[]);
    daemon.wait_for_log("what sounds would go on if this process were killed");
    daemon.stop();
}
