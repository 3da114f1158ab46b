//! What the TOML files of the trust store have in common: a version, and errors that name path and line.

use std::fmt::Display;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::TrustError;
use super::entry::MAX_TEXT_BYTES;

/// The only version of every file.
pub(super) const VERSION: i64 = 1;

/// The content of a file as TOML, with a comment on top.
pub(super) fn encode(header: &str, file: &impl Serialize) -> Result<String, TrustError> {
    toml::to_string(file)
        .map(|text| format!("{header}{text}"))
        .map_err(|source| TrustError::Encode { source })
}

/// The path and the lines of a file that is being parsed, for errors.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) lines: &'a Lines<'a>,
}

/// A text and the ends of its lines, so that the line of an entry is found without reading all text before it.
pub(super) struct Lines<'a> {
    text: &'a str,
    ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, ends: text.match_indices('\n').map(|(place, _)| place).collect() }
    }

    /// Line of an offset, from 1.
    fn at(&self, offset: usize) -> usize {
        1 + self.ends.partition_point(|end| *end < offset)
    }
}

impl Source<'_> {
    pub(super) fn parse<T: for<'de> Deserialize<'de>>(self) -> Result<T, TrustError> {
        toml::from_str(self.lines.text).map_err(|error| TrustError::Syntax {
            path: self.path.into(),
            line: error.span().map_or(1, |span| self.line_at(span.start)),
            cause: error.message().to_owned(),
        })
    }

    pub(super) fn check_version(self, version: &Spanned<i64>) -> Result<(), TrustError> {
        let found = *version.get_ref();
        if found == VERSION {
            Ok(())
        } else {
            Err(TrustError::Version { path: self.path.into(), line: self.line_of(version), found })
        }
    }

    pub(super) fn text(self, field: &'static str, text: &Spanned<String>) -> Result<String, TrustError> {
        self.value(field, text, |text| match text.len() {
            1..=MAX_TEXT_BYTES => Ok(text.to_owned()),
            _ => Err("expected 1 to 256 bytes of text"),
        })
    }

    pub(super) fn optional<T, E: Display>(
        self,
        field: &'static str,
        text: Option<&Spanned<String>>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, TrustError> {
        text.map(|text| self.value(field, text, parse)).transpose()
    }

    pub(super) fn value<T, E: Display>(
        self,
        field: &'static str,
        text: &Spanned<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, TrustError> {
        parse(text.get_ref()).map_err(|error| TrustError::Value {
            path: self.path.into(),
            line: self.line_of(text),
            field,
            cause: error.to_string(),
        })
    }

    pub(super) fn line_of<T>(self, value: &Spanned<T>) -> usize {
        self.line_at(value.span().start)
    }

    fn line_at(self, offset: usize) -> usize {
        self.lines.at(offset)
    }
}
