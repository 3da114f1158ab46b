//! Checks loaded plugins against the trust store and the user's grants whenever these change. So a revocation stops a
//! running plugin, and a decision that another program wrote takes effect.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use conductor_core::grant::store::GrantStore;
use conductor_core::secret::SecretStore;
use conductor_core::{FileState, PermissionId};
use conductor_signing::escape::terminal;
use conductor_signing::{TrustError, TrustStore};
use conductor_surface::stop::{Stop, Wake};
use jiff::Timestamp;

use crate::dispatch::{KnownPlugin, Roster};

/// Time between two looks at the files of the trust store and of grants: a quarter of the time within which a change of
/// them must stop a plugin. Decisions over the control interface do not wait for these looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Time after which plugins are checked even if the store has not changed, because the clock may have been set.
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// Watches the trust store of a configuration directory until `stop` is given.
///
/// One thread takes permissions away; it writes nothing and waits for nobody. A second thread gives permissions and
/// writes decisions down, at its own pace.
pub(crate) fn start(directory: PathBuf, roster: Arc<Roster>, stop: Stop) -> io::Result<JoinHandle<()>> {
    let (settle, unsettled) = sync_channel(1);
    let grants_changed = Arc::new(AtomicBool::new(false));
    let are_grants_meant = Arc::clone(&grants_changed);
    let settled = Arc::clone(&roster);
    let trusted = directory.clone();
    // This thread ends after the other one, once it has written what it is writing.
    Builder::new().name("decisions".into()).spawn(move || {
        for Settle in unsettled {
            settle_everyone(&trusted, &settled, are_grants_meant.swap(false, Ordering::SeqCst));
        }
    })?;
    Builder::new().name("trust".into()).spawn(move || {
        let [grants, denials] = GrantStore::files(&directory);
        let files = [grants, denials, SecretStore::file(&directory)];
        let mut grants = GrantsWatch { seen: files.each_ref().map(|file| FileState::of(file)), files };
        let mut watch = TrustWatch {
            directory,
            roster,
            seen: Vec::new(),
            checked: None,
            next_change: None,
            complained: None,
        };
        while stop.wait_for(LOOK_EVERY) == Wake::Elapsed {
            let has_changed = watch.look(Instant::now());
            let have_grants_changed = grants.look(&watch.roster);
            grants_changed.fetch_or(have_grants_changed, Ordering::SeqCst);
            if have_grants_changed || has_changed {
                // If a message waits already, its receiver will see the newest state.
                let _ = settle.try_send(Settle);
            }
        }
    })
}

/// Asks the second thread to decide anew.
struct Settle;

/// Decides about all plugins by the current trust store and, if `are_grants_meant`, by the files of grants.
fn settle_everyone(directory: &Path, roster: &Roster, are_grants_meant: bool) {
    let trust = TrustStore::load(directory).ok();
    for plugin in roster.everyone() {
        let Some(permission) = plugin.permission() else { continue };
        if let Some(trust) = &trust {
            permission.follow(trust);
        }
        if are_grants_meant && let Err(error) = permission.refresh() {
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

struct TrustWatch {
    directory: PathBuf,
    roster: Arc<Roster>,
    /// The states of the files at the last look.
    seen: Vec<Option<FileState>>,
    /// When plugins were last checked against the store, and which plugins.
    checked: Option<(Instant, BTreeSet<PermissionId>)>,
    /// When trust or a signature next ends, or a rotation begins to hold.
    next_change: Option<Timestamp>,
    /// What was last logged about a store that cannot be used.
    complained: Option<String>,
}

impl TrustWatch {
    /// Stops plugins that may not go on, if the store has changed, a plugin was not checked yet, or enough time has
    /// passed. Returns whether it checked.
    fn look(&mut self, now: Instant) -> bool {
        let files = TrustStore::files(&self.directory);
        let state: Vec<_> = files.iter().map(|path| FileState::of(path)).collect();
        // Plugins are listed after the files were looked at: a plugin that is not listed yet is loaded by files that
        // are as new.
        let plugins = self.roster.everyone();
        let there: BTreeSet<_> = plugins
            .iter()
            .filter_map(|plugin| plugin.permission())
            .map(|permission| permission.id())
            .collect();
        let time = Timestamp::now();
        let is_due = self.checked.as_ref().is_none_or(|(at, checked)| {
            let is_over = self.next_change.is_some_and(|at| at <= time);
            is_over || !there.is_subset(checked) || now.saturating_duration_since(*at) >= CHECK_EVERY
        });
        if state == self.seen && !is_due {
            return false;
        }
        match TrustStore::load(&self.directory) {
            Ok(trust) => {
                self.complained = None;
                withdraw(&trust, &plugins);
                let permissions = plugins.iter().filter_map(|plugin| plugin.permission());
                let of_files = permissions.filter_map(|permission| permission.next_change(time));
                self.next_change = of_files.chain(trust.next_change(time)).min();
            }
            // Nothing says that running plugins must stop. No further plugin is loaded meanwhile.
            Err(error) => self.complain(&error),
        }
        self.seen = state;
        self.checked = Some((now, there));
        true
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

/// Stops plugins that may not go on by the current trust store of a configuration directory, without waiting for the
/// watch.
///
/// # Errors
///
/// Fails if the store cannot be used; then all plugins go on.
pub(crate) fn check_everyone(directory: &Path, roster: &Roster) -> Result<(), TrustError> {
    let (trust, plugins) = (TrustStore::load(directory)?, roster.everyone());
    withdraw(&trust, &plugins);
    for permission in plugins.iter().filter_map(|plugin| plugin.permission()) {
        permission.follow(&trust);
    }
    Ok(())
}

/// Stops the plugins that may not go on.
pub(crate) fn withdraw(trust: &TrustStore, plugins: &[Arc<KnownPlugin>]) {
    for plugin in plugins {
        if let Some(cause) = plugin.withdraw_if_refused(trust) {
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

/// Has plugins decided about anew when the files of grants and denials change, or when one of their grants ends with
/// time.
struct GrantsWatch {
    files: [PathBuf; 3],
    seen: [Option<FileState>; 3],
}

impl GrantsWatch {
    /// Takes away what the files no longer grant. Returns whether plugins must be decided about anew.
    fn look(&mut self, roster: &Roster) -> bool {
        let state = self.files.each_ref().map(|file| FileState::of(file));
        let has_changed = state != self.seen;
        self.seen = state;
        let mut is_unsettled = has_changed;
        // Plugins are listed after the files were looked at: a plugin that is not listed yet decides by files that are
        // as new.
        for permission in roster.everyone().iter().filter_map(|plugin| plugin.permission()) {
            if has_changed || permission.has_ended_grants(Timestamp::now()) {
                is_unsettled = true;
                // The thread that decides anew reports a file that cannot be read.
                let _ = permission.take_away();
            }
        }
        is_unsettled
    }
}
