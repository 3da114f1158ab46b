//! The user's decisions about capabilities, stored in `grants.toml` of the configuration directory.
//!
//! A grant is bound to a plugin's name and publisher, a denial to the name alone: the next plugin of that name is
//! denied the capability as well. Every change is made under a lock, to a file that is replaced as a whole. A denial
//! that cannot be written there is kept in a journal until it is in the file.

mod file;
mod journal;
mod shares;

use std::fmt;
use std::path::{Path, PathBuf};

use conductor_abi::Capability;
use conductor_signing::keeper::{Decisions, Keeper, KeeperError};
use conductor_signing::{Digest, PluginName, PublicKey, Publisher, UtcTime, escape};
use jiff::Timestamp;

use super::GrantSpec;
use journal::Journal;

pub use journal::JOURNAL_FILE;
pub use shares::{DENIAL_RESERVE_BYTES, MAX_HOLDER_BYTES, MAX_NOTED_BYTES};

/// Name of the file.
pub const GRANTS_FILE: &str = "grants.toml";

/// Name of the lock that its writers take.
const LOCK_FILE: &str = "grants.lock";

/// Largest file in bytes. Stops a file that another program wrote from filling the host's memory. Thousands of grants
/// fit.
const MAX_GRANTS_FILE_BYTES: u64 = 1024 * 1024;

/// Whom a grant is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The key that the plugin's name is pinned to, and the keys that follow it by rotation.
    Publisher(PublicKey),
    /// One file, because nobody signed the plugin.
    File(Digest),
}

/// The identity of a plugin for which decisions are looked up.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The plugin's own name.
    pub name: PluginName,
    /// The plugin's publisher; `None` if nobody signed the plugin.
    pub publisher: Option<Publisher>,
    /// Digest of the plugin's file.
    pub digest: Digest,
}

/// One scope that the user granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGrant {
    /// Name of the plugin.
    pub plugin: PluginName,
    /// Whom the grant is bound to.
    pub holder: Holder,
    /// What is granted, always with its scope.
    pub grant: GrantSpec,
    /// What the plugin declared of this capability when the user decided. What it declares in addition later needs a
    /// new decision.
    pub declared: Vec<GrantSpec>,
    /// The plugin's version at that time, if it had one.
    pub version: Option<String>,
    /// When the user decided.
    pub granted_at: UtcTime,
    /// When the grant ends; `None` for never.
    pub until: Option<UtcTime>,
}

/// A capability that the user denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDenial {
    /// Name of the plugin.
    pub plugin: PluginName,
    /// The capability.
    pub capability: Capability,
    /// When the user decided.
    pub denied_at: UtcTime,
}

/// What a bare name in the configuration stood for when it was first read for a plugin. The bare name grants that and
/// no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstDeclared {
    /// Name of the plugin.
    pub plugin: PluginName,
    /// Whom this is bound to.
    pub holder: Holder,
    /// The capability.
    pub capability: Capability,
    /// What the plugin declared.
    pub declared: Vec<GrantSpec>,
    /// When the bare name was first read.
    pub seen_at: UtcTime,
}

/// Where a denial is stored.
#[derive(Debug)]
pub enum DenialKept {
    /// In the file of all decisions.
    InFile,
    /// In the journal, until it can be written to the file.
    InJournal {
        /// Why it cannot be written to the file.
        cause: GrantStoreError,
    },
}

/// The decisions as they are on disk at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantStore {
    pub(super) grants: Vec<StoredGrant>,
    pub(super) denials: Vec<StoredDenial>,
    pub(super) first_declared: Vec<FirstDeclared>,
}

impl Subject {
    /// Whom a new grant for this plugin is bound to.
    #[must_use]
    pub fn holder(&self) -> Holder {
        match &self.publisher {
            Some(publisher) => Holder::Publisher(*publisher.key()),
            None => Holder::File(self.digest),
        }
    }

    pub(crate) fn is(&self, plugin: &PluginName, holder: &Holder) -> bool {
        self.name == *plugin
            && match holder {
                Holder::Publisher(key) => self.publisher.as_ref().is_some_and(|publisher| publisher.is(key)),
                Holder::File(digest) => self.publisher.is_none() && self.digest == *digest,
            }
    }
}

/// Whom a decision is bound to, for records.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publisher(key) => write!(f, "publisher {key}"),
            Self::File(digest) => write!(f, "file {digest}"),
        }
    }
}

