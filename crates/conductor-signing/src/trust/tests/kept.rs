//! Accepted changes are read back as they were decided, on a disk that fails and with any text entered.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use conductor_store::keeper::{Faults, KeeperError};
use conductor_store::{FileError, UtcTime};
use proptest::prelude::*;

use crate::key::SigningKey;
use crate::text::{Digest, PluginName};
use crate::trust::entry::Line;
use crate::trust::revocation::{RevocationKind, Revoked};
use crate::trust::revocation_list::RevocationList;
use crate::trust::*;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn key() -> PublicKey {
    SigningKey::generate().expect("a key").public_key()
}

fn load(dir: &tempfile::TempDir) -> TrustStore {
    TrustStore::load(dir.path()).expect("loads")
}

#[test]
fn what_would_not_be_read_again_is_not_written() {
    let dir = directory();
    TrustStore::add(dir.path(), NewKey::new("Ada", key())).expect("added");
    let before = load(&dir);
    let refused = TrustStore::change::<Keys, _>(dir.path(), |store, _| {
        store.keys.trusted[0].email = Some(String::new());
        Ok(())
    });
    assert!(matches!(refused, Err(TrustError::Value { field: "email", .. })), "{refused:?}");
    let refused = TrustStore::change::<Revocations, _>(dir.path(), |store, _| {
        let entry = store.new_revocation(Revoked::Key(key()), RevocationKind::Compromised, "");
        store.revocations.add(entry);
        Ok(())
    });
    assert!(matches!(refused, Err(TrustError::Value { field: "reason", .. })), "{refused:?}");
    assert_eq!(load(&dir), before);
}

#[test]
fn a_file_of_no_bytes_is_damage() {
    for path in TrustStore::files(Path::new("")) {
        let dir = directory();
        let path = dir.path().join(path);
        conductor_store::atomic_file::replace(&path, b"", conductor_store::atomic_file::PRIVATE)
            .expect("written");
        let refused = TrustStore::load(dir.path()).expect_err("damaged");
        assert!(matches!(&refused, TrustError::Kept(KeeperError::Empty { path: found }) if *found == path));
        assert!(!refused.is_about_request() && refused.hint().is_some());
        let revoked = Revoked::Key(key());
        let changed = TrustStore::revoke(dir.path(), revoked, RevocationKind::Compromised, "stolen");
        assert!(matches!(changed, Err(TrustError::Kept(KeeperError::Empty { .. }))));
        assert_eq!(fs::metadata(&path).expect("there").len(), 0, "it is not written over");
    }
}

#[test]
fn the_wait_for_another_program_has_an_end() {
    let dir = directory();
    let _other = Keeper::of(dir.path()).wait_for(LOCK_FILE).expect("locked");
    let keeper = Keeper::on(dir.path(), Arc::new(Faults::at(usize::MAX, false)));
    let refused = TrustStore::add(&keeper, NewKey::new("Ada", key())).expect_err("held");
    assert!(matches!(refused, TrustError::Kept(KeeperError::Busy { .. })), "{refused}");
}

