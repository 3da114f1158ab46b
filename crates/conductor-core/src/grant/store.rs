//! The user's decisions about capabilities, kept in `grants.toml` of the configuration directory.
//!
//! A grant is bound to a plugin's name and publisher, a denial to the name alone: whoever comes next under that name is
//! denied as well. Every change is made under a lock, to a file that is replaced whole.

mod file;

use std::path::{Path, PathBuf};

use conductor_abi::Capability;
use conductor_signing::guarded::{self, Decisions};
use conductor_signing::{Digest, FileError, PluginName, PublicKey, Publisher, UtcTime, atomic_file, escape};
use jiff::Timestamp;

use super::GrantSpec;

/// Name of the file.
pub const GRANTS_FILE: &str = "grants.toml";

/// Name of the lock that its writers take.
const LOCK_FILE: &str = "grants.lock";

/// Largest file; stops one that somebody else wrote from filling the host's memory. It has room for thousands of grants.
const MAX_GRANTS_FILE_BYTES: u64 = 1024 * 1024;

/// Whom a grant is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The key that the plugin's name is pinned to, and those that follow from it by rotation.
    Publisher(PublicKey),
    /// One file, because nobody signed it.
    File(Digest),
}

/// A plugin as decisions are looked up for it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its own name.
    pub name: PluginName,
    /// Who answers for it; `None` if nobody signed it.
    pub publisher: Option<Publisher>,
    /// Digest of its file.
    pub digest: Digest,
}

/// One scope that the user granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGrant {
    /// Name of the plugin.
    pub plugin: PluginName,
    /// Whom it is bound to.
    pub holder: Holder,
    /// What is granted; always with its scope.
    pub grant: GrantSpec,
    /// What the plugin declared of this capability when the user decided: what it declares later asks again.
    pub declared: Vec<GrantSpec>,
    /// The plugin's version then, if it had one.
    pub version: Option<String>,
    /// When.
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
    /// When.
    pub denied_at: UtcTime,
}

/// What a bare name in the configuration stood for when it was first read for a plugin: it grants that and no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstDeclared {
    /// Name of the plugin.
    pub plugin: PluginName,
    /// Whom it is bound to.
    pub holder: Holder,
    /// The capability.
    pub capability: Capability,
    /// What the plugin declared.
    pub declared: Vec<GrantSpec>,
    /// When.
    pub seen_at: UtcTime,
}

/// The decisions as they are on disk at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantStore {
    pub(super) grants: Vec<StoredGrant>,
    pub(super) denials: Vec<StoredDenial>,
    pub(super) first_declared: Vec<FirstDeclared>,
}

impl Subject {
    /// Whom a new grant is bound to.
    #[must_use]
    pub fn holder(&self) -> Holder {
        match &self.publisher {
            Some(publisher) => Holder::Publisher(*publisher.key()),
            None => Holder::File(self.digest),
        }
    }

