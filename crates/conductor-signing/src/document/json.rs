//! JSON objects read member by member: no member twice, none missing, none unknown.
//!
//! Parsers disagree about an object with two members of one name, and an unknown member that is ignored could have been
//! a restriction. Documents and statements are therefore read by taking members by name, and a member that is left over
//! is an error.

use std::cell::RefCell;
use std::fmt;

use conductor_store::{TimeError, escape};
use data_encoding::{BASE64, HEXLOWER};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::key::{KeyError, PublicKey, Signature};
use crate::text::{NameError, VersionError};

/// Parses any JSON and refuses objects that hold a member twice, at every depth.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, FormatError> {
    let duplicate = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict(&duplicate).deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    value.map_err(|error| match duplicate.take() {
        Some(member) => FormatError::Duplicate { member },
        None => FormatError::Syntax { cause: error.to_string() },
    })
}

/// The members of one object that were not taken yet.
pub(crate) struct Members {
    map: Map<String, Value>,
    /// Prefix of a member's name in errors: empty, or a path such as `developer.`.
    prefix: String,
}

impl Members {
    /// Parses a whole document, which must be an object.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        match parse(bytes)? {
            Value::Object(map) => Ok(Self { map, prefix: String::new() }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(FormatError::Type { field: "document".to_owned(), expected: "an object" })
            }
        }
    }

    /// Takes a member; a member that is `null` counts as absent.
    fn optional(&mut self, field: &'static str) -> Option<Value> {
        self.map.remove(field).filter(|value| !value.is_null())
    }

    /// Takes a text.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, FormatError> {
        self.optional_text(field)?.ok_or_else(|| self.missing(field))
    }

    /// Takes a text that may be absent.
    pub(crate) fn optional_text(&mut self, field: &'static str) -> Result<Option<String>, FormatError> {
        match self.optional(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.type_error(field, "a string")),
        }
    }

    /// Takes a text and parses it.
    pub(crate) fn parsed<T>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Result<T, FormatError> {
        parse(&self.text(field)?).map_err(|cause| self.value_error(field, cause))
    }

    /// Takes a text that may be absent and parses it.
    pub(crate) fn optional_parsed<T>(
        &mut self,
        field: &'static str,
        parse: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, FormatError> {
        match self.optional_text(field)? {
            Some(text) => parse(&text).map(Some).map_err(|cause| self.value_error(field, cause)),
            None => Ok(None),
        }
    }

    /// Takes a whole number that is not negative.
    pub(crate) fn unsigned(&mut self, field: &'static str) -> Result<u64, FormatError> {
        let value = self.optional(field).ok_or_else(|| self.missing(field))?;
        value.as_u64().ok_or_else(|| self.type_error(field, "a whole number"))
    }

    /// Takes an object.
    pub(crate) fn object(&mut self, field: &'static str) -> Result<Self, FormatError> {
        match self.optional(field) {
            Some(Value::Object(map)) => Ok(Self { map, prefix: format!("{}{field}.", self.prefix) }),
            Some(_) => Err(self.type_error(field, "an object")),
            None => Err(self.missing(field)),
        }
    }

    /// Takes a list of at most `max` objects that may be absent.
    pub(crate) fn optional_objects(
        &mut self,
        field: &'static str,
        max: usize,
    ) -> Result<Option<Vec<Self>>, FormatError> {
        let list = match self.optional(field) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(self.type_error(field, "a list")),
        };
        if list.len() > max {
            return Err(self.value_error(field, ValueError::TooMany { max }));
        }
        let member = |(index, value)| match value {
            Value::Object(map) => Ok(Self { map, prefix: format!("{}{field}[{index}].", self.prefix) }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(FormatError::Type {
                    field: format!("{}{field}[{index}]", self.prefix),
                    expected: "an object",
                })
            }
        };
        list.into_iter().enumerate().map(member).collect::<Result<_, _>>().map(Some)
    }

    /// Takes a list of at most `max` texts that may be absent, and parses each.
    pub(crate) fn optional_texts<T>(
        &mut self,
        field: &'static str,
        max: usize,
        parse: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Result<Option<Vec<T>>, FormatError> {
        let list = match self.optional(field) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(self.type_error(field, "a list")),
        };
        if list.len() > max {
            return Err(self.value_error(field, ValueError::TooMany { max }));
        }
        let entry = |value: Value| match value {
            Value::String(text) => parse(&text).map_err(|cause| self.value_error(field, cause)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.type_error(field, "a list of strings"))
            }
        };
        list.into_iter().map(entry).collect::<Result<_, _>>().map(Some)
    }

    /// Refuses an object with a member that was not taken.
    pub(crate) fn finish(self) -> Result<(), FormatError> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(member) => Err(FormatError::Unknown { field: format!("{}{member}", self.prefix) }),
        }
    }

    /// An error about the value of a member.
    pub(crate) fn value_error(&self, field: &'static str, cause: ValueError) -> FormatError {
        FormatError::Value { field: format!("{}{field}", self.prefix), cause }
    }

    fn missing(&self, field: &'static str) -> FormatError {
        FormatError::Missing { field: format!("{}{field}", self.prefix) }
    }

    fn type_error(&self, field: &'static str, expected: &'static str) -> FormatError {
        FormatError::Type { field: format!("{}{field}", self.prefix), expected }
    }
}

