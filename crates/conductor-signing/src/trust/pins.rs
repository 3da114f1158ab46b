//! What was seen of each plugin name when it was loaded, kept in `pins.toml`, so that a later file cannot prove less, come
//! from somebody else, or bring back an old release.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use conductor_store::keeper::{Decisions, Keeper, KeeperError};
use conductor_store::{FileError, UtcTime};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::entry::Line;
use super::toml_file::{Lines, Source, VERSION, encode};
use super::{FILES, LOCK_FILE, MAX_TRUST_FILE_BYTES, PINS_FILE, Part, TrustError, TrustStore};
use crate::document::{MAX_COSIGNATURES, statement};
use crate::key::PublicKey;
use crate::text::{Digest, PluginName, plugin_version};

/// Most files of a plugin that are remembered, the last ones that were loaded; more would let the builds of one plugin fill the
/// file.
const MAX_PINNED_DIGESTS: usize = 8;

/// Bytes of the file that loads leave to what the user says of plugins; many plugins, or one that calls itself something else
/// each time, could keep the user from pinning otherwise.
pub(super) const USER_RESERVE_BYTES: u64 = 128 * 1024;

/// Says to a person who opens the file what it is.
const HEADER: &str = "# What was seen of each plugin when it was loaded. Written by Conductor, which keeps no comments.\n\
    # A plugin without its entry is taken as one that was never loaded.\n\n";

/// The pins of all plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pins(BTreeMap<PluginName, Pin>);

/// What is known about one plugin name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    statement_seen_at: Option<UtcTime>,
    publisher: Option<PublisherPin>,
    version: Option<String>,
    digests: Vec<Digest>,
    signers: Vec<PublicKey>,
    line: Line,
}

/// Who publishes a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherPin {
    /// The key.
    pub key: PublicKey,
    /// Since when.
    pub since: UtcTime,
    /// Whether the user said so, as opposed to the first load.
    pub by_user: bool,
}

impl Pin {
    /// When the plugin was first loaded with a statement.
    #[must_use]
    pub const fn statement_seen_at(&self) -> Option<&UtcTime> {
        self.statement_seen_at.as_ref()
    }

    /// Whose the plugin is.
    #[must_use]
    pub const fn publisher(&self) -> Option<&PublisherPin> {
        self.publisher.as_ref()
    }

    /// The highest version that was loaded; escape it before showing it.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Whether this very file was loaded, as far as that is remembered.
    pub(crate) fn has_loaded(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// Whether any file was loaded since the plugin was pinned to its publisher.
    pub(crate) const fn has_loaded_any(&self) -> bool {
        !self.digests.is_empty()
    }

    /// The keys that have to sign.
    #[must_use]
    pub fn signers(&self) -> &[PublicKey] {
        &self.signers
    }

    /// The line of `pins.toml` on which the pin stands.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line.0
    }
}

/// What the load of a plugin adds to what is known about its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Continuity {
    /// The key that is pinned from now on.
    pub(crate) publisher: PublicKey,
    /// The keys that it follows from by rotations that hold, nearest first.
    pub(crate) predecessors: Vec<PublicKey>,
    /// The highest version so far.
    pub(crate) version: Option<String>,
    /// The keys that have to sign from now on, the publisher's among them.
    pub(crate) signers: Vec<PublicKey>,
}

/// A plugin that was loaded, as far as pins remember it.
pub(crate) struct Loaded<'a> {
    /// What it is called.
    pub(crate) name: &'a PluginName,
    /// What the same file would be called if its document lost the statement, if that is a name.
    pub(crate) name_without_statement: Option<&'a PluginName>,
    /// Digest of the file.
    pub(crate) digest: Digest,
    /// Whether its signature has a statement.
    pub(crate) has_statement: bool,
    /// What its load adds to what is known about its name; `None` if nobody vouched for it.
    pub(crate) continuity: Option<&'a Continuity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinFile {
    version: Spanned<i64>,
    #[serde(default)]
    pins: Vec<Spanned<PinEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinEntry {
    name: Spanned<String>,
    statement_seen_at: Option<Spanned<String>>,
    publisher: Option<Spanned<String>>,
    publisher_since: Option<Spanned<String>>,
    #[serde(default)]
    publisher_by_user: bool,
    version: Option<Spanned<String>>,
    #[serde(default)]
    digests: Vec<Spanned<String>>,
    #[serde(default)]
    signers: Vec<Spanned<String>>,
}

impl Part for Pins {
    fn of(store: &TrustStore) -> &Self {
        &store.pins
    }
}

