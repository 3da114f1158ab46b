//! Row weak-key: keys that lax verifiers accept, although somebody else could sign for them or verifiers disagree about
//! them.

use super::*;
use crate::key::key_file::SigningKey;

/// Every canonical encoding of a point whose order divides eight.
const SMALL_ORDER: [&str; 8] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
];

/// Encodings with a coordinate that is not reduced, or with the sign of a zero.
const NOT_CANONICAL: [&str; 6] = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn keys_that_anyone_can_sign_for_are_refused() {
    for key in SMALL_ORDER {
        assert_eq!(key.parse::<PublicKey>(), Err(KeyError::SmallOrder), "{key}");
    }
}

#[test]
fn second_spellings_are_refused() {
    for key in NOT_CANONICAL {
        assert_eq!(key.parse::<PublicKey>(), Err(KeyError::NotCanonical), "{key}");
    }
    let key = SigningKey::generate().expect("a key").public_key().to_string();
    assert!(key.parse::<PublicKey>().is_ok());
    for text in [key.to_uppercase(), format!("0x{key}"), format!("{key}\n"), key[..63].to_owned()] {
        assert_eq!(text.parse::<PublicKey>(), Err(KeyError::Hex), "{text:?}");
    }
}

#[test]
fn keys_with_a_small_order_component_are_refused() {
    let point = |bytes: &[u8; 32]| VerifyingKey::from_bytes(bytes).expect("a point").to_edwards();
    let honest = point(SigningKey::generate().expect("a key").public_key().as_bytes());
    for key in SMALL_ORDER {
        let mixed = honest + point(&decode_hex(key).expect("hex"));
        let expected = if key == SMALL_ORDER[0] { Ok(()) } else { Err(KeyError::MixedOrder) };
        assert_eq!(PublicKey::from_bytes(mixed.compress().as_bytes()).map(drop), expected, "{key}");
    }
}

#[test]
fn the_signature_that_fits_every_message_needs_the_identity_as_key() {
    let mut forged = [0; 64];
    forged[0] = 1;
    let key = SigningKey::generate().expect("a key").public_key();
    assert!(!key.accepts(b"any message", &Signature::from_bytes(forged)));
    assert_eq!(SMALL_ORDER[0].parse::<PublicKey>(), Err(KeyError::SmallOrder));
}

#[test]
fn bytes_off_the_curve_are_refused() {
    let key = "0200000000000000000000000000000000000000000000000000000000000000";
    assert_eq!(key.parse::<PublicKey>(), Err(KeyError::NotAPoint));
}
