//! Whose revocation lists count, and how they affect the user's own entries.

use conductor_signing::{
    MAX_LIST_SEQUENCE, NewKey, PublicKey, RevocationKind, RevocationList, RevocationListError, Revoked,
    RotationChain, ShownTextError, TrustError, TrustStore,
};
use serde_json::{Value, json};

use super::other::{self, DATE, Party};
use super::support::Scratch;

const LATER: &str = "2026-06-01T00:00:00Z";

fn key(party: &Party) -> PublicKey {
    party.key().parse().expect("a key")
}

fn list(issuer: &Party, sequence: u64, revoked: Value) -> RevocationList {
    RevocationList::parse(issuer.revokes(sequence, LATER, revoked).to_string().as_bytes()).expect("a list")
}

fn about(party: &Party) -> Value {
    json!([{ "public_key": party.key(), "kind": "compromised", "revoked_at": DATE, "reason": "stolen" }])
}

/// A user who trusts the first key, which is rotated to the second key from some time on.
struct User {
    scratch: Scratch,
    first: Party,
    next: Party,
}

impl User {
    fn new(from: &str) -> Self {
        let user = Self { scratch: Scratch::new(), first: Party::of(1), next: Party::of(2) };
        TrustStore::add(&user.scratch.path("config"), NewKey::new("Acme", key(&user.first))).expect("added");
        let chain = other::chain(vec![user.first.passes_on_to(&user.next, 1, from, &[])]).to_string();
        let chain = RotationChain::parse(chain.as_bytes()).expect("a chain");
        TrustStore::import_rotations(&user.scratch.path("config"), &chain, false).expect("accepted");
        user
    }

    fn import(&self, list: &RevocationList) -> Result<usize, RevocationListError> {
        match TrustStore::import_revocations(&self.scratch.path("config"), list, false) {
            Ok(imported) => Ok(imported.added.len()),
            Err(TrustError::RevocationList(error)) => Err(*error),
            Err(other) => panic!("{other}"),
        }
    }

    fn refusal(&self, issuer: &Party) -> &'static str {
        match self.import(&list(issuer, 1, about(&Party::of(9)))) {
            Err(RevocationListError::NoAuthority { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    fn revoke(&self, party: &Party, kind: RevocationKind) {
        TrustStore::revoke(&self.scratch.path("config"), Revoked::Key(key(party)), kind, "gone")
            .expect("revoked");
    }
}

#[test]
fn an_issuer_is_held_to_what_a_signer_is_held_to() {
    let user = User::new(DATE);
    assert_eq!(user.refusal(&user.first), "which has passed on to another key");
    assert_eq!(user.import(&list(&user.next, 1, about(&Party::of(9)))), Ok(1));

    // The holder of an old key can write any date, and would revoke the new key.
    let user = User::new(DATE);
    let backdated = user.first.revokes(1, "2020-01-01T00:00:00Z", about(&user.next)).to_string();
    let backdated = RevocationList::parse(backdated.as_bytes()).expect("a list");
    assert!(matches!(user.import(&backdated), Err(RevocationListError::NoAuthority { .. })));

    let user = User::new(DATE);
    user.revoke(&user.first, RevocationKind::Compromised);
    assert_eq!(user.refusal(&user.next), "which follows from a key that was revoked as compromised");

    let user = User::new(DATE);
    user.revoke(&user.next, RevocationKind::Superseded);
    assert_eq!(user.refusal(&user.next), "which was revoked");

    let user = User::new("9999-12-31T23:59:59Z");
    assert_eq!(user.refusal(&user.next), "to which a trusted key passes on only later");
    assert_eq!(user.refusal(&Party::of(5)), "which is not trusted");
    assert_eq!(user.import(&list(&user.first, 1, about(&Party::of(9)))), Ok(1));
}

#[test]
fn no_number_and_no_date_silences_an_issuer() {
    let user = User::new("9999-12-31T23:59:59Z");
    let (config, issuer) = (user.scratch.path("config"), &user.first);
    let beyond = issuer.revokes(MAX_LIST_SEQUENCE + 1, LATER, about(&Party::of(9))).to_string();
    let refused = RevocationList::parse(beyond.as_bytes());
    assert_eq!(refused, Err(RevocationListError::Sequence { found: MAX_LIST_SEQUENCE + 1 }));

    let ahead = issuer.revokes(1, "2999-01-01T00:00:00Z", about(&Party::of(9))).to_string();
    let ahead = RevocationList::parse(ahead.as_bytes()).expect("a list");
    assert!(matches!(user.import(&ahead), Err(RevocationListError::Ahead { .. })));

    // After a list with a mistaken number, the user can import the next list in spite of its lower number; later lists
    // are then compared with that number.
    assert_eq!(user.import(&list(issuer, MAX_LIST_SEQUENCE, about(&Party::of(8)))), Ok(1));
    let next = list(issuer, 2, about(&Party::of(9)));
    assert!(matches!(user.import(&next), Err(RevocationListError::Replay { found: 2, .. })));
    let imported = TrustStore::import_revocations(&config, &next, true).expect("believed all the same");
    assert_eq!(imported.added.len(), 1);
    assert_eq!(user.import(&list(issuer, 3, about(&Party::of(7)))), Ok(1));
    let store = TrustStore::load(&config).expect("loads");
    assert_eq!(store.revocations().count(), 3, "nothing is taken back");
}

#[test]
fn what_the_user_wrote_stays_the_users() {
    let user = User::new("9999-12-31T23:59:59Z");
    let (config, old) = (user.scratch.path("config"), Party::of(9));
    user.revoke(&old, RevocationKind::Superseded);
    assert_eq!(user.import(&list(&user.first, 1, about(&old))), Ok(1), "it makes the key worse");
    let store = TrustStore::load(&config).expect("loads");
    let entries: Vec<_> = store.revocations().map(|it| (it.issuer, it.kind, it.reason.as_str())).collect();
    assert_eq!(
        entries,
        [
            (None, RevocationKind::Superseded, "gone"),
            (Some(key(&user.first)), RevocationKind::Compromised, "stolen"),
        ]
    );
    assert_eq!(store.revoked_key(&key(&old)).map(|it| it.kind), Some(RevocationKind::Compromised));
    // The user may revoke the same key, and the user's own revocation is exported.
    user.revoke(&old, RevocationKind::Compromised);
    let issuer = conductor_signing::SigningKey::from_seed(&[3; 32]);
    let exported = TrustStore::export_revocations(&config, &issuer).expect("exported");
    assert_eq!(exported.entries().len(), 1);
    assert_eq!(exported.entries()[0].reason, "gone");
}

#[test]
fn reasons_are_such_as_can_be_shown() {
    let user = User::new("9999-12-31T23:59:59Z");
    for reason in ["\u{2800}", "see\u{202e}"] {
        let bad = json!([{ "digest": "ab".repeat(32), "revoked_at": DATE, "reason": reason }]);
        let found = reason.chars().last().expect("a character");
        assert!(matches!(
            user.import(&list(&user.first, 1, bad)),
            Err(RevocationListError::Reason { cause: ShownTextError::Character { found: it }, .. }) if it == found
        ));
    }
    assert_eq!(TrustStore::load(&user.scratch.path("config")).expect("loads").revocations().count(), 0);
}
