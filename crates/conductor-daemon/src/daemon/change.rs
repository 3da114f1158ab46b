//! Changing a running daemon: what stays the same in a new configuration goes on, the rest is swapped, or nothing is.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::Builder;
use std::time::{Duration, Instant};

use conductor_signing::atomic_file;
use conductor_signing::escape::terminal;

use super::inputs::jack_inputs;
use super::installed::Installed;
use super::order::{Change, Changed};
use super::plugins::{Anew, Renewed, Surroundings};
use super::{Daemon, open_outputs};
use crate::config::{self, Config};
use crate::control::{self, Refusal, RefusalCause, Reloaded, Response};
use crate::dispatch::{Phase, unfit_mappings};
use crate::output::MidiPorts;

/// Mode of a configuration that this program creates.
const CONFIG_MODE: u32 = 0o600;

/// Longest wait for a plugin whose files are to be deleted.
const END_WAIT: Duration = Duration::from_secs(10);

/// Longest wait for what is done with files that a plugin's user named or a plugin wrote.
const FILES_WAIT: Duration = Duration::from_secs(10);

/// Does something with files on a thread that is left behind where their file system does not answer, so that other changes and
/// the end of the daemon do not wait for it.
fn unless_it_takes_for_ever<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let (done, waiting) = channel();
    let refused = |message: String| Refusal::new(RefusalCause::NotChanged, message);
    // Who waits may have given up.
    let thread = Builder::new().name("files".into()).spawn(move || drop(done.send(work())));
    thread.map_err(|error| refused(format!("cannot start a thread: {error}")))?;
    let late = |_| refused(format!("the file system has not answered for {} s", FILES_WAIT.as_secs()));
    waiting.recv_timeout(FILES_WAIT).map_err(late)?
}

