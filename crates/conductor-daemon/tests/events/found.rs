//! MIDI files and OSC packets as they exist in the world, each in a folder of `tests/vectors` with its verdict.
//!
//! In `midi-file`, the first line of `expect` says what is wrong with the file, or `sound`; the other lines say what
//! the file plays. In `osc`, `trigger` is a mapping, `event` is the event that it is called for, and `dropped` is the
//! cause under which something is counted.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::ctl::{json, shown};
use super::desk;
use crate::scratch::{LENIENT, PATIENCE, Scratch, plugin};
use crate::wasm;

/// The folders of a row of vectors, each with its name and the text of `expect`.
fn vectors(row: &str) -> Vec<(String, PathBuf, String)> {
    let row = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(row);
    let folders = std::fs::read_dir(&row).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut vectors: Vec<_> = folders
        .filter(|path| path.is_dir())
        .map(|folder| {
            let expected = std::fs::read_to_string(folder.join("expect")).expect("expect");
            (folder.file_name().expect("a name").to_string_lossy().into_owned(), folder, expected)
        })
        .collect();
    vectors.sort();
    assert!(vectors.len() > 10, "{} folders in {}", vectors.len(), row.display());
    vectors
}

fn hostile() -> String {
    plugin("hostile", &wasm::fixture("hostile"), "")
}

