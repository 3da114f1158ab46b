//! Another implementation of the formats, written from the manual alone: with other cryptography (`ring`), its own
//! JSON, and no code of the crate under test.

use data_encoding::{BASE64, HEXLOWER};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::{Value, json};

pub(super) const PLUGIN: &str = "application/vnd.conductor.plugin.v1+json";
pub(super) const COSIGNATURE: &str = "application/vnd.conductor.cosignature.v1+json";
pub(super) const ROTATION: &str = "application/vnd.conductor.rotation.v1+json";
pub(super) const REVOCATIONS: &str = "application/vnd.conductor.revocations.v1+json";

/// The date of every signature for which the caller gives no date.
pub(super) const DATE: &str = "2026-01-01T00:00:00Z";

/// Somebody with a key pair.
pub(super) struct Party(Ed25519KeyPair);

impl Party {
    /// The party whose seed repeats one byte.
    pub(super) fn of(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes"))
    }

    pub(super) fn key(&self) -> String {
        HEXLOWER.encode(self.0.public_key().as_ref())
    }

    pub(super) fn signs(&self, message: &[u8]) -> String {
        HEXLOWER.encode(self.0.sign(message).as_ref())
    }

    pub(super) fn signs_as(&self, payload_type: &str, body: &[u8]) -> String {
        self.signs(&pae(payload_type, body))
    }

    /// A document in the form of Conductor 1.0.
    pub(super) fn document(&self, wasm: &[u8], developer: &str) -> Value {
        json!({
            "version": 1,
            "algorithm": "Ed25519",
            "plugin_hash": hash(wasm),
            "plugin_size": wasm.len(),
            "public_key": self.key(),
            "signature": self.signs(digest(&SHA256, wasm).as_ref()),
            "signed_at": DATE,
            "developer": { "name": developer, "email": "dev@example.org" },
        })
    }

    /// A document with a statement; `more` adds or replaces members of the statement.
    pub(super) fn release(&self, wasm: &[u8], more: Value) -> Value {
        let mut statement = json!({
            "plugin_hash": hash(wasm),
            "plugin_size": wasm.len(),
            "plugin_name": "chord",
            "plugin_version": null,
            "capabilities": null,
            "developer": { "name": "Ada", "email": "dev@example.org" },
            "signed_at": DATE,
        });
        merge(&mut statement, more);
        let body = statement.to_string();
        let mut document = self.document(wasm, "Ada");
        document["signed_at"] = statement["signed_at"].clone();
        document["statement"] = BASE64.encode(body.as_bytes()).into();
        document["statement_signature"] = self.signs_as(PLUGIN, body.as_bytes()).into();
        document
    }

    /// A cosignature of a release of `publisher`.
    pub(super) fn cosignature(&self, publisher: &Self, wasm: &[u8], more: Value) -> Value {
        let mut statement = json!({
            "endorses": publisher.key(),
            "plugin_hash": hash(wasm),
            "plugin_name": null,
            "plugin_version": null,
            "developer": { "name": "Bob", "email": "bob@example.org" },
            "signed_at": DATE,
        });
        merge(&mut statement, more);
        self.cosignature_of(COSIGNATURE, &statement)
    }

    pub(super) fn cosignature_of(&self, payload_type: &str, statement: &Value) -> Value {
        let body = statement.to_string();
        json!({
            "public_key": self.key(),
            "statement": BASE64.encode(body.as_bytes()),
            "statement_signature": self.signs_as(payload_type, body.as_bytes()),
        })
    }

    /// A rotation from this key to `next`.
    pub(super) fn passes_on_to(&self, next: &Self, sequence: u64, from: &str, keeps: &[&str]) -> Value {
        let mut statement = json!({
            "old_key": self.key(), "new_key": next.key(), "sequence": sequence, "rotated_at": from, "valid_from": from,
        });
        if !keeps.is_empty() {
            statement["keeps"] = keeps.into();
        }
        let body = statement.to_string();
        json!({
            "old_key": self.key(),
            "new_key": next.key(),
            "statement": BASE64.encode(body.as_bytes()),
            "old_signature": self.signs_as(ROTATION, body.as_bytes()),
            "new_signature": next.signs_as(ROTATION, body.as_bytes()),
        })
    }