/// Every call to the disk fails once, and then every call from there on: the store is then as before or as after the
/// change.
#[test]
fn a_fault_at_any_call_leaves_the_old_or_the_new() {
    let known = key();
    let prefix: KeySelector = known.to_string().parse().expect("a key");
    let name: PluginName = "notes".parse().expect("a name");
    type Change<'a> = &'a dyn Fn(&Keeper) -> Result<(), TrustError>;
    let changes: [Change<'_>; 5] = [
        &|keeper| TrustStore::add(keeper, NewKey::new("Bell Labs", key())).map(drop),
        &|keeper| TrustStore::remove(keeper, &prefix).map(drop),
        &|keeper| {
            let revoked = Revoked::Key(known);
            TrustStore::revoke(keeper, revoked, RevocationKind::Compromised, "stolen").map(drop)
        },
        &|keeper| TrustStore::pin_publisher(keeper, &name, known).map(drop),
        &|keeper| {
            let floor = Some("1.2.0".to_owned());
            TrustStore::allow_downgrade(keeper, &"chord".parse().expect("a name"), floor).map(drop)
        },
    ];
    for change in changes {
        for for_good in [false, true] {
            for call in 0.. {
                let dir = directory();
                TrustStore::add(dir.path(), NewKey::new("Acme", known)).expect("added");
                TrustStore::pin_publisher(dir.path(), &"chord".parse().expect("a name"), known)
                    .expect("pinned");
                let (before, files) = (load(&dir), fs::read_dir(dir.path()).expect("listed").count());
                let disk = Arc::new(Faults::at(call, for_good));
                let changed = change(&Keeper::on(dir.path(), Arc::clone(&disk) as _));
                let after = load(&dir);
                match &changed {
                    Ok(()) => assert_ne!(after, before, "call {call}"),
                    // It says so, and that the names of the directory may not be on the disk yet.
                    Err(TrustError::Kept(KeeperError::Unsynced { .. })) => {
                        assert_ne!(after, before, "call {call}");
                    }
                    Err(_) => assert_eq!(after, before, "call {call}"),
                }
                let now = fs::read_dir(dir.path()).expect("listed").count();
                assert!(now <= files + 1, "call {call} left a file behind");
                assert!(fs::read_dir(dir.path()).expect("listed").flatten().all(|entry| {
                    !entry
                        .file_name()
                        .to_string_lossy()
                        .starts_with(conductor_store::atomic_file::TEMPORARY_PREFIX)
                }));
                if disk.calls() <= call {
                    assert!(call >= 10, "each call is a site: {call}");
                    break;
                }
            }
        }
    }
}

/// The lists of one issuer fill neither the share of other issuers nor the user's.
#[test]
fn no_issuer_takes_the_room_of_others() {
    let dir = directory();
    let reason = "x".repeat(256);
    let list = |issuer: &SigningKey, sequence: u64| {
        let entries = (0..1024).map(|number: u64| Revocation {
            revoked: Revoked::Digest(Digest::from_bytes(
                format!("{issuer_key} {sequence} {number}", issuer_key = issuer.public_key()).as_bytes(),
            )),
            revoked_at: UtcTime::now(),
            reason: reason.clone(),
            kind: RevocationKind::Compromised,
            name: None,
            issuer: None,
            line: Line::default(),
        });
        RevocationList::make(issuer, sequence, &entries.collect::<Vec<_>>()).expect("signed")
    };
    let [first, second, third] = std::array::from_fn(|_| SigningKey::generate().expect("a key"));
    let import = |issuer: &SigningKey, sequence| {
        TrustStore::import_revocations(dir.path(), &list(issuer, sequence), true)
    };
    import(&first, 1).expect("within its share");
    let refused = import(&first, 2).expect_err("more than its share");
    let share = |error: &TrustError| matches!(error, TrustError::IssuerShare { issuer, .. } if *issuer == first.public_key());
    assert!(share(&refused), "{refused}");
    import(&second, 1).expect("another issuer has a share of its own");
    import(&third, 1).expect("and a third");
    let fourth = SigningKey::generate().expect("a key");
    assert!(matches!(import(&fourth, 1), Err(TrustError::ListsFull { .. })), "some is left to the user");
    TrustStore::revoke(dir.path(), Revoked::Key(key()), RevocationKind::Compromised, "stolen")
        .expect("the user's own");
    assert_eq!(load(&dir).revocations().count(), 3 * 1024 + 1);
}

/// Pins of loads leave room for the user's own pins.
#[test]
fn loads_leave_room_for_the_users_pins() {
    let dir = directory();
    let mut text = "version = 1\n".to_owned();
    let at = "2025-01-01T00:00:00Z";
    for number in 0.. {
        let entry = format!("[[pins]]\nname = \"plugin-{number}\"\nstatement_seen_at = \"{at}\"\n");
        if text.len() + entry.len() + 100 > (MAX_TRUST_FILE_BYTES - pins::USER_RESERVE_BYTES) as usize {
            break;
        }
        text += &entry;
    }
    conductor_store::atomic_file::replace(
        &dir.path().join(PINS_FILE),
        text.as_bytes(),
        conductor_store::atomic_file::PRIVATE,
    )
    .expect("written");
    let name = |number: usize| -> PluginName { format!("another-{number}").parse().expect("a name") };
    let refused =
        (0..100).find_map(|number| pins::tests::pin(name(number).as_str()).record(dir.path()).err());
    assert!(matches!(refused, Some(TrustError::File(FileError::TooLarge { .. }))), "{refused:?}");
    TrustStore::pin_publisher(dir.path(), &name(1000), key()).expect("the user's decision has room");
}

