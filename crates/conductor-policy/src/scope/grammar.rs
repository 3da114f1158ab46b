//! The scope grammar itself: parts, keys, values and escapes. Each capability decides what its values mean.

use std::fmt;

use conductor_abi::Capability;

use super::error::ScopeError;
use super::excerpt::Excerpt;
use super::limits::{MAX_SCOPE_BYTES, MAX_VALUE_BYTES, MAX_VALUES};

/// The keys of one scope with their values, each key at most once.
pub(super) struct Fields {
    capability: Capability,
    values: Vec<(&'static str, Vec<String>)>,
}

impl Fields {
    /// Splits a scope into keys and values. `keys` are the capability's keys, its first key first.
    pub(super) fn parse(
        capability: Capability,
        keys: &'static [&'static str],
        text: &str,
    ) -> Result<Self, ScopeError> {
        if text.len() > MAX_SCOPE_BYTES {
            return Err(ScopeError::TooLong { capability, bytes: text.len() });
        }
        if text.trim().is_empty() {
            return Err(ScopeError::Empty { capability });
        }
        let mut fields = Self { capability, values: Vec::new() };
        for part in text.split(';') {
            fields.part(keys, part)?;
        }
        Ok(fields)
    }

    fn part(&mut self, keys: &'static [&'static str], part: &str) -> Result<(), ScopeError> {
        let capability = self.capability;
        let (name, values) = match part.split_once('=') {
            Some((name, values)) => (name.trim(), values),
            None => (keys.first().copied().unwrap_or_default(), part),
        };
        let key = keys.iter().copied().find(|key| *key == name).ok_or_else(|| ScopeError::UnknownKey {
            capability,
            key: Excerpt::new(name),
            known: keys,
        })?;
        if part.trim().is_empty() {
            return Err(ScopeError::EmptyValue { capability, key });
        }
        if self.values.iter().any(|(earlier, _)| *earlier == key) {
            return Err(ScopeError::DuplicateKey { capability, key });
        }
        let mut decoded = Vec::new();
        for raw in values.split(',') {
            let value = self.value(key, raw.trim())?;
            if decoded.len() == MAX_VALUES {
                return Err(ScopeError::TooManyValues { capability, key });
            }
            if !decoded.contains(&value) {
                decoded.push(value);
            }
        }
        self.values.push((key, decoded));
        Ok(())
    }

    fn value(&self, key: &'static str, raw: &str) -> Result<String, ScopeError> {
        let capability = self.capability;
        if raw.is_empty() {
            return Err(ScopeError::EmptyValue { capability, key });
        }
        let value =
            decode(raw).ok_or_else(|| ScopeError::Character { capability, key, value: Excerpt::new(raw) })?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(ScopeError::ValueTooLong { capability, key });
        }
        Ok(value)
    }

    /// The values of a key. Each is read by `read`, which returns `None` for a value that is not `allowed`.
    pub(super) fn list<T: PartialEq>(
        &self,
        key: &'static str,
        allowed: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, ScopeError> {
        let mut list = Vec::new();
        for text in self.texts(key) {
            let value = read(text).ok_or_else(|| ScopeError::Value {
                capability: self.capability,
                key,
                value: Excerpt::new(text),
                allowed,
            })?;
            if !list.contains(&value) {
                list.push(value);
            }
        }
        Ok(list)
    }

    /// The value of a key that takes a single value, read as in [`Fields::list`].
    pub(super) fn one<T>(
        &self,
        key: &'static str,
        allowed: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ScopeError> {
        match self.texts(key) {
            [] => Ok(None),
            [text] => read(text).map(Some).ok_or_else(|| ScopeError::Value {
                capability: self.capability,
                key,
                value: Excerpt::new(text),
                allowed,
            }),
            [_, _, ..] => Err(ScopeError::Several { capability: self.capability, key }),
        }
    }

    /// Whether a key that takes `yes` or `no` says `yes`.
    pub(super) fn flag(&self, key: &'static str) -> Result<bool, ScopeError> {
        let flag = self.one(key, "write `yes` or `no`", |text| match text {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        })?;
        Ok(flag.unwrap_or(false))
    }

    fn texts(&self, key: &'static str) -> &[String] {
        self.values.iter().find(|(found, _)| *found == key).map_or(&[], |(_, values)| values)
    }
}

/// Writes a scope part by part. The first key is written without its name.
pub(super) struct Parts<'a, 'f> {
    formatter: &'a mut fmt::Formatter<'f>,
    started: bool,
}

impl<'a, 'f> Parts<'a, 'f> {
    pub(super) fn new(formatter: &'a mut fmt::Formatter<'f>) -> Self {
        Self { formatter, started: false }
    }

    /// Writes the values of the capability's first key. Writes nothing if there are none.
    pub(super) fn first<T: fmt::Display>(&mut self, values: &[T]) -> fmt::Result {
        self.write(None, values)
    }

    /// Writes a key and its values. Writes nothing if there are no values.
    pub(super) fn key<T: fmt::Display>(&mut self, key: &str, values: &[T]) -> fmt::Result {
        self.write(Some(key), values)
    }

    /// Writes a key whose value is `yes`. Writes nothing for `no`.
    pub(super) fn flag(&mut self, key: &str, on: bool) -> fmt::Result {
        if on { self.key(key, &["yes"]) } else { Ok(()) }
    }

    fn write<T: fmt::Display>(&mut self, key: Option<&str>, values: &[T]) -> fmt::Result {
        if values.is_empty() {
            return Ok(());
        }
        if self.started {
            self.formatter.write_str(";")?;
        }
        self.started = true;
        if let Some(key) = key {
            write!(self.formatter, "{key}=")?;
        }
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.formatter.write_str(",")?;
            }
            self.formatter.write_str(&encode(&value.to_string()))?;
        }
        Ok(())
    }
}

/// Undoes the escapes. `None` for a malformed escape, and for a character that is never shown unchanged.
fn decode(raw: &str) -> Option<String> {
    let mut value = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c == '%' {
            let high = chars.next()?.to_digit(16)?;
            let low = chars.next()?.to_digit(16)?;
            let c = char::from_u32(high * 16 + low)?;
            if !(c.is_ascii_graphic() || c == ' ') {
                return None;
            }
            value.push(c);
        } else if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() {
            value.push(c);
        } else {
            return None;
        }
    }
    Some(value)
}

/// Escapes characters that the grammar uses, and blanks at the ends, which reading would remove.
pub fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, c) in value.chars().enumerate() {
        match c {
            '%' => text.push_str("%25"),
            ',' => text.push_str("%2C"),
            ';' => text.push_str("%3B"),
            '=' => text.push_str("%3D"),
            ' ' if index == 0 || index == last => text.push_str("%20"),
            _ => text.push(c),
        }
    }
    text
}
