//! What each alias is bound to, kept in `bindings.toml` of the configuration directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use conductor_signing::escape;
use conductor_signing::keeper::{Decisions, Keeper, KeeperError};

use super::{Alias, Bound, file};

/// Name of the file.
pub const BINDINGS_FILE: &str = "bindings.toml";

/// Name of the lock that its writers take.
const LOCK_FILE: &str = "bindings.lock";

/// Most aliases that are remembered, four times as many as a configuration has; stops names that come and go from filling
/// the file.
pub const MAX_BINDINGS: usize = 1024;

/// Largest file; stops one that somebody else wrote from filling the host's memory. It has room for [`MAX_BINDINGS`].
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What every alias is bound to, as it is on disk at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings(pub(super) BTreeMap<Alias, Bound>);

impl Bindings {
    /// Where the bindings of a configuration directory are.
    #[must_use]
    pub fn file(config_dir: &Path) -> PathBuf {
        config_dir.join(BINDINGS_FILE)
    }

    /// Reads the bindings; where there is no file, no alias is bound.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, if others could have written it, or names what is wrong in it. It is never taken for
    /// an empty one.
    pub fn load(keeper: &Keeper) -> Result<Self, BindingError> {
        keeper.load()
    }

    /// The plugin that an alias is bound to.
    #[must_use]
    pub fn of(&self, alias: &Alias) -> Option<&Bound> {
        self.0.get(alias)
    }

    /// Binds an alias to a plugin, where it was bound to `before`.
    pub(super) fn bind(
        keeper: &Keeper,
        alias: Alias,
        before: Option<Bound>,
        after: Bound,
    ) -> Result<(), BindingError> {
        keeper.change(|bindings: &mut Self| {
            let current = bindings.of(&alias);
            if current == Some(&after) {
                return Ok(());
            }
            if current != before.as_ref()
                && !current.is_some_and(|current| current.is_other_version_of(&after))
            {
                return Err(BindingError::Raced { alias });
            }
            if current.is_none() && bindings.0.len() >= MAX_BINDINGS {
                return Err(BindingError::Full { path: keeper.file::<Self>() });
            }
            bindings.0.insert(alias, after);
            Ok(())
        })
    }
}

impl Decisions for Bindings {
    const FILE: &'static str = BINDINGS_FILE;
    const LOCK: &'static str = LOCK_FILE;
    const MAX_BYTES: u64 = MAX_FILE_BYTES;
    type Error = BindingError;

    fn parse(path: &Path, text: &str) -> Result<Self, BindingError> {
        file::parse(path, text)
    }

    fn to_text(&self) -> Result<String, BindingError> {
        file::to_toml(self)
    }
}

/// Why it is not known, or cannot be kept, what an alias is bound to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindingError {
    /// The file or its directory cannot be read or written.
    #[error("bindings: {0}")]
    Kept(#[from] KeeperError),
    /// The decisions about capabilities cannot be read or written, which go along with a binding.
    #[error(transparent)]
    Grants(#[from] crate::grant::store::GrantStoreError),
    /// Another program bound the alias to another plugin at the same time.
    #[error("`{alias}` was bound to another plugin meanwhile")]
    Raced {
        /// The alias.
        alias: Alias,
    },
    /// There are as many bindings as are kept.
    #[error("{} holds {MAX_BINDINGS} aliases, and no more", escape::path(path))]
    Full {
        /// The file.
        path: PathBuf,
    },
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
    /// The bindings cannot be put into a file.
    #[error("bindings cannot be encoded: {source}")]
    Encode {
        /// The cause.
        source: toml::ser::Error,
    },
}

impl BindingError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Kept(error) => error.hint(),
            Self::Grants(error) => error.hint(),
            Self::Raced { .. } => Some("look again: conductorctl plugin list".to_owned()),
            Self::Full { path } => {
                Some(format!("take entries of plugins that you no longer have out of {}", escape::path(path)))
            }
            Self::Syntax { path, .. } | Self::Value { path, .. } => Some(format!(
                "mend that line, or move {} away: every alias is then bound to what is loaded next",
                escape::path(path)
            )),
            Self::Version { .. } => Some("run the newer Conductor that wrote it".to_owned()),
            Self::Encode { .. } => None,
        }
    }
}