impl StoredGrant {
    /// Whether the grant has not ended.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.as_ref().is_none_or(|until| !until.is_past(now))
    }
}

impl GrantStore {
    /// The path of the file with the decisions of a configuration directory.
    #[must_use]
    pub fn file(config_dir: &Path) -> PathBuf {
        config_dir.join(GRANTS_FILE)
    }

    /// The files that hold the decisions of a configuration directory.
    #[must_use]
    pub fn files(config_dir: &Path) -> [PathBuf; 2] {
        [GRANTS_FILE, JOURNAL_FILE].map(|name| config_dir.join(name))
    }

    /// Reserves the room for denials that a full disk must not refuse, and moves denials from the journal into the
    /// file.
    ///
    /// # Errors
    ///
    /// Fails if there is no room, or if the decisions cannot be read or written.
    pub fn prepare(keeper: &Keeper) -> Result<(), GrantStoreError> {
        keeper.remove_leftovers::<Self>();
        Journal::prepare(keeper)?;
        if Journal::load(keeper)?.is_empty() { Ok(()) } else { Self::change(keeper, |_| Ok(())) }
    }

    /// Reads the decisions. If there is no file, nothing was decided. Denials in the journal count as well.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read, if others could have written it, or if it has a fault, which the error names. A
    /// file that cannot be used is never taken for an empty one.
    pub fn load(keeper: &Keeper) -> Result<Self, GrantStoreError> {
        let mut store: Self = keeper.load()?;
        store.take_over(&Journal::load(keeper)?);
        Ok(store)
    }

    /// Adds the denials in the journal, if it can be read.
    pub(super) fn take_over_journal(&mut self, keeper: &Keeper) {
        if let Ok(journal) = Journal::load(keeper) {
            self.take_over(&journal);
        }
    }

    /// Adds the denials in the journal.
    fn take_over(&mut self, journal: &Journal) {
        for denial in journal.denials() {
            self.put_denial(denial.clone());
        }
    }

    /// All grants, whether they hold or have ended.
    #[must_use]
    pub fn grants(&self) -> &[StoredGrant] {
        &self.grants
    }

    /// The grants of a plugin, whether they hold or have ended.
    pub fn grants_of<'s>(&'s self, subject: &'s Subject) -> impl Iterator<Item = &'s StoredGrant> {
        self.grants.iter().filter(|grant| subject.is(&grant.plugin, &grant.holder))
    }

    /// The denials of this plugin name.
    pub fn denials_of<'s>(&'s self, name: &'s PluginName) -> impl Iterator<Item = &'s StoredDenial> {
        self.denials.iter().filter(move |denial| denial.plugin == *name)
    }

    /// What a bare name of this capability in the configuration stands for, if it was read for this plugin before.
    #[must_use]
    pub fn first_declared(&self, subject: &Subject, capability: Capability) -> Option<&FirstDeclared> {
        let of = |first: &&FirstDeclared| {
            first.capability == capability && subject.is(&first.plugin, &first.holder)
        };
        self.first_declared.iter().find(of)
    }

    /// Grants scopes of one capability to a plugin. They replace what was granted or denied of the capability before.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written, or if the grants would take more than their share of the file.
    pub fn grant(
        keeper: &Keeper,
        subject: &Subject,
        capability: Capability,
        grants: Vec<StoredGrant>,
    ) -> Result<(), GrantStoreError> {
        Self::change(keeper, |store| {
            store.forget(subject, capability);
            if grants.is_empty() {
                return Ok(());
            }
            store.grants.extend(grants);
            store.check_grant(&subject.holder())
        })
    }

    /// Denies a capability to plugins of a name, and ends their grants of it. Returns where the denial is stored.
    ///
    /// # Errors
    ///
    /// Fails if the denial is stored nowhere: neither the file nor the journal can be written.
    pub fn deny(
        keeper: &Keeper,
        plugin: &PluginName,
        capability: Capability,
    ) -> Result<DenialKept, GrantStoreError> {
        let denial = StoredDenial { plugin: plugin.clone(), capability, denied_at: UtcTime::now() };
        let written = Self::change(keeper, |store| {
            store.put_denial(denial.clone());
            Ok(())
        });
        let Err(cause) = written else { return Ok(DenialKept::InFile) };
        match Journal::prepare(keeper).and_then(|()| Journal::add(keeper, &denial)) {
            Ok(()) => Ok(DenialKept::InJournal { cause }),
            Err(_) => Err(cause),
        }
    }

