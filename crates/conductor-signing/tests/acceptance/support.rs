//! A scratch directory with a signed plugin.

use std::fs;
use std::path::{Path, PathBuf};

use conductor_signing::{
    CosigningRequest, Developer, NewKey, PluginFile, PublicKey, RequireStatement, SignatureDocument,
    SignaturePolicy, SigningKey, SigningRequest, TrustStore, UnverifiedPlugin, VerificationPolicy,
    add_manifest, manifest_from_toml, signature_path,
};

/// Directory of the attacks, each with its verdict.
pub(super) const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors");

/// A small module that holds a manifest.
pub(super) fn module() -> Vec<u8> {
    let text =
        "name = \"chord\"\nversion = \"1.0.0\"\n[[capabilities]]\nname = \"Midi\"\nscope = \"synth\"\n";
    let manifest = manifest_from_toml(text).expect("a manifest");
    add_manifest(&bare_module(), &manifest, false).expect("added")
}

/// A module that names itself `chord` and states a version, and asks for nothing.
pub(super) fn versioned_module(version: &str) -> Vec<u8> {
    let manifest =
        manifest_from_toml(&format!("name = \"chord\"\nversion = \"{version}\"\n")).expect("a manifest");
    add_manifest(&bare_module(), &manifest, false).expect("added")
}

/// A small module without a manifest: magic number, version and one empty type section.
pub(super) fn bare_module() -> Vec<u8> {
    b"\0asm\x01\0\0\0\x01\x01\0".to_vec()
}

/// A scratch directory and a key.
pub(super) struct Scratch {
    pub(super) dir: tempfile::TempDir,
    pub(super) key: SigningKey,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), key: SigningKey::generate().expect("a key") }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a plugin and signs it.
    pub(super) fn signed(&self, wasm: &[u8]) -> PathBuf {
        self.signed_as(wasm, request())
    }

    pub(super) fn signed_as(&self, wasm: &[u8], request: SigningRequest) -> PathBuf {
        let path = self.path("plugin.wasm");
        fs::write(&path, wasm).expect("written");
        let document = PluginFile::scan(&path).expect("read").sign(&self.key, request).expect("signed");
        fs::write(signature_path(&path), document.to_json()).expect("written");
        path
    }

    /// A trust store that holds the keys.
    pub(super) fn trusting(&self, keys: &[PublicKey]) -> TrustStore {
        let config = self.path("config");
        for key in keys {
            let new = NewKey::new("friend", *key);
            TrustStore::add(&config, new).expect("added");
        }
        TrustStore::load(&config).expect("loads")
    }
}

/// The request of a test in which its content does not matter.
pub(super) fn request() -> SigningRequest {
    SigningRequest {
        developer: Developer::new("Ada", "ada@example.org").expect("a developer"),
        plugin_name: None,
        plugin_version: None,
        expires_at: None,
        min_host_version: None,
        cosigners: Vec::new(),
    }
}

/// Adds cosignatures of further keys to the release at a path, one after the other.
pub(super) fn cosign(path: &Path, keys: &[&SigningKey]) {
    for key in keys {
        let developer = Developer::new("Bob", "bob@example.org").expect("a developer");
        let plugin = PluginFile::scan(path).expect("read");
        let document = plugin.cosign(*key, CosigningRequest::of(developer)).expect("cosigned");
        fs::write(signature_path(path), document.to_json()).expect("written");
    }
}

/// A policy without rules.
pub(super) fn needs(signature: SignaturePolicy, statement: RequireStatement) -> VerificationPolicy {
    VerificationPolicy { statement, ..VerificationPolicy::from(signature) }
}

/// The JSON of the document beside a plugin.
pub(super) fn document_json(plugin: &Path) -> String {
    fs::read_to_string(signature_path(plugin)).expect("read")
}

/// The document beside a plugin.
pub(super) fn document(plugin: &Path) -> SignatureDocument {
    SignatureDocument::parse(document_json(plugin).as_bytes()).expect("a document")
}

/// A plugin, read as for loading.
pub(super) fn read(plugin: &Path) -> UnverifiedPlugin {
    UnverifiedPlugin::read(plugin, 1024 * 1024).expect("read")
}

/// A plugin from memory.
pub(super) fn parts(wasm: &[u8], json: &str) -> UnverifiedPlugin {
    UnverifiedPlugin::from_parts("plugin.wasm", wasm.to_vec(), Some(json.as_bytes().to_vec()))
}
