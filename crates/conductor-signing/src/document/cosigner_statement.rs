//! The signed statement of a cosigner: which key's release it endorses.
//!
//! A cosigner signs only this statement, in the pre-authentication encoding of DSSE with a payload type of its own. The
//! signature is therefore never valid in the place of a publisher's signature, nor in a document that another key
//! published.
//! Members, in this order:
//!
//! | member | value |
//! |---|---|
//! | `endorses` | the publisher's key, 64 lower-case hex digits |
//! | `plugin_hash` | SHA-256 of the file, 64 lower-case hex digits |
//! | `plugin_name` | name, or `null` |
//! | `plugin_version` | version, or `null` |
//! | `developer` | `{name, email}` of the cosigner |
//! | `signed_at` | RFC 3339, UTC |
//! | `expires_at` | RFC 3339, UTC; absent if the statement never expires |
//! | `min_host_version` | oldest version of Conductor that may load the plugin; absent if any |

use conductor_store::UtcTime;
use serde::Serialize;

use crate::document::developer::Developer;
use crate::document::json::{FormatError, Members, ValueError};
use crate::document::statement::plugin_version;
use crate::key::PublicKey;
use crate::text::{Digest, HostVersion, PluginName};

/// DSSE payload type of a cosigner's statement.
pub const COSIGNATURE_PAYLOAD_TYPE: &str = "application/vnd.conductor.cosignature.v1+json";

/// What a cosigner states about a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignerStatement {
    /// The publisher's key, whose release the cosigner endorses.
    pub endorses: PublicKey,
    /// Digest of the plugin file.
    pub plugin_hash: Digest,
    /// Name of the plugin.
    pub plugin_name: Option<PluginName>,
    /// Version of the plugin; escape it before showing it.
    pub plugin_version: Option<String>,
    /// Who cosigned.
    pub developer: Developer,
    /// When the cosigner signed, by the cosigner's own clock.
    pub signed_at: UtcTime,
    /// When the statement expires.
    pub expires_at: Option<UtcTime>,
    /// Oldest version of the host that may load the plugin.
    pub min_host_version: Option<HostVersion>,
}

impl CosignerStatement {
    /// Parses a statement. The caller has verified the signature over these bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut members = Members::parse(bytes)?;
        let statement = Self {
            endorses: members.parsed("endorses", |text| Ok(text.parse::<PublicKey>()?))?,
            plugin_hash: members
                .parsed("plugin_hash", |text| text.parse().map_err(|_| ValueError::Hex { digits: 64 }))?,
            plugin_name: members.optional_parsed("plugin_name", |text| Ok(text.parse::<PluginName>()?))?,
            plugin_version: members.optional_parsed("plugin_version", plugin_version)?,
            developer: Developer::take(&mut members)?,
            signed_at: members.parsed("signed_at", |text| Ok(text.parse::<UtcTime>()?))?,
            expires_at: members.optional_parsed("expires_at", |text| Ok(text.parse::<UtcTime>()?))?,
            min_host_version: members
                .optional_parsed("min_host_version", |text| Ok(text.parse::<HostVersion>()?))?,
        };
        members.finish()?;
        Ok(statement)
    }

    /// The statement as the bytes that are signed and kept in the document.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            endorses: String,
            plugin_hash: String,
            plugin_name: Option<&'a str>,
            plugin_version: Option<&'a str>,
            developer: &'a Developer,
            signed_at: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            expires_at: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            min_host_version: Option<String>,
        }
        serde_json::to_vec(&Wire {
            endorses: self.endorses.to_string(),
            plugin_hash: self.plugin_hash.to_string(),
            plugin_name: self.plugin_name.as_ref().map(PluginName::as_str),
            plugin_version: self.plugin_version.as_deref(),
            developer: &self.developer,
            signed_at: self.signed_at.to_string(),
            expires_at: self.expires_at.as_ref().map(UtcTime::to_string),
            min_host_version: self.min_host_version.as_ref().map(HostVersion::to_string),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    #[test]
    fn statements_survive_their_bytes_and_what_is_unknown_could_be_a_restriction() {
        let statement = CosignerStatement {
            endorses: SigningKey::generate().expect("a key").public_key(),
            plugin_hash: Digest::from_bytes(b"plugin"),
            plugin_name: Some("chord".parse().expect("a name")),
            plugin_version: None,
            developer: Developer::new("Ada", "ada@example.org").expect("a developer"),
            signed_at: "2025-11-19T08:59:12Z".parse().expect("a time"),
            expires_at: Some("2026-11-19T08:59:12Z".parse().expect("a time")),
            min_host_version: Some("0.1.0".parse().expect("a version")),
        };
        let json = statement.to_json().expect("serialises");
        assert_eq!(CosignerStatement::parse(&json), Ok(statement));
        let mut json: serde_json::Value = serde_json::from_slice(&json).expect("parses");
        json["only_on"] = "mondays".into();
        assert_eq!(
            CosignerStatement::parse(json.to_string().as_bytes()),
            Err(FormatError::Unknown { field: "only_on".into() })
        );
    }
}
