//! What a running daemon is told to change.

use std::path::PathBuf;
use std::sync::mpsc::Sender;

use crate::control::{Refusal, Response};

/// A change, and where it is answered.
pub(crate) struct Order {
    pub(crate) change: Change,
    pub(crate) reply: Sender<Response>,
}

/// A change of the configuration. All but the first and the last change the file as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Run what the file says now.
    Reload,
    /// Let a plugin run, or not.
    Switch {
        /// The user's name for it.
        plugin: String,
        /// Whether it is to run.
        enabled: bool,
    },
    /// Add a plugin from a file, or put another version in its place.
    Install {
        /// The user's name for it.
        plugin: String,
        /// The module; its signature is beside it.
        path: PathBuf,
    },
    /// Take a plugin away.
    Remove {
        /// The user's name for it.
        plugin: String,
        /// Whether what it wrote goes as well.
        with_data: bool,
    },
    /// Look at a plugin that is not installed; nothing is changed.
    Preview {
        /// The user's name for it, as it would be.
        plugin: String,
        /// The module; its signature is beside it.
        path: PathBuf,
    },
}

/// What came of a change.
pub(crate) type Changed = Result<Response, Refusal>;
