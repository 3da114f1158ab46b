//! The changes that a running daemon can be told to make.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use conductor_signing::SecretText;

use super::message::{Refusal, Response};

/// Most changes that wait. They are made one after the other, even if the client no longer waits.
const MAX_WAITING: usize = 16;

/// A change, and where its answer goes.
pub(crate) struct ChangeOrder {
    pub(crate) change: Change,
    pub(crate) reply: Sender<Response>,
    /// Given back once the change is made.
    pub(crate) turn: Turn,
}

/// The turns of changes that wait.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<AtomicUsize>);

/// A turn. Dropping it gives it back.
pub(crate) struct Turn(Turns);

impl Turns {
    /// Takes a turn, if one is left.
    pub(crate) fn take(&self) -> Option<Turn> {
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |waiting| {
            (waiting < MAX_WAITING).then_some(waiting + 1)
        });
        taken.is_ok().then(|| Turn(self.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A change of the configuration. Some changes edit the file as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Run what the file says now.
    Reload,
    /// Set whether a plugin runs.
    Switch {
        /// The user's name for the plugin.
        plugin: String,
        /// Whether it is to run.
        enabled: bool,
    },
    /// Add a plugin from a file, or put another version in its place.
    Install {
        /// The user's name for the plugin.
        plugin: String,
        /// The module; its signature is beside it.
        path: PathBuf,
        /// The id of the preview that the user was shown.
        shown: String,
    },
    /// Take a plugin away.
    Remove {
        /// The user's name for the plugin.
        plugin: String,
        /// Whether the plugin's data is deleted as well.
        with_data: bool,
    },
    /// Load another plugin than the one that its alias is bound to.
    Accept {
        /// The user's name for the plugin.
        plugin: String,
        /// The digest over what the user was shown.
        shown: String,
    },
    /// Set a setting of a plugin.
    Set {
        /// The user's name for the plugin.
        plugin: String,
        /// The setting.
        setting: String,
        /// Its value as text; none for its default.
        value: Option<SecretText>,
    },
    /// Enter or leave safe mode.
    Safe {
        /// Whether safe mode is to be on.
        on: bool,
    },
    /// Look at a plugin that is not installed; nothing is changed.
    Preview {
        /// The user's name that the plugin would get.
        plugin: String,
        /// The module; its signature is beside it.
        path: PathBuf,
    },
}

/// The outcome of a change.
pub(crate) type Changed = Result<Response, Refusal>;
