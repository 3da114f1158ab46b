//! Lists that are valid, and the ways in which a list can be invalid.

use proptest::prelude::*;

use super::*;
use crate::key::SigningKey;

fn entry(revoked: Revoked) -> Revocation {
    Revocation {
        revoked,
        revoked_at: "2025-01-01T00:00:00Z".parse().expect("a time"),
        reason: "stolen".to_owned(),
        kind: RevocationKind::Compromised,
        name: None,
        issuer: None,
        line: Line::default(),
    }
}

fn list() -> (SigningKey, RevocationList) {
    let issuer = SigningKey::generate().expect("a key");
    let stolen = SigningKey::generate().expect("a key").public_key();
    let entries = [entry(Revoked::Key(stolen)), entry(Revoked::Digest(Digest::from_bytes(b"bad")))];
    let list = RevocationList::make(&issuer, 7, &entries).expect("made");
    (issuer, list)
}

#[test]
fn lists_survive_their_json() {
    let (issuer, made) = list();
    let read = RevocationList::parse(made.json().as_bytes()).expect("holds");
    assert_eq!(read, made);
    assert_eq!((read.issuer(), read.sequence(), read.entries().len()), (&issuer.public_key(), 7, 2));
    assert!(read.entries().iter().all(|entry| entry.issuer == Some(issuer.public_key())));
}

#[test]
fn a_list_is_its_issuers() {
    let (_, made) = list();
    let other = SigningKey::generate().expect("a key").public_key();
    let sound: serde_json::Value = serde_json::from_str(made.json()).expect("JSON");
    let bent = |member: &str, value: serde_json::Value| {
        let mut bent = sound.clone();
        bent[member] = value;
        RevocationList::parse(bent.to_string().as_bytes())
    };
    assert_eq!(
        bent("public_key", other.to_string().into()),
        Err(RevocationListError::SignatureInvalid { key: other })
    );
    assert_eq!(bent("version", 2.into()), Err(RevocationListError::Version { found: 2 }));
    assert!(matches!(bent("algorithm", "none".into()), Err(RevocationListError::Algorithm { .. })));
    assert!(matches!(bent("more", 1.into()), Err(RevocationListError::Format(_))));
    assert!(matches!(bent("payload", "e30=".into()), Err(RevocationListError::SignatureInvalid { .. })));
    let twice = made.json().replacen('{', "{\"version\": 1,", 1);
    assert!(matches!(RevocationList::parse(twice.as_bytes()), Err(RevocationListError::Format(_))));
    let huge = vec![b' '; MAX_REVOCATION_LIST_BYTES + 1];
    assert_eq!(RevocationList::parse(&huge), Err(RevocationListError::TooLarge));
}

#[test]
fn as_many_entries_as_the_limit_fit() {
    let issuer = SigningKey::generate().expect("a key");
    let entries = |count: usize| -> Vec<Revocation> {
        (0..count).map(|n| entry(Revoked::Digest(Digest::from_bytes(&n.to_le_bytes())))).collect()
    };
    let full = RevocationList::make(&issuer, 1, &entries(MAX_LISTED_REVOCATIONS)).expect("made");
    assert_eq!(full.entries().len(), MAX_LISTED_REVOCATIONS);
    let more = RevocationList::make(&issuer, 1, &entries(MAX_LISTED_REVOCATIONS + 1));
    assert!(matches!(more, Err(RevocationListError::Format(_))), "{more:?}");
}

proptest! {
    #[test]
    fn no_byte_can_be_changed(place in any::<prop::sample::Index>(), with in any::<u8>()) {
        let (_, made) = list();
        let mut bytes = made.json().as_bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] = with;
        if let Ok(read) = RevocationList::parse(&bytes) {
            prop_assert_eq!(
                (read.issuer(), read.sequence(), read.entries()),
                (made.issuer(), made.sequence(), made.entries())
            );
        }
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(RevocationList::parse(&bytes).is_err());
    }
}
