//! Tests of storing decisions: with several writers, with faults of the disk, and with unreadable files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::thread;

use conductor_signing::SigningKey;
use conductor_signing::atomic_file;
use conductor_signing::keeper::Faults;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn keeper(directory: &TempDir) -> Keeper {
    Keeper::of(directory.path())
}

/// An unsigned plugin, identified by its bytes.
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
    GrantStore::load(&keeper(directory)).expect("loads")
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
        GrantStore::grant(&keeper(&directory), &notes, capability, vec![stored.clone()]).expect("granted");
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
    GrantStore::grant(&keeper(&directory), &notes, Capability::Filesystem, grants).expect("granted");
    let store = load(&directory);
    assert_eq!(texts(&store, &notes).len(), 1);
    assert!(texts(&store, &subject("notes", b"2")).is_empty(), "another file");
    assert!(texts(&store, &subject("chord", b"1")).is_empty(), "another name");
}

#[test]
fn the_last_word_counts() {
    let directory = directory();
    let path = &keeper(&directory);
    let notes = subject("notes", b"1");
    let grant = |text: &str| {
        let grants = vec![granted(&notes, text, None)];
        GrantStore::grant(path, &notes, Capability::Filesystem, grants).expect("granted");
    };
    grant("Filesystem=read-write");
    grant("Filesystem=read-only");
    assert_eq!(texts(&load(&directory), &notes), ["Filesystem=read-only"]);
    GrantStore::deny(path, &notes.name, Capability::Filesystem).expect("denied");
    let store = load(&directory);
    assert!(texts(&store, &notes).is_empty());
    assert_eq!(store.denials_of(&notes.name).count(), 1);
    GrantStore::deny(path, &notes.name, Capability::Filesystem).expect("denied");
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
    GrantStore::remember(&keeper(&directory), vec![first("Filesystem=read-only")]).expect("remembered");
    GrantStore::remember(&keeper(&directory), vec![first("Filesystem=read-write")]).expect("remembered");
    let store = load(&directory);
    let declared = &store.first_declared(&notes, Capability::Filesystem).expect("known").declared;
    assert_eq!(declared, &[spec("Filesystem=read-only")]);
}

/// Row race: two writers make 1,000 changes each, and no change is lost.
#[test]
fn no_update_of_two_writers_is_lost() {
    const UPDATES: usize = 1000;
    const NAMES: usize = 10;
    let directory = directory();
    let path = &keeper(&directory);
    let write = |writer: usize| {
        for number in 0..UPDATES {
            let plugin = subject(&format!("p{writer}-{}", number % NAMES), b"1");
            let capability = Capability::ALL[number / NAMES % Capability::ALL.len()];
            if number % 2 == 0 {
                let grants = vec![granted(&plugin, capability.name(), None)];
                GrantStore::grant(path, &plugin, capability, grants).expect("granted");
            } else {
                GrantStore::deny(path, &plugin.name, capability).expect("denied");
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| write(0));
        scope.spawn(|| write(1));
    });
    let store = load(&directory);
    // Each writer decided about every name for each of the six capabilities, always in the same way.
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
        ("version = 3\n".to_owned(), "version 3 is not known"),
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
        let error = GrantStore::load(&keeper(&directory)).expect_err(&text).to_string();
        assert!(error.contains(expected) && error.contains("grants.toml"), "{text}: {error}");
        let notes = subject("notes", b"1");
        let kept = GrantStore::deny(&keeper(&directory), &notes.name, Capability::Midi).expect("kept");
        assert!(matches!(kept, DenialKept::InJournal { .. }), "a broken file is not written over: {kept:?}");
        assert_eq!(fs::read_to_string(&path).expect("read"), text);
    }
}

#[test]
fn a_file_of_no_bytes_is_damage() {
    let directory = directory();
    atomic_file::replace(&GrantStore::file(directory.path()), b"", atomic_file::PRIVATE).expect("written");
    let refused = GrantStore::load(&keeper(&directory)).expect_err("damage");
    assert!(matches!(refused, GrantStoreError::Kept(KeeperError::Empty { .. })), "{refused}");
    assert!(refused.hint().is_some_and(|hint| hint.contains("put back a copy")));
}

