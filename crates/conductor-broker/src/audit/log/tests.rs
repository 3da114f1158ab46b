//! Tests of the log as a file: appended to, changed for another, refused where others could reach it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::audit::AuditEvent;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("state/audit.jsonl");
    (directory, path)
}

fn record(name: &str) -> AuditRecord {
    AuditRecord::now(Some(name), AuditEvent::PluginResumed)
}

/// The plugin of each line; every line must be a record.
fn plugins(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("log");
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let plugin = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        record["plugin"].as_str().map(str::to_owned)
    };
    text.lines().filter_map(plugin).collect()
}

/// Bytes of a file that has room for so many records of this length behind its first line.
fn room_for(records: u64, record: &AuditRecord) -> u64 {
    let begun = AuditRecord::now(None, AuditEvent::LogBegun { previous: "0".repeat(64) });
    let length = |record: &AuditRecord| Head::genesis().tie(&record.to_line()).0.len() as u64;
    // Half a record more, because numbers grow.
    length(&begun) + records * length(record) + length(record) / 2
}

#[test]
fn records_are_appended_to_a_file_of_ones_own() {
    let (directory, path) = place();
    for name in ["a", "b"] {
        let log = AuditLog::open(&path).expect("opens");
        log.record(&record(name)).expect("written");
        assert_eq!((log.records(), log.failures()), (1, 0));
    }
    assert_eq!(plugins(&path), ["a", "b"]);
    let mode = |path: &Path| fs::metadata(path).expect("metadata").mode() & 0o7777;
    assert_eq!((mode(&path), mode(&directory.path().join("state"))), (0o600, 0o700));
}

#[test]
fn a_full_log_becomes_the_previous_one() {
    let (_directory, path) = place();
    let max = room_for(3, &record("00"));
    let log = AuditLog::open_with(&path, max).expect("opens");
    (0..7).for_each(|number| log.record(&record(&format!("{number:02}"))).expect("written"));
    assert_eq!(plugins(&previous(&path)), ["03", "04", "05"]);
    assert_eq!(plugins(&path), ["06"]);
    drop(log);
    let log = AuditLog::open_with(&path, max).expect("opens");
    (7..10).for_each(|number| log.record(&record(&format!("{number:02}"))).expect("written"));
    assert_eq!(plugins(&path), ["09"], "what was there before counts");
    assert_eq!((log.records(), log.failures()), (3, 0));
}

#[test]
fn records_of_many_threads_are_whole_lines() {
    let (_directory, path) = place();
    let log = Arc::new(AuditLog::open_with(&path, room_for(250, &record("t0"))).expect("opens"));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = &log;
            scope.spawn(move || {
                (0..100).for_each(|_| log.record(&record(&format!("t{thread}"))).expect("written"));
            });
        }
    });
    assert_eq!((log.records(), log.failures()), (400, 0));
    let (old, new) = (plugins(&previous(&path)).len(), plugins(&path).len());
    assert_eq!(old + new, 400, "{old} and {new}");
    drop(log);
    let found = crate::audit::verify(&path, None).expect("verified");
    assert!(found.is_whole() && found.records == 402, "{found:?}");
}

#[test]
fn a_line_that_was_cut_short_is_ended_before_the_next() {
    let (_directory, path) = place();
    drop(AuditLog::open(&path).expect("opens"));
    fs::write(&path, "{\"version\":1,\"ti").expect("written");
    let log = AuditLog::open(&path).expect("opens");
    log.record(&record("a")).expect("written");
    log.record(&record("b")).expect("written");
    let text = fs::read_to_string(&path).expect("log");
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.lines().skip(1).all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[test]
fn a_log_that_cannot_be_changed_for_a_new_one_counts_what_it_loses() {
    let (_directory, path) = place();
    let log = AuditLog::open_with(&path, room_for(1, &record("0"))).expect("opens");
    log.record(&record("0")).expect("written");
    fs::create_dir(previous(&path)).expect("a directory in the way");
    (0..3).for_each(|_| assert_eq!(log.record(&record("1")), Err(NotRecorded)));
    assert_eq!((log.records(), log.failures(), log.is_failing()), (1, 3, true));
    fs::remove_dir(previous(&path)).expect("out of the way");
    log.record(&record("2")).expect("written");
    assert_eq!((plugins(&path), log.failures(), log.is_failing()), (vec!["2".to_owned()], 3, false));
    let text = fs::read_to_string(&path).expect("log");
    let lost: Vec<&str> = text.lines().filter(|line| line.contains("\"records-lost\"")).collect();
    assert!(lost.len() == 1 && lost[0].contains("\"lost\":3,\"since\":\"20"), "{text}");
    drop(log);
    assert!(crate::audit::verify(&path, None).expect("verified").is_whole());
}

#[test]
fn what_was_lost_to_the_last_is_told_when_the_log_is_closed() {
    let (_directory, path) = place();
    let log = AuditLog::open_with(&path, room_for(1, &record("0"))).expect("opens");
    log.record(&record("0")).expect("written");
    fs::create_dir(previous(&path)).expect("a directory in the way");
    log.record(&record("1")).expect_err("lost");
    fs::remove_dir(previous(&path)).expect("out of the way");
    drop(log);
    let text = fs::read_to_string(&path).expect("log");
    assert!(text.lines().last().is_some_and(|line| line.contains("\"lost\":1")), "{text}");
}

#[test]
fn what_was_recorded_is_signed_for_when_the_log_is_closed_though_others_hold_it() {
    let (_directory, path) = place();
    let log = Arc::new(AuditLog::open(&path).expect("opens"));
    let held = Arc::clone(&log);
    let signed = || checkpoint::read(&path).expect("readable").map(|checkpoint| checkpoint.head);
    (0..3).for_each(|number| log.record(&record(&number.to_string())).expect("written"));
    log.close();
    assert_eq!(signed(), Some(log.head()));
    held.record(&record("late")).expect("written");
    log.close();
    drop((log, held));
    let again = AuditLog::open(&path).expect("opens");
    again.record(&record("next")).expect("written");
    again.close();
    assert_eq!(signed(), Some(again.head()), "what came late is signed for with what comes next");
}

/// What is in the log: the words of its events.
fn events(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("log");
    let event = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        record["event"].as_str().expect("a word").to_owned()
    };
    text.lines().map(event).collect()
}