impl Decisions for Pins {
    const FILE: &'static str = PINS_FILE;
    const LOCK: &'static str = LOCK_FILE;
    const UNDER_LOCK: &'static [&'static str] = &FILES;
    const MAX_BYTES: u64 = MAX_TRUST_FILE_BYTES;
    type Error = TrustError;

    fn parse(path: &Path, text: &str) -> Result<Self, TrustError> {
        let lines = Lines::of(text);
        let source = Source { path, lines: &lines };
        let file: PinFile = source.parse()?;
        source.check_version(&file.version)?;
        let mut pins = BTreeMap::new();
        for spanned in &file.pins {
            let entry = spanned.get_ref();
            let name: PluginName = source.value("name", &entry.name, str::parse)?;
            if pins.insert(name.clone(), source.pin(entry, Line(Some(source.line_of(spanned))))?).is_some() {
                let line = source.line_of(&entry.name);
                return Err(TrustError::PinRepeated { path: path.into(), line, name });
            }
        }
        Ok(Self(pins))
    }

    fn to_text(&self) -> Result<String, TrustError> {
        #[derive(Serialize)]
        struct File<'a> {
            version: i64,
            pins: Vec<Entry<'a>>,
        }
        #[derive(Serialize)]
        struct Entry<'a> {
            name: &'a str,
            statement_seen_at: Option<String>,
            publisher: Option<String>,
            publisher_since: Option<String>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            publisher_by_user: bool,
            version: Option<&'a str>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            digests: Vec<String>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            signers: Vec<String>,
        }
        let entries = self.0.iter().map(|(name, pin)| Entry {
            name: name.as_str(),
            statement_seen_at: pin.statement_seen_at.as_ref().map(UtcTime::to_string),
            publisher: pin.publisher.as_ref().map(|publisher| publisher.key.to_string()),
            publisher_since: pin.publisher.as_ref().map(|publisher| publisher.since.to_string()),
            publisher_by_user: pin.publisher.as_ref().is_some_and(|publisher| publisher.by_user),
            version: pin.version.as_deref(),
            digests: pin.digests.iter().map(Digest::to_string).collect(),
            signers: pin.signers.iter().map(PublicKey::to_string).collect(),
        });
        encode(HEADER, &File { version: VERSION, pins: entries.collect() })
    }
}

impl Pins {
    /// Holds what was seen at a load against the part of the file that loads may fill.
    fn check_seen(&self, keeper: &Keeper) -> Result<(), TrustError> {
        let max = MAX_TRUST_FILE_BYTES - USER_RESERVE_BYTES;
        if self.to_text()?.len() as u64 <= max {
            return Ok(());
        }
        let source = FileError::TooLarge { path: keeper.file::<Self>(), max };
        Err(KeeperError::File { source }.into())
    }
}

impl Source<'_> {
    fn pin(self, entry: &PinEntry, line: Line) -> Result<Pin, TrustError> {
        let key = self.optional("publisher", entry.publisher.as_ref(), PublicKey::for_comparison)?;
        let since = self.optional("publisher_since", entry.publisher_since.as_ref(), str::parse)?;
        let incomplete = |cause: &str| TrustError::Value {
            path: self.path.into(),
            line: self.line_of(&entry.name),
            field: "publisher",
            cause: cause.to_owned(),
        };
        let publisher = match (key, since) {
            (Some(key), Some(since)) => Some(PublisherPin { key, since, by_user: entry.publisher_by_user }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(incomplete("`publisher` and `publisher_since` stand together"));
            }
        };
        if entry.signers.len() > MAX_COSIGNATURES + 1 {
            return Err(incomplete("more signers than a document can have"));
        }
        if entry.digests.len() > MAX_PINNED_DIGESTS {
            return Err(incomplete("more digests than are kept"));
        }
        let digests = entry.digests.iter().map(|digest| self.value("digests", digest, str::parse));
        let signers = entry.signers.iter().map(|key| self.value("signers", key, PublicKey::for_comparison));
        Ok(Pin {
            statement_seen_at: self.optional(
                "statement_seen_at",
                entry.statement_seen_at.as_ref(),
                str::parse,
            )?,
            publisher,
            version: self.optional("version", entry.version.as_ref(), statement::plugin_version)?,
            digests: digests.collect::<Result<_, _>>()?,
            signers: signers.collect::<Result<_, _>>()?,
            line,
        })
    }
}

/// What the load of a plugin changes about the pins. Only [`TrustStore::new_pin`] makes one, from a plugin that was
/// verified; it does nothing until [`NewPin::record`] writes it down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "what is not recorded can be taken back by the next file unnoticed"]
pub struct NewPin(Vec<PinChange>);

/// What becomes of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PinChange {
    name: PluginName,
    before: Option<Pin>,
    after: Pin,
}