#[test]
fn a_denial_on_a_full_disk_outranks_the_file_until_it_stands_there() {
    let directory = directory();
    let notes = subject("notes", b"1");
    let grants = |text: &str| vec![granted(&notes, text, None)];
    let at_leisure = keeper(&directory);
    GrantStore::prepare(&at_leisure).expect("prepared");
    GrantStore::grant(&at_leisure, &notes, Capability::Midi, grants("Midi=synth")).expect("granted");

    let full = Keeper::on(directory.path(), Arc::new(Faults::full()));
    let kept = GrantStore::deny(&full, &notes.name, Capability::Midi).expect("kept");
    assert!(matches!(kept, DenialKept::InJournal { .. }), "{kept:?}");
    let file = fs::read_to_string(GrantStore::file(directory.path())).expect("read");
    assert!(file.contains("Midi=synth"), "the file is as it was");
    let store = load(&directory);
    assert_eq!((texts(&store, &notes).len(), store.denials_of(&notes.name).count()), (0, 1));
    let refused = GrantStore::grant(&full, &notes, Capability::Midi, grants("Midi=drums"));
    assert!(refused.is_err() && load(&directory) == store, "nothing is granted on a full disk");

    // The next change that succeeds, or the next start, moves the denial into the file.
    GrantStore::prepare(&at_leisure).expect("prepared");
    assert_eq!(load(&directory), store);
    fs::remove_file(directory.path().join(JOURNAL_FILE)).expect("it holds nothing");
    assert_eq!(load(&directory), store);

    GrantStore::prepare(&at_leisure).expect("prepared");
    GrantStore::deny(&full, &notes.name, Capability::Audio).expect("kept");
    GrantStore::grant(&at_leisure, &notes, Capability::Audio, grants("Audio=speakers")).expect("granted");
    let store = load(&directory);
    assert_eq!(texts(&store, &notes), ["Audio=speakers"], "an explicit grant clears its place");
    assert_eq!(store.denials_of(&notes.name).count(), 1, "and no other");
}

#[test]
fn a_fault_at_any_call_leaves_a_denial_standing_or_says_that_it_does_not() {
    for for_good in [false, true] {
        for call in 0.. {
            let directory = directory();
            let notes = subject("notes", b"1");
            let at_leisure = keeper(&directory);
            GrantStore::prepare(&at_leisure).expect("prepared");
            let grants = vec![granted(&notes, "Midi=synth", None)];
            GrantStore::grant(&at_leisure, &notes, Capability::Midi, grants).expect("granted");
            let disk = Arc::new(Faults::at(call, for_good));
            let kept = GrantStore::deny(
                &Keeper::on(directory.path(), Arc::clone(&disk) as _),
                &notes.name,
                Capability::Midi,
            );
            let store = load(&directory);
            let stands = store.denials_of(&notes.name).count() == 1 && texts(&store, &notes).is_empty();
            assert!(stands || kept.is_err(), "call {call}: {kept:?}");
            // A single fault never loses the denial, because there are two places for it.
            assert!(stands || for_good, "call {call}");
            if disk.calls() <= call {
                assert!(call >= 8, "each call is a site: {call}");
                break;
            }
        }
    }
}

#[test]
fn what_is_declared_is_written_once_for_all_that_was_granted_with_it() {
    let directory = directory();
    let notes = subject("notes", b"1");
    let port = |number: usize| format!("Midi=ports={number:03}{}", "x".repeat(200));
    let declared: Vec<_> = (0..128).map(|number| spec(&port(number))).collect();
    let one = granted(&notes, "Midi", None);
    let grants: Vec<_> = declared
        .iter()
        .map(|grant| StoredGrant { grant: grant.clone(), declared: declared.clone(), ..one.clone() })
        .collect();
    GrantStore::grant(&keeper(&directory), &notes, Capability::Midi, grants.clone()).expect("granted");
    assert_eq!(load(&directory).grants, grants);
    let bytes = fs::metadata(GrantStore::file(directory.path())).expect("metadata").len();
    assert!(bytes < 70_000, "{bytes} bytes");
}

