//! Loading, damage, expiry and concurrent writers.

mod kept;
mod two_writers;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use conductor_abi::Risk;
use conductor_store::atomic_file::{self, PRIVATE};
use conductor_store::{FileError, UtcTime};

use super::*;
use crate::key::SigningKey;
use crate::text::{Digest, PluginName};
use crate::trust::revocation::{RevocationKind, Revoked};
use crate::trust::revocation_list::{RevocationList, RevocationListError};

fn key() -> PublicKey {
    SigningKey::generate().expect("a key").public_key()
}

fn new(name: &str, public_key: PublicKey) -> NewKey {
    NewKey::new(name, public_key)
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

fn standing(store: &TrustStore, key: &PublicKey, act: Act<'_>) -> Standing {
    let lineage = store.lineage(None).expect("no contradiction");
    store.standing(&lineage, key, act, Done::Unknown, UtcTime::now().timestamp()).0
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
    let store = TrustStore::load(&config).expect("loads");
    assert!(store.keys().is_empty());
    let removed: Vec<&str> = store.removed_keys().iter().map(|key| key.name.as_str()).collect();
    assert_eq!(removed, ["Official Plugin", "B \"q\""], "what was trusted once is remembered");
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
    // An empty selector is the only prefix that two random keys are sure to share.
    let both = KeySelector::any();
    assert!(matches!(TrustStore::remove(dir.path(), &both), Err(TrustError::Ambiguous { .. })));
    assert_eq!(TrustStore::load(dir.path()).expect("loads").keys().len(), 2);
}

#[test]
fn names_are_visible_text() {
    let dir = directory();
    for name in ["", " ", "a\nb", "a\u{1b}[31m", "a\u{202e}b", "Acme\u{2800}", "\u{1d159}", &"x".repeat(257)]
    {
        let refused = TrustStore::add_despite_resemblance(dir.path(), new(name, key()));
        assert!(matches!(refused, Err(TrustError::Name { .. })), "{name:?}");
    }
    let email = NewKey { email: Some("a@b <c@d>".into()), ..new("Ada", key()) };
    assert!(matches!(TrustStore::add(dir.path(), email), Err(TrustError::Email { .. })));
    let mixed = new("\u{410}da", key());
    assert!(matches!(TrustStore::add(dir.path(), mixed.clone()), Err(TrustError::MixedScripts { .. })));
    TrustStore::add_despite_resemblance(dir.path(), mixed).expect("the user has looked");
}

/// The rule for names applies to names that are entered. Existing names are read, and a new name that looks like one of
/// them is noticed.
#[test]
fn names_that_are_there_make_no_store_unreadable() {
    let dir = directory();
    let old = entry(&key(), "").replace("\"k\"", "\"Acme\u{2800}\u{2800}\"");
    write(dir.path(), TRUSTED_FILE, &format!("version = 1\n{old}"));
    let revoked = format!(
        "version = 1\n[[revoked]]\npublic_key = \"{}\"\nrevoked_at = \"2025-01-01T00:00:00Z\"\nreason = \"\u{fffc}\"\n",
        key()
    );
    write(dir.path(), REVOKED_FILE, &revoked);
    let store = TrustStore::load(dir.path()).expect("loads");
    assert_eq!(store.keys()[0].name, "Acme\u{2800}\u{2800}");
    assert!(matches!(TrustStore::add(dir.path(), new("Acme", key())), Err(TrustError::Resembles { .. })));
    TrustStore::add(dir.path(), new("Somebody", key())).expect("added, and the rest is kept");
    assert_eq!(TrustStore::load(dir.path()).expect("loads").keys()[0], store.keys()[0]);
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
        (format!("version = 1\n{}", entry(&key(), "role = \"boss\"")), 6),
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
        fs::write(&path, vec![b'#'; 2 * MAX_TRUST_FILE_BYTES as usize + 1]).expect("written");
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
    let (auditor, author) = (key(), key());
    let text = [
        entry(&plain, "max_risk = \"medium\""),
        entry(&expired, "expires_at = \"2025-06-01T00:00:00Z\""),
        entry(&later, "expires_at = \"9000-01-01T00:00:00Z\""),
        entry(&bound, "plugins = [\"acme-*\"]"),
        entry(&auditor, "role = \"cosign\""),
        entry(&author, "role = \"publish\""),
    ]
    .concat();
    write(dir.path(), TRUSTED_FILE, &format!("version = 1\n{text}"));
    let store = TrustStore::load(dir.path()).expect("loads");
    let acme: PluginName = "acme-chord".parse().expect("a name");
    let other: PluginName = "chord".parse().expect("a name");
    let trusted = |root, max_risk| Standing::Trusted { key_name: "k".into(), root, max_risk };
    let other_role = |role| Standing::OtherRole { key_name: "k".into(), role };
    let publishing = |key, name| standing(&store, &key, Act::Publish(name));
    assert_eq!(publishing(plain, None), trusted(plain, Some(Risk::Medium)));
    assert_eq!(publishing(later, Some(&other)), trusted(later, None));
    assert!(matches!(publishing(expired, None), Standing::TrustExpired { .. }));
    assert_eq!(publishing(bound, Some(&acme)), trusted(bound, None));
    assert_eq!(
        publishing(bound, Some(&other)),
        Standing::OtherPlugins { key_name: "k".into(), max_risk: None }
    );
    assert_eq!(publishing(bound, None), Standing::OtherPlugins { key_name: "k".into(), max_risk: None });
    assert_eq!(publishing(key(), None), Standing::Untrusted);
    // Each key may do what it is trusted to do, and nothing else.
    assert_eq!(publishing(auditor, None), other_role(KeyRole::Cosign));
    assert_eq!(standing(&store, &auditor, Act::Cosign(None)), trusted(auditor, None));
    assert_eq!(publishing(author, None), trusted(author, None));
    assert_eq!(standing(&store, &author, Act::Cosign(None)), other_role(KeyRole::Publish));
    assert_eq!(standing(&store, &plain, Act::Cosign(None)), trusted(plain, Some(Risk::Medium)));

    // Fields that a person wrote into the file survive the program's own changes.
    TrustStore::add(dir.path(), new("more", key())).expect("added");
    let again = TrustStore::load(dir.path()).expect("loads");
    assert_eq!(again.keys()[..6], store.keys()[..]);
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
        head.to_owned(),
        format!("{head}public_key = \"{revoked}\"\ndigest = \"{digest}\"\n"),
        format!("{head}public_key = \"zz\"\n"),
        format!("{head}kind = \"compromised\"\n"),
    ] {
        write(dir.path(), REVOKED_FILE, &text);
        assert!(TrustStore::load(dir.path()).is_err(), "{text}");
    }
}

