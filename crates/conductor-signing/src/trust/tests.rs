//! Loading, damage, expiry and concurrent writers.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::thread;

use super::*;
use crate::SigningKey;

fn key() -> PublicKey {
    SigningKey::generate().expect("a key").public_key()
}

fn new(name: &str, public_key: PublicKey) -> NewKey {
    NewKey { name: name.to_owned(), public_key, email: None }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn write(dir: &Path, file: &str, text: &str) -> PathBuf {
    let path = dir.join(file);
    atomic_file::replace(&path, text.as_bytes(), PRIVATE).expect("written");
    path
}

fn entry(key: &PublicKey, more: &str) -> String {
    format!("[[keys]]\nname = \"k\"\npublic_key = \"{key}\"\nadded_at = \"2025-01-01T00:00:00Z\"\n{more}\n")
}

fn now() -> Timestamp {
    UtcTime::now().timestamp()
}

#[test]
fn keys_are_added_listed_and_removed() {
    let dir = directory();
    let config = dir.path().join("a/conductor");
    let (first, second) = (key(), key());
    TrustStore::add(&config, new("Official Plugin", first)).expect("added");
    TrustStore::add(&config, NewKey { email: Some("b@example.org".into()), ..new("B \"q\"", second) })
        .expect("added");

    let store = TrustStore::load(&config).expect("loads");
    assert_eq!(
        store.keys().iter().map(|key| key.name.as_str()).collect::<Vec<_>>(),
        ["Official Plugin", "B \"q\""]
    );
    assert_eq!(store.get(&second).and_then(|key| key.email.as_deref()), Some("b@example.org"));
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o7777;
    assert_eq!(mode(&config), 0o700);
    assert_eq!(mode(&TrustStore::trusted_keys_path(&config)), 0o600);

    assert!(matches!(
        TrustStore::add(&config, new("again", first)),
        Err(TrustError::AlreadyTrusted { name, .. }) if name == "Official Plugin"
    ));
    let prefix: KeySelector = format!("{}...", &first.to_string()[..8]).parse().expect("a prefix");
    assert_eq!(TrustStore::remove(&config, &prefix).expect("removed").public_key, first);
    assert!(matches!(TrustStore::remove(&config, &prefix), Err(TrustError::NotTrusted { .. })));
    TrustStore::remove(&config, &second.to_string().parse().expect("a key")).expect("removed");
    assert_eq!(TrustStore::load(&config).expect("loads"), TrustStore::default());
}

#[test]
fn prefixes_are_long_enough_and_mean_one_key() {
    for text in ["", "3dab8db", "3DAB8DBF", "3dab8dbz", "...", &"a".repeat(65)] {
        assert!(matches!(text.parse::<KeySelector>(), Err(TrustError::Selector { .. })), "{text}");
    }
    let dir = directory();
    for name in ["one", "two"] {
        TrustStore::add(dir.path(), new(name, key())).expect("added");
    }
    // No digits at all are the only prefix that two random keys are sure to share.
    let both = KeySelector(String::new());
    assert!(matches!(TrustStore::remove(dir.path(), &both), Err(TrustError::Ambiguous { .. })));
    assert_eq!(TrustStore::load(dir.path()).expect("loads").keys().len(), 2);
}

#[test]
fn names_are_visible_text() {
    let dir = directory();
    for name in ["", " ", "a\nb", "a\u{1b}[31m", "a\u{202e}b", &"x".repeat(257)] {
        assert!(matches!(TrustStore::add(dir.path(), new(name, key())), Err(TrustError::Name)), "{name:?}");
    }
}

#[test]
fn a_missing_file_is_an_empty_list() {
    let dir = directory();
    assert_eq!(TrustStore::load(dir.path()).expect("loads"), TrustStore::default());
    assert_eq!(TrustStore::load(&dir.path().join("none")).expect("loads"), TrustStore::default());
}

#[test]
fn damage_never_reads_as_empty() {
    let sound = format!("version = 1\n{}", entry(&key(), ""));
    let identity = format!("01{}", "00".repeat(31));
    let same = key();
    for (text, line) in [
        (String::new(), 1),
        ("# only a comment\n".to_owned(), 1),
        ("version = 2\n".to_owned(), 1),
        ("version = \"1\"\n".to_owned(), 1),
        ("\n\nversion 1\n".to_owned(), 3),
        ("version = 1\nkey = []\n".to_owned(), 2),
        (format!("version = 1\n{}", entry(&key(), "colour = \"red\"")), 6),
        (sound.replace("public_key", "pubic_key"), 4),
        (sound.replace("2025-01-01T00:00:00Z", "yesterday"), 5),
        (format!("version = 1\n{}", entry(&key(), "expires_at = \"soon\"")), 6),
        (format!("version = 1\n{}", entry(&key(), "max_risk = \"huge\"")), 6),
        (format!("version = 1\n{}", entry(&key(), "plugins = [\"ok\",\n\"a/b\"]")), 7),
        (format!("version = 1\n{}", entry(&same, "")).replace(&same.to_string(), &identity), 4),
        (
            format!("version = 1\n{}", entry(&same, ""))
                .replace(&same.to_string(), &same.to_string().to_uppercase()),
            4,
        ),
        (format!("version = 1\n{}{}", entry(&same, ""), entry(&same, "")), 9),
    ] {
        let dir = directory();
        let path = write(dir.path(), TRUSTED_FILE, &text);
        let error = TrustStore::load(dir.path()).expect_err(&text);
        assert!(error.to_string().starts_with(&format!("{}:{line}: ", path.display())), "{error}\n{text}");
        assert!(error.hint().is_some_and(|hint| hint.contains(&path.display().to_string())));
        assert!(!error.is_about_request());
        assert!(
            TrustStore::add(dir.path(), new("more", key())).is_err(),
            "a damaged file is not written over"
        );
        assert_eq!(fs::read_to_string(&path).expect("read"), text);
    }
    let dir = directory();
    fs::write(dir.path().join(TRUSTED_FILE), b"version = 1\n\xff").expect("written");
    assert!(matches!(TrustStore::load(dir.path()), Err(TrustError::NotText { .. })));
}

#[test]
fn files_that_somebody_else_could_have_written_are_not_believed() {
    for file in [TRUSTED_FILE, REVOKED_FILE] {
        let dir = directory();
        let path = write(dir.path(), file, "version = 1\n");
        assert!(TrustStore::load(dir.path()).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("mode set");
        assert!(matches!(TrustStore::load(dir.path()), Err(TrustError::File(FileError::Mode { .. }))));
        fs::rename(&path, dir.path().join("elsewhere")).expect("moved");
        symlink(dir.path().join("elsewhere"), &path).expect("linked");
        assert!(matches!(TrustStore::load(dir.path()), Err(TrustError::File(FileError::Symlink { .. }))));
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("a directory");
        assert!(matches!(TrustStore::load(dir.path()), Err(TrustError::File(FileError::Directory { .. }))));
        fs::remove_dir(&path).expect("removed");
        fs::write(&path, vec![b'#'; MAX_TRUST_FILE_BYTES as usize + 1]).expect("written");
        assert!(matches!(TrustStore::load(dir.path()), Err(TrustError::File(FileError::TooLarge { .. }))));
    }
    let dir = directory();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o770)).expect("mode set");
    assert!(matches!(
        TrustStore::load(dir.path()),
        Err(TrustError::File(FileError::Mode { wanted: 0o700, .. }))
    ));
}

