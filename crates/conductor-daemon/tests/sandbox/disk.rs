//! Row disk: the data directory holds no more bytes and files than its quota, and the guest sees the refusal.

use std::fs;
use std::path::Path;

use conductor_core::{Limit, Limits, Outcome};
use serde_json::{Value, json};

use super::guest::{Guests, call, in_both_modes, reply};

in_both_modes! {
    files_beyond_the_quota_are_refused_and_deleting_makes_room
    bytes_beyond_the_quota_are_refused
    a_grant_does_not_raise_what_the_configuration_allows
    measuring_a_full_directory_is_charged
    a_full_disk_does_not_silence_the_plugin
}

fn files_beyond_the_quota_are_refused_and_deleting_makes_room(guests: &Guests) {
    let mut plugin = guests.hostile(&["Filesystem=read-write;files=20"], Limits::default());
    let report = call(plugin.as_mut(), "list", json!({"count": 1000}));
    assert!(matches!(report.outcome, Outcome::Failed { .. }), "{report:?}");
    assert_eq!(report.limits_refused, [Limit::DiskFiles]);
    let directory = guests.data("hostile");
    assert_eq!(entries(&directory), 20);
    for entry in fs::read_dir(directory.join("many")).expect("readable").take(5) {
        fs::remove_file(entry.expect("readable").path()).expect("removed");
    }
    let report = call(plugin.as_mut(), "write", json!({"path": "/again.txt", "text": "room"}));
    assert_eq!((report.outcome, report.limits_refused), (Outcome::Ok, Vec::new()));
}

fn bytes_beyond_the_quota_are_refused(guests: &Guests) {
    let mut plugin = guests.hostile(&["Filesystem=read-write;bytes=100KiB"], Limits::default());
    let text = "x".repeat(30 * 1024);
    let outcomes: Vec<Outcome> = (0..5)
        .map(|number| {
            let path = format!("/file-{number}");
            call(plugin.as_mut(), "write", json!({"path": path, "text": text})).outcome
        })
        .collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Ok).count(), 3, "{outcomes:?}");
    // Writing the same file again replaces its bytes: the quota counts what is stored, not what was written.
    for _ in 0..10 {
        let report = call(plugin.as_mut(), "write", json!({"path": "/file-0", "text": text}));
        assert_eq!(report.outcome, Outcome::Ok, "{report:?}");
    }
}

fn a_grant_does_not_raise_what_the_configuration_allows(guests: &Guests) {
    let limits = Limits { max_disk_bytes: 10, max_disk_files: 2, ..Limits::default() };
    let mut plugin = guests.hostile(&["Filesystem=read-write;bytes=1GiB;files=1000"], limits);
    let mut write = |path: &str, text: &str| {
        let report = call(plugin.as_mut(), "write", json!({"path": path, "text": text}));
        (report.outcome == Outcome::Ok, report.limits_refused)
    };
    assert_eq!(write("/a", "0123456789"), (true, vec![]));
    assert_eq!(write("/b", "x"), (false, vec![Limit::DiskBytes]));
    assert_eq!(write("/c", ""), (false, vec![Limit::DiskFiles]));
}

fn measuring_a_full_directory_is_charged(guests: &Guests) {
    let directory = guests.data("hostile");
    fs::create_dir_all(&directory).expect("data directory");
    for number in 0..5000 {
        fs::File::create(directory.join(format!("f{number}"))).expect("created");
    }
    let mut plugin = guests.hostile(&["Filesystem=read-write;files=5000"], Limits::default());
    let first = call(plugin.as_mut(), "write", json!({"path": "/one-more", "text": "x"}));
    assert!(matches!(first.outcome, Outcome::Failed { .. }), "{first:?}");
    assert!(first.fuel_used > 1_000_000, "looking at 5,000 files cost {} fuel", first.fuel_used);
}

fn a_full_disk_does_not_silence_the_plugin(guests: &Guests) {
    let mut plugin = guests.hostile(&["Filesystem=read-write;bytes=1"], Limits::default());
    let refused = call(plugin.as_mut(), "write", json!({"path": "/file", "text": "too long"}));
    assert!(matches!(refused.outcome, Outcome::Failed { .. }), "{refused:?}");
    assert_eq!(refused.limits_refused, [Limit::DiskBytes]);
    let report = call(plugin.as_mut(), "stdio", json!({"bytes": 1024}));
    assert_eq!((&report.outcome, reply(&report)["stdin"].clone()), (&Outcome::Ok, Value::from("")));
    assert!(!report.log.is_empty());
}

/// Files and directories below `directory`.
fn entries(directory: &Path) -> usize {
    let mut found = 0;
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        found += 1 + if path.is_dir() { entries(&path) } else { 0 };
    }
    found
}
