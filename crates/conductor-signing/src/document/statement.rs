//! The signed statement: what a signer says about a plugin beyond its digest.
//!
//! A statement is JSON. Its exact bytes are kept in the signature document and are signed in the pre-authentication
//! encoding of DSSE, so that a signature over a statement is valid for nothing else. The bytes are verified before they
//! are parsed, and are never encoded again. Members of a statement, in this order:
//!
//! | member | value |
//! |---|---|
//! | `plugin_hash` | SHA-256 of the file, 64 lower-case hex digits |
//! | `plugin_size` | bytes of the file |
//! | `plugin_name` | name, or `null` |
//! | `plugin_version` | version, or `null` |
//! | `capabilities` | list of `{name, scope?, reason?}` as in the manifest, or `null` without a manifest |
//! | `developer` | `{name, email}` |
//! | `signed_at` | RFC 3339, UTC |
//! | `expires_at` | RFC 3339, UTC; absent if the statement never expires |
//! | `min_host_version` | oldest version of Conductor that may load the plugin; absent if any |
//! | `cosigners` | keys that must cosign, 64 lower-case hex digits each; absent if none |

use conductor_abi::CapabilityRequest;
use conductor_store::UtcTime;
use serde::Serialize;

use crate::document::developer::Developer;
use crate::document::json::{FormatError, Members, ValueError, bounded};
use crate::document::signature_document::MAX_COSIGNATURES;
use crate::key::PublicKey;
use crate::text::{Digest, HostVersion, PluginName};

/// DSSE payload type of a statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.conductor.plugin.v1+json";

/// Longest version of a plugin in bytes; versions are shown in table columns.
const MAX_VERSION_BYTES: usize = 64;

/// Most capabilities in a statement; a manifest may declare as many.
const MAX_CAPABILITIES: usize = 256;

/// Longest scope or reason in bytes; a manifest allows the same length.
const MAX_TEXT_BYTES: usize = 1024;

/// What a signer states about a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Digest of the plugin file.
    pub plugin_hash: Digest,
    /// Bytes of the plugin file.
    pub plugin_size: u64,
    /// Name of the plugin.
    pub plugin_name: Option<PluginName>,
    /// Version of the plugin; escape it before showing it.
    pub plugin_version: Option<String>,
    /// Capabilities that the manifest declares; `None` for a plugin without a manifest.
    pub capabilities: Option<Vec<CapabilityRequest>>,
    /// Who signed.
    pub developer: Developer,
    /// When the signer signed, by the signer's own clock.
    pub signed_at: UtcTime,
    /// When the statement expires.
    pub expires_at: Option<UtcTime>,
    /// Oldest version of the host that may load the plugin.
    pub min_host_version: Option<HostVersion>,
    /// Keys that must cosign; empty if none.
    pub cosigners: Vec<PublicKey>,
}

impl Statement {
    /// Parses a statement. The caller has verified the signature over these bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut members = Members::parse(bytes)?;
        let statement = Self {
            plugin_hash: members
                .parsed("plugin_hash", |text| text.parse().map_err(|_| ValueError::Hex { digits: 64 }))?,
            plugin_size: members.unsigned("plugin_size")?,
            plugin_name: members.optional_parsed("plugin_name", |text| Ok(text.parse::<PluginName>()?))?,
            plugin_version: members
                .optional_parsed("plugin_version", |text| bounded(text, MAX_VERSION_BYTES))?,
            capabilities: take_capabilities(&mut members)?,
            developer: Developer::take(&mut members)?,
            signed_at: members.parsed("signed_at", |text| Ok(text.parse::<UtcTime>()?))?,
            expires_at: members.optional_parsed("expires_at", |text| Ok(text.parse::<UtcTime>()?))?,
            min_host_version: members
                .optional_parsed("min_host_version", |text| Ok(text.parse::<HostVersion>()?))?,
            cosigners: take_cosigners(&mut members)?,
        };
        members.finish()?;
        Ok(statement)
    }

    /// The statement as the bytes that are signed and kept in the document.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            plugin_hash: String,
            plugin_size: u64,
            plugin_name: Option<&'a str>,
            plugin_version: Option<&'a str>,
            capabilities: Option<&'a [CapabilityRequest]>,
            developer: &'a Developer,
            signed_at: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            expires_at: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            min_host_version: Option<String>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            cosigners: Vec<String>,
        }
        serde_json::to_vec(&Wire {
            plugin_hash: self.plugin_hash.to_string(),
            plugin_size: self.plugin_size,
            plugin_name: self.plugin_name.as_ref().map(PluginName::as_str),
            plugin_version: self.plugin_version.as_deref(),
            capabilities: self.capabilities.as_deref(),
            developer: &self.developer,
            signed_at: self.signed_at.to_string(),
            expires_at: self.expires_at.as_ref().map(UtcTime::to_string),
            min_host_version: self.min_host_version.as_ref().map(HostVersion::to_string),
            cosigners: self.cosigners.iter().map(PublicKey::to_string).collect(),
        })
    }
}

