//! Row tamper: every place of plugin and document is changed.

use std::collections::BTreeMap;
use std::fs;

use conductor_signing::RequireStatement::OnceSeen;
use conductor_signing::SignaturePolicy::AnySigner;
use conductor_signing::{DocumentError, SignatureDocument, TrustStore, VerifiedPlugin, VerifyError};
use serde_json::Value;

use super::support::{Scratch, VECTORS, document, document_json, module, needs, parts, read};

fn verify(wasm: &[u8], json: &str) -> Result<VerifiedPlugin, VerifyError> {
    parts(wasm, json).verify(&needs(AnySigner, OnceSeen), &TrustStore::default())
}

fn refusal(wasm: &[u8], json: &str) -> VerifyError {
    verify(wasm, json).err().expect("refused")
}

/// A sound plugin with its document.
fn sound() -> (Vec<u8>, String) {
    let scratch = Scratch::new();
    let path = scratch.signed(&module());
    (module(), document_json(&path))
}

/// The document as Conductor 1.0 wrote it, without a statement.
fn without_statement(json: &str) -> String {
    let mut document = SignatureDocument::parse(json.as_bytes()).expect("a document");
    document.signer.statement = None;
    document.to_json()
}

#[test]
fn every_changed_byte_of_a_plugin_is_noticed() {
    let (wasm, json) = sound();
    assert!(verify(&wasm, &json).is_ok());
    for place in 0..wasm.len() {
        for bit in 0..8 {
            let mut changed = wasm.clone();
            changed[place] ^= 1 << bit;
            assert!(
                matches!(refusal(&changed, &json), VerifyError::HashMismatch { .. }),
                "byte {place}, bit {bit}"
            );
        }
        assert!(matches!(refusal(&wasm[..place], &json), VerifyError::HashMismatch { .. }), "cut at {place}");
    }
    assert!(matches!(refusal(&[&wasm[..], &[0]].concat(), &json), VerifyError::HashMismatch { .. }));
}

/// Every changed byte is refused, unless the document still means the same because only white space changed.
#[test]
fn every_changed_byte_of_a_document_is_noticed() {
    let (wasm, json) = sound();
    let original = SignatureDocument::parse(json.as_bytes());
    for place in 0..json.len() {
        for replacement in
            [b' ', b'0', b'f', b'"', b'}', json.as_bytes()[place] ^ 1, json.as_bytes()[place] ^ 0x20]
        {
            let mut changed = json.clone().into_bytes();
            changed[place] = replacement;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            if verify(&wasm, &changed).is_ok() {
                assert_eq!(SignatureDocument::parse(changed.as_bytes()), original, "byte {place}: {changed}");
            }
        }
        assert!(verify(&wasm, &json[..place]).is_err() || json[place..].trim().is_empty(), "cut at {place}");
    }
}

#[test]
fn every_member_that_is_removed_or_doubled_is_noticed() {
    let (wasm, json) = sound();
    let value: BTreeMap<String, Value> = serde_json::from_str(&json).expect("an object");
    for (member, content) in &value {
        let doubled = json.replacen('{', &format!("{{ \"{member}\": {content},"), 1);
        let twice = format!("signature document is malformed: member `{member}` occurs twice");
        assert_eq!(refusal(&wasm, &doubled).to_string(), twice);

        let mut less = value.clone();
        less.remove(member);
        let error = refusal(&wasm, &serde_json::to_string(&less).expect("JSON")).to_string();
        let expected = match member.as_str() {
            "statement" => "signature document is malformed: member `statement_signature`: not allowed without `statement`".to_owned(),
            "statement_signature" => {
                "signature document is malformed: member `statement`: not allowed without `statement_signature`".to_owned()
            }
            _ => format!("signature document is malformed: member `{member}` is missing"),
        };
        assert_eq!(error, expected);
    }
    assert_eq!(value.len(), 10);
}

/// Without a statement, date and developer are not signed by anybody, and the result says so.
#[test]
fn what_no_statement_covers_is_shown_as_such() {
    let (wasm, json) = sound();
    let bare = without_statement(&json);
    let plugin = verify(&wasm, &bare).expect("the bytes are signed");
    assert!(!plugin.signer().expect("a signer").authenticated);
    for (member, value) in [
        ("signed_at", Value::from("2001-01-01T00:00:00Z")),
        ("developer", serde_json::json!({ "name": "Mallory", "email": "m@example.org" })),
    ] {
        let change = |json: &str| {
            let mut changed: Value = serde_json::from_str(json).expect("JSON");
            changed[member] = value.clone();
            changed.to_string()
        };
        let plugin = verify(&wasm, &change(&bare)).expect("the bytes are signed");
        assert!(!plugin.signer().expect("a signer").authenticated);
        let error = refusal(&wasm, &change(&json));
        assert!(matches!(error, VerifyError::StatementDisagrees { field, .. } if field == member), "{error}");
    }
}

/// A valid statement from another document of the same signer.
#[test]
fn a_statement_belongs_to_its_document() {
    let scratch = Scratch::new();
    let other = document(&scratch.signed(&[module(), vec![11, 1, 0]].concat()));
    let path = scratch.signed(&module());
    let mut mixed = document(&path);
    mixed.signer.statement = other.signer.statement;
    let error = refusal(&module(), &mixed.to_json());
    assert!(matches!(error, VerifyError::StatementDisagrees { field: "plugin_hash", .. }), "{error}");
    assert!(read(&path).verify(&needs(AnySigner, OnceSeen), &TrustStore::default()).is_ok());
}

#[test]
fn a_document_that_is_too_large_is_refused() {
    let (wasm, json) = sound();
    let padded = json.clone() + &" ".repeat(64 * 1024 + 1 - json.len());
    assert_eq!(refusal(&wasm, &padded), VerifyError::Document(DocumentError::TooLarge));
    assert!(verify(&wasm, &padded[..64 * 1024]).is_ok());
}

/// Each directory of `tests/vectors/tamper` holds a plugin, its document, and in `expect` the exact verdict.
#[test]
fn vectors_get_their_verdict() {
    let mut seen = 0;
    for entry in fs::read_dir(format!("{VECTORS}/tamper")).expect("the vectors") {
        let folder = entry.expect("an entry").path();
        let expect = fs::read_to_string(folder.join("expect")).expect("a verdict");
        let (code, words) = expect.trim_end().split_once(": ").expect("code and words");
        let found = match read(&folder.join("plugin.wasm"))
            .verify(&needs(AnySigner, OnceSeen), &TrustStore::default())
        {
            Ok(plugin) if plugin.signer().is_some_and(|signer| signer.authenticated) => {
                (0, "authenticated".into())
            }
            Ok(_) => (0, "unauthenticated".to_owned()),
            Err(error) => (error.exit_code(), error.to_string()),
        };
        assert_eq!((found.0.to_string().as_str(), found.1.as_str()), (code, words), "{}", folder.display());
        seen += 1;
    }
    assert!(seen >= 15, "{seen} vectors");
}
