//! Chains that are valid, and every way in which a chain can be invalid.

mod properties;

use super::*;
use crate::key::{PrivateKey, SigningKey};
use crate::trust::{NewKey, TrustError, TrustStore};

fn keys(count: usize) -> Vec<SigningKey> {
    (0..count).map(|_| SigningKey::generate().expect("a key")).collect()
}

fn request() -> RotationRequest {
    RotationRequest { valid_from: None, keeps: Vec::new() }
}

/// A chain through all keys.
fn chain(keys: &[SigningKey]) -> RotationChain {
    let mut chain = None;
    for pair in keys.windows(2) {
        chain = Some(RotationChain::rotate(chain.as_ref(), &pair[0], &pair[1], &request()).expect("rotated"));
    }
    chain.expect("two keys")
}

/// A chain as JSON, for tests that change it.
fn json(chain: &RotationChain) -> serde_json::Value {
    serde_json::from_str(&chain.to_json()).expect("JSON")
}

fn parse(json: &serde_json::Value) -> Result<RotationChain, RotationError> {
    RotationChain::parse(json.to_string().as_bytes())
}

fn public(keys: &[SigningKey]) -> Vec<PublicKey> {
    keys.iter().map(SigningKey::public_key).collect()
}

#[test]
fn chains_survive_their_json() {
    let request = RotationRequest {
        valid_from: Some("2030-01-01T00:00:00Z".parse().expect("a time")),
        keeps: vec![Purpose::Sign, Purpose::Revoke],
    };
    let pair = keys(2);
    let made = RotationChain::rotate(None, &pair[0], &pair[1], &request).expect("rotated");
    let read = RotationChain::parse(made.to_json().as_bytes()).expect("holds");
    assert_eq!(read, made);
    let link = &read.links()[0];
    assert_eq!((link.sequence, link.valid_from.to_string().as_str()), (1, "2030-01-01T00:00:00Z"));
    assert!(link.keeps_signing() && link.keeps_revoking());
}

#[test]
fn sixty_four_links_are_a_chain_and_sixty_five_are_none() {
    let keys = keys(MAX_ROTATION_LINKS + 2);
    let longest = chain(&keys[..=MAX_ROTATION_LINKS]);
    assert_eq!(longest.links().len(), MAX_ROTATION_LINKS);
    assert!(longest.to_json().len() <= MAX_ROTATION_BYTES, "{}", longest.to_json().len());
    let [.., last, next] = &keys[..] else { panic!("keys") };
    let refused = RotationChain::rotate(Some(&longest), last, next, &request());
    assert!(matches!(refused, Err(RotateError::Full)));
    let mut value = json(&longest);
    let links = value["links"].as_array_mut().expect("links");
    links.push(links[0].clone());
    assert!(matches!(parse(&value), Err(RotationError::Format(_))));
}

#[test]
fn a_rotation_needs_both_keys() {
    let keys = keys(3);
    let sound = json(&chain(&keys[..2]));
    let other = json(&chain(&keys[1..]));
    let key = |place: usize| keys[place].public_key();
    for (member, value, error) in [
        (
            "old_signature",
            &other["links"][0]["old_signature"],
            RotationError::SignatureInvalid { key: key(0) },
        ),
        (
            "new_signature",
            &other["links"][0]["new_signature"],
            RotationError::SignatureInvalid { key: key(1) },
        ),
        (
            "old_signature",
            &sound["links"][0]["new_signature"],
            RotationError::SignatureInvalid { key: key(0) },
        ),
        ("statement", &other["links"][0]["statement"], RotationError::SignatureInvalid { key: key(0) }),
        ("old_key", &other["links"][0]["new_key"], RotationError::SignatureInvalid { key: key(2) }),
    ] {
        let mut bent = sound.clone();
        bent["links"][0][member] = value.clone();
        assert_eq!(parse(&bent), Err(error), "{member}");
    }
    let same = RotationChain::rotate(None, &keys[0], &keys[0], &request());
    assert!(matches!(same, Err(RotateError::SameKey { key: same }) if same == key(0)));
}