impl Daemon<'_> {
    /// Makes a change. Where it is refused, everything goes on as it was.
    pub(super) fn change(&mut self, change: Change) -> Changed {
        let changed = match change {
            Change::Preview { plugin, path } => {
                let before = self.roster.find(&plugin);
                let wasm = self.config.wasm.clone();
                let look = move || control::preview(&plugin, &path, &wasm, before.as_deref());
                let preview = unless_it_takes_for_ever(look)?;
                Ok(Response::PluginPreview(Box::new(preview)))
            }
            Change::Reload => self.reload().map(Response::Reload),
            Change::Switch { plugin, enabled } => {
                let edit = |text: &str| config::edit::switch(text, &plugin, enabled);
                self.edit(edit).map(Response::PluginSwitch)
            }
            Change::Install { plugin, path, shown } => {
                let before = self.roster.find(&plugin);
                let (wasm, paths) = (self.config.wasm.clone(), self.places.paths.clone());
                let alias = plugin.clone();
                let put = move || {
                    let preview = control::previewed(&alias, &path, &wasm, before.as_deref(), &shown)?;
                    let max_module_bytes = wasm.limits().max_module_bytes;
                    Installed::put(&paths, &alias, &path, Some(preview.digest.as_str()), max_module_bytes)
                };
                let installed = unless_it_takes_for_ever(put)?;
                let edit = |text: &str| config::edit::add(text, &plugin);
                match self.edit(edit) {
                    Ok(reloaded) => Ok(Response::PluginInstall(reloaded)),
                    Err(refusal) => {
                        installed.take_back();
                        Err(refusal)
                    }
                }
            }
            Change::Remove { plugin, with_data } => self.remove(&plugin, with_data),
            Change::Accept { plugin, shown } => self.accept(&plugin, &shown),
        };
        if let Err(refusal) = &changed {
            tracing::error!("everything goes on as it was: {}", terminal(&refusal.message));
        }
        changed
    }

    fn remove(&mut self, plugin: &str, with_data: bool) -> Changed {
        let name = self.roster.find(plugin).and_then(|published| match published.snapshot().phase {
            Phase::Loaded(loaded) => Some(loaded.info.name.clone()),
            Phase::Loading | Phase::Disabled | Phase::Refused { .. } | Phase::Waiting { .. } => None,
        });
        if with_data && name.is_none() {
            let message = format!(
                "whose data that is is not known while `{plugin}` is not loaded; enable it, or remove it without"
            );
            return Err(Refusal::new(RefusalCause::NotLoaded, message));
        }
        let reloaded = self.edit(|text| config::edit::remove(text, plugin))?;
        self.plugins.wait_for_retiring(Instant::now() + END_WAIT);
        let (paths, plugin) = (self.places.paths.clone(), plugin.to_owned());
        unless_it_takes_for_ever(move || {
            Installed::delete(&paths, &plugin)?;
            if let (true, Some(name)) = (with_data, name) {
                Installed::delete_data(&paths, &name)
            } else {
                Ok(())
            }
        })?;
        Ok(Response::PluginRemove(reloaded))
    }

    /// Changes the file and runs what it says then; the old text comes back if that is refused.
    fn edit(&mut self, edit: impl FnOnce(&str) -> Result<String, String>) -> Result<Reloaded, Refusal> {
        // A link is left where it is; what it leads to is replaced.
        let file = &self.places.config_file;
        let file = &fs::canonicalize(file).unwrap_or_else(|_| file.clone());
        let refused = |message: String| Refusal::new(RefusalCause::NotChanged, message);
        let written = |error: io::Error| {
            Refusal::new(RefusalCause::NotChanged, format!("{} cannot be written: {error}", file.display()))
        };
        let old = config::read_text(file).map_err(|error| refused(error.to_string()))?;
        let new = edit(&old).map_err(refused)?;
        // What is found wrong with it is said before the file is touched.
        Config::parse(&new, &self.places.config_file, &self.places.paths)
            .map_err(|error| refused(error.to_string()))?;
        let mode = fs::metadata(file).map_or(CONFIG_MODE, |metadata| metadata.permissions().mode() & 0o777);
        atomic_file::replace(file, new.as_bytes(), mode).map_err(written)?;
        self.reload().inspect_err(|_refusal| {
            if let Err(error) = atomic_file::replace(file, old.as_bytes(), mode) {
                tracing::error!("the configuration could not be put back: {error}");
            }
        })
    }

    /// Runs what the file says now.
    fn reload(&mut self) -> Result<Reloaded, Refusal> {
        let refused = |message| Refusal::new(RefusalCause::NotChanged, message);
        let config = Config::load(&self.places.config_file, &self.places.paths)
            .map_err(|error| refused(error.to_string()))?;
        let is_other_host = config.wasm != self.config.wasm || config.networks != self.config.networks;
        let host = match &self.host {
            Some(host) if !is_other_host => Arc::clone(host),
            _ => self.new_host(&config).map_err(|error| refused(error.to_string()))?,
        };
        let around = Surroundings {
            host: &host,
            roster: &self.roster,
            mappings: &config.mappings,
            calls: &self.calls,
            stop: self.stop,
        };
        let anew = if is_other_host { Anew::All } else { Anew::Changed };
        let renewal = self
            .plugins
            .renew(&config, around, anew)
            .map_err(|refusals| refused(format!("refused: {}", refusals.join("; "))))?;

        // Nothing below can be refused.
        if config.ui != self.config.ui {
            tracing::warn!("`[ui]` has changed, which takes effect when the daemon is started again");
        }
        self.renew_outputs(&config);
        self.router.replace(config.mappings.clone(), &renewal.queues(&self.plugins));
        let renewed = self.plugins.put_in_place(renewal);
        self.roster.set(self.plugins.published());
        self.taps.set(&config.inputs);
        self.inputs.renew(&config.inputs, &self.ports.get());
        self.host = Some(host);
        self.config = config;
        self.check_untouched(&renewed);
        let Renewed { started, waiting, stopped, untouched } = renewed;
        tracing::info!(
            started = started.len(),
            waiting = waiting.len(),
            stopped = stopped.len(),
            untouched = untouched.len(),
            "configuration reloaded"
        );
        Ok(Reloaded { started, waiting, stopped, untouched })
    }

    /// Opens the outputs anew if they, or the inputs that share a JACK client with them, have changed.
    fn renew_outputs(&mut self, config: &Config) {
        let is_same_jack = jack_inputs(&config.inputs).eq(jack_inputs(&self.config.inputs));
        if config.outputs == self.config.outputs && is_same_jack {
            return;
        }
        self.inputs.finish_jack(Instant::now() + END_WAIT);
        let ports = Arc::new(MidiPorts::new(&config.outputs, self.inputs.jack_ports(&config.inputs)));
        self.ports.set(Arc::clone(&ports));
        // A running daemon does not end for want of an output that it could not start without.
        if let Err(error) = open_outputs(&config.outputs, &ports) {
            tracing::error!("{error}");
        }
    }

    /// Says which mappings name actions that plugins lack which were not loaded anew.
    fn check_untouched(&self, renewed: &Renewed) {
        for alias in &renewed.untouched {
            let Some(plugin) = self.roster.find(alias) else { continue };
            if let Phase::Loaded(loaded) = plugin.snapshot().phase {
                unfit_mappings(&self.config.mappings, alias, &loaded.info);
            }
        }
    }
}
