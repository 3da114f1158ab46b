//! Pins that are damaged or repeated, pins that are kept, and several writers at once.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;

use conductor_store::{FileError, atomic_file};

use super::*;
use crate::key::SigningKey;
use crate::trust::{MAX_TRUST_FILE_BYTES, NewKey, PINS_FILE};

fn name(text: &str) -> PluginName {
    text.parse().expect("a name")
}

/// What loading a plugin with a statement adds to the pins.
pub(in crate::trust) fn pin(text: &str) -> NewPin {
    NewPin(vec![change(text)])
}

fn change(text: &str) -> PinChange {
    let after = Pin { statement_seen_at: Some(UtcTime::now()), ..Pin::default() };
    PinChange { name: name(text), before: None, after }
}

#[test]
fn pins_are_kept_as_they_were_first_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("a/conductor");
    pin("chord").record(&config).expect("recorded");
    let path = config.join(PINS_FILE);
    assert_eq!(fs::metadata(&path).expect("metadata").mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(&config).expect("metadata").mode() & 0o7777, 0o700);
    let first = TrustStore::load(&config).expect("loads");
    assert!(first.statement_seen_at(&name("chord")).is_some());
    assert!(first.statement_seen_at(&name("cord")).is_none());

    let before = fs::metadata(&path).expect("metadata").ino();
    pin("chord").record(&config).expect("known already");
    assert_eq!(fs::metadata(&path).expect("metadata").ino(), before, "nothing was written");
    pin("arp").record(&config).expect("recorded");
    let key = SigningKey::generate().expect("a key").public_key();
    TrustStore::add(&config, NewKey::new("k", key)).expect("added");
    let second = TrustStore::load(&config).expect("loads");
    assert_eq!(second.statement_seen_at(&name("chord")), first.statement_seen_at(&name("chord")));
    assert!(second.statement_seen_at(&name("arp")).is_some() && second.get(&key).is_some());
}

#[test]
fn damage_never_reads_as_never_seen() {
    let entry = "[[pins]]\nname = \"chord\"\nstatement_seen_at = \"2025-01-01T00:00:00Z\"\n";
    let sound = format!("version = 1\n{entry}");
    for (text, line) in [
        ("version = 2\n".to_owned(), 1),
        ("version = 1\n[[pin]]\n".to_owned(), 2),
        ("version = 1\n[[pins]]\nversion = \"1\"\n".to_owned(), 2),
        (format!("{sound}publisher_since = \"2025-01-01T00:00:00Z\"\n"), 3),
        (format!("{sound}publisher = \"00\"\n"), 5),
        (format!("{sound}signers = [\"00\"]\n"), 5),
        (sound.replace("chord", "../x"), 3),
        (sound.replace("2025-01-01T00:00:00Z", "once"), 4),
        (format!("{sound}colour = \"red\"\n"), 5),
        (format!("{sound}{entry}"), 6),
        (sound[..sound.len() - 9].to_owned(), 4),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(PINS_FILE);
        atomic_file::replace(&path, text.as_bytes(), atomic_file::PRIVATE).expect("written");
        let error = TrustStore::load(dir.path()).expect_err(&text);
        assert!(error.to_string().starts_with(&format!("{}:{line}: ", path.display())), "{error}\n{text}");
        assert!(error.hint().is_some_and(|hint| hint.contains(&path.display().to_string())));
        assert!(!error.is_about_request());
        assert!(pin("more").record(dir.path()).is_err(), "a damaged file is not written over");
        assert_eq!(fs::read_to_string(&path).expect("read"), text);
    }
}

#[test]
fn pins_that_somebody_else_could_have_written_are_not_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    pin("chord").record(dir.path()).expect("recorded");
    let path = dir.path().join(PINS_FILE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("mode set");
    assert!(matches!(TrustStore::load(dir.path()), Err(TrustError::File(FileError::Mode { .. }))));
    fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink("/dev/null", &path).expect("linked");
    assert!(matches!(TrustStore::load(dir.path()), Err(TrustError::File(FileError::Symlink { .. }))));
}

#[test]
fn more_pins_than_can_be_read_are_not_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let count = MAX_TRUST_FILE_BYTES / 64;
    let many = NewPin((0..count).map(|number| change(&format!("plugin-{number}"))).collect());
    assert!(matches!(many.record(dir.path()), Err(TrustError::File(FileError::TooLarge { .. }))));
    assert_eq!(TrustStore::load(dir.path()).expect("loads"), TrustStore::default());
}

/// Two writers of pins and one writer of keys: no pin and no key is lost.
#[test]
fn no_pin_of_two_writers_is_lost() {
    const CHANGES: usize = 200;
    let dir = tempfile::tempdir().expect("a directory");
    let write = |who: &str| {
        for change in 0..CHANGES {
            pin(&format!("{who}-{change}")).record(dir.path()).expect("recorded");
            pin(&format!("both-{change}")).record(dir.path()).expect("recorded");
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| write("one"));
        scope.spawn(|| write("two"));
        scope.spawn(|| {
            for change in 0..CHANGES {
                let public_key = SigningKey::generate().expect("a key").public_key();
                let new = NewKey::new(&format!("key {change}"), public_key);
                TrustStore::add_despite_resemblance(dir.path(), new).expect("added");
            }
        });
    });
    let store = TrustStore::load(dir.path()).expect("loads");
    assert_eq!((store.pins.0.len(), store.keys().len()), (3 * CHANGES, CHANGES));
}
