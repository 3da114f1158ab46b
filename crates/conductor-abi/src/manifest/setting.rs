//! Settings of a plugin: what the user may set, of which type, and the values that a call gets.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

use super::{MAX_TEXT_BYTES, ManifestError, check_count_of, check_name, check_text};

/// Most settings of one plugin; keeps the form readable, and the request of every call small.
pub const MAX_SETTINGS: usize = 64;

/// Longest text of a setting in bytes; all settings are part of every request.
pub const MAX_SETTING_TEXT_BYTES: usize = 4096;

/// Most choices of one setting; keeps the list readable.
pub const MAX_CHOICES: usize = 64;

/// Longest choice in bytes; choices are shown side by side.
const MAX_CHOICE_BYTES: usize = 128;

/// One setting that a plugin declares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingSpec {
    /// Name that the configuration and the plugin use.
    pub name: String,
    /// Type of the value.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// Least value of an integer or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// Greatest value of an integer or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
    /// Most characters of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// The values that a choice may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Value where the user sets none; without it the setting is then absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the value must not be shown in logs, recordings and lists.
    #[serde(default, skip_serializing_if = "is_false")]
    pub secret: bool,
}

/// Type of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingType {
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits with a sign.
    Integer,
    /// A number.
    Number,
    /// A text.
    Text,
    /// One of a list of texts.
    Choice,
}

impl SettingType {
    /// The type as manifests write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Text => "text",
            Self::Choice => "choice",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl SettingSpec {
    /// Checks the name, the bounds and the default.
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        check_name("settings.name", &self.name)?;
        check_text("settings.description", self.description.as_deref(), MAX_TEXT_BYTES)?;
        check_count_of("settings.choices", self.choices.len(), MAX_CHOICES)?;
        let wrong = |field, cause: &str| {
            Err(ManifestError::Setting { name: self.name.clone(), field, cause: cause.to_string() })
        };
        let is_of_number = matches!(self.kind, SettingType::Integer | SettingType::Number);
        if !is_of_number && (self.min.is_some() || self.max.is_some()) {
            return wrong("min", "`min` and `max` are for the types `integer` and `number`");
        }
        if self.kind == SettingType::Integer
            && [&self.min, &self.max].into_iter().flatten().any(|bound| bound.as_i64().is_none())
        {
            return wrong("min", "the bounds of an integer are whole numbers of 64 bits");
        }
        if let (Some(min), Some(max)) = (&self.min, &self.max)
            && is_less(max, min)
        {
            return wrong("max", "`max` is less than `min`");
        }
        if self.kind != SettingType::Text && self.max_length.is_some() {
            return wrong("max_length", "`max_length` is for the type `text`");
        }
        if (self.kind == SettingType::Choice) == self.choices.is_empty() {
            return wrong("choices", "the type `choice` has `choices`, and no other type has");
        }
        for (index, choice) in self.choices.iter().enumerate() {
            check_text("settings.choices", Some(choice), MAX_CHOICE_BYTES)?;
            if self.choices.iter().take(index).any(|earlier| earlier == choice) {
                return Err(ManifestError::Duplicate { field: "settings.choices" });
            }
        }
        match &self.default {
            Some(default) => self.fit(default).or_else(|fault| wrong("default", &fault.to_string())),
            None => Ok(()),
        }
    }