/// A plugin's version as `--plugin-version` gives it.
pub(crate) fn plugin_version(text: &str) -> Result<String, ValueError> {
    bounded(text, MAX_VERSION_BYTES)
}

fn take_capabilities(members: &mut Members) -> Result<Option<Vec<CapabilityRequest>>, FormatError> {
    let Some(list) = members.optional_objects("capabilities", MAX_CAPABILITIES)? else { return Ok(None) };
    let request = |mut fields: Members| {
        let request = CapabilityRequest {
            name: fields.parsed("name", |text| bounded(text, MAX_TEXT_BYTES))?,
            scope: fields.optional_parsed("scope", |text| bounded(text, MAX_TEXT_BYTES))?,
            reason: fields.optional_parsed("reason", |text| bounded(text, MAX_TEXT_BYTES))?,
        };
        fields.finish()?;
        Ok(request)
    };
    list.into_iter().map(request).collect::<Result<_, _>>().map(Some)
}

fn take_cosigners(members: &mut Members) -> Result<Vec<PublicKey>, FormatError> {
    let key = |text: &str| Ok(text.parse::<PublicKey>()?);
    let keys = members.optional_texts("cosigners", MAX_COSIGNATURES, key)?.unwrap_or_default();
    for (place, key) in keys.iter().enumerate() {
        if keys.iter().take(place).any(|earlier| earlier == key) {
            return Err(members.value_error("cosigners", ValueError::Repeated { key: *key }));
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement {
            plugin_hash: Digest::from_bytes(b"plugin"),
            plugin_size: 6,
            plugin_name: Some("chord".parse().expect("a name")),
            plugin_version: None,
            capabilities: Some(vec![CapabilityRequest {
                name: "Midi".into(),
                scope: Some("synth".into()),
                reason: None,
            }]),
            developer: Developer::new("Ada", "ada@example.org").expect("a developer"),
            signed_at: "2025-11-19T08:59:12Z".parse().expect("a time"),
            expires_at: Some("2026-11-19T08:59:12Z".parse().expect("a time")),
            min_host_version: Some("0.1.0".parse().expect("a version")),
            cosigners: Vec::new(),
        }
    }

    #[test]
    fn statements_survive_their_bytes() {
        let json = statement().to_json().expect("serialises");
        assert_eq!(Statement::parse(&json), Ok(statement()));
        let bare = Statement { plugin_name: None, capabilities: None, expires_at: None, ..statement() };
        assert_eq!(Statement::parse(&bare.to_json().expect("serialises")), Ok(bare));
    }

    #[test]
    fn what_is_unknown_could_be_a_restriction() {
        let mut json: serde_json::Value =
            serde_json::from_slice(&statement().to_json().expect("serialises")).expect("parses");
        json["only_on"] = "mondays".into();
        assert_eq!(
            Statement::parse(json.to_string().as_bytes()),
            Err(FormatError::Unknown { field: "only_on".into() })
        );
    }
}
