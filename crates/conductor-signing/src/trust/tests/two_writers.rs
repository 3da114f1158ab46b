//! Row race: several writers of the trust store at the same time, none of whose changes is lost.

use std::thread;

use crate::key::SigningKey;
use crate::text::Digest;
use crate::trust::revocation::{RevocationKind, Revoked};
use crate::trust::*;

/// Two writers, a thousand changes each; a lost change would make a later change fail.
#[test]
fn no_update_of_two_writers_is_lost() {
    const CHANGES: usize = 1_000;
    const KEPT: usize = 4;
    let dir = tempfile::tempdir().expect("a directory");
    let writer = |who: &str| {
        let mut added = Vec::new();
        for change in 0..CHANGES {
            if added.len() < KEPT || change % 2 == 0 {
                let key = SigningKey::generate().expect("a key").public_key();
                // The names look alike, so the check for resemblance is skipped.
                let new = NewKey::new(&format!("{who} {change}"), key);
                TrustStore::add_despite_resemblance(dir.path(), new).expect("added");
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

/// Revocations and keys at the same time: two files under one lock.
#[test]
fn no_revocation_of_two_writers_is_lost() {
    const CHANGES: usize = 200;
    let dir = tempfile::tempdir().expect("a directory");
    let revoke = |who: &str| {
        for change in 0..CHANGES {
            let digest = Digest::from_bytes(format!("{who} {change}").as_bytes());
            TrustStore::revoke(dir.path(), Revoked::Digest(digest), RevocationKind::Compromised, who)
                .expect("revoked");
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| revoke("one"));
        scope.spawn(|| revoke("two"));
        scope.spawn(|| {
            for change in 0..CHANGES {
                let key = SigningKey::generate().expect("a key").public_key();
                let new = NewKey::new(&format!("key {change}"), key);
                TrustStore::add_despite_resemblance(dir.path(), new).expect("added");
            }
        });
    });
    let store = TrustStore::load(dir.path()).expect("loads");
    assert_eq!((store.revocations().count(), store.keys().len()), (2 * CHANGES, CHANGES));
}