/// The text, if it has at most `max` bytes and so fits where it is shown, such as in a column of a table.
pub(crate) fn bounded(text: &str, max: usize) -> Result<String, ValueError> {
    if text.len() > max { Err(ValueError::TooLong { max }) } else { Ok(text.to_owned()) }
}

/// Bytes in base64 (RFC 4648, section 4).
pub(crate) fn parse_base64(text: &str) -> Result<Vec<u8>, ValueError> {
    BASE64.decode(text.as_bytes()).map_err(|_| ValueError::Base64)
}

/// A signature in hex.
pub(crate) fn parse_signature(text: &str) -> Result<Signature, ValueError> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    bytes.map(Signature::from_bytes).ok_or(ValueError::Hex { digits: 128 })
}

/// Why a document or statement could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Not JSON.
    #[error("not valid JSON: {cause}")]
    Syntax {
        /// What the parser said, with line and column.
        cause: String,
    },
    /// An object holds a member twice.
    #[error("member `{}` occurs twice", escape::terminal(member))]
    Duplicate {
        /// The member's name.
        member: String,
    },
    /// A required member is absent or `null`.
    #[error("member `{field}` is missing")]
    Missing {
        /// Path of the member.
        field: String,
    },
    /// A member has a wrong type.
    #[error("member `{field}` is not {expected}")]
    Type {
        /// Path of the member.
        field: String,
        /// The type that the member should have.
        expected: &'static str,
    },
    /// This version does not know the member. The member could be a restriction, so it is not ignored.
    #[error("member `{}` is not known", escape::terminal(field))]
    Unknown {
        /// Path of the member.
        field: String,
    },
    /// A member's value breaks its rule.
    #[error("member `{field}`: {cause}")]
    Value {
        /// Path of the member.
        field: String,
        /// The rule.
        cause: ValueError,
    },
}

/// The rule that a member's value breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not lower-case hex of the right length.
    #[error("expected {digits} lower-case hex digits")]
    Hex {
        /// Number of digits.
        digits: usize,
    },
    /// Not base64 (RFC 4648, section 4, with padding).
    #[error("not valid base64")]
    Base64,
    /// Not an acceptable public key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not a time in UTC.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// Not a plugin's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Not a version of the host.
    #[error(transparent)]
    HostVersion(#[from] VersionError),
    /// The text is none of the words that are known.
    #[error("expected {known}")]
    Word {
        /// The words that are known.
        known: &'static str,
    },
    /// A key occurs in a list for the second time.
    #[error("key {key} occurs twice")]
    Repeated {
        /// The key.
        key: PublicKey,
    },
    /// A text that is too long.
    #[error("longer than {max} bytes")]
    TooLong {
        /// Most bytes.
        max: usize,
    },
    /// A list that is too long.
    #[error("more than {max} entries")]
    TooMany {
        /// Most entries.
        max: usize,
    },
    /// A member is only allowed together with another member.
    #[error("not allowed without `{other}`")]
    Without {
        /// The other member.
        other: &'static str,
    },
}

/// Builds a [`Value`]; if a member occurs twice, leaves its name in the cell.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(member) = access.next_key::<String>()? {
            if map.contains_key(&member) {
                self.0.replace(Some(member));
                return Err(A::Error::custom("a member occurs twice"));
            }
            let value = access.next_value_seed(self)?;
            map.insert(member, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_occurs_twice_is_refused_at_every_depth() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"[[{"a":null,"b":1,"a":null}]]"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert_eq!(parse(json.as_bytes()), Err(FormatError::Duplicate { member: "a".into() }), "{json}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = "[".repeat(10_000);
        for json in ["", "{", "{} x", "\u{feff}{}", "{'a':1}", "nul", "\"\u{1}\"", &deep] {
            assert!(matches!(parse(json.as_bytes()), Err(FormatError::Syntax { .. })), "{json:?}");
        }
        assert!(matches!(parse(b"\"\xff\""), Err(FormatError::Syntax { .. })));
    }

    #[test]
    fn names_of_members_cannot_draw_on_the_terminal() {
        let twice = parse(b"{\"a\\u001b[2J\":1,\"a\\u001b[2J\":1}").expect_err("twice").to_string();
        assert_eq!(twice, r"member `a\u{1b}[2J` occurs twice");
        let unknown = Members::parse(b"{\"\\u202e\":1}").expect("an object").finish().expect_err("unknown");
        assert_eq!(unknown.to_string(), r"member `\u{202e}` is not known");
    }

    #[test]
    fn members_are_taken_by_name_and_type() {
        let mut members = Members::parse(br#"{"a":"x","b":1.0,"c":{"d":null,"e":0}}"#).expect("an object");
        assert_eq!(members.text("a"), Ok("x".into()));
        assert_eq!(
            members.unsigned("b"),
            Err(FormatError::Type { field: "b".into(), expected: "a whole number" })
        );
        let mut inner = members.object("c").expect("an object");
        assert_eq!(inner.text("d"), Err(FormatError::Missing { field: "c.d".into() }));
        assert_eq!(inner.finish(), Err(FormatError::Unknown { field: "c.e".into() }));
        assert_eq!(members.finish(), Ok(()));
    }
}
