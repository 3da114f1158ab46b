//! What the user decided about secrets, stored in `secrets.toml` of the configuration directory.
//!
//! The file holds no secret: it says which plugin a secret is for, which hosts the user confirmed, and where the secret is
//! kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use conductor_signing::keeper::{Keeper, KeeperError};
use conductor_signing::{PluginName, UtcTime, escape};

use super::{SecretHost, SecretId};
use crate::binding::Bound;
use crate::grant::store::{Holder, Subject};

/// Name of the file.
pub const SECRETS_FILE: &str = "secrets.toml";

/// The version that is read and written.
pub(super) const VERSION: i64 = 1;

/// Most secrets in the file; stops plugins that come and go from filling it.
pub const MAX_STORED_SECRETS: usize = 1024;

/// Most secrets of one publisher or file; nobody's plugins take all the room.
pub const MAX_SECRETS_OF_HOLDER: usize = 128;

/// In which kind of place a secret is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptIn {
    /// In the Secret Service of the desktop.
    SecretService,
    /// In a file that only the user can read.
    File,
}

impl KeptIn {
    /// The place as files and clients write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SecretService => "secret-service",
            Self::File => "file",
        }
    }
}

impl FromStr for KeptIn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "secret-service" => Ok(Self::SecretService),
            "file" => Ok(Self::File),
            _ => Err("expected `secret-service` or `file`"),
        }
    }
}

impl fmt::Display for KeptIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPlace {
    /// In which kind of place.
    pub kept_in: KeptIn,
    /// Under which name.
    pub id: SecretId,
}

/// What the user decided about one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// Name of the plugin.
    pub plugin: PluginName,
    /// Whom the secret is bound to.
    pub holder: Holder,
    /// The name that the plugin has for it.
    pub name: String,
    /// Hosts that the user confirmed.
    pub hosts: Vec<SecretHost>,
    /// In which kind of place the secret is kept.
    pub kept_in: KeptIn,
    /// Under which name it is kept there.
    pub id: SecretId,
    /// When the user entered it.
    pub set_at: UtcTime,
}

/// The plugin whose secrets are meant.
#[derive(Clone, Debug)]
pub enum Whose {
    /// A plugin that was judged.
    Judged(Subject),
    /// The plugin that an alias is bound to, where nobody can judge its file. A plugin's name stands for one line of
    /// publishers, so what is signed under the name counts as that plugin's, and so does what is not if it is unsigned.
    Bound(Bound),
}

impl Whose {
    /// Whether a decision about a plugin of this name, bound to this holder, is about the plugin.
    #[must_use]
    pub fn is(&self, plugin: &PluginName, holder: &Holder) -> bool {
        match self {
            Self::Judged(subject) => subject.is(plugin, holder),
            Self::Bound(bound) => {
                let is_signed = matches!(holder, Holder::Publisher(_));
                *plugin == bound.name && bound.publisher.is_some() == is_signed
            }
        }
    }
}

impl StoredSecret {
    /// The user's decision, at this moment, that a secret kept at `place` may go to these hosts.
    #[must_use]
    pub fn now(
        keeper: &Keeper,
        subject: &Subject,
        name: &str,
        hosts: &[SecretHost],
        place: SecretPlace,
    ) -> Self {
        let SecretPlace { kept_in, id } = place;
        Self {
            plugin: subject.name.clone(),
            holder: subject.holder(),
            name: name.to_owned(),
            hosts: hosts.to_vec(),
            kept_in,
            id,
            set_at: keeper.now(),
        }
    }

    /// Where the secret is kept.
    #[must_use]
    pub fn place(&self) -> SecretPlace {
        SecretPlace { kept_in: self.kept_in, id: self.id.clone() }
    }
}

/// The decisions as they are on disk at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretStore(pub(super) Vec<StoredSecret>);

impl SecretStore {
    /// The path of the file in a configuration directory.
    #[must_use]
    pub fn file(config_dir: &Path) -> PathBuf {
        config_dir.join(SECRETS_FILE)
    }

    /// Reads the decisions. If there is no file, the user entered no secret.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, if others could have written it, or if it has a fault, which the error names.
    /// A file that cannot be used is never taken for an empty one.
    pub fn load(keeper: &Keeper) -> Result<Self, SecretStoreError> {
        keeper.load()
    }

