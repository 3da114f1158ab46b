//! What was seen of each plugin name when it was loaded, kept in `pins.toml`, so that a later file cannot prove less.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::source::{Source, VERSION, encode};
use super::{TrustError, TrustStore};
use crate::{PluginName, UtcTime, VerifiedPlugin};

/// Says to a person who opens the file what it is.
const HEADER: &str = "# What was seen of each plugin when it was loaded. Written by Conductor, which keeps no comments.\n\
    # A plugin without its entry is taken as one that was never loaded.\n\n";

/// The pins of all plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pins(BTreeMap<PluginName, Pin>);

/// What was seen of one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pin {
    /// When the plugin was first loaded with a statement.
    statement_seen_at: UtcTime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinFile {
    version: Spanned<i64>,
    #[serde(default)]
    pins: Vec<PinEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinEntry {
    name: Spanned<String>,
    statement_seen_at: Spanned<String>,
}

impl Pins {
    /// Reads `pins.toml`.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, TrustError> {
        let source = Source { path, text };
        let file: PinFile = source.parse()?;
        source.check_version(&file.version)?;
        let mut pins = BTreeMap::new();
        for entry in &file.pins {
            let name: PluginName = source.value("name", &entry.name, str::parse)?;
            let statement_seen_at =
                source.value("statement_seen_at", &entry.statement_seen_at, str::parse)?;
            if pins.insert(name.clone(), Pin { statement_seen_at }).is_some() {
                let line = source.line_of(&entry.name);
                return Err(TrustError::PinRepeated { path: path.into(), line, name });
            }
        }
        Ok(Self(pins))
    }

    /// Writes `pins.toml`.
    pub(super) fn to_toml(&self) -> Result<String, TrustError> {
        #[derive(Serialize)]
        struct File<'a> {
            version: i64,
            pins: Vec<Entry<'a>>,
        }
        #[derive(Serialize)]
        struct Entry<'a> {
            name: &'a str,
            statement_seen_at: String,
        }
        let entries = self.0.iter().map(|(name, pin)| Entry {
            name: name.as_str(),
            statement_seen_at: pin.statement_seen_at.to_string(),
        });
        encode(HEADER, &File { version: VERSION, pins: entries.collect() })
    }

    /// When a plugin of this name was first loaded with a statement.
    pub(super) fn statement_seen_at(&self, name: &PluginName) -> Option<&UtcTime> {
        self.0.get(name).map(|pin| &pin.statement_seen_at)
    }
}

/// What the load of a plugin adds to the pins. Only [`TrustStore::new_pin`] makes one, from a plugin whose statement
/// was verified; it does nothing until [`NewPin::record`] writes it down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a statement that is not recorded can be dropped from the next document unnoticed"]
pub struct NewPin {
    names: Vec<PluginName>,
}

impl NewPin {
    /// Writes the pin down. What another process has recorded since the store was loaded stays as it is, and nothing is
    /// written if that is all.
    ///
    /// # Errors
    ///
    /// Fails if the files cannot be read or written.
    pub fn record(self, config_dir: &Path) -> Result<(), TrustError> {
        TrustStore::change_pins(config_dir, |pins| {
            let before = pins.0.len();
            for name in self.names {
                pins.0.entry(name).or_insert_with(|| Pin { statement_seen_at: UtcTime::now() });
            }
            pins.0.len() != before
        })
    }
}

impl TrustStore {
    /// What is to be recorded once this plugin was loaded; `None` if it has no statement or all of it is known already.
    ///
    /// A module without a manifest is called by its statement, and by the name of its file once the statement is
    /// dropped, so both names are pinned.
    #[must_use]
    pub fn new_pin(&self, plugin: &VerifiedPlugin) -> Option<NewPin> {
        plugin.statement()?;
        let mut names = vec![plugin.name().clone()];
        names.extend(plugin.name_without_statement().filter(|bare| *bare != plugin.name()).cloned());
        names.retain(|name| self.statement_seen_at(name).is_none());
        if names.is_empty() { None } else { Some(NewPin { names }) }
    }

    /// When a plugin of this name was first loaded with a statement.
    #[must_use]
    pub fn statement_seen_at(&self, name: &PluginName) -> Option<&UtcTime> {
        self.pins.statement_seen_at(name)
    }
}

#[cfg(test)]
mod tests;
