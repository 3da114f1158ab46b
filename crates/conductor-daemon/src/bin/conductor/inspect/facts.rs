//! Everything that can be found out about a plugin file without running it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use conductor_abi::{Capability, CapabilityRequest, Manifest, Risk};
use conductor_core::scope::Scope;
use conductor_core::{DEFAULT_MAX_MODULE_BYTES, imports};
use conductor_signing::{Digest, PluginFile, SignatureDocument, SignaturePolicy, TrustStore};
use serde::Serialize;

use crate::exit::Failure;

/// What was found out. Its texts come from the file or its signature: escape them before showing them.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    pub(super) file: String,
    pub(super) size: u64,
    pub(super) digest: String,
    pub(super) signature: SignatureFacts,
    pub(super) manifest: Option<Manifest>,
    pub(super) manifest_error: Option<String>,
    pub(super) capabilities: Vec<CapabilityFacts>,
    pub(super) imports: BTreeMap<String, Vec<String>>,
    pub(super) imports_error: Option<String>,
}

/// State of the signature.
#[derive(Debug, Serialize)]
pub(super) struct SignatureFacts {
    /// `none`, `trusted`, `untrusted`, `invalid`, or `unknown` where the trust store cannot be read.
    pub(super) state: &'static str,
    pub(super) error: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) key: Option<String>,
    pub(super) key_name: Option<String>,
    pub(super) developer: Option<String>,
    pub(super) signed_at: Option<String>,
    /// Whether the signature covers developer and date.
    pub(super) authenticated: bool,
}

/// A capability that the manifest asks for.
#[derive(Debug, Serialize)]
pub(super) struct CapabilityFacts {
    pub(super) name: String,
    pub(super) scope: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) risk: Option<Risk>,
    pub(super) error: Option<String>,
}

impl Facts {
    pub(super) fn gather(plugin: &Path, config_dir: &Path) -> Result<Self, Failure> {
        let file =
            PluginFile::scan(plugin).map_err(|error| Failure::failed(&error).with_hint(error.hint()))?;
        let (manifest, manifest_error) = split(file.manifest());
        let (found, imports_error) = split(read_imports(plugin, &file));
        let mut imports: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for import in found.unwrap_or_default() {
            imports.entry(import.module).or_default().push(import.name);
        }
        let requests = manifest.iter().flatten().flat_map(|manifest| &manifest.capabilities);
        Ok(Self {
            file: plugin.to_string_lossy().into_owned(),
            size: file.size(),
            digest: file.digest().to_string(),
            signature: SignatureFacts::gather(&file, config_dir),
            capabilities: requests.map(CapabilityFacts::of).collect(),
            manifest: manifest.flatten(),
            manifest_error,
            imports,
            imports_error,
        })
    }
}

impl Facts {
    /// Whether manifest and imports could be read, and the signature, if there is one, holds and could be checked
    /// against the trust list. A missing signature and an untrusted signer are no faults.
    pub(super) fn are_sound(&self) -> bool {
        self.manifest_error.is_none()
            && self.imports_error.is_none()
            && !matches!(self.signature.state, "invalid" | "unknown")
    }
}

fn split<T, E: ToString>(result: Result<T, E>) -> (Option<T>, Option<String>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

/// The imports, read from the same bytes that the digest was taken of.
fn read_imports(plugin: &Path, file: &PluginFile) -> Result<Vec<imports::Import>, String> {
    let mut bytes = Vec::new();
    let opened = File::open(plugin).map_err(|error| error.to_string())?;
    opened.take(DEFAULT_MAX_MODULE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > DEFAULT_MAX_MODULE_BYTES {
        return Err(format!("the file is larger than {DEFAULT_MAX_MODULE_BYTES} bytes"));
    }
    if Digest::from_bytes(&bytes) != file.digest() {
        return Err("the file changed while it was read".to_owned());
    }
    imports::imports(&bytes).map_err(|error| error.to_string())
}

impl SignatureFacts {
    fn gather(file: &PluginFile, config_dir: &Path) -> Self {
        let document = file.document();
        let mut facts = match &document {
            Ok(Some(document)) => Self::of_document(document),
            Ok(None) | Err(_) => Self::none(),
        };
        let trust = match TrustStore::load(config_dir) {
            Ok(trust) => trust,
            Err(error) => {
                facts.state = "unknown";
                facts.hint = error.hint();
                facts.error = Some(error.to_string());
                return facts;
            }
        };
        let decision = file.judge(&SignaturePolicy::TrustedSigner.into(), &trust);
        facts.state = match (decision.signature(), decision.refusal()) {
            (Some(_), None) => "trusted",
            (Some(_), Some(_)) => "untrusted",
            (None, _) if matches!(document, Ok(None)) => "none",
            (None, _) => "invalid",
        };
        if let Some(checked) = decision.signature() {
            facts.authenticated = checked.statement().is_some();
            facts.key_name = checked.standing().key_name().map(str::to_owned);
        }
        if let Some(error) = decision.refusal() {
            facts.hint = error.hint();
            facts.error = Some(error.to_string());
        }
        facts
    }

    const fn none() -> Self {
        Self {
            state: "none",
            error: None,
            hint: None,
            key: None,
            key_name: None,
            developer: None,
            signed_at: None,
            authenticated: false,
        }
    }

    fn of_document(document: &SignatureDocument) -> Self {
        let developer = &document.signer.developer;
        Self {
            key: Some(document.signer.public_key.to_string()),
            developer: Some(format!("{} <{}>", developer.name(), developer.email())),
            signed_at: Some(document.signer.signed_at.to_string()),
            ..Self::none()
        }
    }
}

impl CapabilityFacts {
    fn of(request: &CapabilityRequest) -> Self {
        let (risk, error) = match request.name.parse::<Capability>() {
            Err(error) => (None, Some(error.to_string())),
            Ok(capability) => {
                let scope = request.scope.as_deref();
                match scope
                    .map_or_else(|| Ok(Scope::unnamed(capability)), |text| Scope::parse(capability, text))
                {
                    Ok(scope) => (Some(scope.risk()), None),
                    Err(error) => (None, Some(error.to_string())),
                }
            }
        };
        Self {
            name: request.name.clone(),
            scope: request.scope.clone(),
            reason: request.reason.clone(),
            risk,
            error,
        }
    }
}