#[test]
fn a_signature_over_anything_else_is_no_rotation() {
    let pair = keys(2);
    let link = chain(&pair).links()[0].clone();
    let sign = |payload_type: &str, statement: &[u8]| {
        let encoded = pre_authentication_encoding(payload_type, statement);
        let sign = |key: &SigningKey| PrivateKey::sign(key, &encoded).expect("signed");
        RotationLink::verify(SignedLink {
            statement: statement.to_vec(),
            old_signature: sign(&pair[0]),
            new_signature: sign(&pair[1]),
            ..link.signed.clone()
        })
    };
    assert_eq!(sign(ROTATION_PAYLOAD_TYPE, &link.signed.statement), Ok(link.clone()));
    let key = pair[0].public_key();
    let refused = sign(crate::document::PAYLOAD_TYPE, &link.signed.statement);
    assert_eq!(refused, Err(RotationError::SignatureInvalid { key }));
    let text = String::from_utf8(link.signed.statement.clone()).expect("text");
    let swapped = text.replace("old_key", "x").replace("new_key", "old_key").replace("\"x\"", "\"new_key\"");
    assert!(matches!(
        sign(ROTATION_PAYLOAD_TYPE, swapped.as_bytes()),
        Err(RotationError::StatementDisagrees { .. })
    ));
    for (from, to) in [
        ("\"sequence\":1", "\"sequence\":0"),
        ("\"sequence\":1", "\"sequence\":-1"),
        ("\"sequence\":1", "\"sequence\":1,\"sequence\":1"),
        ("\"sequence\":1", "\"sequence\":1,\"only\":\"mondays\""),
        ("\"sequence\":1", "\"sequence\":1,\"keeps\":[\"rotate\"]"),
        ("\"sequence\":1,", ""),
    ] {
        let bent = text.replace(from, to);
        assert_ne!(bent, text);
        assert!(sign(ROTATION_PAYLOAD_TYPE, bent.as_bytes()).is_err(), "{bent}");
    }
}

#[test]
fn links_follow_each_other() {
    let keys = keys(4);
    let whole = json(&chain(&keys));
    let public = public(&keys);
    let with = |order: &[usize]| {
        let mut bent = whole.clone();
        bent["links"] = order.iter().map(|place| whole["links"][*place].clone()).collect();
        parse(&bent)
    };
    assert!(with(&[0, 1, 2]).is_ok() && with(&[1, 2]).is_ok());
    assert_eq!(with(&[]), Err(RotationError::Empty));
    assert_eq!(with(&[0, 2]), Err(RotationError::Broken { after: public[1], found: public[2] }));
    assert_eq!(with(&[1, 0]), Err(RotationError::Broken { after: public[2], found: public[0] }));
    assert_eq!(with(&[0, 0]), Err(RotationError::Broken { after: public[1], found: public[0] }));
    // The numbers must follow each other, even where the keys do.
    let anew = RotationChain::rotate(None, &keys[1], &keys[2], &request()).expect("rotated");
    let mut gap = whole.clone();
    gap["links"] = serde_json::json!([whole["links"][0], json(&anew)["links"][0]]);
    assert!(matches!(parse(&gap), Err(RotationError::Gap { expected: 2, found: 1, .. })));
}

/// An invalid rotation is refused before any key is asked to sign it.
#[test]
fn nobody_is_asked_to_sign_what_would_not_hold() {
    struct Locked(PublicKey);
    impl PrivateKey for Locked {
        fn public_key(&self) -> PublicKey {
            self.0
        }
        fn sign(&self, _: &[u8]) -> Result<crate::key::Signature, crate::key::PrivateKeyError> {
            panic!("asked to sign")
        }
    }
    let keys = keys(4);
    let public = public(&keys);
    let locked: Vec<Locked> = public.iter().map(|key| Locked(*key)).collect();
    let before = chain(&keys[..3]);
    let rotate = |old: usize, new: usize, request: &RotationRequest| {
        RotationChain::rotate(Some(&before), &locked[old], &locked[new], request).expect_err("refused")
    };
    let time = |text: &str| Some(text.parse().expect("a time"));
    let early = RotationRequest { valid_from: time("2020-01-01T00:00:00Z"), keeps: vec![] };
    for (error, words, hint) in [
        (rotate(2, 2, &request()), "the new key is the old one", "generate-key"),
        (rotate(2, 0, &request()), "cannot follow again", "generate-key"),
        (rotate(1, 3, &request()), "not to the old key", "--chain FILE"),
        (rotate(2, 3, &early), "cannot hold from 2020-01-01T00:00:00Z", "--valid-from 20"),
    ] {
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().is_some_and(|text| text.contains(hint)), "{error}");
    }
}

