//! Changes a running daemon: what a new configuration leaves as it is goes on, and the rest is replaced. If the change
//! is refused, nothing is replaced.

use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::thread::Builder;
use std::time::Duration;

use conductor_signing::escape::terminal;

use super::Daemon;
use super::plugin_files::{self, refused};
use super::plugin_threads::Anew;
use crate::config;
use crate::control::{self, Change, Changed, Place, Refusal, RefusalCause, Response};

/// Longest wait for work with files that a user named or a plugin wrote.
const FILES_WAIT: Duration = Duration::from_secs(10);

/// Works with files on a thread of its own. If the file system does not answer, that thread is left behind, so that
/// other changes and the end of the daemon do not wait for it.
pub(super) fn unless_it_takes_for_ever<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let (done, waiting) = channel();
    // The receiver may have given up.
    let thread = Builder::new().name("files".into()).spawn(move || drop(done.send(work())));
    thread.map_err(|error| refused(format!("cannot start a thread: {error}")))?;
    let late = |_| refused(format!("the file system has not answered for {} s", FILES_WAIT.as_secs()));
    waiting.recv_timeout(FILES_WAIT).map_err(late)?
}

impl Daemon<'_> {
    /// Makes a change. If the change is refused, everything goes on as it was.
    pub(super) fn change(&mut self, change: Change) -> Changed {
        // What the user accepted holds even if the plugin does not start.
        let stays = match &change {
            Change::Accept { .. } => "",
            Change::Preview { .. }
            | Change::Reload
            | Change::Switch { .. }
            | Change::Install { .. }
            | Change::Safe { .. }
            | Change::Remove { .. }
            | Change::Set { .. } => "everything goes on as it was: ",
        };
        let changed = self.make(change);
        if let Err(refusal) = &changed {
            tracing::error!("{stays}{}", terminal(&refusal.message));
        }
        changed
    }

    fn make(&mut self, change: Change) -> Changed {
        match change {
            Change::Preview { plugin, path } => {
                let place = self.place_of(&plugin)?;
                let preview = unless_it_takes_for_ever(move || control::preview(&place, &path))?;
                Ok(Response::PluginPreview(Box::new(preview)))
            }
            Change::Reload => {
                plugin_files::adopt(self.read_config()?, self.places);
                self.reload(Anew::Changed, None).map(Response::Reload)
            }
            Change::Switch { plugin, enabled } => {
                let edit = |text: &str| config::edit::switch(text, &plugin, enabled);
                let anew = if enabled { Anew::Changed } else { Anew::Configured };
                self.edit(anew, edit).map(Response::PluginSwitch)
            }
            Change::Safe { on } => self.set_safe(on).map(Response::Safe),
            Change::Install { plugin, path, shown } => {
                self.may_load()?;
                let place = self.place_of(&plugin)?;
                let read = move || {
                    let preview = control::previewed(&place, &path, &shown)?;
                    let max_module_bytes = place.host.config().limits().max_module_bytes;
                    plugin_files::read(&place.alias, &path, Some(preview.digest.as_str()), max_module_bytes)
                };
                let files = unless_it_takes_for_ever(read)?;
                self.install(&plugin, &files).map(Response::PluginInstall)
            }
            Change::Set { plugin, setting, value } => self.set(&plugin, &setting, value.as_ref()),
            Change::Remove { plugin, with_data } => self.remove(&plugin, with_data),
            Change::Accept { plugin, shown } => {
                self.may_load()?;
                self.accept(&plugin, &shown)
            }
        }
    }

    /// Fails in safe mode, for a change whose point is that a plugin is loaded.
    fn may_load(&self) -> Result<(), Refusal> {
        if !self.is_safe.load(Ordering::SeqCst) {
            return Ok(());
        }
        let message =
            "the daemon is in safe mode, in which no plugin is loaded and so none can be tried".to_owned();
        let hint = Some("to load plugins again: conductorctl safe off".to_owned());
        Err(Refusal { hint, ..Refusal::new(RefusalCause::NotChanged, message) })
    }

    /// The place at which a plugin would be installed.
    fn place_of(&self, plugin: &str) -> Result<Place, Refusal> {
        let host = self.host.clone().ok_or_else(|| refused("the daemon is not ready yet".to_owned()))?;
        let configured = self.config.plugins.iter().find(|configured| *configured.alias == *plugin);
        let granted = configured.map(|configured| configured.granted.clone()).unwrap_or_default();
        Ok(Place { alias: plugin.to_owned(), host, granted, before: self.roster.find(plugin) })
    }
}