    /// Puts back earlier decisions about one capability of a plugin.
    pub(super) fn put_back(
        keeper: &Keeper,
        subject: &Subject,
        capability: Capability,
        before: &Self,
    ) -> Result<(), GrantStoreError> {
        Self::change(keeper, |store| {
            store.forget(subject, capability);
            let of_plugin = |plugin: &PluginName, holder: &Holder| subject.is(plugin, holder);
            store.grants.extend(
                before
                    .grants
                    .iter()
                    .filter(|grant| {
                        grant.grant.capability() == capability && of_plugin(&grant.plugin, &grant.holder)
                    })
                    .cloned(),
            );
            store.denials.extend(
                before
                    .denials
                    .iter()
                    .filter(|denial| denial.capability == capability && denial.plugin == subject.name)
                    .cloned(),
            );
            store.first_declared.extend(
                before
                    .first_declared
                    .iter()
                    .filter(|first| first.capability == capability && of_plugin(&first.plugin, &first.holder))
                    .cloned(),
            );
            Ok(())
        })
    }

    /// Stores what bare names in the configuration stand for from now on.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written, or if there is no room for these entries.
    pub fn remember(keeper: &Keeper, first: Vec<FirstDeclared>) -> Result<(), GrantStoreError> {
        Self::change(keeper, |store| {
            for first in first {
                let known = store.first_declared.iter().any(|known| {
                    (&known.plugin, &known.holder, known.capability)
                        == (&first.plugin, &first.holder, first.capability)
                });
                if !known {
                    let (name, holder) = (first.plugin.clone(), first.holder.clone());
                    store.first_declared.push(first);
                    store.forget_old_files(&name);
                    store.check_noted(&holder)?;
                }
            }
            Ok(())
        })
    }

    /// Denies to plugins of the name `to` what is denied to plugins of the name `from`, so that a plugin with a new
    /// name keeps its denials.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written.
    pub fn carry_denials(keeper: &Keeper, from: &PluginName, to: &PluginName) -> Result<(), GrantStoreError> {
        Self::change(keeper, |store| {
            let of_old: Vec<_> = store.denials_of(from).cloned().collect();
            for denial in of_old {
                store.put_denial(StoredDenial { plugin: to.clone(), ..denial });
            }
            Ok(())
        })
    }

    /// Decisions about a plugin whose text does not name everything that they grant, as they are written.
    pub fn unnamed(&self, subject: &Subject) -> Vec<GrantSpec> {
        let mut of_it = self.clone();
        let mut found = Vec::new();
        for spec in of_it.granting(subject).map(|spec| &*spec) {
            if granted(spec) != *spec && !found.contains(spec) {
                found.push(spec.clone());
            }
        }
        found
    }

    /// Rewrites the decisions about a plugin so that they name everything that they grant.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written.
    pub(super) fn narrow(keeper: &Keeper, subject: &Subject) -> Result<(), GrantStoreError> {
        Self::change(keeper, |store| {
            for spec in store.granting(subject) {
                *spec = granted(spec);
            }
            Ok(())
        })
    }

    /// Every scope that the file grants to a plugin.
    fn granting(&mut self, subject: &Subject) -> impl Iterator<Item = &mut GrantSpec> {
        let of = move |plugin: &PluginName, holder: &Holder| subject.is(plugin, holder);
        let grants = self.grants.iter_mut().filter(move |grant| of(&grant.plugin, &grant.holder));
        let first = self.first_declared.iter_mut().filter(move |first| of(&first.plugin, &first.holder));
        grants.map(|grant| &mut grant.grant).chain(first.flat_map(|first| &mut first.declared))
    }

    /// Ends the grants of a capability to plugins of a name, and denies the capability.
    fn put_denial(&mut self, denial: StoredDenial) {
        let is_of = |plugin: &PluginName, capability: Capability| {
            (plugin, capability) == (&denial.plugin, denial.capability)
        };
        self.grants.retain(|grant| !is_of(&grant.plugin, grant.grant.capability()));
        self.first_declared.retain(|first| !is_of(&first.plugin, first.capability));
        if !self.denials.iter().any(|known| is_of(&known.plugin, known.capability)) {
            self.denials.push(denial);
        }
    }