/// An input that plays this file, and a mapping for all its events.
fn tune(name: &str, folder: &Path, more: &str) -> String {
    let path = folder.join("tune.mid");
    format!(
        "[[inputs]]\nname = \"{name}\"\ntype = \"midi-file\"\npath = '{}'\n{more}\n
        [[mappings]]\ntrigger = {{ input = \"{name}\" }}\nplugin = \"hostile\"\naction = \"count\"\n",
        path.display()
    )
}

#[test]
fn midi_files_are_played_as_far_as_they_can_be_read() {
    let vectors = vectors("midi-file");
    for strict in [false, true] {
        let scratch = Scratch::new();
        let inputs =
            vectors.iter().map(|(name, folder, _)| tune(name, folder, &format!("strict = {strict}")));
        scratch.config(&format!("{LENIENT}{}{}", hostile(), inputs.collect::<String>()));
        let (code, rows, log) = scratch.start(&["--exit-at-end"]).wait();
        assert_eq!(code, 0, "{log}");
        for (name, _, expected) in &vectors {
            let (damage, events) = expected.split_once('\n').expect("lines");
            let is_sound = damage == "sound";
            let prefix = format!("{name}: ");
            let played = rows.iter().filter_map(|row| row["event"].as_str()?.strip_prefix(&prefix));
            let events = events.lines().filter(|_| is_sound || !strict);
            assert_eq!(played.collect::<Vec<_>>(), events.collect::<Vec<_>>(), "{name}: {log}");
            let said: Vec<&str> = log
                .lines()
                .filter(|line| line.contains(&format!("\"{name}\"")) && line.contains("damaged"))
                .collect();
            let expected = if is_sound { 0 } else { 1 };
            assert_eq!(said.len(), expected, "{name}: {log}");
            assert!(said.iter().all(|line| line.contains("WARN") && line.contains(damage)), "{name}: {log}");
            assert!(!strict || said.iter().all(|line| line.contains("leave out `strict`")), "{name}: {log}");
        }
    }
}

#[test]
fn a_required_file_has_to_be_right_if_it_says_so() {
    let folder = vectors("midi-file").into_iter().find(|(name, ..)| name == "cut-off").expect("there").1;
    let scratch = Scratch::new();
    let input = tune("tune", &folder, "strict = true\nrequired = true");
    scratch.config(&format!("{LENIENT}{}{input}", hostile()));
    let ended = scratch.conductor(&["run"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("track 1, tick 110: the track ends within an event"), "{ended:?}");
}

#[test]
fn a_damaged_file_is_in_the_status_and_said_once_however_often_it_is_played() {
    let folder = vectors("midi-file").into_iter().find(|(name, ..)| name == "cut-off").expect("there").1;
    let scratch = Scratch::new();
    scratch.config(&format!("{LENIENT}{}{}", hostile(), tune("tune", &folder, "loop = true")));
    let mut daemon = scratch.start(&[]);
    (0..35).for_each(|_| drop(daemon.next_call()));
    let damage = "track 1, tick 110: the track ends within an event";
    assert_eq!(json(&scratch, &["status"])["inputs"][0]["damage"], damage);
    let text = shown(&scratch, &["status"]);
    assert!(text.contains(&format!("                  tune damaged: {damage}\n")), "{text}");
    let (_, log) = daemon.stop();
    assert_eq!(log.matches(damage).count(), 1, "{log}");
}

#[test]
fn a_round_lasts_until_the_end_of_the_track() {
    let folder =
        vectors("midi-file").into_iter().find(|(name, ..)| name == "one-hit-and-a-rest").expect("there").1;
    let scratch = Scratch::new();
    // A bar of two seconds with one hit, played eight times as fast.
    scratch.config(&format!("{LENIENT}{}{}", hostile(), tune("tune", &folder, "loop = true\nspeed = 8")));
    let mut daemon = scratch.start(&[]);
    let mut hits = Vec::new();
    while hits.len() < 5 {
        let (at, row) = daemon.next_call();
        hits.extend(row["event"].as_str().is_some_and(|event| event.contains("note-on")).then_some(at));
    }
    let took = hits[4] - hits[0];
    assert!(took >= Duration::from_millis(950), "four bars of 250 ms took {took:?}");
    daemon.stop();
}

/// Sends the packet of a folder, each time from another port, like programs that send one message and end.
#[expect(clippy::disallowed_methods, reason = "a packet is small")]
fn send(folder: &Path, port: u16) {
    let packet = std::fs::read(folder.join("packet")).expect("a packet");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
    socket.send_to(&packet, ("127.0.0.1", port)).expect("sent");
}

#[test]
fn osc_is_delivered_or_counted_and_said_once() {
    let vectors = vectors("osc");
    let lines = |word: &'static str| {
        let all = vectors.iter().flat_map(|(.., expected)| expected.lines());
        all.filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' '))
    };
    let mapping = |pattern: &str| {
        format!(
            "[[mappings]]\ntrigger = {{ event = \"osc\", address = '{pattern}' }}\nplugin = \"hostile\"\naction = \"count\"\n"
        )
    };
    let mappings = lines("trigger").map(mapping).collect::<String>();
    let scratch = Scratch::new();
    scratch.config(&format!("{LENIENT}{}{}{mappings}", hostile(), desk::INPUT));
    let mut daemon = scratch.start(&[]);
    let line = daemon.wait_for_log("listening for OSC");
    let port: u16 = line.rsplit(':').next().and_then(|port| port.trim().parse().ok()).expect("a port");
    let causes: BTreeSet<&str> = lines("dropped").collect();
    for round in 1..=2 {
        for (name, folder, expected) in &vectors {
            send(folder, port);
            for event in expected.lines().filter_map(|line| line.strip_prefix("event ")) {
                assert_eq!(daemon.next_call().1["event"], format!("desk: {event}"), "{name}");
            }
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let dropped = json(&scratch, &["status"])["inputs"][0]["dropped"].clone();
            let is_counted = |cause: &&str| {
                let once = lines("dropped").filter(|other| other == cause).count();
                dropped[*cause] == once * round
            };
            if causes.iter().all(is_counted)
                && dropped.as_object().is_some_and(|all| all.len() == causes.len())
            {
                break;
            }
            assert!(Instant::now() < deadline, "{dropped}");
            thread::sleep(Duration::from_millis(20));
        }
    }
    let text = shown(&scratch, &["status"]);
    let total = 2 * lines("dropped").count();
    assert!(text.contains(&format!("                  desk dropped {total}: ")), "{text}");
    shown(&scratch, &["reload"]);
    assert_eq!(shown(&scratch, &["status"]).matches(&format!("desk dropped {total}: ")).count(), 1);
    let (rows, log) = daemon.stop();
    assert!(rows.is_empty(), "{rows:?}");
    let warnings = log.lines().filter(|line| line.contains("dropped OSC from 127.0.0.1: "));
    assert_eq!(warnings.clone().count(), causes.len(), "{log}");
    assert!(warnings.clone().all(|line| line.contains("WARN")), "{log}");
}