    /// Checks whether a value fits the declaration.
    ///
    /// # Errors
    ///
    /// Says what is expected. The error never holds the value, which may be a secret.
    pub fn fit(&self, value: &Value) -> Result<(), SettingFault> {
        let expected = |expected| Err(SettingFault::Type { expected });
        match (self.kind, value) {
            (SettingType::Bool, Value::Bool(_)) => Ok(()),
            (SettingType::Bool, _) => expected("true or false"),
            (SettingType::Integer, Value::Number(number)) if number.as_i64().is_some() => {
                self.in_range(number)
            }
            (SettingType::Integer, _) => expected("a whole number"),
            (SettingType::Number, Value::Number(number)) => self.in_range(number),
            (SettingType::Number, _) => expected("a number"),
            (SettingType::Text, Value::String(text)) => {
                if text.len() > MAX_SETTING_TEXT_BYTES {
                    return Err(SettingFault::TooManyBytes);
                }
                match self.max_length {
                    Some(max) if text.chars().count() > max as usize => Err(SettingFault::TooLong { max }),
                    Some(_) | None => Ok(()),
                }
            }
            (SettingType::Text, _) => expected("a text"),
            (SettingType::Choice, Value::String(text)) if self.choices.contains(text) => Ok(()),
            (SettingType::Choice, _) => Err(SettingFault::NotAChoice { choices: self.choices.clone() }),
        }
    }

    /// Reads a value that somebody typed, as the type demands.
    ///
    /// # Errors
    ///
    /// As [`SettingSpec::fit`].
    pub fn read(&self, text: &str) -> Result<Value, SettingFault> {
        let read = match self.kind {
            SettingType::Bool => text.parse().ok().map(Value::Bool),
            SettingType::Integer => text.parse::<i64>().ok().map(Value::from),
            SettingType::Number => match text.parse::<i64>() {
                Ok(whole) => Some(Value::from(whole)),
                Err(_) => text.parse().ok().and_then(Number::from_f64).map(Value::Number),
            },
            SettingType::Text | SettingType::Choice => None,
        };
        let value = read.unwrap_or_else(|| Value::String(text.to_string()));
        self.fit(&value).map(|()| value)
    }

    fn in_range(&self, number: &Number) -> Result<(), SettingFault> {
        if let Some(min) = self.min.as_ref().filter(|min| is_less(number, min)) {
            return Err(SettingFault::Below { min: min.to_string() });
        }
        if let Some(max) = self.max.as_ref().filter(|max| is_less(max, number)) {
            return Err(SettingFault::Above { max: max.to_string() });
        }
        Ok(())
    }

    /// The values that are allowed, in words.
    #[must_use]
    pub fn range(&self) -> Option<String> {
        match (&self.min, &self.max, self.max_length) {
            (Some(min), Some(max), _) => Some(format!("from {min} to {max}")),
            (Some(min), None, _) => Some(format!("at least {min}")),
            (None, Some(max), _) => Some(format!("at most {max}")),
            (None, None, Some(max)) => Some(format!("at most {max} characters")),
            (None, None, None) if self.choices.is_empty() => None,
            (None, None, None) => Some(format!("one of: {}", self.choices.join(", "))),
        }
    }
}

/// Compares whole numbers exactly, and others as fractions.
fn is_less(left: &Number, right: &Number) -> bool {
    match (left.as_i64(), right.as_i64()) {
        (Some(left), Some(right)) => left < right,
        (_, _) => matches!((left.as_f64(), right.as_f64()), (Some(left), Some(right)) if left < right),
    }
}

/// Why a value does not fit a setting. The value itself is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingFault {
    /// The plugin declares no setting of this name.
    Unknown,
    /// The value is of another type.
    Type {
        /// What is expected.
        expected: &'static str,
    },
    /// The number is too small.
    Below {
        /// The least number.
        min: String,
    },
    /// The number is too great.
    Above {
        /// The greatest number.
        max: String,
    },
    /// The text has more characters than the plugin allows.
    TooLong {
        /// The most characters.
        max: u32,
    },
    /// The text is longer than [`MAX_SETTING_TEXT_BYTES`].
    TooManyBytes,
    /// The text is none of the choices.
    NotAChoice {
        /// The choices.
        choices: Vec<String>,
    },
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the plugin has no such setting"),
            Self::Type { expected } => write!(f, "expected {expected}"),
            Self::Below { min } => write!(f, "must be at least {min}"),
            Self::Above { max } => write!(f, "must be at most {max}"),
            Self::TooLong { max } => write!(f, "must have at most {max} characters"),
            Self::TooManyBytes => write!(f, "must have at most {MAX_SETTING_TEXT_BYTES} bytes"),
            Self::NotAChoice { choices } => write!(f, "must be one of: {}", choices.join(", ")),
        }
    }
}