impl NewPin {
    /// Writes the pin down. If another process has changed the pin since the store was loaded, what it wrote is kept,
    /// and nothing is written if that is all.
    ///
    /// # Errors
    ///
    /// Fails if another process has pinned the name to another publisher meanwhile, or the files cannot be read or
    /// written.
    pub fn record(self, config_dir: impl Into<Keeper>) -> Result<(), TrustError> {
        TrustStore::change::<Pins, _>(config_dir, |TrustStore { pins, .. }, keeper| {
            for PinChange { name, before, after } in self.0 {
                let current = pins.0.get(&name);
                let next = if current == before.as_ref() { after } else { merged(&name, current, after)? };
                pins.0.insert(name, next);
            }
            pins.check_seen(keeper)
        })
    }
}

/// What two loads at the same time have seen. Neither takes anything back.
fn merged(name: &PluginName, current: Option<&Pin>, new: Pin) -> Result<Pin, TrustError> {
    let Some(current) = current else { return Ok(new) };
    let key = |pin: &Pin| pin.publisher.as_ref().map(|publisher| publisher.key);
    if key(current).is_some() && key(&new).is_some() && key(current) != key(&new) {
        return Err(TrustError::PinRaced { name: name.clone() });
    }
    let order = match (&current.version, &new.version) {
        (Some(current), Some(new)) => plugin_version::compare(current, new),
        (Some(_), None) => Some(Ordering::Greater),
        (None, Some(_)) => Some(Ordering::Less),
        (None, None) => Some(Ordering::Equal),
    };
    let version = match order {
        Some(Ordering::Less) => new.version,
        // What came first stands, also where nobody can say which is higher.
        Some(Ordering::Equal | Ordering::Greater) | None => current.version.clone(),
    };
    let signers = if current.signers.len() > new.signers.len() { &current.signers } else { &new.signers };
    Ok(Pin {
        statement_seen_at: current.statement_seen_at.clone().or(new.statement_seen_at),
        publisher: current.publisher.clone().or(new.publisher),
        version,
        digests: joined(current.digests.clone(), new.digests),
        signers: signers.clone(),
        line: Line::default(),
    })
}

/// The files of two lists, each once, of which only the last are kept.
fn joined(mut known: Vec<Digest>, more: Vec<Digest>) -> Vec<Digest> {
    for digest in more {
        known.retain(|other| *other != digest);
        known.push(digest);
    }
    let too_many = known.len().saturating_sub(MAX_PINNED_DIGESTS);
    known.drain(..too_many);
    known
}

impl TrustStore {
    /// What is to be recorded once this plugin was loaded; `None` if nothing is new.
    pub(crate) fn pin_after(&self, loaded: &Loaded<'_>) -> Option<NewPin> {
        let mut changes = Vec::new();
        let Loaded { name, name_without_statement, digest, has_statement, continuity } = *loaded;
        if let Some(continuity) = continuity {
            let before = self.pin(name);
            let mut after = before.cloned().unwrap_or_default();
            after.see_statement(has_statement);
            after.publisher = match after.publisher {
                Some(publisher) if publisher.key == continuity.publisher => Some(publisher),
                Some(_) | None => {
                    Some(PublisherPin { key: continuity.publisher, since: UtcTime::now(), by_user: false })
                }
            };
            after.see_version(continuity.version.as_deref(), digest);
            after.signers.clone_from(&continuity.signers);
            changes.push(PinChange { name: name.clone(), before: before.cloned(), after });
        }
        if has_statement && let Some(bare) = name_without_statement.filter(|bare| *bare != name) {
            let before = self.pin(bare);
            let mut after = before.cloned().unwrap_or_default();
            after.see_statement(true);
            changes.push(PinChange { name: bare.clone(), before: before.cloned(), after });
        }
        changes.retain(|change| change.before.as_ref() != Some(&change.after));
        if changes.is_empty() { None } else { Some(NewPin(changes)) }
    }

    /// What is known about a plugin name.
    #[must_use]
    pub fn pin(&self, name: &PluginName) -> Option<&Pin> {
        self.pins.0.get(name)
    }

    /// Everything that is known about plugin names, by name.
    pub fn pins(&self) -> impl Iterator<Item = (&PluginName, &Pin)> {
        self.pins.0.iter()
    }

    /// When a plugin of this name was first loaded with a statement.
    #[must_use]
    pub fn statement_seen_at(&self, name: &PluginName) -> Option<&UtcTime> {
        self.pin(name)?.statement_seen_at()
    }

    /// Pins a plugin name to a publisher: the user's decision, before the first load or for another publisher than
    /// before. What was demanded of the earlier publisher, cosigners and a version, is forgotten.
    ///
    /// # Errors
    ///
    /// Fails if the key is revoked or the files cannot be read or written.
    pub fn pin_publisher(
        config_dir: impl Into<Keeper>,
        name: &PluginName,
        key: PublicKey,
    ) -> Result<Pin, TrustError> {
        Self::pin_accepted(config_dir, name, key, &[])
    }

