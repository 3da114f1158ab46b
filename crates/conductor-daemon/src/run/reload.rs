//! Brings the daemon to what the configuration says now: changes the file, reads it and puts it in place.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use conductor_surface::config::OutputConfig;
use conductor_surface::output::MidiPorts;

use super::input_threads::jack_inputs;
use super::plugin_files::refused;
use super::plugin_threads::{Anew, Renewed, Surroundings};
use super::{Daemon, open_outputs};
use crate::config::Config;
use crate::config::rewrite::Writer;
use crate::control::{Refusal, Reloaded};
use crate::dispatch::{Phase, unfit_mappings};

/// Longest wait for the JACK client whose ports have changed.
const END_WAIT: Duration = Duration::from_secs(10);

impl Daemon<'_> {
    /// Changes the file and runs the new configuration. If the new configuration is refused, the old text is put back,
    /// unless somebody else has saved the file meanwhile.
    pub(super) fn edit(
        &mut self,
        anew: Anew<'_>,
        edit: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Reloaded, Refusal> {
        let writer = Writer::new(&self.places.config_file, &self.places.paths);
        let rewritten = writer.rewrite(edit).map_err(refused)?;
        self.reload(anew, None).inspect_err(|_refusal| match rewritten.take_back() {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("the configuration was saved by somebody else meanwhile, and stays as it is")
            }
            Err(error) => tracing::error!("the configuration could not be put back: {error}"),
        })
    }

    /// The configuration in the file. A missing file counts as an empty one only if nothing was configured before;
    /// otherwise the file is missing by mistake, or for a moment.
    pub(super) fn read_config(&self) -> Result<Config, Refusal> {
        let load = if self.config.does_nothing() { Config::load_or_default } else { Config::load };
        let mut config =
            load(&self.places.config_file, &self.places.paths).map_err(|error| refused(error.to_string()))?;
        if self.is_safe.load(Ordering::SeqCst) {
            config.hold_plugins_back();
        }
        Ok(config)
    }

    /// Enters or leaves safe mode, in which no plugin is loaded. A plugin that is refused keeps nobody in safe mode.
    pub(super) fn set_safe(&mut self, on: bool) -> Result<Reloaded, Refusal> {
        let before = self.is_safe.swap(on, Ordering::SeqCst);
        let anew = if on { Anew::Configured } else { Anew::AtStart };
        let reloaded =
            self.reload(anew, None).inspect_err(|_| self.is_safe.store(before, Ordering::SeqCst))?;
        match on {
            true => tracing::warn!("safe mode: no plugin is loaded; to load them: conductorctl safe off"),
            false => tracing::info!("safe mode is off"),
        }
        Ok(reloaded)
    }

    /// Runs what the file says now. `candidate` names a plugin and a module that is loaded in place of the configured
    /// one. `anew` says which plugins are started anew if the host stays the same.
    pub(super) fn reload(
        &mut self,
        anew: Anew<'_>,
        candidate: Option<(&str, &Path)>,
    ) -> Result<Reloaded, Refusal> {
        let mut config = self.read_config()?;
        if let Some((alias, module)) = candidate {
            let plugin = config.plugins.iter_mut().find(|plugin| *plugin.alias == *alias);
            let plugin =
                plugin.ok_or_else(|| refused(format!("the configuration names `{alias}` no more")))?;
            module.clone_into(&mut plugin.path);
        }
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
            panic: &self.panic,
            stop: self.stop,
        };
        let anew = if is_other_host { Anew::All } else { anew };
        let renewal = self
            .plugins
            .renew(&config, around, anew)
            .map_err(|refusals| refused(format!("refused: {}", refusals.join("; "))))?;

        // From here on the change cannot be refused.
        if config.ui != self.config.ui {
            tracing::warn!("`[ui]` has changed, which takes effect when the daemon is started again");
        }
        self.renew_outputs(&config);
        self.inputs.end(&config.inputs);
        self.router.replace(config.mappings.clone(), &renewal.queues(&self.plugins));
        let renewed = self.plugins.put_in_place(renewal);
        self.roster.set(self.plugins.known());
        self.taps.set(&config.inputs);
        self.inputs.renew(&config.inputs, &self.ports.get());
        self.installed.set(&host, &config.plugins);
        self.host = Some(host);
        self.config = config;
        self.check_untouched(&renewed);
        let Renewed { started, waiting, refused, stopped, untouched } = renewed;
        tracing::info!(
            started = started.len(),
            waiting = waiting.len(),
            refused = refused.len(),
            stopped = stopped.len(),
            untouched = untouched.len(),
            "configuration reloaded"
        );
        Ok(Reloaded { started, waiting, refused, stopped, untouched })
    }

    /// Opens the outputs anew if they have changed, or the inputs that share a JACK client with them.
    fn renew_outputs(&mut self, config: &Config) {
        let is_same_jack = jack_inputs(&config.inputs).eq(jack_inputs(&self.config.inputs));
        if config.outputs == self.config.outputs && is_same_jack {
            return;
        }
        // What sounds at an output that goes on is played on. The ports of JACK end with their client.
        let goes_on = |output: &OutputConfig| config.outputs.contains(output) && !output.is_jack();
        let replaced = self.config.outputs.iter().filter(|output| !goes_on(output));
        let replaced: Vec<String> = replaced.map(|output| output.name.clone()).collect();
        let target = |outputs: &[OutputConfig], name: &str| {
            outputs.iter().find(|output| output.name == name).map(|output| output.target.clone())
        };
        let is_gone = |name: &str| target(&config.outputs, name) != target(&self.config.outputs, name);
        self.sounding.ledger().replace(&replaced, is_gone, || {
            self.inputs.finish_jack(Instant::now() + END_WAIT);
            let ports = MidiPorts::new(&config.outputs, self.inputs.jack_ports(&config.inputs));
            self.ports.set(Arc::new(ports));
        });
        let ports = self.ports.get();
        // A running daemon goes on without a required output; only a starting one does not.
        if let Err(error) = open_outputs(&config.outputs, &ports) {
            tracing::error!("{error}");
        }
    }

    /// Logs mappings that name an action which their plugin lacks, for the plugins that were not loaded anew.
    fn check_untouched(&self, renewed: &Renewed) {
        for alias in &renewed.untouched {
            let Some(plugin) = self.roster.find(alias) else { continue };
            if let Phase::Loaded(loaded) = plugin.snapshot().phase {
                unfit_mappings(&self.config.mappings, alias, &loaded.info);
            }
        }
    }
}
