//! Adding, rotating and reading, in a temporary directory.

use super::*;

#[test]
fn the_last_lines_come_back_in_order_over_both_files() {
    let directory = tempfile::tempdir().expect("directory");
    let directory = directory.path();
    assert_eq!(read_from(directory, 3).expect("reads"), Vec::<String>::new());
    for number in 0..10 {
        append_to(directory, &format!("line {number}"), 40).expect("appends");
    }
    assert_eq!(read_from(directory, 3).expect("reads"), ["line 7", "line 8", "line 9"]);
    assert_eq!(fs::read_to_string(directory.join("notes.old.txt")).expect("old").lines().count(), 5);
    for name in ["notes.txt", "notes.old.txt"] {
        assert!(fs::metadata(directory.join(name)).expect("file").len() <= 40, "{name}");
    }
}

#[test]
fn facts_are_those_the_event_has() {
    let context = Context {
        note: Some(60),
        value: Some(0.5),
        metadata: [("input".to_owned(), "keys".to_owned())].into(),
        ..Context::default()
    };
    assert_eq!(facts(&context), "note=60 value=0.5 input=keys");
}