/// One change of the store that somebody asks for.
#[derive(Clone, Debug)]
enum Change {
    Add { key: usize, name: String, email: Option<String>, role: usize, until: Option<usize> },
    Remove { key: usize },
    Renew { key: usize, until: Option<usize> },
    Revoke { key: usize, kind: usize, reason: String },
    Unrevoke { key: usize },
    Import { issuer: usize, key: usize, reason: String },
    Pin { plugin: usize, key: usize },
    Downgrade { plugin: usize, version: Option<String> },
    Unpin { plugin: usize },
    Rotate { old: usize, new: usize },
}

const KEYS: usize = 4;
const TIMES: [&str; 3] = ["2030-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-05-05T05:05:05.5+00:00"];
const PLUGINS: [&str; 2] = ["notes", "chord"];

/// Texts as people and attackers enter them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z ]{0,12}",
        "[\"'\\\\#=\\[\\]{}\n\t\r\u{0}\u{7f}a-b]{0,8}",
        "\\PC{0,90}",
        "[a-z]{250,260}",
        Just("\u{feff}Acme".to_owned()),
        Just("e\u{301}".to_owned()),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let until = || proptest::option::of(0..TIMES.len());
    prop_oneof![
        (0..KEYS, text(), proptest::option::of(text()), 0..3usize, until())
            .prop_map(|(key, name, email, role, until)| Change::Add { key, name, email, role, until }),
        (0..KEYS).prop_map(|key| Change::Remove { key }),
        (0..KEYS, until()).prop_map(|(key, until)| Change::Renew { key, until }),
        (0..KEYS, 0..2usize, text()).prop_map(|(key, kind, reason)| Change::Revoke { key, kind, reason }),
        (0..KEYS).prop_map(|key| Change::Unrevoke { key }),
        (0..KEYS, 0..KEYS, text()).prop_map(|(issuer, key, reason)| Change::Import { issuer, key, reason }),
        (0..PLUGINS.len(), 0..KEYS).prop_map(|(plugin, key)| Change::Pin { plugin, key }),
        (0..PLUGINS.len(), proptest::option::of(text()))
            .prop_map(|(plugin, version)| Change::Downgrade { plugin, version }),
        (0..PLUGINS.len()).prop_map(|plugin| Change::Unpin { plugin }),
        (0..KEYS, 0..KEYS).prop_map(|(old, new)| Change::Rotate { old, new }),
    ]
}

/// The decisions that were accepted, to compare the store with.
#[derive(Clone, Debug, Default, PartialEq)]
struct Remembered {
    trusted: BTreeMap<String, (String, Option<String>, KeyRole, Option<String>)>,
    /// By revoked key or digest, and issuer.
    revoked: BTreeMap<(String, Option<String>), (RevocationKind, String)>,
    pins: BTreeMap<String, (Option<String>, Option<String>)>,
    rotations: Vec<(String, String)>,
}

impl Remembered {
    fn of(store: &TrustStore) -> Self {
        let trusted = store.keys().iter().map(|key| {
            let until = key.expires_at.as_ref().map(UtcTime::to_string);
            (key.public_key.to_string(), (key.name.clone(), key.email.clone(), key.role, until))
        });
        let revoked = store.revocations().map(|entry| {
            let issuer = entry.issuer.map(|key| key.to_string());
            ((entry.revoked.to_string(), issuer), (entry.kind, entry.reason.clone()))
        });
        let pins = store.pins().map(|(name, pin)| {
            let publisher = pin.publisher().map(|publisher| publisher.key.to_string());
            (name.to_string(), (publisher, pin.version().map(str::to_owned)))
        });
        let rotations = store.rotations().map(|(link, _)| (link.old.to_string(), link.new.to_string()));
        Self {
            trusted: trusted.collect(),
            revoked: revoked.collect(),
            pins: pins.collect(),
            rotations: rotations.collect(),
        }
    }

