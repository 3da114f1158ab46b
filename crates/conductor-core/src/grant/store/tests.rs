//! Tests of what is written down, by many at once and where it cannot be read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use conductor_signing::SigningKey;
use tempfile::TempDir;

use super::*;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A plugin that nobody signed, told from others by its bytes.
fn subject(name: &str, bytes: &[u8]) -> Subject {
    let name = name.parse().expect("a name");
    Subject { name, publisher: None, digest: Digest::from_bytes(bytes) }
}

fn spec(text: &str) -> GrantSpec {
    let spec: GrantSpec = text.parse().expect("a grant");
    let scope = spec.scope().cloned().unwrap_or_else(|| crate::scope::Scope::unnamed(spec.capability()));
    GrantSpec::of(scope)
}

fn granted(subject: &Subject, grant: &str, until: Option<&str>) -> StoredGrant {
    StoredGrant {
        plugin: subject.name.clone(),
        holder: subject.holder(),
        grant: spec(grant),
        declared: vec![spec(grant)],
        version: Some("1.0.0".to_owned()),
        granted_at: UtcTime::now(),
        until: until.map(|until| until.parse().expect("a time")),
    }
}

fn texts(store: &GrantStore, subject: &Subject) -> Vec<String> {
    store.grants_of(subject).map(|grant| grant.grant.to_string()).collect()
}

fn load(directory: &TempDir) -> GrantStore {
    GrantStore::load(directory.path()).expect("loads")
}

