//! The revocations, kept in `revoked_keys.toml`: adding, importing and taking back.

use std::path::Path;

use conductor_store::UtcTime;
use conductor_store::keeper::{Decisions, Keeper};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::entry::Line;
use super::standing::Standing;
use super::toml_file::{Lines, Source, VERSION, encode};
use super::{Act, Done, FILES, LOCK_FILE, MAX_REVOCATION_LISTS, Part, REVOKED_FILE, TrustError, TrustStore};
use crate::key::{PrivateKey, PublicKey};
use crate::text::{Digest, shown_text};
use crate::trust::revocation::{Revocation, RevocationKind, Revoked};
use crate::trust::revocation_list::{RevocationList, RevocationListError};

/// Largest file in bytes; the file is read whole before any plugin is loaded.
const MAX_REVOKED_FILE_BYTES: u64 = 2 * 1024 * 1024;

/// Most bytes of the file for the lists of one issuer, enough for the largest list; otherwise one issuer could fill the
/// file, and no other issuer could revoke anything.
pub const MAX_ISSUER_BYTES: u64 = 768 * 1024;

/// Bytes of the file that are reserved for the user's own revocations.
pub const OWN_REVOCATIONS_RESERVE_BYTES: u64 = 256 * 1024;

/// How far in the future a list may be dated, because clocks differ.
const MAX_LIST_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// Tells a person who opens the file what the file is.
const HEADER: &str =
    "# Keys and plugins that are refused. Written by `conductor-sign trust`, which keeps no comments.\n\n";

/// All revocations, and the number of the last list of each issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Revocations {
    entries: Vec<Revocation>,
    lists: Vec<ListMark>,
}

/// The number and the digest of the last list of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListMark {
    issuer: PublicKey,
    pub(super) sequence: u64,
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedFile {
    version: Spanned<i64>,
    #[serde(default)]
    revoked: Vec<Spanned<RevokedEntry>>,
    #[serde(default)]
    lists: Vec<ListEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedEntry {
    public_key: Option<Spanned<String>>,
    digest: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
    revoked_at: Spanned<String>,
    reason: Spanned<String>,
    name: Option<Spanned<String>>,
    issuer: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListEntry {
    issuer: Spanned<String>,
    sequence: u64,
    digest: Spanned<String>,
}

impl Part for Revocations {
    fn of(store: &TrustStore) -> &Self {
        &store.revocations
    }
}

impl Decisions for Revocations {
    const FILE: &'static str = REVOKED_FILE;
    const LOCK: &'static str = LOCK_FILE;
    const UNDER_LOCK: &'static [&'static str] = &FILES;
    const MAX_BYTES: u64 = MAX_REVOKED_FILE_BYTES;
    type Error = TrustError;

    fn parse(path: &Path, text: &str) -> Result<Self, TrustError> {
        let lines = Lines::of(text);
        let source = Source { path, lines: &lines };
        let file: RevokedFile = source.parse()?;
        source.check_version(&file.version)?;
        let lists = file.lists.iter().map(|entry| {
            Ok(ListMark {
                issuer: source.value("issuer", &entry.issuer, PublicKey::for_comparison)?,
                sequence: entry.sequence,
                digest: source.value("digest", &entry.digest, str::parse)?,
            })
        });
        Ok(Self {
            entries: file.revoked.iter().map(|entry| source.revocation(entry)).collect::<Result<_, _>>()?,
            lists: lists.collect::<Result<_, TrustError>>()?,
        })
    }

    fn to_text(&self) -> Result<String, TrustError> {
        #[derive(Serialize)]
        struct File<'a> {
            version: i64,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            revoked: Vec<Entry<'a>>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            lists: Vec<List>,
        }
        #[derive(Serialize)]
        struct Entry<'a> {
            public_key: Option<String>,
            digest: Option<String>,
            kind: Option<&'static str>,
            revoked_at: String,
            reason: &'a str,
            name: Option<&'a str>,
            issuer: Option<String>,
        }
        #[derive(Serialize)]
        struct List {
            issuer: String,
            sequence: u64,
            digest: String,
        }
        fn entry_of(entry: &Revocation) -> Entry<'_> {
            let Revocation { revoked, revoked_at, reason, kind, name, issuer, line: _ } = entry;
            let (public_key, digest, kind) = match revoked {
                Revoked::Key(key) => (Some(key.to_string()), None, Some(kind.name())),
                Revoked::Digest(digest) => (None, Some(digest.to_string()), None),
            };
            let (revoked_at, issuer) = (revoked_at.to_string(), issuer.map(|key| key.to_string()));
            Entry { public_key, digest, kind, revoked_at, reason, name: name.as_deref(), issuer }
        }
        let list = |mark: &ListMark| List {
            issuer: mark.issuer.to_string(),
            sequence: mark.sequence,
            digest: mark.digest.to_string(),
        };
        let file = File {
            version: VERSION,
            revoked: self.entries.iter().map(entry_of).collect(),
            lists: self.lists.iter().map(list).collect(),
        };
        encode(HEADER, &file)
    }
}