#[test]
fn a_rotation_holds_no_sooner_than_the_one_before() {
    let keys = keys(3);
    let later: UtcTime = "2999-01-01T00:00:00Z".parse().expect("a time");
    let announced = RotationRequest { valid_from: Some(later.clone()), keeps: vec![] };
    let announced = RotationChain::rotate(None, &keys[0], &keys[1], &announced).expect("rotated");
    let next = RotationChain::rotate(Some(&announced), &keys[1], &keys[2], &request()).expect("rotated");
    assert_eq!(next.links()[1].valid_from, later);
    let mut early = next.clone();
    early.links[1] = link(&keys[1], &keys[2], 2).expect("signed");
    let (old, new) = (keys[1].public_key(), keys[2].public_key());
    assert_eq!(parse(&json(&early)), Err(RotationError::Backdated { old, new }));
    let mut back = chain(&keys);
    back.links.push(link(&keys[2], &keys[0], 3).expect("signed"));
    assert_eq!(parse(&json(&back)), Err(RotationError::Loop { key: keys[0].public_key() }));
}

#[test]
fn purposes_are_stated_once() {
    let pair = keys(2);
    let request =
        RotationRequest { valid_from: None, keeps: vec![Purpose::Revoke, Purpose::Sign, Purpose::Revoke] };
    let made = RotationChain::rotate(None, &pair[0], &pair[1], &request).expect("rotated");
    assert_eq!(made.links()[0].keeps, [Purpose::Sign, Purpose::Revoke]);
}

/// Signs a rotation with the given number.
fn link(old: &SigningKey, new: &SigningKey, sequence: u64) -> Result<RotationLink, RotationError> {
    signed(old, new, |text| text.replace("\"sequence\":1", &format!("\"sequence\":{sequence}")))
}

/// Signs a rotation whose statement was changed by `bend`.
fn signed(
    old: &SigningKey,
    new: &SigningKey,
    bend: impl FnOnce(&str) -> String,
) -> Result<RotationLink, RotationError> {
    let plain = RotationChain::rotate(None, old, new, &request()).expect("rotated").links()[0].clone();
    let text = String::from_utf8(plain.signed.statement.clone()).expect("text");
    let statement = bend(&text).into_bytes();
    let encoded = pre_authentication_encoding(ROTATION_PAYLOAD_TYPE, &statement);
    let sign = |key: &SigningKey| PrivateKey::sign(key, &encoded).expect("signed");
    let (old_signature, new_signature) = (sign(old), sign(new));
    RotationLink::verify(SignedLink { statement, old_signature, new_signature, ..plain.signed })
}

#[test]
fn numbers_go_from_one_to_sixty_four() {
    let pair = keys(2);
    let (old, new) = (pair[0].public_key(), pair[1].public_key());
    for sequence in [1, 64] {
        assert_eq!(link(&pair[0], &pair[1], sequence).map(|link| link.sequence), Ok(sequence));
    }
    assert_eq!(link(&pair[0], &pair[1], 0), Err(RotationError::Gap { old, new, expected: 1, found: 0 }));
    for sequence in [65, u64::MAX] {
        assert_eq!(link(&pair[0], &pair[1], sequence), Err(RotationError::TooLong));
    }
}