#[test]
fn what_is_written_is_read_again() {
    let directory = directory();
    let notes = subject("notes", b"1");
    assert_eq!(load(&directory), GrantStore::default());
    for grant in [
        "Filesystem=read-only;bytes=1MiB",
        "Network=localhost:4455;methods=GET",
        "Midi",
        "Subprocess=/bin/echo;args=hello*",
        "SystemControl=volume, mute",
    ] {
        let stored = granted(&notes, grant, Some("2999-01-01T00:00:00Z"));
        let capability = stored.grant.capability();
        GrantStore::grant(directory.path(), &notes, capability, vec![stored.clone()]).expect("granted");
        assert!(load(&directory).grants_of(&notes).any(|read| *read == stored), "{grant}");
    }
    let mode = fs::metadata(GrantStore::file(directory.path())).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_grant_is_for_one_name_and_one_publisher_or_file() {
    let directory = directory();
    let notes = subject("notes", b"1");
    let grants = vec![granted(&notes, "Filesystem=read-only", None)];
    GrantStore::grant(directory.path(), &notes, Capability::Filesystem, grants).expect("granted");
    let store = load(&directory);
    assert_eq!(texts(&store, &notes).len(), 1);
    assert!(texts(&store, &subject("notes", b"2")).is_empty(), "another file");
    assert!(texts(&store, &subject("chord", b"1")).is_empty(), "another name");
}

#[test]
fn the_last_word_counts() {
    let directory = directory();
    let path = directory.path();
    let notes = subject("notes", b"1");
    let grant = |text: &str| {
        let grants = vec![granted(&notes, text, None)];
        GrantStore::grant(path, &notes, Capability::Filesystem, grants).expect("granted");
    };
    grant("Filesystem=read-write");
    grant("Filesystem=read-only");
    assert_eq!(texts(&load(&directory), &notes), ["Filesystem=read-only"]);
    GrantStore::deny(path, &notes, Capability::Filesystem).expect("denied");
    let store = load(&directory);
    assert!(texts(&store, &notes).is_empty());
    assert_eq!(store.denials_of(&notes.name).count(), 1);
    GrantStore::deny(path, &notes, Capability::Filesystem).expect("denied");
    assert_eq!(load(&directory).denials_of(&notes.name).count(), 1, "one denial is enough");
    let other = subject("notes", b"2");
    assert_eq!(load(&directory).denials_of(&other.name).count(), 1, "whoever comes next under the name");
    grant("Filesystem=read-only");
    assert_eq!(load(&directory).denials_of(&notes.name).count(), 0);
}

#[test]
fn grants_end_with_time() {
    let notes = subject("notes", b"1");
    let now = Timestamp::now();
    assert!(granted(&notes, "Midi=synth", None).holds(now));
    assert!(granted(&notes, "Midi=synth", Some("2999-01-01T00:00:00Z")).holds(now));
    assert!(!granted(&notes, "Midi=synth", Some("2000-01-01T00:00:00Z")).holds(now));
}

#[test]
fn what_was_declared_first_stays() {
    let directory = directory();
    let notes = subject("notes", b"1");
    let first = |declared: &str| FirstDeclared {
        plugin: notes.name.clone(),
        holder: notes.holder(),
        capability: Capability::Filesystem,
        declared: vec![spec(declared)],
        seen_at: UtcTime::now(),
    };
    GrantStore::remember(directory.path(), vec![first("Filesystem=read-only")]).expect("remembered");
    GrantStore::remember(directory.path(), vec![first("Filesystem=read-write")]).expect("remembered");
    let store = load(&directory);
    let declared = &store.first_declared(&notes, Capability::Filesystem).expect("known").declared;
    assert_eq!(declared, &[spec("Filesystem=read-only")]);
}

/// Row race: two writers × 1,000 on grants, no update lost.
#[test]
fn no_update_of_two_writers_is_lost() {
    const UPDATES: usize = 1000;
    const NAMES: usize = 10;
    let directory = directory();
    let path = directory.path();
    let write = |writer: usize| {
        for number in 0..UPDATES {
            let plugin = subject(&format!("p{writer}-{}", number % NAMES), b"1");
            let capability = Capability::ALL[number / NAMES % Capability::ALL.len()];
            if number % 2 == 0 {
                let grants = vec![granted(&plugin, capability.name(), None)];
                GrantStore::grant(path, &plugin, capability, grants).expect("granted");
            } else {
                GrantStore::deny(path, &plugin, capability).expect("denied");
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| write(0));
        scope.spawn(|| write(1));
    });
    let store = load(&directory);
    // Every name of each writer was decided about for each of the six capabilities, always the same way.
    let decisions = 2 * NAMES * Capability::ALL.len();
    assert_eq!((store.grants.len(), store.denials.len()), (decisions / 2, decisions / 2));
}

#[test]
fn what_is_wrong_in_the_file_is_named() {
    const ENTRY: &str = "plugin = \"notes\"\nfile = \"DIGEST\"\ngranted_at = \"2026-01-01T00:00:00Z\"\n";
    let entry = ENTRY.replace("DIGEST", &"ab".repeat(32));
    let key = SigningKey::generate().expect("a key").public_key();
    let cases = [
        ("nonsense".to_owned(), "line 1: "),
        ("grants = []\n".to_owned(), "missing field `version`"),
        ("version = 2\n".to_owned(), "version 2 is not known"),
        ("version = 1\nmore = 1\n".to_owned(), "unknown field `more`"),
        (format!("version = 1\n\n[[grants]]\ngrant = \"Files=x\"\n{entry}"), "line 3: `grant`: unknown"),
        (format!("version = 1\n[[grants]]\ngrant = \"Filesystem=all\"\n{entry}"), "line 2: `grant`: "),
        (
            format!("version = 1\n[[grants]]\npublisher = \"{key}\"\ngrant = \"Midi\"\n{entry}"),
            "line 2: `publisher`: one of `publisher` and `file` is needed",
        ),
        (
            "version = 1\n[[denials]]\nplugin = \"\"\ncapability = \"Midi\"\ndenied_at = \"\"\n".to_owned(),
            "line 2: `plugin`: ",
        ),
    ];
    for (text, expected) in cases {
        let directory = directory();
        let path = GrantStore::file(directory.path());
        fs::write(&path, &text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
        let error = GrantStore::load(directory.path()).expect_err(&text).to_string();
        assert!(error.contains(expected) && error.contains("grants.toml"), "{text}: {error}");
        let notes = subject("notes", b"1");
        let refused = GrantStore::deny(directory.path(), &notes, Capability::Midi);
        assert!(refused.is_err(), "a broken file is not written over");
        assert_eq!(fs::read_to_string(&path).expect("read"), text);
    }
}

#[test]
fn a_file_that_others_can_write_is_not_believed() {
    let directory = directory();
    let path = GrantStore::file(directory.path());
    fs::write(&path, "version = 1\n").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("mode");
    let error = GrantStore::load(directory.path()).expect_err("refused");
    assert!(error.hint().is_some_and(|hint| hint.contains("chmod")), "{error}");
}
