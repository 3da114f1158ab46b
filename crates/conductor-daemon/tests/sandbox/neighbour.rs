//! Row neighbour: one plugin cannot reach another plugin's files.

use std::fs;

use conductor_core::{Limits, Outcome};
use serde_json::json;

use super::guest::{Guests, call, in_both_modes};

in_both_modes! {
    no_path_leads_to_another_plugin
}

fn no_path_leads_to_another_plugin(guests: &Guests) {
    let mut first = guests.renamed("victim1");
    let report = call(first.as_mut(), "write", json!({"path": "/diary.txt", "text": "mine"}));
    assert_eq!(report.outcome, Outcome::Ok, "{report:?}");

    let mut second = guests.hostile(&["Filesystem"], Limits::default());
    for path in [
        "/diary.txt",
        "/victim1/diary.txt",
        "/../victim1/diary.txt",
        "../victim1/diary.txt",
        "/../../plugin-data/victim1/diary.txt",
    ] {
        let read = call(second.as_mut(), "read", json!({"path": path}));
        assert!(matches!(read.outcome, Outcome::Failed { .. }), "{path}: {read:?}");
    }
    let absolute = guests.data("victim1").join("diary.txt");
    let read = call(second.as_mut(), "read", json!({"path": absolute}));
    assert!(matches!(read.outcome, Outcome::Failed { .. }), "{read:?}");
    let write = call(second.as_mut(), "write", json!({"path": "/../victim1/diary.txt", "text": "theirs"}));
    assert!(matches!(write.outcome, Outcome::Failed { .. }), "{write:?}");
    assert_eq!(fs::read_to_string(guests.data("victim1").join("diary.txt")).expect("there"), "mine");
}
