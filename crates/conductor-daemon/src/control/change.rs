//! What a running daemon is told to change.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use super::message::{Refusal, Response};

/// Most changes that wait. They are made one after the other, also those for which nobody waits any more.
const MAX_WAITING: usize = 16;

/// A change, and where it is answered.
pub(crate) struct ChangeOrder {
    pub(crate) change: Change,
    pub(crate) reply: Sender<Response>,
    /// Given back when the change is made.
    pub(crate) turn: Turn,
}

/// The turns of changes that wait.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<AtomicUsize>);

/// One of them.
pub(crate) struct Turn(Turns);

impl Turns {
    /// A turn, if there is one left.
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

/// A change of the configuration. Some of them change the file as well.
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
        /// The id of the preview that the user was shown.
        shown: String,
    },
    /// Take a plugin away.
    Remove {
        /// The user's name for it.
        plugin: String,
        /// Whether what it wrote goes as well.
        with_data: bool,
    },
    /// Load a plugin that is another than its alias is bound to.
    Accept {
        /// The user's name for it.
        plugin: String,
        /// The digest over what the user was shown.
        shown: String,
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