#[test]
fn a_log_that_is_moved_or_deleted_is_noticed_before_anything_is_granted() {
    for moves in [true, false] {
        let (_directory, path) = place();
        let log = AuditLog::open(&path).expect("opens");
        log.record(&record("a")).expect("written");
        if moves {
            fs::rename(&path, path.with_extension("elsewhere")).expect("moved");
        } else {
            fs::remove_file(&path).expect("deleted");
        }
        assert!(!log.is_failing(), "another file was begun");
        assert_eq!(events(&path), ["log-begun", "log-gone"]);
        log.record(&record("b")).expect("written");
        drop(log);
        let found = crate::audit::verify(&path, None).expect("verified");
        let missing = crate::audit::Fault::FileMissing { path: previous(&path) };
        assert_eq!(found.faults, [missing]);
    }
}

#[test]
fn a_log_that_is_cut_while_it_is_written_is_noticed_before_anything_is_granted() {
    for kept in [0, 1, 2] {
        let (_directory, path) = place();
        let log = AuditLog::open(&path).expect("opens");
        ["a", "b"].iter().for_each(|name| log.record(&record(name)).expect("written"));
        let text = fs::read_to_string(&path).expect("log");
        let length: usize = text.lines().take(kept).map(|line| line.len() + 1).sum();
        // In the middle of the next line.
        let file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
        file.set_len(length as u64 + u64::from(kept > 0) * 10).expect("cut");
        assert!(!log.is_failing());
        let events = events_of_whole_lines(&path);
        assert_eq!(events.last().map(String::as_str), Some("log-truncated"), "{events:?}");
        log.record(&record("c")).expect("written");
        drop(log);
        assert!(!crate::audit::verify(&path, None).expect("verified").is_whole());
    }
}

/// As [`events`], without lines that were cut.
fn events_of_whole_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("log");
    let records = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    records.filter_map(|record| record["event"].as_str().map(str::to_owned)).collect()
}

#[test]
fn nothing_is_granted_while_another_file_stands_in_the_place_of_the_log() {
    let (_directory, path) = place();
    let log = AuditLog::open(&path).expect("opens");
    fs::rename(&path, path.with_extension("elsewhere")).expect("moved");
    fs::write(&path, "").expect("another");
    assert!(log.is_failing());
    assert_eq!(log.record(&record("a")), Err(NotRecorded));
    fs::remove_file(&path).expect("removed");
    assert_eq!(log.record(&record("b")), Ok(()));
    assert_eq!(events(&path), ["log-begun", "log-gone", "records-lost", "plugin-resumed"]);
    assert!(!log.is_failing());
    let longer = fs::read_to_string(&path).expect("read") + "{}\n";
    fs::write(&path, longer).expect("somebody else's line");
    assert!(log.is_failing());
}

#[test]
fn what_is_not_ones_own_file_is_refused() {
    let (directory, path) = place();
    let log = AuditLog::open(&path).expect("opens");
    assert!(matches!(AuditLog::open(&path), Err(AuditError::InUse { .. })));
    drop(log);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
    let refused = |path: &Path| match AuditLog::open(path) {
        Err(AuditError::Unsafe { source }) => source,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    };
    mode(&path, 0o644);
    let error = refused(&path);
    assert!(matches!(error, FileError::Mode { found: 0o644, .. }), "{error}");
    assert_eq!(error.hint(), Some(format!("chmod 600 {}", path.display())));
    mode(&path, 0o600);
    let link = path.with_file_name("link.jsonl");
    symlink(&path, &link).expect("linked");
    assert!(matches!(refused(&link), FileError::Symlink { .. }));
    mode(&directory.path().join("state"), 0o770);
    assert!(matches!(refused(&path), FileError::Mode { found: 0o770, .. }));
    mode(&directory.path().join("state"), 0o700);
    let taken = path.with_file_name("taken");
    fs::create_dir(&taken).expect("directory");
    assert!(matches!(AuditLog::open(&taken), Err(AuditError::Unusable { .. })));
}
