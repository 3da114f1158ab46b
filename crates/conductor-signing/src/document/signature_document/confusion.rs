//! Row confusion: documents that parsers could read in different ways; and properties of the document parser.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::key::{KeyError, SigningKey};

fn document() -> SignatureDocument {
    let key = || SigningKey::generate().expect("a key").public_key();
    let statement =
        || SignedStatement { bytes: b"{}".to_vec(), signature: Signature::from_bytes([0xcd; 64]) };
    let cosignature = || Cosignature { public_key: key(), statement: statement() };
    SignatureDocument {
        plugin_hash: Digest::from_bytes(b"plugin"),
        plugin_size: 6,
        signer: Endorsement {
            public_key: key(),
            signature: Signature::from_bytes([0xab; 64]),
            signed_at: "2025-11-19T08:59:12Z".parse().expect("a time"),
            developer: Developer::new("First", "dev@example.org").expect("a developer"),
            statement: Some(statement()),
        },
        cosignatures: vec![cosignature(), cosignature()],
    }
}

/// The document with one member set to another value.
fn with(field: &str, value: Value) -> Result<SignatureDocument, DocumentError> {
    let mut json: Value = serde_json::from_str(&document().to_json()).expect("JSON");
    json[field] = value;
    SignatureDocument::parse(json.to_string().as_bytes())
}

fn malformed(field: &str, cause: ValueError) -> Result<SignatureDocument, DocumentError> {
    Err(FormatError::Value { field: field.to_owned(), cause }.into())
}

#[test]
fn documents_survive_their_json() {
    let document = document();
    let json = document.to_json();
    assert_eq!(SignatureDocument::parse(json.as_bytes()), Ok(document));
    let at = |member: &str| json.find(&format!("\"{member}\"")).expect(member);
    let order = [
        "version",
        "algorithm",
        "plugin_hash",
        "plugin_size",
        "public_key",
        "signature",
        "signed_at",
        "developer",
    ];
    assert!(order.is_sorted_by_key(|member| at(member)), "{json}");
}

#[test]
fn a_document_of_the_earlier_program_is_read() {
    let key = SigningKey::generate().expect("a key").public_key();
    let json = json!({
        "version": 1, "algorithm": "Ed25519", "plugin_hash": "00".repeat(32), "plugin_size": 123_456,
        "public_key": key.to_string(), "signature": "9f".repeat(64), "signed_at": "2025-11-19T08:59:12.5+00:00",
        "developer": { "name": "Your Name", "email": "you@example.com" },
    });
    let document = SignatureDocument::parse(json.to_string().as_bytes()).expect("a document");
    assert_eq!((document.signer.statement, document.cosignatures.len()), (None, 0));
}

#[test]
fn versions_and_algorithms_that_are_not_known_are_refused() {
    assert_eq!(with("version", 2.into()), Err(DocumentError::Version { found: 2 }));
    assert_eq!(with("version", 0.into()), Err(DocumentError::Version { found: 0 }));
    for found in ["ed25519", "Ed25519ph", "ECDSA", "none", ""] {
        assert_eq!(with("algorithm", found.into()), Err(DocumentError::Algorithm { found: found.into() }));
    }
}

#[test]
fn every_value_has_one_spelling() {
    let upper = |text: &str| Value::from(text.to_uppercase());
    let document = document();
    let hex64 = ValueError::Hex { digits: 64 };
    let hex128 = ValueError::Hex { digits: 128 };
    assert_eq!(
        with("plugin_hash", upper(&document.plugin_hash.to_string())),
        malformed("plugin_hash", hex64)
    );
    assert_eq!(
        with("signature", upper(&document.signer.signature.to_string())),
        malformed("signature", hex128.clone())
    );
    assert_eq!(with("statement_signature", "ab".into()), malformed("statement_signature", hex128));
    let key = upper(&document.signer.public_key.to_string());
    assert_eq!(with("public_key", key), malformed("public_key", KeyError::Hex.into()));
    let identity = format!("01{}", "00".repeat(31));
    assert_eq!(with("public_key", identity.into()), malformed("public_key", KeyError::SmallOrder.into()));
    for statement in ["e30", "e31=", "e30=\n", "e3-="] {
        assert_eq!(
            with("statement", statement.into()),
            malformed("statement", ValueError::Base64),
            "{statement}"
        );
    }
    assert_eq!(
        with("signed_at", "yesterday".into()),
        malformed("signed_at", conductor_store::TimeError.into())
    );
    let long = json!({ "name": "x".repeat(257), "email": "" });
    assert_eq!(with("developer", long), malformed("developer.name", ValueError::TooLong { max: 256 }));
}

