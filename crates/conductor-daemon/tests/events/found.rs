//! MIDI files as they are found in the world, each in a folder of `tests/vectors` with its verdict.
//!
//! In `midi-file`, `expect` says in its first line what is wrong with the file, or `sound`, and then what it plays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ctl::{json, shown};
use crate::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

/// The folders of a row, each with its name and what is expected.
fn vectors(row: &str) -> Vec<(String, PathBuf, String)> {
    let row = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(row);
    let folders = std::fs::read_dir(&row).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut vectors: Vec<_> = folders
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

/// An input of this file, and a mapping for all that it plays.
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
    // A bar of two seconds with one hit, eight times as fast.
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