    pub(super) fn is(&self, plugin: &PluginName, holder: &Holder) -> bool {
        self.name == *plugin
            && match holder {
                Holder::Publisher(key) => self.publisher.as_ref().is_some_and(|publisher| publisher.is(key)),
                Holder::File(digest) => self.publisher.is_none() && self.digest == *digest,
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
    /// Where the decisions of a configuration directory are.
    #[must_use]
    pub fn file(config_dir: &Path) -> PathBuf {
        config_dir.join(GRANTS_FILE)
    }

    /// Reads the decisions; where there is no file, nothing was decided.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, if others could have written it, or names what is wrong in it. It is never
    /// taken for an empty one.
    pub fn load(config_dir: &Path) -> Result<Self, GrantStoreError> {
        let path = Self::file(config_dir);
        let bytes = guarded::read_decisions(&path, MAX_GRANTS_FILE_BYTES)?;
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| GrantStoreError::Syntax {
            path: path.clone(),
            line: 1,
            cause: "it is not UTF-8".to_owned(),
        })?;
        file::parse(&path, text)
    }

    /// All grants, whether they hold or have ended.
    #[must_use]
    pub fn grants(&self) -> &[StoredGrant] {
        &self.grants
    }

    /// What was granted to a plugin, whether it still holds or not.
    pub fn grants_of<'s>(&'s self, subject: &'s Subject) -> impl Iterator<Item = &'s StoredGrant> {
        self.grants.iter().filter(|grant| subject.is(&grant.plugin, &grant.holder))
    }

    /// What was denied to plugins of this name.
    pub fn denials_of<'s>(&'s self, name: &'s PluginName) -> impl Iterator<Item = &'s StoredDenial> {
        self.denials.iter().filter(move |denial| denial.plugin == *name)
    }

    /// What a bare name of this capability in the configuration stands for, if it was read for the plugin before.
    #[must_use]
    pub fn first_declared(&self, subject: &Subject, capability: Capability) -> Option<&FirstDeclared> {
        let of = |first: &&FirstDeclared| {
            first.capability == capability && subject.is(&first.plugin, &first.holder)
        };
        self.first_declared.iter().find(of)
    }

    /// Grants scopes of one capability to a plugin, instead of what was granted or denied of it before.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written.
    pub fn grant(
        config_dir: &Path,
        subject: &Subject,
        capability: Capability,
        grants: Vec<StoredGrant>,
    ) -> Result<(), GrantStoreError> {
        Self::change(config_dir, |store| {
            store.forget(subject, capability);
            store.grants.extend(grants);
        })
    }

    /// Denies a capability to plugins of the subject's name, and ends what was granted of it.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written.
    pub fn deny(config_dir: &Path, subject: &Subject, capability: Capability) -> Result<(), GrantStoreError> {
        Self::change(config_dir, |store| {
            store.forget(subject, capability);
            store
                .grants
                .retain(|grant| grant.plugin != subject.name || grant.grant.capability() != capability);
            let (plugin, denied_at) = (subject.name.clone(), UtcTime::now());
            store.denials.push(StoredDenial { plugin, capability, denied_at });
        })
    }

    /// Takes note of what a bare name in the configuration stands for from now on.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written.
    pub fn remember(config_dir: &Path, first: Vec<FirstDeclared>) -> Result<(), GrantStoreError> {
        Self::change(config_dir, |store| {
            for first in first {
                let known = store.first_declared.iter().any(|known| {
                    (&known.plugin, &known.holder, known.capability)
                        == (&first.plugin, &first.holder, first.capability)
                });
                if !known {
                    store.first_declared.push(first);
                }
            }
        })
    }

    /// Decisions about a plugin that do not name all that they grant, as they are written.
    pub(super) fn unnamed(&self, subject: &Subject) -> Vec<GrantSpec> {
        let mut of_it = self.clone();
        let mut found = Vec::new();
        for spec in of_it.granting(subject).map(|spec| &*spec) {
            if granted(spec) != *spec && !found.contains(spec) {
                found.push(spec.clone());
            }
        }
        found
    }

    /// Writes down all that the decisions about a plugin grant.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written.
    pub(super) fn narrow(config_dir: &Path, subject: &Subject) -> Result<(), GrantStoreError> {
        Self::change(config_dir, |store| {
            for spec in store.granting(subject) {
                *spec = granted(spec);
            }
        })
    }

    /// Every scope that is granted to a plugin here.
    fn granting(&mut self, subject: &Subject) -> impl Iterator<Item = &mut GrantSpec> {
        let of = move |plugin: &PluginName, holder: &Holder| subject.is(plugin, holder);
        let grants = self.grants.iter_mut().filter(move |grant| of(&grant.plugin, &grant.holder));
        let first = self.first_declared.iter_mut().filter(move |first| of(&first.plugin, &first.holder));
        grants.map(|grant| &mut grant.grant).chain(first.flat_map(|first| &mut first.declared))
    }

    /// Drops the decisions about one capability of a plugin.
    fn forget(&mut self, subject: &Subject, capability: Capability) {
        self.grants.retain(|grant| {
            grant.grant.capability() != capability || !subject.is(&grant.plugin, &grant.holder)
        });
        self.denials.retain(|denial| denial.plugin != subject.name || denial.capability != capability);
        self.first_declared
            .retain(|first| first.capability != capability || !subject.is(&first.plugin, &first.holder));
    }

    fn change(config_dir: &Path, action: impl FnOnce(&mut Self)) -> Result<(), GrantStoreError> {
        let _lock = Decisions::lock(config_dir, LOCK_FILE)?;
        let before = Self::load(config_dir)?;
        let mut store = before.clone();
        action(&mut store);
        if store == before {
            return Ok(());
        }
        let path = Self::file(config_dir);
        let text = file::to_toml(&store)?;
        if text.len() as u64 > MAX_GRANTS_FILE_BYTES {
            return Err(FileError::TooLarge { path, max: MAX_GRANTS_FILE_BYTES }.into());
        }
        atomic_file::replace(&path, text.as_bytes(), atomic_file::PRIVATE)
            .map_err(|source| GrantStoreError::Write { path, source })
    }
}

/// A grant with all that it grants named.
fn granted(spec: &GrantSpec) -> GrantSpec {
    spec.scope().map_or_else(|| spec.clone(), |scope| GrantSpec::of(scope.clone().granted()))
}

/// Why decisions about capabilities were not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantStoreError {
    /// The file or its directory cannot be read, or others could have written it.
    #[error("grants: {0}")]
    File(#[from] FileError),
    /// The file is no TOML of the expected form.
    #[error("{}: line {line}: {cause}", escape::path(path))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        cause: String,
    },
    /// A value is not understood.
    #[error("{}: line {line}: `{field}`: {cause}", escape::path(path))]
    Value {
        /// The file.
        path: PathBuf,
        /// Line of the entry, from 1.
        line: usize,
        /// The field.
        field: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// The file is of a version that this program does not know.
    #[error("{}: version {found} is not known, only version {} is", escape::path(path), file::VERSION)]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: i64,
    },
    /// The decisions cannot be put into a file.
    #[error("grants cannot be encoded: {source}")]
    Encode {
        /// The cause.
        source: toml::ser::Error,
    },
    /// The file cannot be replaced.
    #[error("cannot write {}: {source}", escape::path(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl GrantStoreError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Syntax { path, .. } | Self::Value { path, .. } => Some(format!(
                "mend that line, or move {} away to decide about every plugin anew",
                escape::path(path)
            )),
            Self::Version { .. } => Some("run the newer Conductor that wrote it".to_owned()),
            Self::Encode { .. } | Self::Write { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
