//! Row audit: flip, delete, reorder, truncate lines: detected, with the head anchored outside the file.

use std::fs;

use tempfile::TempDir;

use super::super::{AuditEvent, AuditLog, AuditRecord, AuditSink as _};
use super::*;

/// A log of ten records that was closed in order.
fn log() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state/audit.jsonl");
    write(&path, 10);
    (directory, path)
}

fn write(path: &Path, records: usize) {
    let log = AuditLog::open(path).expect("opens");
    for number in 0..records {
        let record = AuditRecord::now(Some(&format!("p{number}")), AuditEvent::PluginResumed);
        log.record(&record).expect("written");
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("read").lines().map(|line| format!("{line}\n")).collect()
}

fn faults(path: &Path) -> Vec<Fault> {
    verify(path, None).expect("verified").faults
}

#[test]
fn a_log_that_was_closed_is_whole() {
    let (_directory, path) = log();
    let found = verify(&path, None).expect("verified");
    assert_eq!(found.faults, []);
    assert_eq!((found.records, found.first), (11, Some(1)), "one line says that the log begins");
    let checkpoint = found.checkpoint.expect("signed");
    assert_eq!(Some(checkpoint.head), found.last);
    write(&path, 5);
    let found = verify(&path, None).expect("verified");
    assert!(found.is_whole() && found.records == 16, "{found:?}");
}

#[test]
fn every_byte_of_a_log_counts() {
    let (_directory, path) = log();
    let whole = fs::read_to_string(&path).expect("read").into_bytes();
    for place in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        fs::write(&path, changed).expect("written");
        assert!(!faults(&path).is_empty(), "byte {place}");
    }
}

#[test]
fn lines_that_are_deleted_moved_or_repeated_are_told() {
    let (_directory, path) = log();
    let whole = lines(&path);
    for line in 0..whole.len() {
        let mut less = whole.clone();
        less.remove(line);
        fs::write(&path, less.concat()).expect("written");
        assert!(!faults(&path).is_empty(), "without line {line}");

        let mut more = whole.clone();
        more.insert(line, whole[line].clone());
        fs::write(&path, more.concat()).expect("written");
        assert!(!faults(&path).is_empty(), "line {line} twice");

        if line > 0 {
            let mut moved = whole.clone();
            moved.swap(line - 1, line);
            fs::write(&path, moved.concat()).expect("written");
            assert!(!faults(&path).is_empty(), "line {line} moved");
        }
    }
}

#[test]
fn an_end_that_is_cut_off_is_missed() {
    let (_directory, path) = log();
    let whole = lines(&path);
    for kept in 0..whole.len() {
        fs::write(&path, whole[..kept].concat()).expect("written");
        let expected = Fault::Truncated { expected: 11, found: kept as u64 };
        assert_eq!(faults(&path), [expected]);
    }
    // A host that goes on from there says so, and the numbers stay missing.
    fs::write(&path, whole[..5].concat()).expect("written");
    write(&path, 1);
    let expected = Fault::Sequence { path: path.clone(), line: 6, expected: 6, found: 12 };
    assert_eq!(faults(&path), [expected]);
    assert!(lines(&path)[5].contains("\"log-truncated\",\"signed\":11,\"found\":5"));
}

#[test]
fn another_history_is_not_the_one_that_was_signed() {
    let (_directory, path) = log();
    let (_other_directory, other) = log();
    fs::copy(&other, &path).expect("copied");
    assert_eq!(faults(&path), [Fault::OtherHistory { sequence: 11 }]);
    // With its checkpoint as well, the key betrays it.
    fs::copy(checkpoint::file(&other), checkpoint::file(&path)).expect("copied");
    assert!(matches!(faults(&path)[..], [Fault::Checkpoint { .. }]));
}

#[test]
fn a_checkpoint_that_is_changed_or_gone_is_told() {
    let (_directory, path) = log();
    let file = checkpoint::file(&path);
    let text = fs::read_to_string(&file).expect("read");
    for (from, to) in
        [("sequence\\\":11", "sequence\\\":10"), ("{", "["), ("signature\":\"", "signature\":\"00")]
    {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        fs::write(&file, changed).expect("written");
        assert!(matches!(faults(&path)[..], [Fault::Checkpoint { .. }]), "{to}");
    }
    fs::remove_file(&file).expect("removed");
    assert_eq!(faults(&path), [Fault::NoCheckpoint]);
}

#[test]
fn who_writes_the_log_knows_its_end_to_the_record() {
    let (_directory, path) = log();
    let log = AuditLog::open(&path).expect("opens");
    log.record(&AuditRecord::now(None, AuditEvent::PluginResumed)).expect("written");
    let (head, whole) = (log.head(), lines(&path));
    assert!(verify(&path, Some(head)).expect("verified").is_whole());
    fs::write(&path, whole[..11].concat()).expect("written");
    let found = verify(&path, Some(head)).expect("verified");
    // Twice, if a checkpoint was signed after the record.
    let truncated = Fault::Truncated { expected: 12, found: 11 };
    assert!(!found.faults.is_empty() && found.faults.iter().all(|fault| *fault == truncated), "{found:?}");
}

#[test]
fn a_line_that_was_cut_short_is_no_forgery() {
    let (_directory, path) = log();
    let whole = fs::read_to_string(&path).expect("read");
    fs::write(&path, format!("{whole}{{\"version\":1,\"ti")).expect("written");
    assert_eq!(faults(&path), [], "it is being written");
    write(&path, 1);
    assert_eq!(faults(&path), []);
    let mended = fs::read_to_string(&path).expect("read");
    fs::write(&path, mended.replace("{\"version\":1,\"ti\n", "{\"version\":2,\"ti\n")).expect("written");
    assert!(matches!(faults(&path)[..], [Fault::NotARecord { line: 12, .. }]));
}

#[test]
fn the_chain_goes_on_from_file_to_file() {
    let (_directory, path) = log();
    fs::rename(&path, previous(&path)).expect("renamed");
    write(&path, 3);
    let found = verify(&path, None).expect("verified");
    assert!(found.is_whole() && found.records == 15, "{found:?}");
    let mut old = lines(&previous(&path));
    old.pop();
    fs::write(previous(&path), old.concat()).expect("written");
    assert!(matches!(faults(&path)[..], [Fault::Sequence { line: 1, .. }]));
    fs::remove_file(previous(&path)).expect("removed");
    assert_eq!(
        faults(&path),
        [Fault::FileMissing { path: previous(&path) }],
        "a first file is there or was replaced"
    );
}

#[test]
fn a_file_that_is_missing_is_told() {
    let (_directory, path) = log();
    for _ in 0..3 {
        fs::rename(&path, previous(&path)).expect("renamed");
        write(&path, 3);
        assert!(faults(&path).is_empty(), "the oldest file goes when there is no room");
    }
    fs::remove_file(&path).expect("removed");
    let missing = Fault::FileMissing { path: path.clone() };
    assert!(faults(&path).contains(&missing), "{:?}", faults(&path));
}