#[test]
fn a_key_that_could_be_taken_for_another_needs_a_second_look() {
    let dir = directory();
    let (trusted, removed, revoked) = (key(), key(), key());
    for (name, key) in [("Acme Audio", trusted), ("Bell Labs", removed), ("Cyan Sounds", revoked)] {
        TrustStore::add(dir.path(), new(name, key)).expect("added");
    }
    TrustStore::remove(dir.path(), &removed.to_string().parse().expect("a key")).expect("removed");
    TrustStore::revoke(dir.path(), Revoked::Key(revoked), RevocationKind::Compromised, "stolen")
        .expect("revoked");
    let resemblance = |new: NewKey| match TrustStore::add(dir.path(), new) {
        Err(TrustError::Resembles { resemblance }) => {
            let Resemblance { known_name, known_as, likeness, .. } = *resemblance;
            (known_name, known_as, likeness)
        }
        other => panic!("{other:?}"),
    };
    for (name, known, known_as, likeness) in [
        ("Acme Audio", "Acme Audio", KnownAs::Trusted, Likeness::SameName),
        ("ACME AUDIO", "Acme Audio", KnownAs::Trusted, Likeness::Case),
        ("\u{410}cme Audio", "Acme Audio", KnownAs::Trusted, Likeness::Homoglyphs),
        ("Acme Audios", "Acme Audio", KnownAs::Trusted, Likeness::Spelling),
        ("Bell Lab", "Bell Labs", KnownAs::Removed, Likeness::Spelling),
        ("cyan sounds", "Cyan Sounds", KnownAs::Revoked, Likeness::Case),
    ] {
        let found = resemblance(new(name, key()));
        assert_eq!(found, (known.to_owned(), known_as, likeness), "{name}");
    }
    let again = resemblance(new("Somebody Else", removed));
    assert_eq!(again, ("Bell Labs".to_owned(), KnownAs::Removed, Likeness::SameKey));
    TrustStore::add(dir.path(), new("Bell Labs", removed)).expect("the same key under the same name");
    assert!(TrustStore::load(dir.path()).expect("loads").removed_keys().is_empty());
    TrustStore::add_despite_resemblance(dir.path(), new("acme audio", key())).expect("the user has looked");
    let revoked = TrustStore::add_despite_resemblance(dir.path(), new("Cyan Sounds", revoked));
    assert!(matches!(revoked, Err(TrustError::Revoked { .. })), "a revoked key is refused always");
}

