//! Which rotations are recorded of the chains that plugins bring, within which limits, and with several writers at
//! once.

use std::ops::Range;
use std::thread;

use super::*;
use crate::document::dsse::pre_authentication_encoding;
use crate::key::{PrivateKey, SigningKey};
use crate::trust::revocation::{RevocationKind, Revoked};
use crate::trust::rotation::{MAX_ROTATION_STATEMENT_BYTES, ROTATION_PAYLOAD_TYPE, RotationRequest};
use crate::trust::{MAX_TRUST_FILE_BYTES, NewKey};

/// The same key every time for the same two numbers.
fn key(publisher: u8, place: u8) -> SigningKey {
    let mut seed = [publisher; 32];
    seed[0] = place;
    SigningKey::from_seed(&seed)
}

fn public(publisher: u8, place: u8) -> PublicKey {
    key(publisher, place).public_key()
}

/// The first links of a publisher's chain; a longer chain begins with the same links.
fn chain(publisher: u8, links: u8) -> RotationChain {
    let request = RotationRequest {
        valid_from: Some("2025-01-01T00:00:00Z".parse().expect("a time")),
        keeps: Vec::new(),
    };
    let mut chain = None;
    for place in 0..links {
        let (old, new) = (key(publisher, place), key(publisher, place + 1));
        chain = Some(RotationChain::rotate(chain.as_ref(), &old, &new, &request).expect("rotated"));
    }
    chain.expect("a link")
}

/// The links of a chain at these places, counted from 0.
fn part(chain: &RotationChain, places: Range<usize>) -> RotationChain {
    let mut value: serde_json::Value = serde_json::from_str(&chain.to_json()).expect("JSON");
    value["links"] = value["links"].as_array().expect("links")[places].into();
    RotationChain::parse(value.to_string().as_bytes()).expect("a part holds")
}

fn trusting(keys: &[PublicKey]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for key in keys {
        // The names differ by more letters than two names that are taken for each other.
        TrustStore::add(dir.path(), NewKey::new(&key.to_string(), *key)).expect("trusted");
    }
    dir
}

fn load(dir: &tempfile::TempDir) -> TrustStore {
    TrustStore::load(dir.path()).expect("loads")
}

fn numbers(dir: &tempfile::TempDir) -> Vec<u64> {
    load(dir).rotations().map(|(link, _)| link.sequence).collect()
}

#[test]
fn what_leads_on_from_a_known_key_is_news() {
    let news = |dir: &tempfile::TempDir, chain: &RotationChain| -> Vec<u64> {
        load(dir).news(chain).iter().map(|link| link.sequence).collect()
    };
    let whole = chain(1, 4);
    let dir = trusting(&[public(1, 1)]);
    assert_eq!(news(&dir, &whole), [2, 3, 4], "what led to the known key is not");
    assert_eq!(news(&trusting(&[public(1, 4)]), &whole), [0; 0]);
    assert_eq!(news(&trusting(&[]), &whole), [0; 0]);

    NewRotations(chain(1, 2)).record(dir.path()).expect("recorded");
    assert_eq!(numbers(&dir), [2]);
    assert_eq!(news(&dir, &whole), [3, 4]);
    assert_eq!(news(&dir, &part(&whole, 2..4)), [3, 4], "a part that goes on from what was accepted");
    NewRotations(part(&whole, 2..4)).record(dir.path()).expect("recorded");
    assert_eq!(numbers(&dir), [2, 3, 4]);
    assert_eq!(news(&dir, &whole), [0; 0]);
}

#[test]
fn nothing_is_recorded_from_a_stolen_key_on() {
    let whole = chain(1, 4);
    let revoked = |key| {
        let dir = trusting(&[public(1, 0)]);
        // The chain was loaded and judged before the user heard of the theft.
        let loaded = NewRotations(whole.clone());
        TrustStore::revoke(dir.path(), Revoked::Key(key), RevocationKind::Compromised, "stolen")
            .expect("revoked");
        loaded.record(dir.path()).expect("nothing to complain of");
        numbers(&dir)
    };
    assert_eq!(revoked(public(1, 0)), [0; 0]);
    assert_eq!(revoked(public(1, 2)), [1, 2]);
    assert_eq!(revoked(public(1, 4)), [1, 2, 3, 4]);

    let removed = trusting(&[public(1, 0)]);
    let selector = public(1, 0).to_string().parse().expect("a key");
    TrustStore::remove(removed.path(), &selector).expect("removed");
    NewRotations(whole).record(removed.path()).expect("nothing to complain of");
    assert_eq!(numbers(&removed), [0; 0]);
}