#[test]
fn types_are_not_converted() {
    for (field, value, expected) in [
        ("version", json!("1"), "a whole number"),
        ("version", json!(1.0), "a whole number"),
        ("plugin_size", json!(-1), "a whole number"),
        ("plugin_size", json!(1e2), "a whole number"),
        ("signature", json!(1), "a string"),
        ("developer", json!(["a", "b"]), "an object"),
        ("cosignatures", json!({}), "a list"),
    ] {
        let error = FormatError::Type { field: field.to_owned(), expected };
        assert_eq!(with(field, value.clone()), Err(error.into()), "{field} {value}");
    }
    let error = FormatError::Type { field: "cosignatures[0]".to_owned(), expected: "an object" };
    assert_eq!(with("cosignatures", json!([1])), Err(error.into()));
    let error = FormatError::Type { field: "document".to_owned(), expected: "an object" };
    assert_eq!(SignatureDocument::parse(b"[]"), Err(error.into()));
}

#[test]
fn a_statement_and_its_signature_come_together() {
    let without = |other| ValueError::Without { other };
    assert_eq!(with("statement", Value::Null), malformed("statement_signature", without("statement")));
    assert_eq!(
        with("statement_signature", Value::Null),
        malformed("statement", without("statement_signature"))
    );
}

#[test]
fn what_is_not_known_is_refused_at_every_depth() {
    let unknown = |field: &str| Err(FormatError::Unknown { field: field.to_owned() }.into());
    assert_eq!(with("threshold", 2.into()), unknown("threshold"));
    assert_eq!(with("developer", json!({"name": "a", "email": "b", "url": "c"})), unknown("developer.url"));
    let json: Value = serde_json::from_str(&document().to_json()).expect("JSON");
    // A publisher's endorsement has members that a cosignature must not have: a signature over the digest, and claims
    // that are not signed.
    for (member, value) in [
        ("signature", json["signature"].clone()),
        ("signed_at", json["signed_at"].clone()),
        ("developer", json["developer"].clone()),
    ] {
        let mut json = json.clone();
        json["cosignatures"][1][member] = value;
        assert_eq!(
            SignatureDocument::parse(json.to_string().as_bytes()),
            unknown(&format!("cosignatures[1].{member}"))
        );
    }
    for member in ["public_key", "statement", "statement_signature"] {
        let mut json = json.clone();
        json["cosignatures"][1][member] = Value::Null;
        let missing = FormatError::Missing { field: format!("cosignatures[1].{member}") };
        assert_eq!(SignatureDocument::parse(json.to_string().as_bytes()), Err(missing.into()));
    }
}

#[test]
fn sizes_are_capped() {
    let mut json = document().to_json();
    json.push_str(&" ".repeat(MAX_DOCUMENT_BYTES - json.len()));
    assert_eq!(
        SignatureDocument::parse(json.as_bytes()),
        Ok(SignatureDocument::parse(json.trim().as_bytes()).expect("same"))
    );
    json.push(' ');
    assert_eq!(SignatureDocument::parse(json.as_bytes()), Err(DocumentError::TooLarge));
    let list = vec![json!({}); MAX_COSIGNATURES + 1];
    assert_eq!(
        with("cosignatures", list.into()),
        malformed("cosignatures", ValueError::TooMany { max: MAX_COSIGNATURES })
    );
}

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9a-f]{0,130}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{0,12}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const MEMBERS: [&str; 11] = [
    "version",
    "algorithm",
    "plugin_hash",
    "plugin_size",
    "public_key",
    "signature",
    "signed_at",
    "developer",
    "statement",
    "statement_signature",
    "cosignatures",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// An accepted document is written back as the same document: nothing is read in two ways and nothing is lost.
    #[test]
    fn whatever_is_accepted_survives(member in prop::sample::select(&MEMBERS), value in any_json()) {
        if let Ok(document) = with(member, value) {
            prop_assert_eq!(SignatureDocument::parse(document.to_json().as_bytes()), Ok(document));
        }
    }

    /// Any bytes give an error or a document, never a panic.
    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = SignatureDocument::parse(&bytes);
    }

    /// A document that is damaged anywhere gives an error or a well-formed document.
    #[test]
    fn damaged_documents_are_judged(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut json = document().to_json().into_bytes();
        let place = place.index(json.len());
        if cut { json.truncate(place) } else { json[place] = byte }
        if let Ok(document) = SignatureDocument::parse(&json) {
            prop_assert_eq!(SignatureDocument::parse(document.to_json().as_bytes()), Ok(document));
        }
    }
}