    /// A list of revocations.
    pub(super) fn revokes(&self, sequence: u64, at: &str, revoked: Value) -> Value {
        let payload =
            json!({ "issuer": self.key(), "sequence": sequence, "issued_at": at, "revoked": revoked });
        let body = payload.to_string();
        json!({
            "version": 1,
            "algorithm": "Ed25519",
            "public_key": self.key(),
            "payload": BASE64.encode(body.as_bytes()),
            "signature": self.signs_as(REVOCATIONS, body.as_bytes()),
        })
    }
}

/// A document with cosignatures.
pub(super) fn with(mut document: Value, cosignatures: Vec<Value>) -> Value {
    document["cosignatures"] = cosignatures.into();
    document
}

/// A chain of rotations.
pub(super) fn chain(links: Vec<Value>) -> Value {
    json!({ "version": 1, "algorithm": "Ed25519", "links": links })
}

/// Verifies a document as Conductor 1.0 does, which ignores all members that were added later.
pub(super) fn verify_as_1_0(wasm: &[u8], document: &str) -> Result<(), &'static str> {
    let document: Value = serde_json::from_str(document).map_err(|_| "JSON")?;
    let text = |member: &str| document[member].as_str().ok_or("a member is missing");
    if document["version"] != 1 || document["algorithm"] != "Ed25519" {
        return Err("version or algorithm");
    }
    if text("plugin_hash")? != hash(wasm) || document["plugin_size"] != wasm.len() {
        return Err("file");
    }
    if text("signed_at")?.is_empty() || !document["developer"]["name"].is_string() {
        return Err("developer or date");
    }
    let bytes = |member: &str| HEXLOWER.decode(text(member)?.as_bytes()).map_err(|_| "hex");
    UnparsedPublicKey::new(&ED25519, bytes("public_key")?)
        .verify(digest(&SHA256, wasm).as_ref(), &bytes("signature")?)
        .map_err(|_| "signature")
}

/// Verifies one cosignature, and returns its statement.
pub(super) fn verify_cosignature(cosignature: &Value) -> Option<Value> {
    let text = |member: &str| cosignature[member].as_str().map(str::as_bytes);
    let body = BASE64.decode(text("statement")?).ok()?;
    UnparsedPublicKey::new(&ED25519, HEXLOWER.decode(text("public_key")?).ok()?)
        .verify(&pae(COSIGNATURE, &body), &HEXLOWER.decode(text("statement_signature")?).ok()?)
        .ok()?;
    serde_json::from_slice(&body).ok()
}

/// A module whose manifest has a name, a version and no capabilities; another `filler` gives other bytes with the same
/// manifest.
pub(super) fn module(version: &str, filler: u8) -> Vec<u8> {
    let manifest = json!({ "name": "chord", "version": version, "capabilities": [] }).to_string();
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    wasm.extend(section("conductor:manifest", manifest.as_bytes()));
    wasm.extend(section("filler", &[filler]));
    wasm
}

/// A module without a manifest.
pub(super) fn bare(filler: u8) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    wasm.extend(section("filler", &[filler]));
    wasm
}

/// A custom section of less than 128 bytes.
fn section(name: &str, content: &[u8]) -> Vec<u8> {
    let size = u8::try_from(1 + name.len() + content.len()).expect("small");
    assert!(size < 128, "one byte of LEB128");
    let mut bytes = vec![0, size, u8::try_from(name.len()).expect("small")];
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(content);
    bytes
}

pub(super) fn hash(wasm: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, wasm).as_ref())
}

/// DSSE's pre-authentication encoding.
fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    [format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).as_bytes(), body].concat()
}

fn merge(statement: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("members are an object") };
    statement.as_object_mut().expect("an object").extend(more);
}
