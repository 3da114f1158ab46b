//! Which plugin each alias is bound to, stored in `bindings.toml` of the configuration directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use conductor_signing::escape;
use conductor_signing::keeper::{Keeper, KeeperError};

use super::{Alias, Bound};

/// Name of the file.
pub const BINDINGS_FILE: &str = "bindings.toml";

/// The version that is read and written.
pub(super) const VERSION: i64 = 1;

/// Most aliases that are remembered: four times as many as a configuration may have. Stops aliases that come and go
/// from filling the file.
pub const MAX_BINDINGS: usize = 1024;

/// What every alias is bound to, as it is on disk at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings(pub(super) BTreeMap<Alias, Bound>);

impl Bindings {
    /// Where the bindings of a configuration directory are.
    #[must_use]
    pub fn file(config_dir: &Path) -> PathBuf {
        config_dir.join(BINDINGS_FILE)
    }

    /// Reads the bindings. If there is no file, no alias is bound.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, if others could have written it, or if it has a fault, which the error names.
    /// A file that cannot be used is never taken for an empty one.
    pub fn load(keeper: &Keeper) -> Result<Self, BindingError> {
        keeper.load()
    }

    /// The plugin that an alias is bound to.
    #[must_use]
    pub fn of(&self, alias: &Alias) -> Option<&Bound> {
        self.0.get(alias)
    }

    /// Binds an alias to a plugin, if the alias is still bound to `before`.
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

/// Why it is not known, or cannot be kept, what an alias is bound to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindingError {
    /// The file or its directory cannot be read or written.
    #[error("bindings: {0}")]
    Kept(#[from] KeeperError),
    /// The decisions about capabilities, which change together with a binding, cannot be read or written.
    #[error(transparent)]
    Grants(#[from] crate::grant::store::GrantStoreError),
    /// Another program bound the alias to another plugin at the same time.
    #[error("`{alias}` was bound to another plugin meanwhile")]
    Raced {
        /// The alias.
        alias: Alias,
    },
    /// The file has as many bindings as it may have.
    #[error("{} holds {MAX_BINDINGS} aliases, and no more", escape::path(path))]
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
    /// The bindings cannot be encoded.
    #[error("bindings cannot be encoded: {source}")]
    Encode {
        /// The cause.
        source: toml::ser::Error,
    },
}

impl BindingError {
    /// What the user can do about the error.
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
