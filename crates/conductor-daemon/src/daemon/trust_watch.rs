//! Holds loaded plugins against the trust store and the user's grants whenever these change, so that a revocation stops what
//! runs and a decision that another program wrote counts.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use conductor_core::grant::store::GrantStore;
use conductor_signing::escape::terminal;
use conductor_signing::{TrustError, TrustStore};
use jiff::Timestamp;

use super::file_state::FileState;
use crate::dispatch::{Published, Roster};
use crate::stop::{Stop, Wake};

/// Time between two looks at the files of the trust store; a revocation has stopped a plugin well within a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Time after which plugins are held against an unchanged store as well: trust and signatures end with time.
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// Watches the trust store of a configuration directory until `stop` is given.
pub(super) fn start(directory: PathBuf, roster: Arc<Roster>, stop: Stop) -> io::Result<JoinHandle<()>> {
    Builder::new().name("trust".into()).spawn(move || {
        let grants = GrantStore::file(&directory);
        let mut grants = GrantsWatch { seen: FileState::of(&grants), file: grants };
        let mut watch = TrustWatch { directory, roster, seen: Vec::new(), checked: None, complained: None };
        while stop.wait_for(LOOK_EVERY) == Wake::Elapsed {
            watch.look(Instant::now());
            grants.look(&watch.roster.with_replaced());
        }
    })
}

struct TrustWatch {
    directory: PathBuf,
    roster: Arc<Roster>,
    /// The files as they were at the last look.
    seen: Vec<Option<FileState>>,
    /// When plugins were last held against the store, and how many had been loaded.
    checked: Option<(Instant, usize)>,
    /// What was last said about a store that cannot be used.
    complained: Option<String>,
}

impl TrustWatch {
    /// Checks all plugins if the store, their number or enough time has changed.
    fn look(&mut self, now: Instant) {
        let files = TrustStore::files(&self.directory);
        let state: Vec<_> = files.iter().map(|path| FileState::of(path)).collect();
        let plugins = self.roster.with_replaced();
        let loaded = plugins.iter().filter(|plugin| plugin.is_loaded()).count();
        let is_due = self
            .checked
            .is_none_or(|(at, count)| count != loaded || now.saturating_duration_since(at) >= CHECK_EVERY);
        if state == self.seen && !is_due {
            return;
        }
        match TrustStore::load(&self.directory) {
            Ok(trust) => {
                self.complained = None;
                check(&trust, &plugins);
            }
            // Nobody has said that what runs is to stop; nothing else is loaded meanwhile.
            Err(error) => self.complain(&error),
        }
        self.seen = state;
        self.checked = Some((now, loaded));
    }

    fn complain(&mut self, error: &TrustError) {
        let text = error.to_string();
        if self.complained.as_ref() != Some(&text) {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            tracing::error!(
                "trust cannot be checked, plugins go on as they were loaded: {}{}",
                terminal(&text),
                terminal(&hint)
            );
            self.complained = Some(text);
        }
    }
}

/// Stops what may not go on.
fn check(trust: &TrustStore, plugins: &[Arc<Published>]) {
    for plugin in plugins {
        if let Some(cause) = plugin.check_permission(trust) {
            let hint = cause.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            tracing::error!(
                plugin = plugin.alias(),
                "stopped: {}{}",
                terminal(&cause.to_string()),
                terminal(&hint)
            );
        }
    }
}

/// Has plugins decided about anew when the file of grants changes, or when one of their grants ends with time.
struct GrantsWatch {
    file: PathBuf,
    seen: Option<FileState>,
}

impl GrantsWatch {
    fn look(&mut self, plugins: &[Arc<Published>]) {
        let state = FileState::of(&self.file);
        let has_changed = state != self.seen;
        self.seen = state;
        for plugin in plugins {
            let Some(permission) = plugin.permission() else { continue };
            if !has_changed && !permission.has_ended_grants(Timestamp::now()) {
                continue;
            }
            if let Err(error) = permission.refresh() {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                tracing::error!(
                    plugin = plugin.alias(),
                    "grants cannot be read, it goes on with those that it has: {}{}",
                    terminal(&error.to_string()),
                    terminal(&hint)
                );
            }
        }
    }
}