#[test]
fn trust_ends_and_is_bound_to_names() {
    let dir = directory();
    let (plain, expired, later, bound) = (key(), key(), key(), key());
    let text = [
        entry(&plain, "max_risk = \"medium\""),
        entry(&expired, "expires_at = \"2025-06-01T00:00:00Z\""),
        entry(&later, "expires_at = \"9000-01-01T00:00:00Z\""),
        entry(&bound, "plugins = [\"acme-*\"]"),
    ]
    .concat();
    write(dir.path(), TRUSTED_FILE, &format!("version = 1\n{text}"));
    let store = TrustStore::load(dir.path()).expect("loads");
    let acme: PluginName = "acme-chord".parse().expect("a name");
    let other: PluginName = "chord".parse().expect("a name");
    let trusted = |max_risk| Standing::Trusted { key_name: "k".into(), max_risk };
    assert_eq!(store.standing(&plain, None, now()), trusted(Some(Risk::Medium)));
    assert_eq!(store.standing(&later, Some(&other), now()), trusted(None));
    assert!(matches!(store.standing(&expired, None, now()), Standing::TrustExpired { .. }));
    assert_eq!(store.standing(&bound, Some(&acme), now()), trusted(None));
    assert_eq!(store.standing(&bound, Some(&other), now()), Standing::OtherPlugins { key_name: "k".into() });
    assert_eq!(store.standing(&bound, None, now()), Standing::OtherPlugins { key_name: "k".into() });
    assert_eq!(store.standing(&key(), None, now()), Standing::Untrusted);

    // What a person wrote into the file survives the program's own changes.
    TrustStore::add(dir.path(), new("more", key())).expect("added");
    let again = TrustStore::load(dir.path()).expect("loads");
    assert_eq!(again.keys()[..4], store.keys()[..]);
    assert_eq!(again.get(&bound).and_then(TrustedKey::plugins), Some(vec!["acme-*"]));
}

