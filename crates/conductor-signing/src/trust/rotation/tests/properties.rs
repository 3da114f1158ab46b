//! Properties of every chain, however it is made or changed.

use proptest::prelude::*;

use super::*;

/// A link with one changed bit is refused or means the same.
#[test]
fn no_bit_can_be_changed() {
    let sound = chain(&keys(2));
    let bytes = sound.to_json().into_bytes();
    let mut harmless = 0;
    for (place, bit) in (0..bytes.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
        let mut bent = bytes.clone();
        bent[place] ^= 1 << bit;
        if let Ok(read) = RotationChain::parse(&bent) {
            assert_eq!(read, sound, "byte {place}, bit {bit}");
            harmless += 1;
        }
    }
    // The only harmless changes turn white space into other white space.
    let blanks = bytes.iter().filter(|byte| byte.is_ascii_whitespace()).count();
    assert!(harmless <= blanks * 8, "{harmless} of {blanks} blanks");
}

/// What a link states, for comparing chains with the rules as they are described in words.
#[derive(Clone, Debug)]
struct Stated {
    old: usize,
    new: usize,
    sequence: u64,
    day: u8,
}

fn is_chain(links: &[Stated]) -> bool {
    let follows = |pair: &[Stated]| {
        pair[1].old == pair[0].new && pair[1].sequence == pair[0].sequence + 1 && pair[1].day >= pair[0].day
    };
    let mut seen: Vec<usize> =
        links.iter().map(|link| link.new).chain(links.first().map(|link| link.old)).collect();
    seen.sort_unstable();
    links.iter().all(|link| link.old != link.new && (1..=64).contains(&link.sequence))
        && links.windows(2).all(follows)
        && seen.windows(2).all(|pair| pair[0] != pair[1])
        && (1..=64).contains(&links.len())
}

/// Links that follow each other, with a few exceptions, so that about half of the chains are valid.
fn stated() -> impl Strategy<Value = Vec<Stated>> {
    let bent = || (0usize..4, 0usize..70, 0u64..70, 1u8..9).prop_map(Some);
    let links = move |lengths: std::ops::Range<usize>, sound: u32| {
        proptest::collection::vec(prop_oneof![sound => Just(None), 1 => bent()], lengths)
    };
    (prop_oneof![2 => links(1..6, 4), 1 => links(60..70, 100)], 1u64..5).prop_map(|(bends, first)| {
        let link = |(place, bend): (usize, Option<(usize, usize, u64, u8)>)| {
            let mut link = Stated { old: place, new: place + 1, sequence: first + place as u64, day: 5 };
            match bend {
                Some((0, key, _, _)) => link.old = key,
                Some((1, key, _, _)) => link.new = key,
                Some((2, _, sequence, _)) => link.sequence = sequence,
                Some((_, _, _, day)) => link.day = day,
                None => {}
            }
            link
        };
        bends.into_iter().enumerate().map(link).collect()
    })
}

/// Signs a link as stated, even where the statement makes no sense.
fn sign_stated(keys: &[SigningKey], stated: &Stated) -> serde_json::Value {
    let (old, new) = (&keys[stated.old], &keys[stated.new]);
    let (old_key, new_key) = (old.public_key().to_string(), new.public_key().to_string());
    let statement = serde_json::json!({
        "old_key": old_key, "new_key": new_key, "sequence": stated.sequence,
        "rotated_at": "2025-01-01T00:00:00Z", "valid_from": format!("2025-01-0{}T00:00:00Z", stated.day),
    });
    let statement = statement.to_string().into_bytes();
    let encoded = pre_authentication_encoding(ROTATION_PAYLOAD_TYPE, &statement);
    let sign = |key: &SigningKey| PrivateKey::sign(key, &encoded).expect("signed").to_string();
    serde_json::json!({
        "old_key": old_key, "new_key": new_key, "statement": BASE64.encode(&statement),
        "old_signature": sign(old), "new_signature": sign(new),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    /// Links that the right keys signed are a valid chain if and only if they follow the rules.
    #[test]
    fn a_chain_holds_by_its_rules_alone(stated in stated()) {
        let keys: Vec<SigningKey> = (0..71).map(|number| SigningKey::from_seed(&[number; 32])).collect();
        let links: Vec<_> = stated.iter().map(|link| sign_stated(&keys, link)).collect();
        let json = serde_json::json!({ "version": 1, "algorithm": "Ed25519", "links": links });
        let read = parse(&json);
        prop_assert_eq!(read.is_ok(), is_chain(&stated), "{:?}", read.err());
    }

    /// The same rotations fit together in any order, and a rotation that contradicts them is found whenever it is
    /// added.
    #[test]
    fn order_means_nothing(order in Just((0usize..6).collect::<Vec<_>>()).prop_shuffle(), bad in 0usize..7) {
        let keys = keys(8);
        let public = public(&keys);
        let whole = chain(&keys[..7]);
        // A rotation from a key of the chain to a key outside. From the last key of the chain, only the number is
        // wrong.
        let fork = link(&keys[bad.min(5)], &keys[7], 1).expect("signed");
        let mut lineage = Lineage::default();
        let mut refused = 0;
        for (count, place) in order.iter().enumerate() {
            if count == bad {
                refused += usize::from(lineage.add(Ancestor { link: &fork, accepted: false }).is_err());
            }
            refused += usize::from(lineage.add(Ancestor { link: &whole.links[*place], accepted: false }).is_err());
        }
        prop_assert_eq!(refused == 0, bad == 6);
        if bad == 6 {
            let on: Vec<PublicKey> = lineage.descendants(&public[0]).map(|link| link.new).collect();
            prop_assert_eq!(on, &public[1..7]);
            let back: Vec<PublicKey> = lineage.ancestors(&public[6]).map(|step| step.link.old).collect();
            prop_assert_eq!(back, public[..6].iter().rev().copied().collect::<Vec<_>>());
        }
    }

    /// Links in any order, with some left out, are valid if and only if they are consecutive links of the chain.
    #[test]
    fn only_a_run_of_a_chain_is_a_chain(order in proptest::collection::vec(0usize..5, 1..6)) {
        let whole = json(&chain(&keys(6)));
        let mut bent = whole.clone();
        bent["links"] = order.iter().map(|place| whole["links"][*place].clone()).collect();
        let is_run = order.windows(2).all(|pair| pair[1] == pair[0] + 1);
        prop_assert_eq!(parse(&bent).is_ok(), is_run);
    }

    /// A chain with one changed byte is refused or means the same.
    #[test]
    fn no_byte_can_be_changed(place in any::<prop::sample::Index>(), with in any::<u8>()) {
        let sound = chain(&keys(3));
        let mut bytes = sound.to_json().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = with;
        if let Ok(read) = RotationChain::parse(&bytes) {
            prop_assert_eq!(read, sound);
        }
    }

    /// Any bytes give an error, never a panic.
    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(RotationChain::parse(&bytes).is_err());
    }

    /// What a store knows in the end does not depend on the parts in which the chain was imported.
    #[test]
    fn pieces_add_up(first in 1usize..5, second in 1usize..5) {
        let keys = keys(6);
        let public = public(&keys);
        let dir = trusting(public[0]);
        let mut pieces = [first, second, 5];
        pieces.sort_unstable();
        for length in pieces {
            import(&dir, &chain(&keys[..=length])).expect("accepted");
        }
        let store = TrustStore::load(dir.path()).expect("loads");
        let lineage = store.lineage(None).expect("holds");
        let on: Vec<PublicKey> = lineage.descendants(&public[0]).map(|link| link.new).collect();
        prop_assert_eq!(on, &public[1..]);
    }
}