impl Revocations {
    fn find(&self, revoked: &Revoked) -> Option<&Revocation> {
        let mut meant = self.entries.iter().filter(|entry| entry.revoked == *revoked);
        let first = meant.next()?;
        // Of several entries about the same key or file, an entry that says compromised counts.
        Some(meant.find(|entry| entry.kind == RevocationKind::Compromised).unwrap_or(first))
    }

    /// Adds an entry, if it says more than the existing entries. The user's own entry and the entries of each list are
    /// kept side by side, so that no entry replaces the user's own. Returns whether anything changed.
    pub(super) fn add(&mut self, entry: Revocation) -> bool {
        let is_worse = |known: &Revocation| {
            known.kind == RevocationKind::Superseded && entry.kind == RevocationKind::Compromised
        };
        let is_known = |known: &Revocation| {
            // An entry of a list is redundant if any entry says as much. The user's own entry is redundant only if the
            // user wrote one before.
            known.revoked == entry.revoked
                && (entry.issuer.is_some() || known.issuer.is_none())
                && !is_worse(known)
        };
        if self.entries.iter().any(is_known) {
            return false;
        }
        let is_same =
            |known: &&mut Revocation| known.revoked == entry.revoked && known.issuer == entry.issuer;
        match self.entries.iter_mut().find(is_same) {
            Some(known) => *known = Revocation { name: known.name.take().or(entry.name), ..entry },
            None => self.entries.push(entry),
        }
        true
    }

    /// The number and the digest of the last list of an issuer.
    pub(super) fn last_list(&self, issuer: &PublicKey) -> Option<&ListMark> {
        self.lists.iter().find(|mark| mark.issuer == *issuer)
    }

    /// Checks that the lists of the issuer, and all lists together, stay within their shares of the file.
    fn check_listed(&self, issuer: &PublicKey) -> Result<(), TrustError> {
        let bytes = |is_meant: &dyn Fn(&PublicKey) -> bool| {
            let entries = self.entries.iter().filter(|entry| entry.issuer.is_some_and(|by| is_meant(&by)));
            let lists = self.lists.iter().filter(|mark| is_meant(&mark.issuer));
            let part = Self { entries: entries.cloned().collect(), lists: lists.cloned().collect() };
            Ok::<_, TrustError>(part.to_text()?.len() as u64)
        };
        if bytes(&|by| by == issuer)? > MAX_ISSUER_BYTES {
            return Err(TrustError::IssuerShare { issuer: *issuer, max: MAX_ISSUER_BYTES });
        }
        let max = MAX_REVOKED_FILE_BYTES - OWN_REVOCATIONS_RESERVE_BYTES;
        if bytes(&|_| true)? > max { Err(TrustError::ListsFull { max }) } else { Ok(()) }
    }

    fn mark(&mut self, list: &RevocationList) -> Result<(), TrustError> {
        let mark = ListMark { issuer: *list.issuer(), sequence: list.sequence(), digest: list.digest() };
        let count = self.lists.len();
        match self.lists.iter_mut().find(|known| known.issuer == mark.issuer) {
            Some(known) => *known = mark,
            None if count < MAX_REVOCATION_LISTS => self.lists.push(mark),
            None => return Err(TrustError::TooManyLists),
        }
        Ok(())
    }
}

impl Source<'_> {
    fn revocation(self, spanned: &Spanned<RevokedEntry>) -> Result<Revocation, TrustError> {
        let line = self.line_of(spanned);
        let entry = spanned.get_ref();
        let wrong = |field: &'static str, cause: &str| TrustError::Value {
            path: self.path.into(),
            line,
            field,
            cause: cause.to_owned(),
        };
        let kind = self.optional("kind", entry.kind.as_ref(), str::parse::<RevocationKind>)?;
        let revoked = match (&entry.public_key, &entry.digest) {
            (Some(key), None) => Revoked::Key(self.value("public_key", key, PublicKey::for_comparison)?),
            (None, Some(_)) if kind.is_some() => return Err(wrong("kind", "only a key has a kind")),
            (None, Some(digest)) => Revoked::Digest(self.value("digest", digest, str::parse)?),
            (Some(_), Some(_)) | (None, None) => {
                return Err(wrong("revoked", "an entry has either `public_key` or `digest`"));
            }
        };
        Ok(Revocation {
            revoked,
            revoked_at: self.value("revoked_at", &entry.revoked_at, str::parse)?,
            reason: self.text("reason", &entry.reason)?,
            kind: kind.unwrap_or_default(),
            name: entry.name.as_ref().map(|name| self.text("name", name)).transpose()?,
            issuer: self.optional("issuer", entry.issuer.as_ref(), PublicKey::for_comparison)?,
            line: Line(Some(line)),
        })
    }
}

