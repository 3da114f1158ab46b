//! What clients are told about a plugin's settings and secrets.

use std::fmt;
use std::path::PathBuf;

use conductor_signing::SecretText;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

/// A setting that a plugin declares, with its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingStatus {
    /// Its name.
    pub name: String,
    /// Its type: `bool`, `integer`, `number`, `text` or `choice`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is for, in the plugin's words.
    pub description: Option<String>,
    /// Its value: the user's, or else the default. `null` if it has neither, and for a secret one.
    pub value: Option<Json>,
    /// Whether the user set it.
    pub is_set: bool,
    /// Its default, if it has one.
    pub default: Option<Json>,
    /// Whether its value is not shown.
    pub secret: bool,
    /// The values that are allowed, in words.
    pub range: Option<String>,
    /// Least value of a number.
    pub min: Option<Json>,
    /// Greatest value of a number.
    pub max: Option<Json>,
    /// Most characters of a text.
    pub max_length: Option<u32>,
    /// The values of a choice.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// A secret that a plugin declares, with what the user decided. The secret itself is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretStatus {
    /// The id of what is shown here: 64 hex digits, which a client that enters or confirms the secret sends along. Empty
    /// where it is not known what the plugin declares.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Why the plugin needs it, in the plugin's words.
    pub reason: Option<String>,
    /// Hosts that the plugin would send it to.
    pub hosts: Vec<String>,
    /// Hosts that the user confirmed; empty if the user entered none.
    pub confirmed: Vec<String>,
    /// Hosts that the user has not confirmed yet. The secret does not go there.
    pub waiting: Vec<String>,
    /// Where it is kept, if the user entered it: `secret-service` or `file`.
    pub kept_in: Option<String>,
    /// When the user entered it or confirmed its hosts.
    pub set_at: Option<String>,
}

/// The secrets of a plugin, and what the user decides by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginSecrets {
    /// The plugin's own name.
    pub name: String,
    /// Who vouches for the plugin, in words; not for a plugin whose file would not be let in.
    pub trust: Option<String>,
    /// Whom secrets are bound to; not for a plugin whose file would not be let in.
    pub bound_to: Option<String>,
    /// The secrets that the plugin declares. If what it declares is not known, those that the user entered.
    pub secrets: Vec<SecretStatus>,
    /// Why it is not known what the plugin declares.
    pub why: Option<String>,
    /// What the user can do about that.
    pub hint: Option<String>,
}

/// Where the secrets are that the user entered for plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsStatus {
    /// How many are in the Secret Service of the desktop.
    pub in_secret_service: u64,
    /// How many are in a file.
    pub in_file: u64,
    /// That file, if there are any in it.
    pub file: Option<PathBuf>,
    /// Why it is not known where they are.
    pub error: Option<String>,
}

/// A text in a request that must not be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden(SecretText);

impl Hidden {
    /// Hides a text.
    #[must_use]
    pub const fn new(text: SecretText) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> SecretText {
        self.0
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Hidden;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hidden, E> {
                Ok(Hidden(SecretText::new(text.to_owned())))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Hidden, E> {
                Ok(Hidden(SecretText::new(text)))
            }
        }
        deserializer.deserialize_string(Text)
    }
}