#[test]
fn of_two_forks_the_first_is_kept() {
    let dir = trusting(&[public(1, 0)]);
    let request = RotationRequest { valid_from: None, keeps: Vec::new() };
    let fork = RotationChain::rotate(None, &key(1, 0), &key(2, 0), &request).expect("rotated");
    let both = [NewRotations(chain(1, 1)), NewRotations(fork)];
    let [first, second] = both;
    first.record(dir.path()).expect("recorded");
    let before = load(&dir);
    let error = second.record(dir.path()).expect_err("a fork");
    assert!(matches!(error, TrustError::Rotation(error) if matches!(*error, RotationError::Fork { .. })));
    assert_eq!(load(&dir), before);
}

/// Row race: two writers, each with the growing chain of another publisher.
#[test]
fn no_rotation_of_two_writers_is_lost() {
    const LINKS: u8 = 30;
    let dir = trusting(&[public(1, 0), public(2, 0)]);
    let writer = |publisher| {
        let whole = chain(publisher, LINKS);
        for links in 1..=LINKS {
            NewRotations(part(&whole, 0..links.into())).record(dir.path()).expect("recorded");
        }
    };
    thread::scope(|scope| {
        let writers = [scope.spawn(|| writer(1)), scope.spawn(|| writer(2))];
        for one in writers {
            one.join().expect("finishes");
        }
    });
    let store = load(&dir);
    let lineage = store.lineage(None).expect("holds");
    for publisher in [1, 2] {
        let on = lineage.descendants(&public(publisher, 0)).last().map(|link| link.new);
        assert_eq!(on, Some(public(publisher, LINKS)));
    }
    assert_eq!(store.rotations().count(), usize::from(LINKS) * 2);
}

#[test]
fn as_many_are_kept_as_can_be_read_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let publishers = (0..=u8::MAX).flat_map(|publisher| (0..4).map(move |place| (publisher, place * 2)));
    let links: Vec<RotationLink> = publishers
        .map(|(publisher, place)| {
            let (old, new) = (key(publisher, place), key(publisher, place + 1));
            let request = RotationRequest { valid_from: None, keeps: Vec::new() };
            RotationChain::rotate(None, &old, &new, &request).expect("rotated").links()[0].clone()
        })
        .collect();
    let full = Rotations { accepted_at: vec![UtcTime::now(); links.len()], links };
    assert_eq!(full.links.len(), MAX_ACCEPTED_ROTATIONS);
    Keeper::of(dir.path()).write(&full).expect("written");
    let before = load(&dir);
    assert_eq!(before.rotations, full);
    let one_more = part(&chain(1, 9), 8..9);
    let error = TrustStore::import_rotations(dir.path(), &one_more, true).expect_err("too many");
    assert!(matches!(error, TrustError::TooManyRotations), "{error}");
    assert_eq!(load(&dir), before);

    let mut more = full;
    more.links.push(one_more.links()[0].clone());
    more.accepted_at.push(UtcTime::now());
    let (path, text) = (dir.path().join(ROTATIONS_FILE), more.to_text().expect("TOML"));
    let refused = Keeper::of(dir.path()).write(&more).expect_err("what cannot be read again is not written");
    assert!(refused.to_string().ends_with("more than 1024 rotations"), "{refused}");
    conductor_store::atomic_file::replace(&path, text.as_bytes(), conductor_store::atomic_file::PRIVATE)
        .expect("written");
    let error = TrustStore::load(dir.path()).expect_err("too many").to_string();
    assert!(error.ends_with("more than 1024 rotations"), "{error}");
}

/// The file has room for the largest number of accepted rotations, each of the largest size.
#[test]
fn the_largest_rotations_fit_into_the_file() {
    let link = chain(1, 1).links()[0].clone();
    let mut statement = link.signed().statement.clone();
    statement.resize(MAX_ROTATION_STATEMENT_BYTES, b' ');
    let encoded = pre_authentication_encoding(ROTATION_PAYLOAD_TYPE, &statement);
    let sign = |place| PrivateKey::sign(&key(1, place), &encoded).expect("signed");
    let (old_signature, new_signature) = (sign(0), sign(1));
    let largest = SignedLink { statement, old_signature, new_signature, ..link.signed().clone() };
    let largest = RotationLink::verify(largest).expect("holds");
    let length = |count: usize| {
        let rotations =
            Rotations { links: vec![largest.clone(); count], accepted_at: vec![UtcTime::now(); count] };
        rotations.to_text().expect("TOML").len() as u64
    };
    assert!(length(MAX_ACCEPTED_ROTATIONS) <= MAX_TRUST_FILE_BYTES, "{}", length(MAX_ACCEPTED_ROTATIONS));
}