#[test]
fn trust_has_limits_and_is_renewed() {
    let dir = directory();
    let public_key = key();
    let until: UtcTime = "2030-01-01T00:00:00Z".parse().expect("a time");
    let added = NewKey {
        plugins: Some(vec!["acme-*".parse().expect("a pattern")]),
        max_risk: Some(Risk::Medium),
        expires_at: Some(until.clone()),
        ..new("Acme", public_key)
    };
    TrustStore::add(dir.path(), added).expect("added");
    let selector: KeySelector = public_key.to_string()[..8].parse().expect("a prefix");
    let entry = |store: &TrustStore| store.find(&selector).expect("trusted").clone();
    let store = TrustStore::load(dir.path()).expect("loads");
    let read = entry(&store);
    assert_eq!((read.plugins(), read.max_risk), (Some(vec!["acme-*"]), Some(Risk::Medium)));
    assert_eq!(read.expires_at, Some(until));
    let source = store.source_of_key(&read).expect("it stands in a file");
    assert_eq!(source.path, TrustStore::trusted_keys_path(dir.path()));
    let text = fs::read_to_string(&source.path).expect("read");
    assert_eq!(text.lines().nth(source.line - 1), Some("[[keys]]"));
    TrustStore::renew(dir.path(), &selector, None).expect("renewed");
    assert_eq!(entry(&TrustStore::load(dir.path()).expect("loads")).expires_at, None);
    TrustStore::revoke(dir.path(), Revoked::Key(public_key), RevocationKind::Superseded, "new key")
        .expect("revoked");
    assert!(matches!(TrustStore::renew(dir.path(), &selector, None), Err(TrustError::Revoked { .. })));
}

#[test]
fn revocations_get_worse_and_can_be_taken_back() {
    let dir = directory();
    let (public_key, digest) = (key(), Digest::from_bytes(b"plugin"));
    TrustStore::add(dir.path(), new("Acme", public_key)).expect("added");
    let revoke = |revoked, kind| TrustStore::revoke(dir.path(), revoked, kind, "because");
    let (key, file) = (Revoked::Key(public_key), Revoked::Digest(digest));
    let first = revoke(key, RevocationKind::Superseded).expect("revoked");
    assert_eq!((first.kind, first.name.as_deref()), (RevocationKind::Superseded, Some("Acme")));
    assert!(matches!(revoke(key, RevocationKind::Superseded), Err(TrustError::AlreadyRevoked { .. })));
    assert_eq!(revoke(key, RevocationKind::Compromised).expect("worse").kind, RevocationKind::Compromised);
    assert!(matches!(revoke(key, RevocationKind::Superseded), Err(TrustError::AlreadyRevoked { .. })));
    revoke(file, RevocationKind::Compromised).expect("revoked");
    let store = TrustStore::load(dir.path()).expect("loads");
    let entry = store.revoked_digest(&digest).expect("revoked");
    let source = store.source_of_revocation(entry).expect("it stands in a file");
    let text = fs::read_to_string(&source.path).expect("read");
    assert_eq!(text.lines().nth(source.line - 1), Some("[[revoked]]"));
    for revoked in [key, file] {
        TrustStore::unrevoke(dir.path(), revoked).expect("taken back");
        assert!(matches!(TrustStore::unrevoke(dir.path(), revoked), Err(TrustError::NotRevoked { .. })));
    }
    for reason in ["", "a\nb", "\u{1b}[31m", "\u{2800}", " late"] {
        let refused = TrustStore::revoke(dir.path(), file, RevocationKind::Compromised, reason);
        assert!(matches!(refused, Err(TrustError::Reason { .. })), "{reason:?}");
    }
}

