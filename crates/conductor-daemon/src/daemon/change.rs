//! Changing a running daemon: what stays the same in a new configuration goes on, the rest is swapped, or nothing is.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_signing::atomic_file;
use conductor_signing::escape::terminal;

use super::inputs::jack_inputs;
use super::installed::Installed;
use super::order::{Change, Changed};
use super::plugins::{Renewed, Surroundings};
use super::{Daemon, open_outputs};
use crate::config::{self, Config};
use crate::control::{self, Refusal, RefusalCause, Reloaded, Response};
use crate::dispatch::{Phase, unfit_mappings};
use crate::output::MidiPorts;

/// Mode of a configuration that this program creates.
const CONFIG_MODE: u32 = 0o600;

/// Longest wait for a plugin whose files are to be deleted.
const END_WAIT: Duration = Duration::from_secs(10);

impl Daemon<'_> {
    /// Makes a change. Where it is refused, everything goes on as it was.
    pub(super) fn change(&mut self, change: Change) -> Changed {
        let changed = match change {
            Change::Preview { plugin, path } => {
                let before = self.roster.find(&plugin);
                let preview = control::preview(&plugin, &path, &self.config.wasm, before.as_deref())?;
                Ok(Response::PluginPreview(Box::new(preview)))
            }
            Change::Reload => self.reload().map(Response::Reload),
            Change::Switch { plugin, enabled } => {
                let edit = |text: &str| config::edit::switch(text, &plugin, enabled);
                self.edit(edit).map(Response::PluginSwitch)
            }
            Change::Install { plugin, path, shown } => {
                let before = self.roster.find(&plugin);
                let preview =
                    control::previewed(&plugin, &path, &self.config.wasm, before.as_deref(), &shown)?;
                let max_module_bytes = self.config.wasm.limits().max_module_bytes;
                let paths = &self.places.paths;
                let digest = Some(preview.digest.as_str());
                let installed = Installed::put(paths, &plugin, &path, digest, max_module_bytes)?;
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
        };
        if let Err(refusal) = &changed {
            tracing::error!("everything goes on as it was: {}", terminal(&refusal.message));
        }
        changed
    }

    fn remove(&mut self, plugin: &str, with_data: bool) -> Changed {
        let name = self.roster.find(plugin).and_then(|published| match published.snapshot().phase {
            Phase::Loaded(loaded) => Some(loaded.info.name.clone()),
            Phase::Loading | Phase::Disabled | Phase::Refused { .. } => None,
        });
        if with_data && name.is_none() {
            let message = format!(
                "whose data that is is not known while `{plugin}` is not loaded; enable it, or remove it without"
            );
            return Err(Refusal::new(RefusalCause::NotLoaded, message));
        }
        let reloaded = self.edit(|text| config::edit::remove(text, plugin))?;
        self.plugins.wait_for_retiring(Instant::now() + END_WAIT);
        Installed::delete(&self.places.paths, plugin)?;
        if let (true, Some(name)) = (with_data, name) {
            Installed::delete_data(&self.places.paths, &name)?;
        }
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
        let renewal = self
            .plugins
            .renew(&config, around, is_other_host)
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
        let Renewed { started, stopped, untouched } = renewed;
        tracing::info!(
            started = started.len(),
            stopped = stopped.len(),
            untouched = untouched.len(),
            "configuration reloaded"
        );
        Ok(Reloaded { started, stopped, untouched })
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
