//! What is remembered of each plugin name when a plugin is loaded, kept in `pins.toml`. Because of a pin, a later file
//! cannot come with weaker signatures, from another publisher, or as an old release.

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

/// Most files of one plugin that are remembered, the last that were loaded; otherwise the builds of one plugin could
/// fill the file.
const MAX_PINNED_DIGESTS: usize = 8;

/// Bytes of the file that loads leave for the user's own pins; otherwise many plugins, or a plugin that changes its
/// name each time, could keep the user from pinning.
pub(super) const USER_RESERVE_BYTES: u64 = 128 * 1024;

/// Tells a person who opens the file what the file is.
const HEADER: &str = "# What was seen of each plugin when it was loaded. Written by Conductor, which keeps no comments.\n\
    # A plugin without its entry is taken as one that was never loaded.\n\n";

/// The pins of all plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pins(BTreeMap<PluginName, Pin>);

/// What is remembered of one plugin name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    statement_seen_at: Option<UtcTime>,
    publisher: Option<PublisherPin>,
    version: Option<String>,
    digests: Vec<Digest>,
    signers: Vec<PublicKey>,
    line: Line,
}

/// The publisher that a plugin name is pinned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherPin {
    /// The publisher's key.
    pub key: PublicKey,
    /// When the name was pinned to the key.
    pub since: UtcTime,
    /// Whether the user pinned the name; false if the first load did.
    pub by_user: bool,
}

impl Pin {
    /// When the plugin was first loaded with a statement.
    #[must_use]
    pub const fn statement_seen_at(&self) -> Option<&UtcTime> {
        self.statement_seen_at.as_ref()
    }

    /// The publisher that the plugin name is pinned to.
    #[must_use]
    pub const fn publisher(&self) -> Option<&PublisherPin> {
        self.publisher.as_ref()
    }

    /// The highest version that was loaded; escape it before showing it.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Whether this exact file was loaded, as far as files are remembered.
    pub(crate) fn has_loaded(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// Whether any file was loaded since the plugin was pinned to its publisher.
    pub(crate) const fn has_loaded_any(&self) -> bool {
        !self.digests.is_empty()
    }

    /// The keys that must sign.
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

/// What loading a plugin adds to the pin of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Continuity {
    /// The publisher's key from now on.
    pub(crate) publisher: PublicKey,
    /// The keys that the publisher's key follows from by valid rotations, nearest first.
    pub(crate) predecessors: Vec<PublicKey>,
    /// The highest version so far.
    pub(crate) version: Option<String>,
    /// The keys that must sign from now on, including the publisher's.
    pub(crate) signers: Vec<PublicKey>,
}

/// The facts about a loaded plugin that pins remember.
pub(crate) struct Loaded<'a> {
    /// Name of the plugin.
    pub(crate) name: &'a PluginName,
    /// The name that the same file would have if its document lost the statement; `None` if that is not a valid name.
    pub(crate) name_without_statement: Option<&'a PluginName>,
    /// Digest of the file.
    pub(crate) digest: Digest,
    /// Whether the plugin's signature has a statement.
    pub(crate) has_statement: bool,
    /// What the load adds to the pin of the name; `None` if no key vouched for the plugin.
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
    /// Checks that the pins leave the user's reserve of the file free.
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

/// The changes to the pins from loading a plugin. Only [`TrustStore::new_pin`] makes this value, from a verified
/// plugin. Nothing is changed until [`NewPin::record`] writes the pins down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "what is not recorded can be taken back by the next file unnoticed"]
pub struct NewPin(Vec<PinChange>);

/// The change of one pin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PinChange {
    name: PluginName,
    before: Option<Pin>,
    after: Pin,
}

impl NewPin {
    /// Writes the pin down. If another process has changed the pin since the store was loaded, both changes are merged;
    /// if the merged pin is the one in the file, nothing is written.
    ///
    /// # Errors
    ///
    /// Fails if another process has meanwhile pinned the name to another publisher, or if the files cannot be read or
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

/// Merges the pins of two loads at the same time, so that neither loses what the other recorded.
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
        // The recorded version stays, also where no order of the two is certain.
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

/// The files of both lists, each once, of which only the last [`MAX_PINNED_DIGESTS`] are kept.
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
    /// The changes to record once this plugin was loaded; `None` if nothing changes.
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

    /// The pin of a plugin name.
    #[must_use]
    pub fn pin(&self, name: &PluginName) -> Option<&Pin> {
        self.pins.0.get(name)
    }

    /// All pins, sorted by plugin name.
    pub fn pins(&self) -> impl Iterator<Item = (&PluginName, &Pin)> {
        self.pins.0.iter()
    }

    /// When a plugin of this name was first loaded with a statement.
    #[must_use]
    pub fn statement_seen_at(&self, name: &PluginName) -> Option<&UtcTime> {
        self.pin(name)?.statement_seen_at()
    }

    /// Pins a plugin name to a publisher: the user's decision, before the first load or for a new publisher. If the
    /// publisher is new, the version and the cosigners that were demanded of the earlier publisher are forgotten.
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

    /// As [`TrustStore::pin_publisher`], and from then on demands these cosigners, unless cosigners are demanded
    /// already. For the user's decision to let a plugin take the place of another plugin that had these cosigners.
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

    /// A copy of the store in which the plugin name is pinned to the publisher as [`TrustStore::pin_publisher`] would
    /// do. Nothing is written.
    #[must_use]
    pub fn as_if_pinned(&self, name: &PluginName, key: PublicKey) -> Self {
        let mut trust = self.clone();
        let pin = trust.pins.0.remove(name).unwrap_or_default().of_publisher(key, UtcTime::now());
        trust.pins.0.insert(name.clone(), pin);
        trust
    }

    /// Forgets the pin of a plugin name; the next load counts as the first.
    ///
    /// # Errors
    ///
    /// Fails if the name has no pin, or if the files cannot be read or written.
    pub fn unpin(config_dir: impl Into<Keeper>, name: &PluginName) -> Result<(), TrustError> {
        Self::change_pin(config_dir, name, |pin, _, _| {
            pin.map(|_| None).ok_or_else(|| TrustError::NotPinned { name: name.clone() })
        })
        .map(|_| ())
    }

    /// Lets an older version of a plugin be loaded: down to `floor`, or any version if `floor` is `None`. The files
    /// that were loaded stay remembered, so that a key that was rotated can bring back only files that were loaded
    /// before.
    ///
    /// # Errors
    ///
    /// Fails if the name has no pin, or if the files cannot be read or written.
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

    /// Changes or removes one pin, and returns the pin after the change.
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
    /// Records a file and its version, which is not below the version recorded so far.
    fn see_version(&mut self, version: Option<&str>, digest: Digest) {
        // A file that is remembered already keeps its place in the list.
        if !self.digests.contains(&digest) {
            self.digests = joined(std::mem::take(&mut self.digests), vec![digest]);
        }
        self.version = version.map(str::to_owned);
    }

    /// The pin with another publisher, of whom nothing is demanded yet.
    fn of_publisher(mut self, key: PublicKey, since: UtcTime) -> Self {
        if self.publisher.as_ref().is_none_or(|publisher| publisher.key != key) {
            self.version = None;
            self.digests = Vec::new();
            self.signers = Vec::new();
        }
        self.publisher = Some(PublisherPin { key, since, by_user: true });
        self
    }

    /// The pin, with the keys of publisher and cosigners demanded if no keys are demanded so far.
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