#[test]
fn no_publisher_takes_more_than_a_share_and_denials_have_room_of_their_own() {
    let directory = directory();
    let keeper = keeper(&directory);
    let big = |subject: &Subject| {
        let ports: Vec<_> =
            (0..64).map(|number| spec(&format!("Midi=ports={number:03}{}", "%3D".repeat(80)))).collect();
        let one = granted(subject, "Midi", None);
        let grants = ports.iter().map(|grant| StoredGrant { grant: grant.clone(), ..one.clone() });
        grants.collect::<Vec<_>>()
    };
    let mut refused = Vec::new();
    for number in 0..14 {
        let subject = subject(&format!("p{}", number), b"the same file");
        if let Err(error) = GrantStore::grant(&keeper, &subject, Capability::Midi, big(&subject)) {
            refused.push(error);
        }
    }
    assert!(
        !refused.is_empty() && refused.iter().all(|error| matches!(error, GrantStoreError::Share { .. }))
    );
    let mut is_full = false;
    for number in 0_u32..70 {
        let subject = subject(&format!("q{number}"), &number.to_le_bytes());
        match GrantStore::grant(&keeper, &subject, Capability::Midi, big(&subject)) {
            Ok(()) => assert!(!is_full),
            Err(GrantStoreError::Full { .. }) => is_full = true,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(is_full, "as much as is not kept for denials");
    for number in 0..30 {
        let subject = subject(&format!("d{number}"), b"1");
        let kept = GrantStore::deny(&keeper, &subject.name, Capability::Midi).expect("denied");
        assert!(matches!(kept, DenialKept::InFile), "{kept:?}");
    }
}

#[test]
fn builds_of_an_unsigned_plugin_do_not_fill_the_file() {
    let directory = directory();
    for number in 0_u32..100 {
        let build = subject("notes", &number.to_le_bytes());
        let first = FirstDeclared {
            plugin: build.name.clone(),
            holder: build.holder(),
            capability: Capability::Filesystem,
            declared: vec![spec("Filesystem=read-only")],
            seen_at: UtcTime::now(),
        };
        GrantStore::remember(&keeper(&directory), vec![first]).expect("remembered");
    }
    let store = load(&directory);
    assert_eq!(store.first_declared.len(), super::shares::MAX_FILES_OF_NAME);
    let last = subject("notes", &99_u32.to_le_bytes());
    assert!(store.first_declared(&last, Capability::Filesystem).is_some());
}

/// Decisions that a user may make, in the order in which they are made.
#[derive(Clone, Debug)]
enum Change {
    Grant { plugin: usize, scope: String, until: Option<u8> },
    Deny { plugin: usize, midi: bool },
    Remember { plugin: usize, scope: String },
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    // Letters that need escapes, ends of TOML strings, and letters that no scope may have.
    let scope = "(Midi=ports=[a-z%=;,\"\\\\ é\n]{1,250}|Network=[a-zü.]{1,70}|Midi=synth)";
    let change = prop_oneof![
        (0..3_usize, scope, proptest::option::of(1..28_u8))
            .prop_map(|(plugin, scope, until)| Change::Grant { plugin, scope, until }),
        (0..3_usize, any::<bool>()).prop_map(|(plugin, midi)| Change::Deny { plugin, midi }),
        (0..3_usize, scope).prop_map(|(plugin, scope)| Change::Remember { plugin, scope }),
    ];
    proptest::collection::vec(change, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// After any sequence of accepted changes, the same decisions are read back.
    #[test]
    fn what_was_accepted_is_read_as_it_was_decided(changes in changes()) {
        let directory = directory();
        let keeper = keeper(&directory);
        let mut expected = GrantStore::default();
        for change in changes {
            let name = |plugin: usize| subject(&format!("p{plugin}"), &[u8::try_from(plugin).expect("small")]);
            match change {
                Change::Grant { plugin, scope, until } => {
                    let Ok(spec) = scope.parse::<GrantSpec>() else { continue };
                    let subject = name(plugin);
                    let until = until.map(|day| format!("2999-01-{day:02}T00:00:00Z"));
                    let one = granted(&subject, "Midi", until.as_deref());
                    let grant = StoredGrant { grant: spec.clone(), declared: vec![spec.clone()], ..one };
                    let accepted = GrantStore::grant(&keeper, &subject, spec.capability(), vec![grant.clone()]);
                    prop_assert!(accepted.is_ok(), "what is a scope can be kept: {:?}", accepted);
                    expected.forget(&subject, spec.capability());
                    expected.grants.push(grant);
                }
                Change::Deny { plugin, midi } => {
                    let capability = if midi { Capability::Midi } else { Capability::Network };
                    GrantStore::deny(&keeper, &name(plugin).name, capability).expect("denied");
                    let (store, name_of) = (load(&directory), name(plugin).name);
                    let denial = store.denials_of(&name_of).find(|one| one.capability == capability);
                    expected.put_denial(denial.expect("denied").clone());
                }
                Change::Remember { plugin, scope } => {
                    let Ok(spec) = scope.parse::<GrantSpec>() else { continue };
                    let subject = name(plugin);
                    let first = FirstDeclared {
                        plugin: subject.name.clone(),
                        holder: subject.holder(),
                        capability: spec.capability(),
                        declared: vec![spec],
                        seen_at: UtcTime::now(),
                    };
                    GrantStore::remember(&keeper, vec![first.clone()]).expect("remembered");
                    if expected.first_declared(&subject, first.capability).is_none() {
                        expected.first_declared.push(first);
                    }
                }
            }
            prop_assert_eq!(&load(&directory), &expected);
        }
    }
}

#[test]
fn a_file_that_others_can_write_is_not_believed() {
    let directory = directory();
    let path = GrantStore::file(directory.path());
    fs::write(&path, "version = 1\n").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("mode");
    let error = GrantStore::load(&keeper(&directory)).expect_err("refused");
    assert!(error.hint().is_some_and(|hint| hint.contains("chmod")), "{error}");
}
