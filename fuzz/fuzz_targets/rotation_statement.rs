//! Rotations with any statement, signed by the keys that they need: those that hold form a chain by every rule, and can
//! be joined in any order.
//!
//! Each line of an input is a link: a digit for the old key, a digit for the new key, and the statement that both sign.
//! In the statement, `@` and a digit stand for a key.

#![no_main]
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::sync::LazyLock;

use conductor_signing::{
    MAX_ROTATION_LINKS, PrivateKey, PublicKey, ROTATION_PAYLOAD_TYPE, RotationChain, Signature, SigningKey,
    TrustStore, UtcTime,
};
use data_encoding::BASE64;
use libfuzzer_sys::{Corpus, fuzz_target};

static KEYS: LazyLock<[SigningKey; 10]> =
    LazyLock::new(|| std::array::from_fn(|number| SigningKey::from_seed(&[number as u8; 32])));

fuzz_target!(|text: &str| -> Corpus {
    let Some(links) = text.lines().map(signed_link).collect::<Option<Vec<_>>>() else {
        return Corpus::Reject;
    };
    let json = format!(r#"{{"version":1,"algorithm":"Ed25519","links":[{}]}}"#, links.join(","));
    if let Ok(chain) = RotationChain::parse(json.as_bytes()) {
        check(&chain);
    }
    Corpus::Keep
});

/// A link as JSON; `None` if a line does not say which keys sign.
fn signed_link(line: &str) -> Option<String> {
    let mut digits = line.chars();
    let mut key = || KEYS.get(digits.next()?.to_digit(10)? as usize);
    let (old, new) = (key()?, key()?);
    let mut statement = digits.as_str().to_owned();
    for (number, key) in KEYS.iter().enumerate() {
        statement = statement.replace(&format!("@{number}"), &key.public_key().to_string());
    }
    // The pre-authentication encoding of DSSE, implemented independently of the library.
    let length = statement.len();
    let message =
        format!("DSSEv1 {} {ROTATION_PAYLOAD_TYPE} {length} {statement}", ROTATION_PAYLOAD_TYPE.len());
    let sign = |key: &SigningKey| PrivateKey::sign(key, message.as_bytes()).ok();
    let (old_signature, new_signature): (Signature, Signature) = (sign(old)?, sign(new)?);
    Some(format!(
        r#"{{"old_key":"{}","new_key":"{}","statement":"{}","old_signature":"{old_signature}","new_signature":"{new_signature}"}}"#,
        old.public_key(),
        new.public_key(),
        BASE64.encode(statement.as_bytes()),
    ))
}

fn check(chain: &RotationChain) {
    assert_eq!(RotationChain::parse(chain.to_json().as_bytes()).as_ref(), Ok(chain));
    let links = chain.links();
    assert!((1..=MAX_ROTATION_LINKS).contains(&links.len()));
    assert!(links.iter().all(|link| (1..=MAX_ROTATION_LINKS as u64).contains(&link.sequence)));
    for pair in links.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!((after.old, after.sequence), (before.new, before.sequence + 1));
        assert!(after.valid_from.timestamp() >= before.valid_from.timestamp());
    }
    let keys: HashSet<PublicKey> = links.iter().flat_map(|link| [link.old, link.new]).collect();
    assert_eq!(keys.len(), links.len() + 1, "a key comes back");

    let store = TrustStore::default();
    let lineage = store.lineage(Some(chain));
    let (first, last) = (links.first().map(|link| link.old), links.last().map(|link| link.new));
    assert!(lineage.is_ok_and(|lineage| {
        let (Some(first), Some(last)) = (first, last) else { return false };
        let reached = lineage.active(&first, UtcTime::now().timestamp());
        lineage.ancestors(&last).count() == links.len()
            && lineage.descendants(&first).count() == links.len()
            && keys.contains(&reached)
    }));
}