#[test]
fn revocations_are_read_and_refuse_trust() {
    let dir = directory();
    let (revoked, digest) = (key(), Digest::from_bytes(b"plugin"));
    let head = "version = 1\n[[revoked]]\nrevoked_at = \"2025-01-01T00:00:00Z\"\nreason = \"stolen\"\n";
    write(
        dir.path(),
        REVOKED_FILE,
        &format!("{head}public_key = \"{revoked}\"\n{}digest = \"{digest}\"\n", &head[12..]),
    );
    let store = TrustStore::load(dir.path()).expect("loads");
    assert_eq!(store.revoked_key(&revoked).map(|revocation| revocation.reason.as_str()), Some("stolen"));
    assert!(store.revoked_digest(&digest).is_some());
    assert!(store.revoked_digest(&Digest::from_bytes(b"other")).is_none());
    assert!(matches!(TrustStore::add(dir.path(), new("back", revoked)), Err(TrustError::Revoked { .. })));
    for text in [
        String::new(),
        head.to_owned(),
        format!("{head}public_key = \"{revoked}\"\ndigest = \"{digest}\"\n"),
        format!("{head}public_key = \"zz\"\n"),
        format!("{head}kind = \"compromised\"\n"),
    ] {
        write(dir.path(), REVOKED_FILE, &text);
        assert!(TrustStore::load(dir.path()).is_err(), "{text}");
    }
}

/// Row race: two writers, a thousand changes each; a change that got lost would make a later one fail.
#[test]
fn no_update_of_two_writers_is_lost() {
    const CHANGES: usize = 1_000;
    const KEPT: usize = 4;
    let dir = directory();
    let writer = |who: &str| {
        let mut added = Vec::new();
        for change in 0..CHANGES {
            if added.len() < KEPT || change % 2 == 0 {
                let key = key();
                TrustStore::add(dir.path(), new(&format!("{who} {change}"), key)).expect("added");
                added.push(key);
            } else {
                let key: KeySelector = added.remove(0).to_string().parse().expect("a key");
                TrustStore::remove(dir.path(), &key).expect("still there");
            }
        }
        added
    };
    let expected = thread::scope(|scope| {
        let (one, two) = (scope.spawn(|| writer("one")), scope.spawn(|| writer("two")));
        [one.join().expect("finishes"), two.join().expect("finishes")].concat()
    });
    let store = TrustStore::load(dir.path()).expect("loads");
    assert_eq!(store.keys().len(), expected.len());
    assert!(expected.iter().all(|key| store.get(key).is_some()));
}