/// The store of somebody who imports lists.
struct Reader(tempfile::TempDir);

impl Reader {
    fn trusting(issuer: PublicKey) -> Self {
        let dir = directory();
        TrustStore::add(dir.path(), new("issuer", issuer)).expect("added");
        Self(dir)
    }

    fn import(&self, list: &RevocationList) -> Result<usize, RevocationListError> {
        match TrustStore::import_revocations(self.0.path(), list, false) {
            Ok(imported) => Ok(imported.added.len()),
            Err(TrustError::RevocationList(error)) => Err(*error),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_list_travels_once_and_forward() {
    let (ours, issuer) = (directory(), SigningKey::generate().expect("a key"));
    let issuer_key = issuer.public_key();
    let export = || TrustStore::export_revocations(ours.path(), &issuer);
    assert!(matches!(export(), Err(TrustError::NothingRevoked)));
    let (stolen, bad) = (key(), Digest::from_bytes(b"bad"));
    let revoke = |revoked| {
        TrustStore::revoke(ours.path(), revoked, RevocationKind::Compromised, "stolen").expect("revoked");
    };
    revoke(Revoked::Key(stolen));
    let first = export().expect("exported");
    revoke(Revoked::Digest(bad));
    let second = export().expect("exported");
    assert_eq!((first.sequence(), second.sequence()), (1, 2));

    let reader = Reader::trusting(issuer_key);
    assert_eq!(reader.import(&second), Ok(2));
    assert_eq!(reader.import(&second), Ok(0), "the same list again is no news and no harm");
    let (key, found, known) = (issuer_key, 1, 2);
    assert_eq!(reader.import(&first), Err(RevocationListError::Replay { key, found, known }));
    let store = TrustStore::load(reader.0.path()).expect("loads");
    assert_eq!(store.revoked_key(&stolen).and_then(|entry| entry.issuer), Some(issuer_key));
    assert!(store.revoked_digest(&bad).is_some());
    // Another list of the same number, as a thief with the key might sign.
    let other = RevocationList::make(&issuer, 2, &[]).expect("made");
    assert_eq!(reader.import(&other), Err(RevocationListError::Fork { key, sequence: 2 }));
    // Imported revocations are not exported as the user's own.
    assert!(matches!(
        TrustStore::export_revocations(reader.0.path(), &issuer),
        Err(TrustError::NothingRevoked)
    ));
    // A list may revoke its own issuer; no later list of that issuer counts.
    revoke(Revoked::Key(issuer_key));
    assert_eq!(reader.import(&export().expect("exported")), Ok(1));
    let later = RevocationList::make(&issuer, 9, &[]).expect("made");
    assert!(matches!(reader.import(&later), Err(RevocationListError::NoAuthority { .. })));
}

#[test]
fn only_who_is_trusted_for_everything_may_revoke_anything() {
    let issuer = SigningKey::generate().expect("a key");
    let public_key = issuer.public_key();
    let ours = directory();
    let entry = TrustStore::revoke(ours.path(), Revoked::Key(key()), RevocationKind::Compromised, "stolen")
        .expect("revoked");
    let list = RevocationList::make(&issuer, 1, &[entry]).expect("made");
    let past: UtcTime = "2020-01-01T00:00:00Z".parse().expect("a time");
    let bound = NewKey { plugins: Some(vec!["a*".parse().expect("a pattern")]), ..new("issuer", public_key) };
    let over = NewKey { expires_at: Some(past), ..new("issuer", public_key) };
    for trusted in [None, Some(bound), Some(over)] {
        let reader = Reader(directory());
        if let Some(trusted) = trusted {
            TrustStore::add(reader.0.path(), trusted).expect("added");
        }
        assert!(matches!(reader.import(&list), Err(RevocationListError::NoAuthority { .. })));
        TrustStore::import_revocations(reader.0.path(), &list, true).expect("the user believes it");
    }
}
