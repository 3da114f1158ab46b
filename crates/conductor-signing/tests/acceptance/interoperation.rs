//! Documents of another implementation verify here, and documents of this crate verify there.

use conductor_signing::SignaturePolicy::TrustedSigner;
use conductor_signing::{
    Developer, NewKey, PublicKey, RevocationList, RotationChain, SigningKey, SigningRequest, TrustLevel,
    TrustStore,
};
use serde_json::{Value, json};

use super::other::{self, Party};
use super::support::{Scratch, cosign, document_json, module, parts};

fn key(party: &Party) -> PublicKey {
    party.key().parse().expect("a key")
}

fn trusting(scratch: &Scratch, parties: &[(&str, &Party)]) -> TrustStore {
    let config = scratch.path("config");
    for (name, party) in parties {
        TrustStore::add(&config, NewKey::new(name, key(party))).expect("added");
    }
    TrustStore::load(&config).expect("loads")
}

#[test]
fn documents_of_1_0_verify_here_whatever_their_developer_is_called() {
    let (publisher, scratch) = (Party::of(1), Scratch::new());
    let trust = trusting(&scratch, &[("Acme", &publisher)]);
    let wasm = other::bare(0);
    for name in ["Ada", "", " ", "\u{2800}", "\u{1d159}", "a\u{202e}b\n", &"x".repeat(256)] {
        let document = publisher.document(&wasm, name).to_string();
        other::verify_as_1_0(&wasm, &document).expect("verifies there");
        let plugin = parts(&wasm, &document).verify(&TrustedSigner.into(), &trust).expect("verifies here");
        assert_eq!(plugin.trust(), &TrustLevel::Trusted { key_name: "Acme".into() });
        let signer = plugin.signer().expect("a signer");
        assert!(!signer.authenticated && signer.developer.name() == name);
        let shown = signer.developer.to_string();
        assert!(!shown.contains(['\u{2800}', '\u{1d159}', '\u{202e}', '\n']), "{shown}");
    }
}

#[test]
fn our_documents_verify_in_1_0_with_and_without_cosigners() {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    assert_eq!(other::verify_as_1_0(&module(), &document_json(&path)), Ok(()));
    let cosigner = SigningKey::generate().expect("a key");
    cosign(&path, &[&cosigner]);
    let json = document_json(&path);
    assert_eq!(other::verify_as_1_0(&module(), &json), Ok(()));
    let document: Value = serde_json::from_str(&json).expect("JSON");
    let stated = other::verify_cosignature(&document["cosignatures"][0]).expect("verifies there");
    assert_eq!(
        (&stated["endorses"], &stated["plugin_hash"], &stated["plugin_name"], &stated["plugin_version"]),
        (&document["public_key"], &document["plugin_hash"], &json!("chord"), &json!("1.0.0"))
    );
    // No part of the document is valid as a document of its own.
    let mut alone = document.clone();
    alone["public_key"] = document["cosignatures"][0]["public_key"].clone();
    alone["signature"] = document["cosignatures"][0]["statement_signature"].clone();
    assert_eq!(other::verify_as_1_0(&module(), &alone.to_string()), Err("signature"));
}

#[test]
fn statements_cosignatures_rotations_and_lists_of_others_verify_here() {
    let (first, next, auditor, scratch) = (Party::of(1), Party::of(2), Party::of(3), Scratch::new());
    let trust = trusting(&scratch, &[("Acme", &first), ("Auditor", &auditor)]);
    let wasm = other::module("1.0", 0);
    let document = other::with(
        next.release(&wasm, json!({ "plugin_version": "1.0" })),
        vec![auditor.cosignature(&next, &wasm, json!({ "plugin_name": "chord", "plugin_version": "1.0" }))],
    );
    let chain = other::chain(vec![first.passes_on_to(&next, 1, other::DATE, &[])]).to_string();
    RotationChain::parse(chain.as_bytes()).expect("a chain");
    let plugin = parts(&wasm, &document.to_string()).with_rotation(chain.into_bytes());
    let decision = plugin.file().judge(&TrustedSigner.into(), &trust);
    assert_eq!(decision.refusal(), None);
    let names: Vec<_> = decision
        .signature()
        .expect("holds")
        .signers()
        .map(|(signer, standing)| (signer.key, signer.authenticated, standing.is_trusted()))
        .collect();
    assert_eq!(names, [(key(&next), true, true), (key(&auditor), true, true)]);
    let list = first.revokes(
        1,
        other::DATE,
        json!([{
            "digest": other::hash(&wasm), "revoked_at": other::DATE, "reason": "bad release",
        }]),
    );
    let list = RevocationList::parse(list.to_string().as_bytes()).expect("a list");
    assert_eq!((list.issuer(), list.entries().len()), (&key(&first), 1));
}

/// Both implementations make the same key and the same signature from the same seed and file, byte for byte.
#[test]
fn both_make_the_same_key_and_signature() {
    let (party, key) = (Party::of(9), SigningKey::from_seed(&[9; 32]));
    assert_eq!(key.public_key().to_string(), party.key());
    let wasm = other::bare(0);
    let request = SigningRequest::of(Developer::new("Ada", "dev@example.org").expect("a developer"));
    let ours = conductor_signing::UnverifiedPlugin::from_parts("chord.wasm", wasm.clone(), None)
        .file()
        .sign(&key, request)
        .expect("signed");
    let theirs = party.document(&wasm, "Ada");
    assert_eq!(theirs["signature"], ours.signer.signature.to_string());
}
