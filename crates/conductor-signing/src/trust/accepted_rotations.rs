//! The rotations that were accepted, kept in `rotations.toml`. An accepted rotation stays, and so does the highest
//! sequence number of a chain: a chain that ends with a lower number is a replay.

use std::path::Path;

use conductor_store::UtcTime;
use conductor_store::keeper::{Decisions, Keeper};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::toml_file::{Lines, Source, VERSION, encode};
use super::{
    FILES, LOCK_FILE, MAX_ACCEPTED_ROTATIONS, MAX_TRUST_FILE_BYTES, Part, Pin, ROTATIONS_FILE, TrustError,
    TrustStore,
};
use crate::document::{parse_base64, parse_signature};
use crate::key::PublicKey;
use crate::trust::rotation::{
    Ancestor, Lineage, LinkWire, RotationChain, RotationError, RotationLink, SignedLink,
};

/// Tells a person who opens the file what the file is.
const HEADER: &str = "# Rotations of keys that were accepted. Written by Conductor, which keeps no comments.\n\
    # Shown in words by `conductor-sign trust rotations`.\n\n";

/// All accepted rotations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rotations {
    links: Vec<RotationLink>,
    accepted_at: Vec<UtcTime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotationFile {
    version: Spanned<i64>,
    #[serde(default)]
    links: Vec<Spanned<LinkEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkEntry {
    old_key: Spanned<String>,
    new_key: Spanned<String>,
    accepted_at: Spanned<String>,
    statement: Spanned<String>,
    old_signature: Spanned<String>,
    new_signature: Spanned<String>,
}

impl Part for Rotations {
    fn of(store: &TrustStore) -> &Self {
        &store.rotations
    }
}

impl Decisions for Rotations {
    const FILE: &'static str = ROTATIONS_FILE;
    const LOCK: &'static str = LOCK_FILE;
    const UNDER_LOCK: &'static [&'static str] = &FILES;
    const MAX_BYTES: u64 = MAX_TRUST_FILE_BYTES;
    type Error = TrustError;

    /// Parses the file and verifies every link again.
    fn parse(path: &Path, text: &str) -> Result<Self, TrustError> {
        let lines = Lines::of(text);
        let source = Source { path, lines: &lines };
        let file: RotationFile = source.parse()?;
        source.check_version(&file.version)?;
        let failed = |line, cause| TrustError::Value { path: path.into(), line, field: "links", cause };
        let mut rotations = Self::default();
        for spanned in &file.links {
            let (line, entry) = (source.line_of(spanned), spanned.get_ref());
            if rotations.links.len() == MAX_ACCEPTED_ROTATIONS {
                return Err(failed(line, format!("more than {MAX_ACCEPTED_ROTATIONS} rotations")));
            }
            let link = RotationLink::verify(SignedLink {
                old_key: source.value("old_key", &entry.old_key, str::parse)?,
                new_key: source.value("new_key", &entry.new_key, str::parse)?,
                statement: source.value("statement", &entry.statement, parse_base64)?,
                old_signature: source.value("old_signature", &entry.old_signature, parse_signature)?,
                new_signature: source.value("new_signature", &entry.new_signature, parse_signature)?,
            })
            .map_err(|error| failed(line, error.to_string()))?;
            rotations.accepted_at.push(source.value("accepted_at", &entry.accepted_at, str::parse)?);
            rotations.links.push(link);
        }
        let mut lineage = Lineage::default();
        for (link, spanned) in rotations.links.iter().zip(&file.links) {
            let added = lineage.add(Ancestor { link, accepted: true });
            let cause = match added {
                Ok(true) => continue,
                Ok(false) => "this rotation stands here twice".to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(failed(source.line_of(spanned), cause));
        }
        Ok(rotations)
    }

    fn to_text(&self) -> Result<String, TrustError> {
        #[derive(Serialize)]
        struct File {
            version: i64,
            links: Vec<Entry>,
        }
        #[derive(Serialize)]
        struct Entry {
            accepted_at: String,
            #[serde(flatten)]
            link: LinkWire,
        }
        let entry = |(link, at): (&RotationLink, &UtcTime)| Entry {
            accepted_at: at.to_string(),
            link: LinkWire::of(link.signed()),
        };
        let links = self.links.iter().zip(&self.accepted_at).map(entry).collect();
        encode(HEADER, &File { version: VERSION, links })
    }
}

/// The rotations that loading a plugin adds to the accepted rotations: those of the plugin's chain that lead on from a
/// key that is known here. Nothing is added until [`NewRotations::record`] writes them down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a rotation that is not recorded can be contradicted by the next one unnoticed"]
pub struct NewRotations(RotationChain);

impl NewRotations {
    /// Writes the rotations down. Which rotations lead on from a known key is worked out again, because the user may
    /// have revoked or removed a key since the store was loaded.
    ///
    /// # Errors
    ///
    /// Fails if another process has meanwhile accepted a rotation that contradicts these, or if the files cannot be
    /// read or written.
    pub fn record(self, config_dir: impl Into<Keeper>) -> Result<(), TrustError> {
        TrustStore::accept(config_dir, &self.0, |store| Ok(store.news(&self.0))).map(|_| ())
    }
}

/// The result of importing a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedChain {
    /// The rotations that are new, oldest first.
    pub added: Vec<RotationLink>,
    /// How many rotations of the chain were accepted before.
    pub known: usize,
}