impl core::error::Error for SettingFault {}

/// The settings of a plugin as a call gets them: the user's values, and defaults for the rest. Copies share the values.
#[derive(Clone, Default, PartialEq)]
pub struct SettingValues(Arc<BTreeMap<String, Value>>);

impl SettingValues {
    /// The values that a call gets, from what the plugin declares and what the user set.
    ///
    /// # Errors
    ///
    /// Lists each value that does not fit, by the setting's name.
    pub fn new(
        declared: &[SettingSpec],
        given: &BTreeMap<String, Value>,
    ) -> Result<Self, Vec<(String, SettingFault)>> {
        let mut values = BTreeMap::new();
        let mut faults = Vec::new();
        for (name, value) in given {
            let spec = declared.iter().find(|spec| spec.name == *name);
            match spec.map_or(Err(SettingFault::Unknown), |spec| spec.fit(value)) {
                Ok(()) => {
                    values.insert(name.clone(), value.clone());
                }
                Err(fault) => faults.push((name.clone(), fault)),
            }
        }
        for spec in declared {
            if let (false, Some(default)) = (values.contains_key(&spec.name), &spec.default) {
                values.insert(spec.name.clone(), default.clone());
            }
        }
        if faults.is_empty() { Ok(Self(Arc::new(values))) } else { Err(faults) }
    }