    /// As [`TrustStore::pin_publisher`], and demands these cosigners from then on, where none are demanded so far: the user's decision
    /// for a plugin that takes the place of another one, whose cosigners they were.
    ///
    /// # Errors
    ///
    /// Fails if the key is revoked or the files cannot be read or written.
    pub fn pin_accepted(
        config_dir: impl Into<Keeper>,
        name: &PluginName,
        key: PublicKey,
        cosigners: &[PublicKey],
    ) -> Result<Pin, TrustError> {
        Self::change_pin(config_dir, name, |pin, store, keeper| {
            if let Some(revocation) = store.revoked_key(&key) {
                return Err(TrustError::Revoked { key, reason: revocation.reason.clone() });
            }
            let pin = pin.unwrap_or_default().of_publisher(key, keeper.now());
            Ok(Some(pin.demanding(key, cosigners)))
        })
        .map(Option::unwrap_or_default)
    }

    /// The trust as it would be once a plugin name was pinned to a publisher by [`TrustStore::pin_publisher`]. Nothing is
    /// written.
    #[must_use]
    pub fn as_if_pinned(&self, name: &PluginName, key: PublicKey) -> Self {
        let mut trust = self.clone();
        let pin = trust.pins.0.remove(name).unwrap_or_default().of_publisher(key, UtcTime::now());
        trust.pins.0.insert(name.clone(), pin);
        trust
    }

    /// Forgets everything about a plugin name; its next load is like its first.
    ///
    /// # Errors
    ///
    /// Fails if nothing is known about it, or the files cannot be read or written.
    pub fn unpin(config_dir: impl Into<Keeper>, name: &PluginName) -> Result<(), TrustError> {
        Self::change_pin(config_dir, name, |pin, _, _| {
            pin.map(|_| None).ok_or_else(|| TrustError::NotPinned { name: name.clone() })
        })
        .map(|_| ())
    }

    /// Lets a plugin be loaded in an older version than before: down to `floor`, or in any version if there is none. Which files
    /// were loaded stays known, so that a key that has passed on brings back only what it brought before.
    ///
    /// # Errors
    ///
    /// Fails if nothing is known about the plugin, or the files cannot be read or written.
    pub fn allow_downgrade(
        config_dir: impl Into<Keeper>,
        name: &PluginName,
        floor: Option<String>,
    ) -> Result<Pin, TrustError> {
        if let Some(floor) = &floor {
            statement::plugin_version(floor).map_err(|_| TrustError::PluginVersion)?;
        }
        Self::change_pin(config_dir, name, |pin, _, _| {
            let pin = pin.ok_or_else(|| TrustError::NotPinned { name: name.clone() })?;
            Ok(Some(Pin { version: floor, ..pin }))
        })
        .map(Option::unwrap_or_default)
    }

    /// Changes or removes one pin, and returns what there is then.
    fn change_pin(
        config_dir: impl Into<Keeper>,
        name: &PluginName,
        change: impl FnOnce(Option<Pin>, &Self, &Keeper) -> Result<Option<Pin>, TrustError>,
    ) -> Result<Option<Pin>, TrustError> {
        Self::change::<Pins, _>(config_dir, |store, keeper| {
            let result = change(store.pins.0.get(name).cloned(), store, keeper)?;
            match &result {
                Some(pin) => store.pins.0.insert(name.clone(), pin.clone()),
                None => store.pins.0.remove(name),
            };
            Ok(result)
        })
    }
}

impl Pin {
    /// Notes a file and its version, which is not below the one so far.
    fn see_version(&mut self, version: Option<&str>, digest: Digest) {
        // The order in which files come back says nothing new.
        if !self.digests.contains(&digest) {
            self.digests = joined(std::mem::take(&mut self.digests), vec![digest]);
        }
        self.version = version.map(str::to_owned);
    }

    /// The pin to another publisher, of whom nothing is demanded yet.
    fn of_publisher(mut self, key: PublicKey, since: UtcTime) -> Self {
        if self.publisher.as_ref().is_none_or(|publisher| publisher.key != key) {
            self.version = None;
            self.digests = Vec::new();
            self.signers = Vec::new();
        }
        self.publisher = Some(PublisherPin { key, since, by_user: true });
        self
    }

    /// The pin which demands the publisher's key and those of cosigners, if it demands none so far.
    fn demanding(mut self, publisher: PublicKey, cosigners: &[PublicKey]) -> Self {
        if self.signers.is_empty() && !cosigners.is_empty() {
            self.signers = std::iter::once(publisher).chain(cosigners.iter().copied()).collect();
        }
        self
    }

    fn see_statement(&mut self, has_statement: bool) {
        if has_statement && self.statement_seen_at.is_none() {
            self.statement_seen_at = Some(UtcTime::now());
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
