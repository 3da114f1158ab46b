//! Running what the configuration says now: it is changed, read and put in place.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// Changes the file and runs what it says then; the old text comes back if that is refused, unless somebody has saved another
    /// meanwhile.
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

    /// What the file says now. One that is missing says nothing where nothing was configured before; otherwise it is gone by
    /// mistake, or only for a moment.
    pub(super) fn read_config(&self) -> Result<Config, Refusal> {
        let load = if self.config.does_nothing() { Config::load_or_default } else { Config::load };
        load(&self.places.config_file, &self.places.paths).map_err(|error| refused(error.to_string()))
    }

    /// Runs what the file says now, and of one plugin, if so told, the module at a path. `anew` says which plugins are started for
    /// that, where the host is the same.
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
            stop: self.stop,
        };
        let anew = if is_other_host { Anew::All } else { anew };
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
        self.roster.set(self.plugins.known());
        self.taps.set(&config.inputs);
        self.inputs.renew(&config.inputs, &self.ports.get());
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