impl TrustStore {
    /// How keys follow from each other by the accepted rotations and those of `offered`.
    ///
    /// # Errors
    ///
    /// Fails if the rotations contradict each other. A contradicting rotation from a key that was revoked as
    /// compromised is ignored instead, because the user has decided about that key.
    pub fn lineage<'a>(&'a self, offered: Option<&'a RotationChain>) -> Result<Lineage<'a>, RotationError> {
        Lineage::join(&self.rotations.links, offered, |key| self.is_compromised(key))
    }

    /// The accepted rotations, in the order in which they were accepted, each with the time.
    pub fn rotations(&self) -> impl Iterator<Item = (&RotationLink, &UtcTime)> {
        self.rotations.links.iter().zip(&self.rotations.accepted_at)
    }

    /// The rotations to record once a plugin with this chain was loaded; `None` if none of them is new and leads on
    /// from a key that is trusted or pinned as a publisher.
    pub(crate) fn rotations_after(&self, chain: RotationChain) -> Option<NewRotations> {
        (!self.news(&chain).is_empty()).then_some(NewRotations(chain))
    }

    /// Accepts a chain that the user was given by somebody.
    ///
    /// # Errors
    ///
    /// Fails if the chain contradicts accepted rotations, ends before the last accepted number, leads on from a key
    /// that was revoked as compromised or, unless `unknown` is allowed, leads on from no key that is known here; or if
    /// the files cannot be read or written.
    pub fn import_rotations(
        config_dir: impl Into<Keeper>,
        chain: &RotationChain,
        allow_unknown: bool,
    ) -> Result<AcceptedChain, TrustError> {
        Self::accept(config_dir, chain, |store| {
            let Some(last) = chain.links().last() else { return Err(RotationError::Empty) };
            let accepted = store.lineage(None)?;
            if let Some(later) = accepted.descendants(&last.new).last() {
                return Err(RotationError::Replay { found: last.sequence, accepted: later.sequence });
            }
            let leads_on = |link: &RotationLink| {
                accepted.has_accepted(link)
                    || store.is_anchor(&link.old)
                    || accepted.ancestors(&link.old).next().is_some()
            };
            if !allow_unknown && !chain.links().iter().any(leads_on) {
                let key = chain.links().first().map_or(last.old, |first| first.old);
                return Err(RotationError::Unknown { key });
            }
            let unknown: Vec<RotationLink> =
                chain.links().iter().filter(|link| !accepted.has_accepted(link)).cloned().collect();
            match unknown.iter().find(|link| store.is_compromised(&link.old)) {
                Some(link) => Err(RotationError::FromCompromised { old: link.old, new: link.new }),
                None => Ok(unknown),
            }
        })
    }

    /// Adds those links of a chain that `choose` picks from the links that are not accepted yet, under the lock.
    fn accept(
        config_dir: impl Into<Keeper>,
        chain: &RotationChain,
        choose: impl FnOnce(&Self) -> Result<Vec<RotationLink>, RotationError>,
    ) -> Result<AcceptedChain, TrustError> {
        Self::change::<Rotations, _>(config_dir, |store, keeper| {
            let refused = |error: RotationError| TrustError::Rotation(Box::new(error));
            store.lineage(Some(chain)).map_err(refused)?;
            let added = choose(store).map_err(refused)?;
            let known = chain.links().len() - added.len();
            if added.is_empty() {
                return Ok(AcceptedChain { added, known });
            }
            if store.rotations.links.len() + added.len() > MAX_ACCEPTED_ROTATIONS {
                return Err(TrustError::TooManyRotations);
            }
            let now = keeper.now();
            store.rotations.accepted_at.extend(added.iter().map(|_| now.clone()));
            store.rotations.links.extend(added.iter().cloned());
            Ok(AcceptedChain { added, known })
        })
    }

    /// The links of a chain that are not accepted yet and lead on from a key that is known here. A link from a key that
    /// was revoked as compromised is not among them, and neither is any later link.
    fn news(&self, chain: &RotationChain) -> Vec<RotationLink> {
        let Ok(accepted) = self.lineage(None) else { return Vec::new() };
        let mut leads_on = false;
        let mut news = Vec::new();
        for link in chain.links() {
            leads_on |= self.is_anchor(&link.old)
                || accepted.ancestors(&link.old).any(|step| self.is_anchor(&step.link.old));
            if accepted.has_accepted(link) {
                continue;
            }
            leads_on &= !self.is_compromised(&link.old);
            if leads_on {
                news.push(link.clone());
            }
        }
        news
    }

    /// Whether the key is trusted, or pinned as the publisher of a plugin, so that rotations can lead on from it.
    fn is_anchor(&self, key: &PublicKey) -> bool {
        let is_pinned = |(_, pin): (_, &Pin)| pin.publisher().is_some_and(|pin| pin.key == *key);
        self.get(key).is_some() || self.pins().any(is_pinned)
    }
}

#[cfg(test)]
mod tests;