/// The result of importing a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedList {
    /// The revocations that are new.
    pub added: Vec<Revocation>,
    /// How many revocations of the list were known before.
    pub known: usize,
}

impl TrustStore {
    /// All revocations, in the order of the file.
    pub fn revocations(&self) -> impl Iterator<Item = &Revocation> + Clone {
        self.revocations.entries.iter()
    }

    /// The revocation of a key, if the key is revoked.
    #[must_use]
    pub fn revoked_key(&self, key: &PublicKey) -> Option<&Revocation> {
        self.revocations.find(&Revoked::Key(*key))
    }

    /// The revocation of a plugin file, if the file is revoked.
    #[must_use]
    pub fn revoked_digest(&self, digest: &Digest) -> Option<&Revocation> {
        self.revocations.find(&Revoked::Digest(*digest))
    }

    /// Whether a key was revoked as compromised.
    pub(crate) fn is_compromised(&self, key: &PublicKey) -> bool {
        self.revoked_key(key).is_some_and(|revocation| match revocation.kind {
            RevocationKind::Compromised => true,
            RevocationKind::Superseded => false,
        })
    }

    /// A copy of this store in which `revoked` is revoked as well; nothing is written.
    #[must_use]
    pub fn supposing_revoked(&self, revoked: Revoked) -> Self {
        self.supposing_revoked_as(revoked, RevocationKind::Compromised, "supposed")
    }

    /// As [`TrustStore::supposing_revoked`], with a kind and a reason.
    #[must_use]
    pub fn supposing_revoked_as(&self, revoked: Revoked, kind: RevocationKind, reason: &str) -> Self {
        let mut store = self.clone();
        store.revocations.add(store.new_revocation(revoked, kind, reason));
        store
    }

    /// Revokes a key or a file, and writes the revocation down. A key that was revoked as superseded can be revoked
    /// again as compromised.
    ///
    /// # Errors
    ///
    /// Fails if the key or file is revoked already, if the reason may not be shown, or if the files cannot be read or
    /// written.
    pub fn revoke(
        config_dir: impl Into<Keeper>,
        revoked: Revoked,
        kind: RevocationKind,
        reason: &str,
    ) -> Result<Revocation, TrustError> {
        shown_text::check_sentence(reason).map_err(|cause| TrustError::Reason { cause })?;
        Self::change::<Revocations, _>(config_dir, |store, keeper| {
            let revoked_at = keeper.now();
            let entry = Revocation { revoked_at, ..store.new_revocation(revoked, kind, reason) };
            if !store.revocations.add(entry.clone()) {
                return Err(TrustError::AlreadyRevoked { revoked });
            }
            Ok(store.revocations.find(&revoked).cloned().unwrap_or(entry))
        })
    }

    /// Takes a revocation back, for example a mistaken one.
    ///
    /// # Errors
    ///
    /// Fails if the key or file is not revoked, or if the files cannot be read or written.
    pub fn unrevoke(config_dir: impl Into<Keeper>, revoked: Revoked) -> Result<Revocation, TrustError> {
        Self::change::<Revocations, _>(config_dir, |store, _| {
            let entry = store.revocations.find(&revoked).cloned();
            store.revocations.entries.retain(|entry| entry.revoked != revoked);
            entry.ok_or_else(|| TrustError::NotRevoked { what: revoked.to_string() })
        })
    }

    /// Signs a list of the user's own revocations, with a number higher than any before, and writes the number down. No
    /// lock is held while the key signs, because signing may wait for a person.
    ///
    /// # Errors
    ///
    /// Fails if there is no revocation to list, if the key does not sign, if another list of this key was made
    /// meanwhile, or if the files cannot be read or written.
    pub fn export_revocations(
        config_dir: impl Into<Keeper>,
        issuer: &dyn PrivateKey,
    ) -> Result<RevocationList, TrustError> {
        let refused = |error| TrustError::RevocationList(Box::new(error));
        let keeper = config_dir.into();
        let store = Self::load(&keeper)?;
        let own: Vec<Revocation> =
            store.revocations().filter(|entry| entry.issuer.is_none()).map(Revocation::fit_to_show).collect();
        if own.is_empty() {
            return Err(TrustError::NothingRevoked);
        }
        let key = issuer.public_key();
        let last = store.revocations.last_list(&key).cloned();
        let sequence = last.as_ref().map_or(1, |mark| mark.sequence.saturating_add(1));
        let list = RevocationList::make(issuer, sequence, &own).map_err(refused)?;
        Self::change::<Revocations, _>(&keeper, |store, _| {
            if store.revocations.last_list(&key) != last.as_ref() {
                return Err(refused(RevocationListError::Raced { key, sequence }));
            }
            store.revocations.mark(&list)
        })?;
        Ok(list)
    }

