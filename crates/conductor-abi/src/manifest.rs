//! What a plugin is called and asks for, known before any of its code runs.

mod secret;
mod setting;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::ABI_VERSION;

pub use secret::{MAX_SECRET_HOSTS, MAX_SECRETS, SecretSpec};
pub use setting::{
    MAX_CHOICES, MAX_SETTING_TEXT_BYTES, MAX_SETTINGS, SettingFault, SettingSpec, SettingType, SettingValues,
};

/// Name of the custom section that holds the manifest.
pub const MANIFEST_SECTION: &str = "conductor:manifest";

/// Largest manifest in bytes; keeps a module from making the host parse megabytes before the module is verified.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// Most actions or capabilities in one manifest; keeps lists that are shown to a person readable.
const MAX_ENTRIES: usize = 256;

/// Longest name of a plugin or an action in bytes; names become directory names and table columns.
const MAX_NAME_BYTES: usize = 64;

/// Longest free text field in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// The manifest of a plugin: JSON in the custom section [`MANIFEST_SECTION`], or the answer of `init()`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the plugin: policy, pins and the data directory are found by this name.
    pub name: String,
    /// Version of the plugin, by convention a semantic version.
    pub version: String,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who wrote the plugin; not authenticated by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// SPDX licence expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Actions that the plugin accepts; `None` means that any action is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<ActionSpec>>,
    /// Capabilities that the plugin asks for.
    #[serde(default)]
    pub capabilities: Vec<CapabilityRequest>,
    /// Settings that the user may change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<SettingSpec>,
    /// Secrets that the user enters and the plugin never sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretSpec>,
    /// ABI version that the plugin was built for.
    #[serde(default = "abi_version")]
    pub abi: u32,
}

/// One action of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionSpec {
    /// Name that mappings use.
    pub name: String,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Names of parameters with a line about each, or any other JSON the author chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<serde_json::Value>,
}

/// One capability that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CapabilityRequest {
    /// Name of the capability, read without regard to case and underscores.
    pub name: String,
    /// Which part of the capability, in the scope grammar; `None` asks for the capability without naming a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Why the plugin needs the capability, for the person who is asked to approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl<'de> Deserialize<'de> for CapabilityRequest {
    /// Accepts an object, or a bare name as `capabilities()` and plugins of Conductor 1.0 write it.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            name: String,
            #[serde(default)]
            scope: Option<String>,
            #[serde(default)]
            reason: Option<String>,
        }
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = CapabilityRequest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a capability, or an object with `name`, `scope` and `reason`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<CapabilityRequest, E> {
                Ok(CapabilityRequest { name: name.into(), scope: None, reason: None })
            }

            // Reads the object as `Fields`, so that an error names the field that is wrong.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CapabilityRequest, A::Error> {
                let Fields { name, scope, reason } = Fields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(CapabilityRequest { name, scope, reason })
            }
        }
        deserializer.deserialize_any(Form)
    }
}

const fn abi_version() -> u32 {
    ABI_VERSION
}

impl Manifest {
    /// Parses and checks a manifest.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are longer than [`MAX_MANIFEST_BYTES`], are not the JSON of a manifest, or break a rule of
    /// [`Manifest::check`].
    pub fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        if json.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge { bytes: json.len() });
        }
        let manifest: Self =
            serde_json::from_slice(json).map_err(|error| ManifestError::Json { cause: error.to_string() })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks the names, the counts, the lengths and the ABI version.
    ///
    /// # Errors
    ///
    /// Names the first field that breaks a rule.
    pub fn check(&self) -> Result<(), ManifestError> {
        check_name("name", &self.name)?;
        check_text("version", Some(&self.version), MAX_NAME_BYTES)?;
        if self.version.is_empty() {
            return Err(ManifestError::Empty { field: "version" });
        }
        check_text("description", self.description.as_deref(), MAX_TEXT_BYTES)?;
        check_text("author", self.author.as_deref(), MAX_TEXT_BYTES)?;
        check_text("license", self.license.as_deref(), MAX_TEXT_BYTES)?;
        if self.abi != ABI_VERSION {
            return Err(ManifestError::Abi { found: self.abi });
        }
        let actions = self.actions.as_deref().unwrap_or_default();
        check_count("actions", actions.len())?;
        for (index, action) in actions.iter().enumerate() {
            check_name("actions.name", &action.name)?;
            check_text("actions.description", action.description.as_deref(), MAX_TEXT_BYTES)?;
            if actions.iter().take(index).any(|earlier| earlier.name == action.name) {
                return Err(ManifestError::Duplicate { field: "actions.name" });
            }
        }
        check_count("capabilities", self.capabilities.len())?;
        for request in &self.capabilities {
            check_text("capabilities.scope", request.scope.as_deref(), MAX_TEXT_BYTES)?;
            check_text("capabilities.reason", request.reason.as_deref(), MAX_TEXT_BYTES)?;
        }
        check_count_of("settings", self.settings.len(), MAX_SETTINGS)?;
        check_each("settings.name", &self.settings, |setting| &setting.name, SettingSpec::check)?;
        check_count_of("secrets", self.secrets.len(), MAX_SECRETS)?;
        check_each("secrets.name", &self.secrets, |secret| &secret.name, SecretSpec::check)
    }
}