    /// All decisions.
    #[must_use]
    pub fn all(&self) -> &[StoredSecret] {
        &self.0
    }

    /// What the user decided about a secret of a plugin. A plugin of another publisher under the same name has none of it.
    #[must_use]
    pub fn find(&self, subject: &Subject, name: &str) -> Option<&StoredSecret> {
        self.0.iter().find(|stored| is_of(stored, subject, name))
    }

    /// What the user decided about all secrets of a plugin, also those that it does not declare any more.
    pub fn of<'s>(&'s self, whose: &'s Whose) -> impl Iterator<Item = &'s StoredSecret> {
        self.0.iter().filter(|stored| whose.is(&stored.plugin, &stored.holder))
    }

    /// Stores what the user decided about a secret of a plugin, in place of what there was, which is returned.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written, or if there is no room.
    pub fn put(
        keeper: &Keeper,
        subject: &Subject,
        secret: StoredSecret,
    ) -> Result<Option<StoredSecret>, SecretStoreError> {
        let mut before = None;
        keeper.change(|store: &mut Self| {
            before = store.take(subject, &secret.name);
            let of_holder = store.0.iter().filter(|stored| stored.holder == secret.holder).count();
            if store.0.len() >= MAX_STORED_SECRETS || of_holder >= MAX_SECRETS_OF_HOLDER {
                return Err(SecretStoreError::Full { path: keeper.file::<Self>() });
            }
            store.0.push(secret.clone());
            Ok(())
        })?;
        Ok(before)
    }

    /// Forgets a secret of a plugin, and returns what was decided about it.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written.
    pub fn remove(
        keeper: &Keeper,
        subject: &Subject,
        name: &str,
    ) -> Result<Option<StoredSecret>, SecretStoreError> {
        let mut before = None;
        keeper.change(|store: &mut Self| {
            before = store.take(subject, name);
            Ok(())
        })?;
        Ok(before)
    }

    /// Forgets the secrets of a plugin that `meant` is true for, and returns what was decided about them.
    ///
    /// # Errors
    ///
    /// Fails if the decisions cannot be read or written.
    pub fn remove_of(
        keeper: &Keeper,
        whose: &Whose,
        meant: impl Fn(&StoredSecret) -> bool,
    ) -> Result<Vec<StoredSecret>, SecretStoreError> {
        let mut removed = Vec::new();
        keeper.change(|store: &mut Self| {
            let is_meant =
                |stored: &mut StoredSecret| whose.is(&stored.plugin, &stored.holder) && meant(stored);
            removed = store.0.extract_if(.., is_meant).collect();
            Ok(())
        })?;
        Ok(removed)
    }

    fn take(&mut self, subject: &Subject, name: &str) -> Option<StoredSecret> {
        let place = self.0.iter().position(|stored| is_of(stored, subject, name))?;
        Some(self.0.remove(place))
    }
}

fn is_of(stored: &StoredSecret, subject: &Subject, name: &str) -> bool {
    stored.name == name && subject.is(&stored.plugin, &stored.holder)
}

/// Why the user's decisions about secrets cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretStoreError {
    /// The file or its directory cannot be read or written.
    #[error("secrets: {0}")]
    Kept(#[from] KeeperError),
    /// The file has as many secrets as it may have.
    #[error(
        "{} has no room for another secret: it holds {MAX_STORED_SECRETS}, and {MAX_SECRETS_OF_HOLDER} of one publisher",
        escape::path(path)
    )]
    Full {
        /// The file.
        path: PathBuf,
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
    /// The file is of a version that this program does not know.
    #[error("{}: version {found} is not known, only version {VERSION} is", escape::path(path))]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: i64,
    },
    /// The decisions cannot be encoded.
    #[error("secrets cannot be encoded: {source}")]
    Encode {
        /// The cause.
        source: toml::ser::Error,
    },
}

impl SecretStoreError {
    /// What the user can do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Kept(error) => error.hint(),
            Self::Full { .. } => {
                Some("remove secrets that you no longer need: conductorctl plugin secret remove".to_owned())
            }
            Self::Syntax { path, .. } | Self::Value { path, .. } => Some(format!(
                "mend that line, or move {} away and enter the secrets again",
                escape::path(path)
            )),
            Self::Version { .. } => Some("run the newer Conductor that wrote it".to_owned()),
            Self::Encode { .. } => None,
        }
    }
}