#[test]
fn statements_are_as_long_as_need_be() {
    let pair = keys(2);
    let (old, new) = (pair[0].public_key(), pair[1].public_key());
    let time = "2025-11-19T08:59:12.123456789+00:00";
    let keeps = vec![Purpose::Sign, Purpose::Revoke];
    let longest = RotationRequest { valid_from: Some(time.parse().expect("a time")), keeps };
    let longest =
        RotationChain::rotate(None, &pair[0], &pair[1], &longest).expect("rotated").links()[0].clone();
    let text = String::from_utf8(longest.signed.statement.clone()).expect("text");
    let text =
        text.replace(&longest.rotated_at.to_string(), time).replace("\"sequence\":1", "\"sequence\":64");
    let padded = |length: usize| {
        signed(&pair[0], &pair[1], |_| format!("{text}{}", " ".repeat(length - text.len()))).err()
    };
    assert_eq!(padded(MAX_ROTATION_STATEMENT_BYTES), None);
    let error = RotationError::StatementTooLong { old, new };
    assert_eq!(padded(MAX_ROTATION_STATEMENT_BYTES + 1), Some(error));
}

/// A store that trusts the given key.
fn trusting(key: PublicKey) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    TrustStore::add(dir.path(), NewKey::new("friend", key)).expect("trusted");
    dir
}