    /// Makes a change, and remembers it if it was accepted.
    fn make(&mut self, dir: &Path, keys: &[SigningKey], change: Change) -> Result<(), TrustError> {
        let public = |key: usize| keys[key].public_key();
        let selector = |key: usize| public(key).to_string().parse::<KeySelector>().expect("a key");
        let time = |time: usize| TIMES[time].parse::<UtcTime>().expect("a time");
        let plugin = |plugin: usize| PLUGINS[plugin].parse::<PluginName>().expect("a name");
        match change {
            Change::Add { key, name, email, role, until } => {
                let role = [KeyRole::Publish, KeyRole::Cosign, KeyRole::Both][role];
                let expires_at = until.map(time);
                let new = NewKey { email, role, expires_at, ..NewKey::new(&name, public(key)) };
                TrustStore::add_despite_resemblance(dir, new.clone())?;
                let until = new.expires_at.map(|time| time.to_string());
                self.trusted.insert(public(key).to_string(), (name, new.email, role, until));
            }
            Change::Remove { key } => {
                TrustStore::remove(dir, &selector(key))?;
                self.trusted.remove(&public(key).to_string());
            }
            Change::Renew { key, until } => {
                TrustStore::renew(dir, &selector(key), until.map(time))?;
                let entry = self.trusted.get_mut(&public(key).to_string()).expect("it was trusted");
                entry.3 = until.map(|time| TIMES[time].to_owned());
            }
            Change::Revoke { key, kind, reason } => {
                let kind = [RevocationKind::Compromised, RevocationKind::Superseded][kind];
                TrustStore::revoke(dir, Revoked::Key(public(key)), kind, &reason)?;
                self.revoked.insert((public(key).to_string(), None), (kind, reason));
            }
            Change::Unrevoke { key } => {
                TrustStore::unrevoke(dir, Revoked::Key(public(key)))?;
                let key = public(key).to_string();
                self.revoked.retain(|(revoked, _), _| *revoked != key);
            }
            Change::Import { issuer, key, reason } => {
                let revoked = Revoked::Key(public(key));
                let kind = RevocationKind::Compromised;
                let entry = TrustStore::default().new_revocation(revoked, kind, &reason);
                let store = TrustStore::load(dir)?;
                let known = store.revocations.last_list(&public(issuer)).map_or(0, |mark| mark.sequence);
                let Ok(list) = RevocationList::make(&keys[issuer], known + 1, &[entry]) else {
                    return Ok(());
                };
                if !TrustStore::import_revocations(dir, &list, true)?.added.is_empty() {
                    let issuer = Some(public(issuer).to_string());
                    self.revoked.insert((public(key).to_string(), issuer), (kind, reason));
                }
            }
            Change::Pin { plugin: number, key } => {
                TrustStore::pin_publisher(dir, &plugin(number), public(key))?;
                let key = Some(public(key).to_string());
                let pin = self.pins.entry(PLUGINS[number].to_owned()).or_default();
                if pin.0 != key {
                    pin.1 = None;
                }
                pin.0 = key;
            }
            Change::Downgrade { plugin: number, version } => {
                TrustStore::allow_downgrade(dir, &plugin(number), version.clone())?;
                self.pins.get_mut(PLUGINS[number]).expect("it was pinned").1 = version;
            }
            Change::Unpin { plugin: number } => {
                TrustStore::unpin(dir, &plugin(number))?;
                self.pins.remove(PLUGINS[number]);
            }
            Change::Rotate { old, new } => {
                let request = crate::trust::rotation::RotationRequest { valid_from: None, keeps: Vec::new() };
                let Ok(chain) =
                    crate::trust::rotation::RotationChain::rotate(None, &keys[old], &keys[new], &request)
                else {
                    return Ok(());
                };
                let accepted = TrustStore::import_rotations(dir, &chain, true)?;
                let added = accepted.added.iter().map(|link| (link.old.to_string(), link.new.to_string()));
                self.rotations.extend(added);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Accepted changes are read back as they were decided, and refused changes change nothing.
    #[test]
    fn accepted_changes_read_back_to_the_same_decisions(
        changes in proptest::collection::vec(change(), 1..24),
    ) {
        let dir = directory();
        let keys: Vec<SigningKey> = (0..KEYS).map(|_| SigningKey::generate().expect("a key")).collect();
        let mut remembered = Remembered::default();
        for change in changes {
            let shown = format!("{change:?}");
            let before = remembered.clone();
            if remembered.make(dir.path(), &keys, change).is_err() {
                prop_assert_eq!(&remembered, &before, "{}", shown);
            }
            prop_assert_eq!(&Remembered::of(&load(&dir)), &remembered, "{}", shown);
        }
    }
}