    /// Removes the decisions about one capability of a plugin.
    fn forget(&mut self, subject: &Subject, capability: Capability) {
        self.grants.retain(|grant| {
            grant.grant.capability() != capability || !subject.is(&grant.plugin, &grant.holder)
        });
        self.denials.retain(|denial| denial.plugin != subject.name || denial.capability != capability);
        self.first_declared
            .retain(|first| first.capability != capability || !subject.is(&first.plugin, &first.holder));
    }

    /// Changes the file under its lock. Denials in the journal are written to the file first, and then removed from the
    /// journal. A denial that stays in the journal outranks the file.
    fn change(
        keeper: &Keeper,
        action: impl FnOnce(&mut Self) -> Result<(), GrantStoreError>,
    ) -> Result<(), GrantStoreError> {
        let held = keeper.hold::<Self>()?;
        let journal = Journal::load(keeper)?;
        let before: Self = keeper.load()?;
        let mut store = before.clone();
        store.take_over(&journal);
        action(&mut store)?;
        if store != before {
            keeper.write(&store)?;
        }
        journal.clear(keeper)?;
        keeper.release(held);
        Ok(())
    }
}

impl Decisions for GrantStore {
    const FILE: &'static str = GRANTS_FILE;
    const LOCK: &'static str = LOCK_FILE;
    const MAX_BYTES: u64 = MAX_GRANTS_FILE_BYTES;
    type Error = GrantStoreError;

    fn parse(path: &Path, text: &str) -> Result<Self, GrantStoreError> {
        file::parse(path, text)
    }

    fn to_text(&self) -> Result<String, GrantStoreError> {
        file::to_toml(self)
    }
}

/// A grant with a scope that names everything that it grants.
fn granted(spec: &GrantSpec) -> GrantSpec {
    spec.scope().map_or_else(|| spec.clone(), |scope| GrantSpec::of(scope.clone().granted()))
}

/// Why decisions about capabilities were not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantStoreError {
    /// The file or its directory cannot be read or written.
    #[error("grants: {0}")]
    Kept(#[from] KeeperError),
    /// Another program wrote to the journal of denials, and a place in it is damaged.
    #[error("{}: place {place} is damaged", escape::path(path))]
    JournalDamaged {
        /// The journal.
        path: PathBuf,
        /// The place, counted from 0.
        place: usize,
    },
    /// The journal of denials is full.
    #[error("{} is full", escape::path(path))]
    JournalFull {
        /// The journal.
        path: PathBuf,
    },
    /// One publisher's share of the file is used up.
    #[error("more than {max} bytes of decisions about the plugins of {holder}")]
    Share {
        /// Whose share it is.
        holder: Holder,
        /// Most bytes.
        max: u64,
    },
    /// The part of the file that is not reserved for denials is used up.
    #[error("more than {max} bytes of decisions")]
    Full {
        /// Most bytes.
        max: u64,
    },
    /// The file is not TOML of the expected form.
    #[error("{}: line {line}: {cause}", escape::path(path))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong.
        cause: String,
    },
    /// A value is not understood.
    #[error("{}: line {line}: `{field}`: {}", escape::path(path), escape::terminal(cause))]
    Value {
        /// The file.
        path: PathBuf,
        /// Line of the entry, counted from 1.
        line: usize,
        /// The field.
        field: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// The file has a version that this program does not know.
    #[error(
        "{}: version {found} is not known, only versions up to {} are",
        escape::path(path),
        file::VERSION
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: i64,
    },
    /// The decisions cannot be encoded.
    #[error("grants cannot be encoded: {source}")]
    Encode {
        /// The cause.
        source: toml::ser::Error,
    },
}

impl GrantStoreError {
    /// What the user can do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Kept(error) => error.hint(),
            Self::JournalDamaged { path, .. } => {
                Some(format!("move {} away; denials that stand in it alone are lost", escape::path(path)))
            }
            Self::JournalFull { .. } => {
                Some("make room on the disk, so that denials can be put into grants.toml".to_owned())
            }
            Self::Share { .. } | Self::Full { .. } => {
                Some("revoke what is not needed: conductorctl plugin revoke ALIAS CAPABILITY".to_owned())
            }
            Self::Syntax { path, .. } | Self::Value { path, .. } => Some(format!(
                "mend that line, or move {} away to decide about every plugin anew",
                escape::path(path)
            )),
            Self::Version { .. } => Some("run the newer Conductor that wrote it".to_owned()),
            Self::Encode { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