fn import(dir: &tempfile::TempDir, chain: &RotationChain) -> Result<usize, RotationError> {
    match TrustStore::import_rotations(dir.path(), chain, false) {
        Ok(accepted) => Ok(accepted.added.len()),
        Err(TrustError::Rotation(error)) => Err(*error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_was_accepted_is_neither_contradicted_nor_rolled_back() {
    let keys = keys(5);
    let public = public(&keys);
    let dir = trusting(public[0]);
    assert_eq!(import(&dir, &chain(&keys[3..])), Err(RotationError::Unknown { key: public[3] }));
    assert_eq!(import(&dir, &chain(&keys[..3])), Ok(2));
    assert_eq!(import(&dir, &chain(&keys[..3])), Ok(0), "known already");
    assert_eq!(import(&dir, &chain(&keys[..2])), Err(RotationError::Replay { found: 1, accepted: 2 }));
    let fork = chain(&[keys[0].clone_for_test(), keys[4].clone_for_test()]);
    let (old, accepted, offered) = (public[0], public[1], public[4]);
    assert_eq!(import(&dir, &fork), Err(RotationError::Fork { old, accepted, offered }));
    let joined = chain(&[keys[4].clone_for_test(), keys[1].clone_for_test()]);
    let (new, accepted, offered) = (public[1], public[0], public[4]);
    assert_eq!(import(&dir, &joined), Err(RotationError::TwoOrigins { new, accepted, offered }));
    let back = chain(&[keys[2].clone_for_test(), keys[0].clone_for_test()]);
    assert_eq!(import(&dir, &back), Err(RotationError::Loop { key: public[0] }));
    // The next accepted link must have the next number.
    let jump = chain(&[keys[2].clone_for_test(), keys[3].clone_for_test()]);
    assert!(matches!(import(&dir, &jump), Err(RotationError::Gap { expected: 3, found: 1, .. })));
    assert_eq!(import(&dir, &chain(&keys[..4])), Ok(1));

    let store = TrustStore::load(dir.path()).expect("loads");
    let lineage = store.lineage(None).expect("holds");
    let back: Vec<PublicKey> = lineage.ancestors(&public[3]).map(|step| step.link.old).collect();
    assert_eq!(back, [public[2], public[1], public[0]]);
    let on: Vec<PublicKey> = lineage.descendants(&public[0]).map(|link| link.new).collect();
    assert_eq!(on, [public[1], public[2], public[3]]);
    assert_eq!(lineage.active(&public[0], UtcTime::now().timestamp()), public[3]);
    assert_eq!(lineage.active(&public[0], jiff::Timestamp::UNIX_EPOCH), public[0]);
}

/// The links of a chain from a place on.
fn from(chain: &RotationChain, place: usize) -> RotationChain {
    let mut value = json(chain);
    value["links"] = value["links"].as_array().expect("links")[place..].into();
    parse(&value).expect("a part holds")
}

#[test]
fn a_chain_may_come_in_parts() {
    let keys = keys(5);
    let public = public(&keys);
    let whole = chain(&keys);
    let dir = trusting(public[0]);
    assert_eq!(import(&dir, &from(&whole, 1)), Err(RotationError::Unknown { key: public[1] }));
    assert_eq!(import(&dir, &chain(&keys[..2])), Ok(1));
    assert_eq!(import(&dir, &from(&chain(&keys[..3]), 1)), Ok(1), "leads on from what was accepted");
    assert_eq!(import(&dir, &from(&whole, 1)), Ok(2), "starts within what was accepted");
    // A chain that the user accepted once is known from then on, whether it leads on from a known key or not.
    let stranger = tempfile::tempdir().expect("a directory");
    TrustStore::import_rotations(stranger.path(), &chain(&keys[..2]), true).expect("taken over");
    assert_eq!(import(&stranger, &chain(&keys[..2])), Ok(0));
    assert_eq!(import(&stranger, &from(&chain(&keys[..3]), 1)), Ok(1));
}

#[test]
fn the_key_in_use_is_the_last_that_is_passed_on_to_by_now() {
    let keys = keys(4);
    let public = public(&keys);
    let mut whole = chain(&keys[..2]);
    for (place, year) in [(1, 2030), (2, 2040)] {
        let valid_from = Some(format!("{year}-01-01T00:00:00Z").parse().expect("a time"));
        let request = RotationRequest { valid_from, keeps: vec![] };
        whole =
            RotationChain::rotate(Some(&whole), &keys[place], &keys[place + 1], &request).expect("rotated");
    }
    let store = TrustStore::default();
    let lineage = store.lineage(Some(&whole)).expect("holds");
    for (from, year, active) in
        [(0, 2000, 0), (0, 2029, 1), (0, 2035, 2), (0, 2045, 3), (2, 2029, 2), (3, 2045, 3)]
    {
        let now: UtcTime = format!("{year}-06-01T00:00:00Z").parse().expect("a time");
        assert_eq!(lineage.active(&public[from], now.timestamp()), public[active], "{from} {year}");
    }
}

/// The user's decision on a fork: the key that signed both rotations is revoked as compromised, and new rotations from
/// it are ignored.
#[test]
fn a_fork_is_over_once_the_key_that_made_it_is_revoked() {
    let keys = keys(4);
    let public = public(&keys);
    let dir = trusting(public[0]);
    import(&dir, &chain(&keys[..2])).expect("accepted");
    let other = [keys[0].clone_for_test(), keys[2].clone_for_test(), keys[3].clone_for_test()];
    let other = chain(&other);
    let store = TrustStore::load(dir.path()).expect("loads");
    let (old, accepted, offered) = (public[0], public[1], public[2]);
    assert_eq!(store.lineage(Some(&other)).map(|_| ()), Err(RotationError::Fork { old, accepted, offered }));

    let revoked = crate::trust::revocation::Revoked::Key(public[0]);
    let kind = crate::trust::revocation::RevocationKind::Compromised;
    TrustStore::revoke(dir.path(), revoked, kind, "it signed two").expect("revoked");
    let store = TrustStore::load(dir.path()).expect("loads");
    let lineage = store.lineage(Some(&other)).expect("passed over");
    assert_eq!(lineage.successor(&public[0]).map(|(link, _)| link.new), Some(public[1]));
    assert_eq!(lineage.ancestors(&public[2]).count(), 0, "nothing leads on to it");
    assert_eq!(
        lineage.successor(&public[2]).map(|(link, accepted)| (link.new, accepted)),
        Some((public[3], false))
    );
    assert_eq!(import(&dir, &other), Err(RotationError::FromCompromised { old: public[0], new: public[2] }));
    TrustStore::add(dir.path(), NewKey::new("the right one", public[2])).expect("the user's decision");
    assert_eq!(import(&dir, &from(&other, 1)), Ok(1));
}

#[test]
fn a_stolen_key_passes_on_to_nobody() {
    let keys = keys(3);
    let dir = trusting(keys[0].public_key());
    let entry = format!(
        "version = 1\n[[revoked]]\npublic_key = \"{}\"\nrevoked_at = \"2025-01-01T00:00:00Z\"\nreason = \"stolen\"\n",
        keys[0].public_key()
    );
    let path = dir.path().join("revoked_keys.toml");
    conductor_store::atomic_file::replace(&path, entry.as_bytes(), conductor_store::atomic_file::PRIVATE)
        .expect("written");
    assert!(matches!(import(&dir, &chain(&keys[..2])), Err(RotationError::FromCompromised { .. })));
}

#[test]
fn damage_never_reads_as_nothing_accepted() {
    let keys = keys(3);
    let dir = trusting(keys[0].public_key());
    import(&dir, &chain(&keys)).expect("accepted");
    let path = dir.path().join("rotations.toml");
    let sound = std::fs::read_to_string(&path).expect("read");
    let twice = sound.split_once("[[links]]").expect("a link").1.to_owned();
    for bent in [
        sound.replace("version = 1", "version = 2"),
        sound.replacen("old_signature = \"", "old_signature = \"00", 1),
        sound.replacen("statement = \"", "statement = \"A", 1),
        sound.replacen("accepted_at", "at", 1),
        format!("{sound}[[links]]{twice}"),
        sound.replacen(&keys[1].public_key().to_string(), &keys[2].public_key().to_string(), 1),
    ] {
        conductor_store::atomic_file::replace(&path, bent.as_bytes(), conductor_store::atomic_file::PRIVATE)
            .expect("written");
        let error = TrustStore::load(dir.path()).expect_err(&bent);
        assert!(!error.is_about_request(), "{error}");
        assert!(error.to_string().contains("rotations.toml:"), "{error}");
    }
}

/// A file that was edited by hand is checked like rotations that are offered; the order of the entries does not matter.
#[test]
fn what_is_kept_holds_no_contradiction() {
    let keys = keys(4);
    let link = |old: usize, new: usize, sequence| link(&keys[old], &keys[new], sequence).expect("signed");
    let entry = |link: &RotationLink| {
        let wire = toml::to_string(&LinkWire::of(&link.signed)).expect("TOML");
        format!("[[links]]\naccepted_at = \"2025-01-01T00:00:00Z\"\n{wire}")
    };
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("rotations.toml");
    let load = |links: &[RotationLink]| {
        let text = format!("version = 1\n{}", links.iter().map(entry).collect::<String>());
        conductor_store::atomic_file::replace(&path, text.as_bytes(), conductor_store::atomic_file::PRIVATE)
            .expect("written");
        TrustStore::load(dir.path()).map_err(|error| error.to_string())
    };
    let (first, second, third) = (link(0, 1, 1), link(1, 2, 2), link(2, 3, 3));
    load(&[first.clone(), second.clone(), third.clone()]).expect("in order");
    load(&[third.clone(), first.clone(), second.clone()]).expect("in any order");
    load(&[first.clone(), third.clone()]).expect("a part that is missing hides what followed, no more");
    for (links, words) in [
        (vec![first.clone(), first.clone()], "stands here twice"),
        (vec![first.clone(), link(0, 2, 1)], "fork"),
        (vec![first.clone(), link(2, 1, 1)], "fork"),
        (vec![first.clone(), link(1, 2, 3)], "has the number 3, where 2 would be next"),
        (vec![first.clone(), link(1, 0, 2)], "leads back"),
        (vec![second.clone(), link(0, 1, 2)], "has the number 2, where 3 would be next"),
    ] {
        let error = load(&links).expect_err(words);
        let line = format!("rotations.toml:{}: `links`: ", 2 + 7);
        assert!(error.contains(words) && error.contains(&line), "{error}");
    }
}

impl SigningKey {
    /// A copy of the key.
    fn clone_for_test(&self) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let paths = crate::key::KeyPaths::from_argument(&dir.path().join("k")).expect("paths");
        self.write_new(&paths).expect("written");
        Self::read(&paths.private).expect("read")
    }
}