/// Checks that a name starts with a letter or digit and continues with letters, digits, `-`, `_` and `.`: such a name
/// is safe as a directory name, in a terminal and in a pattern.
fn check_name(field: &'static str, name: &str) -> Result<(), ManifestError> {
    let mut bytes = name.bytes();
    let first = bytes.next().ok_or(ManifestError::Empty { field })?;
    let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if name.len() > MAX_NAME_BYTES {
        return Err(ManifestError::TooLong { field, max: MAX_NAME_BYTES });
    }
    if !first.is_ascii_alphanumeric() || !rest {
        return Err(ManifestError::Name { field });
    }
    Ok(())
}

fn check_text(field: &'static str, text: Option<&str>, max: usize) -> Result<(), ManifestError> {
    if text.is_some_and(|text| text.len() > max) {
        return Err(ManifestError::TooLong { field, max });
    }
    Ok(())
}

fn check_count(field: &'static str, count: usize) -> Result<(), ManifestError> {
    check_count_of(field, count, MAX_ENTRIES)
}

fn check_count_of(field: &'static str, count: usize, max: usize) -> Result<(), ManifestError> {
    if count > max {
        return Err(ManifestError::TooMany { field, max });
    }
    Ok(())
}

/// Checks each entry of a list, and that no two have the same name.
fn check_each<T>(
    field: &'static str,
    entries: &[T],
    name: impl Fn(&T) -> &str,
    check: impl Fn(&T) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    for (index, entry) in entries.iter().enumerate() {
        check(entry)?;
        if entries.iter().take(index).any(|earlier| name(earlier) == name(entry)) {
            return Err(ManifestError::Duplicate { field });
        }
    }
    Ok(())
}

/// Why a manifest was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestError {
    /// The manifest is longer than [`MAX_MANIFEST_BYTES`].
    TooLarge {
        /// Length of the manifest in bytes.
        bytes: usize,
    },
    /// The bytes are not the JSON of a manifest.
    Json {
        /// What the parser said, with line and column.
        cause: String,
    },
    /// A required field is empty.
    Empty {
        /// The field.
        field: &'static str,
    },
    /// A field is longer than allowed.
    TooLong {
        /// The field.
        field: &'static str,
        /// Most bytes that the field may have.
        max: usize,
    },
    /// A list has more entries than allowed.
    TooMany {
        /// The field.
        field: &'static str,
        /// Most entries that the list may have.
        max: usize,
    },
    /// A name has characters that are not allowed in names.
    Name {
        /// The field.
        field: &'static str,
    },
    /// Two entries have the same name.
    Duplicate {
        /// The field.
        field: &'static str,
    },
    /// A setting is declared in a way that makes no sense.
    Setting {
        /// The setting's name.
        name: String,
        /// The field of the declaration.
        field: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// A secret is declared in a way that makes no sense.
    Secret {
        /// The secret's name.
        name: String,
        /// What is wrong.
        cause: String,
    },
    /// The plugin was built for another version of the ABI.
    Abi {
        /// Version found.
        found: u32,
    },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(f, "manifest of {bytes} bytes is larger than {MAX_MANIFEST_BYTES} bytes")
            }
            Self::Json { cause } => write!(f, "manifest is not valid: {cause}"),
            Self::Empty { field } => write!(f, "manifest field `{field}` is empty"),
            Self::TooLong { field, max } => write!(f, "manifest field `{field}` is longer than {max} bytes"),
            Self::TooMany { field, max } => write!(f, "manifest field `{field}` has more than {max} entries"),
            Self::Name { field } => write!(
                f,
                "manifest field `{field}` must start with a letter or digit and hold only letters, digits, `-`, `_` and `.`"
            ),
            Self::Duplicate { field } => write!(f, "manifest field `{field}` holds the same name twice"),
            Self::Setting { name, field, cause } => {
                write!(f, "manifest field `settings.{field}` of the setting `{name}`: {cause}")
            }
            Self::Secret { name, cause } => {
                write!(f, "manifest field `secrets.hosts` of the secret `{name}`: {cause}")
            }
            Self::Abi { found } => {
                write!(f, "plugin was built for ABI version {found}, this host has version {ABI_VERSION}")
            }
        }
    }
}

impl core::error::Error for ManifestError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimal_manifest_has_defaults() {
        let manifest = Manifest::from_json(br#"{"name":"chord","version":"1.0.0"}"#).expect("valid");
        assert_eq!(manifest.actions, None);
        assert_eq!(manifest.abi, ABI_VERSION);
        assert!(manifest.capabilities.is_empty());
    }

    #[test]
    fn capabilities_may_be_names_or_objects() {
        let json = br#"{"name":"a","version":"1","capabilities":["Network",{"name":"Midi","scope":"synth","reason":"plays"}]}"#;
        let manifest = Manifest::from_json(json).expect("valid");
        assert_eq!(manifest.capabilities[0].name, "Network");
        assert_eq!(manifest.capabilities[1].scope.as_deref(), Some("synth"));
    }

    #[test]
    fn names_that_could_be_paths_are_refused() {
        for name in ["", ".", "..", "../x", "a/b", "-x", "a b", "a\u{202e}b", "a\n", &"x".repeat(65)] {
            let json = serde_json::to_vec(&serde_json::json!({"name": name, "version": "1"})).expect("json");
            assert!(Manifest::from_json(&json).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_newer_abi_is_refused_by_number() {
        let json = br#"{"name":"a","version":"1","abi":2}"#;
        assert_eq!(Manifest::from_json(json), Err(ManifestError::Abi { found: 2 }));
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(Manifest::from_json(br#"{"name":"a","version":"1","capabilites":[]}"#).is_err());
    }
}