    /// Imports the revocations of a list. They are added to the existing entries, and no entry is replaced or removed,
    /// so a user who imports a list in spite of the checks loses nothing. The number of the list is recorded, and later
    /// lists of the issuer are compared with it.
    ///
    /// # Errors
    ///
    /// Fails if a reason may not be shown, or if the files cannot be read or written. Unless `despite` says that the
    /// user wants the list in spite of the checks, also fails if the issuer may not revoke for all plugins, if the list
    /// is older than the last of its issuer or another list with the same number, or if it is dated in the future.
    pub fn import_revocations(
        config_dir: impl Into<Keeper>,
        list: &RevocationList,
        despite: bool,
    ) -> Result<ImportedList, TrustError> {
        let refused = |error| TrustError::RevocationList(Box::new(error));
        Self::change::<Revocations, _>(config_dir, |store, keeper| {
            let key = *list.issuer();
            if !despite {
                store.check_list(list, keeper.now().timestamp()).map_err(refused)?;
            }
            for entry in list.entries() {
                shown_text::check_sentence(&entry.reason).map_err(|cause| {
                    refused(RevocationListError::Reason { revoked: entry.revoked.to_string(), cause })
                })?;
            }
            let mut added = Vec::new();
            for entry in list.entries() {
                let name = entry.key().and_then(|key| store.get(key)).map(|key| key.name.clone());
                let entry = Revocation { name, ..entry.clone() };
                if store.revocations.add(entry.clone()) {
                    added.push(entry);
                }
            }
            store.revocations.mark(list)?;
            if !added.is_empty() {
                store.revocations.check_listed(&key)?;
            }
            Ok(ImportedList { known: list.entries().len() - added.len(), added })
        })
    }

    /// Checks that the list is neither older than the last of its issuer nor another list with the same number, that it
    /// is not dated in the future, and that the issuer may revoke for all plugins.
    fn check_list(&self, list: &RevocationList, now: Timestamp) -> Result<(), RevocationListError> {
        let key = *list.issuer();
        if let Some(why) = self.lacks_authority(list, now) {
            return Err(RevocationListError::NoAuthority { key, why });
        }
        if list.issued_at().timestamp().duration_since(now) > MAX_LIST_AHEAD {
            return Err(RevocationListError::Ahead { key, at: list.issued_at().clone() });
        }
        let Some(mark) = self.revocations.last_list(&key) else { return Ok(()) };
        let (found, known) = (list.sequence(), mark.sequence);
        if found < known {
            return Err(RevocationListError::Replay { key, found, known });
        }
        if found == known && mark.digest != list.digest() {
            return Err(RevocationListError::Fork { key, sequence: found });
        }
        Ok(())
    }

    /// Why the issuer of a list may not revoke everything that a list may name. The issuer must meet the conditions for
    /// a signer of plugins. The date of the list is not believed, because an issuer whose key was rotated could
    /// backdate a list and revoke the new key.
    fn lacks_authority(&self, list: &RevocationList, now: Timestamp) -> Option<&'static str> {
        let Ok(lineage) = self.lineage(None) else { return Some("whose rotations contradict each other") };
        if self.revoked_key(list.issuer()).is_some() {
            return Some("which was revoked");
        }
        let (standing, _) = self.standing(&lineage, list.issuer(), Act::Revoke, Done::Unknown, now);
        match standing {
            Standing::Trusted { .. } => None,
            Standing::Untrusted => Some("which is not trusted"),
            Standing::TrustExpired { .. } => Some("in which trust has ended"),
            Standing::OtherPlugins { .. } => Some("which is trusted for certain plugins only"),
            Standing::OtherRole { .. } => Some("which is trusted to do something else"),
            Standing::Superseded { .. } => Some("which has passed on to another key"),
            Standing::NotYetActive { .. } => Some("to which a trusted key passes on only later"),
            Standing::FromCompromised { .. } => {
                Some("which follows from a key that was revoked as compromised")
            }
        }
    }

    pub(super) fn new_revocation(&self, revoked: Revoked, kind: RevocationKind, reason: &str) -> Revocation {
        let (kind, name) = match revoked {
            Revoked::Key(key) => (kind, self.get(&key).map(|entry| entry.name.clone())),
            Revoked::Digest(_) => (RevocationKind::Compromised, None),
        };
        Revocation {
            revoked,
            revoked_at: UtcTime::now(),
            reason: reason.to_owned(),
            kind,
            name,
            issuer: None,
            line: Line::default(),
        }
    }
}
