//! Holds loaded plugins against the trust store and the user's grants whenever these change, so that a revocation stops what
//! runs and a decision that another program wrote counts.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use conductor_core::grant::store::GrantStore;
use conductor_core::{FileState, PermissionId};
use conductor_signing::escape::terminal;
use conductor_signing::{TrustError, TrustStore};
use conductor_surface::stop::{Stop, Wake};
use jiff::Timestamp;

use crate::dispatch::{KnownPlugin, Roster};

/// Time between two looks at the files of the trust store and of grants: a quarter of what a change of them may take to have
/// stopped a plugin. What was decided over the control interface waits for none of them.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Time after which plugins are held against an unchanged store in any case, such as because the clock was set.
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// Watches the trust store of a configuration directory until `stop` is given.
///
/// One thread takes away, which writes nothing and waits for nobody; another one gives and writes down, at its own pace.
pub(crate) fn start(directory: PathBuf, roster: Arc<Roster>, stop: Stop) -> io::Result<JoinHandle<()>> {
    let (settle, unsettled) = sync_channel(1);
    let grants_changed = Arc::new(AtomicBool::new(false));
    let are_grants_meant = Arc::clone(&grants_changed);
    let settled = Arc::clone(&roster);
    let trusted = directory.clone();
    // It ends with the other one, after what it may be writing.
    Builder::new().name("decisions".into()).spawn(move || {
        for Settle in unsettled {
            settle_everyone(&trusted, &settled, are_grants_meant.swap(false, Ordering::SeqCst));
        }
    })?;
    Builder::new().name("trust".into()).spawn(move || {
        let files = GrantStore::files(&directory);
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
                // One that waits already sees what there is now.
                let _ = settle.try_send(Settle);
            }
        }
    })
}

/// Word that something is to be decided anew.
struct Settle;

/// Decides about all plugins by what the trust store says now, and the files of grants if these are meant.
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
    /// The files as they were at the last look.
    seen: Vec<Option<FileState>>,
    /// When plugins were last held against the store, and which.
    checked: Option<(Instant, BTreeSet<PermissionId>)>,
    /// When trust or a signature ends next, or a rotation begins to hold.
    next_change: Option<Timestamp>,
    /// What was last said about a store that cannot be used.
    complained: Option<String>,
}

impl TrustWatch {
    /// Stops what may not go on if the store has changed, there is a plugin that was not checked, or enough time has passed. Says
    /// whether it looked.
    fn look(&mut self, now: Instant) -> bool {
        let files = TrustStore::files(&self.directory);
        let state: Vec<_> = files.iter().map(|path| FileState::of(path)).collect();
        // Later than the state of the files: a plugin that is not among these yet decides by files that are as new.
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
            // Nobody has said that what runs is to stop; nothing else is loaded meanwhile.
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

/// Stops what may not go on by the trust store of a configuration directory as it is now, without waiting for the watch.
///
/// # Errors
///
/// Fails if the store cannot be used; plugins go on as they were loaded then.
pub(crate) fn check_everyone(directory: &Path, roster: &Roster) -> Result<(), TrustError> {
    let (trust, plugins) = (TrustStore::load(directory)?, roster.everyone());
    withdraw(&trust, &plugins);
    for permission in plugins.iter().filter_map(|plugin| plugin.permission()) {
        permission.follow(&trust);
    }
    Ok(())
}

/// Stops what may not go on.
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

/// Has plugins decided about anew when the files of grants and denials change, or when one of their grants ends with time.
struct GrantsWatch {
    files: [PathBuf; 2],
    seen: [Option<FileState>; 2],
}

impl GrantsWatch {
    /// Takes away what the files no longer grant; says whether something is to be decided anew.
    fn look(&mut self, roster: &Roster) -> bool {
        let state = self.files.each_ref().map(|file| FileState::of(file));
        let has_changed = state != self.seen;
        self.seen = state;
        let mut is_unsettled = has_changed;
        // Later than the state of the file: a plugin that is not among these yet decides by a file that is as new.
        for permission in roster.everyone().iter().filter_map(|plugin| plugin.permission()) {
            if has_changed || permission.has_ended_grants(Timestamp::now()) {
                is_unsettled = true;
                // What cannot be read is told by who decides anew.
                let _ = permission.take_away();
            }
        }
        is_unsettled
    }
}