    /// The value of a setting; `None` if it has neither a value nor a default.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Shows the names only: a value may be a secret.
impl fmt::Debug for SettingValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Serialize for SettingValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SettingValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|values| Self(Arc::new(values)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Manifest;

    fn manifest(settings: &Value) -> Result<Manifest, String> {
        let manifest = json!({"name": "a", "version": "1", "settings": settings});
        Manifest::from_json(&serde_json::to_vec(&manifest).expect("json")).map_err(|error| error.to_string())
    }

    fn spec(setting: &Value) -> SettingSpec {
        manifest(&json!([setting])).expect("valid").settings.remove(0)
    }

    #[test]
    fn a_value_must_fit_its_declaration() {
        let gain = json!({"name": "x", "type": "number", "min": 0, "max": 1.5});
        let count = json!({"name": "x", "type": "integer", "min": -2, "max": 9_007_199_254_740_993_i64});
        let text = json!({"name": "x", "type": "text", "max_length": 3});
        let choice = json!({"name": "x", "type": "choice", "choices": ["major", "minor"]});
        let flag = json!({"name": "x", "type": "bool"});
        let long = "x".repeat(MAX_SETTING_TEXT_BYTES + 1);
        for (setting, value, expected) in [
            (&gain, json!(1), None),
            (&gain, json!(1.5), None),
            (&gain, json!(1.6), Some("must be at most 1.5")),
            (&gain, json!(-1), Some("must be at least 0")),
            (&gain, json!("1"), Some("expected a number")),
            (&count, json!(-2), None),
            (&count, json!(1.0), Some("expected a whole number")),
            (&count, json!(9_007_199_254_740_994_i64), Some("must be at most 9007199254740993")),
            (&count, json!(u64::MAX), Some("expected a whole number")),
            (&text, json!("äöü"), None),
            (&text, json!("abcd"), Some("must have at most 3 characters")),
            (&json!({"name": "x", "type": "text"}), json!(long), Some("must have at most 4096 bytes")),
            (&choice, json!("minor"), None),
            (&choice, json!("Minor"), Some("must be one of: major, minor")),
            (&flag, json!(false), None),
            (&flag, json!(0), Some("expected true or false")),
            (&flag, json!(null), Some("expected true or false")),
        ] {
            let found = spec(setting).fit(&value).err().map(|fault| fault.to_string());
            assert_eq!(found.as_deref(), expected, "{setting} {value}");
        }
    }

    #[test]
    fn what_is_typed_is_read_as_the_type_demands() {
        let read = |kind: &str, text: &str| spec(&json!({"name": "x", "type": kind})).read(text).ok();
        assert_eq!(read("bool", "true"), Some(json!(true)));
        assert_eq!(read("bool", "yes"), None);
        assert_eq!(read("integer", "-7"), Some(json!(-7)));
        assert_eq!(read("integer", "7.5"), None);
        assert_eq!(read("number", "7"), Some(json!(7)));
        assert_eq!(read("number", "0.5"), Some(json!(0.5)));
        assert_eq!(read("number", "inf"), None);
        assert_eq!(read("text", "7"), Some(json!("7")));
    }

    #[test]
    fn declarations_that_make_no_sense_are_refused() {
        let long = "x".repeat(MAX_CHOICE_BYTES + 1);
        for (setting, expected) in [
            (json!({"name": "a b", "type": "bool"}), "settings.name"),
            (json!({"name": "a", "type": "colour"}), "unknown variant `colour`"),
            (json!({"name": "a", "type": "bool", "min": 1}), "`min` and `max` are for"),
            (json!({"name": "a", "type": "integer", "min": 0.5}), "whole numbers"),
            (json!({"name": "a", "type": "number", "min": 2, "max": 1}), "`max` is less than `min`"),
            (json!({"name": "a", "type": "bool", "max_length": 1}), "is for the type `text`"),
            (json!({"name": "a", "type": "choice"}), "has `choices`"),
            (json!({"name": "a", "type": "text", "choices": ["x"]}), "has `choices`"),
            (json!({"name": "a", "type": "choice", "choices": ["x", "x"]}), "same name twice"),
            (json!({"name": "a", "type": "choice", "choices": [long]}), "longer than 128 bytes"),
            (json!({"name": "a", "type": "bool", "default": 1}), "expected true or false"),
            (json!({"name": "a", "type": "bool", "descripton": ""}), "unknown field `descripton`"),
        ] {
            let error = manifest(&json!([setting])).expect_err("refused");
            assert!(error.contains(expected), "{setting}: {error}");
        }
        let many: Vec<Value> =
            (0..=MAX_SETTINGS).map(|n| json!({"name": format!("s{n}"), "type": "bool"})).collect();
        assert!(manifest(&json!(many)).expect_err("refused").contains("more than 64"));
        let twice = json!([{"name": "a", "type": "bool"}, {"name": "a", "type": "text"}]);
        assert!(manifest(&twice).expect_err("refused").contains("same name twice"));
    }

    #[test]
    fn values_are_the_users_and_defaults_for_the_rest() {
        let declared = manifest(&json!([
            {"name": "gain", "type": "number", "default": 0.5},
            {"name": "port", "type": "text"},
        ]));
        let declared = declared.expect("valid").settings;
        let given = |pairs: &[(&str, Value)]| -> BTreeMap<String, Value> {
            pairs.iter().map(|(name, value)| ((*name).to_string(), value.clone())).collect()
        };
        let values = SettingValues::new(&declared, &given(&[])).expect("fits");
        assert_eq!((values.get("gain"), values.get("port")), (Some(&json!(0.5)), None));
        let values = SettingValues::new(&declared, &given(&[("gain", json!(1)), ("port", json!("p"))]));
        let values = values.expect("fits");
        assert_eq!(serde_json::to_value(&values).expect("json"), json!({"gain": 1, "port": "p"}));
        assert_eq!(format!("{values:?}"), r#"{"gain", "port"}"#, "no value is shown");
        let faults = SettingValues::new(&declared, &given(&[("gian", json!(1)), ("port", json!(1))]));
        let expected = [
            ("gian".to_string(), SettingFault::Unknown),
            ("port".to_string(), SettingFault::Type { expected: "a text" }),
        ];
        assert_eq!(faults, Err(expected.to_vec()));
    }
}
