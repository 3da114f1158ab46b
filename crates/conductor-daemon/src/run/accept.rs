//! Accepts that another plugin is behind an alias than the one that the alias was bound to.

use conductor_core::AuditSink as _;
use conductor_core::binding::{BindingChange, Bindings};
use conductor_signing::escape::terminal;
use conductor_signing::keeper::Keeper;

use super::Daemon;
use super::plugin_threads::{Anew, Surroundings};
use crate::control::{Accepted, Changed, Refusal, RefusalCause, Response};
use crate::dispatch::Phase;

impl Daemon<'_> {
    /// Loads a plugin that waits, if it is still what the user was shown. Other plugins go on, even if their files have
    /// changed. The user's decision about the alias holds even if the plugin does not start.
    pub(super) fn accept(&mut self, plugin: &str, shown: &str) -> Changed {
        let waits = self.roster.find(plugin).and_then(|known| known.waits_for());
        let Some(change) = waits else {
            let message = format!("`{plugin}` does not need your approval about what it is");
            return Err(Refusal::new(RefusalCause::NotWaiting, message));
        };
        if change.shown().to_string() != shown {
            return Err(no_longer_shown(plugin));
        }
        if self.audit.is_failing() {
            let message = "nothing is accepted while the audit log cannot be written".to_owned();
            return Err(Refusal::new(RefusalCause::NotChanged, message));
        }
        let Some(host) = self.host.clone() else {
            let message = "the daemon is not ready yet".to_owned();
            return Err(Refusal::new(RefusalCause::NotChanged, message));
        };
        let around = Surroundings {
            host: &host,
            roster: &self.roster,
            mappings: &self.config.mappings,
            calls: &self.calls,
            panic: &self.panic,
            stop: self.stop,
        };
        let anew = Anew::Accepted { alias: plugin, change: change.shown() };
        let renewal = self.plugins.renew(&self.config, around, anew).map_err(|unknown| {
            let message = format!("{}: {}", self.decided(&change), unknown.join("; "));
            Refusal::new(RefusalCause::NotChanged, message)
        })?;
        self.router.replace(self.config.mappings.clone(), &renewal.queues(&self.plugins));
        self.plugins.put_in_place(renewal);
        self.roster.set(self.plugins.known());
        match self.roster.find(plugin).map(|known| known.snapshot().phase) {
            Some(Phase::Loaded(_)) => {}
            Some(Phase::Refused { why, hint, .. }) => {
                let message = format!("{}: {why}", self.decided(&change));
                return Err(Refusal { hint, ..Refusal::new(RefusalCause::NotChanged, message) });
            }
            Some(Phase::Waiting { .. } | Phase::Loading | Phase::Disabled { .. }) | None => {
                return Err(no_longer_shown(plugin));
            }
        }
        tracing::info!(plugin, "accepted: {}", terminal(&change.now.to_string()));
        let name = change.now.name.to_string();
        Ok(Response::PluginAccept(Accepted { plugin: plugin.to_owned(), name }))
    }

    /// What became of the user's decision about a plugin that does not run, in words.
    fn decided(&self, change: &BindingChange) -> String {
        let BindingChange { alias, now, .. } = change;
        let bindings = Bindings::load(&Keeper::of(self.places.paths.config_dir()));
        match bindings.as_ref().map(|bindings| bindings.of(alias)) {
            Ok(Some(bound)) if *bound == *now => {
                format!("accepted, so `{alias}` is {} from now on, but it was not loaded", now.name)
            }
            Ok(_) | Err(_) => "not accepted".to_owned(),
        }
    }
}

fn no_longer_shown(plugin: &str) -> Refusal {
    let message = format!("what is behind `{plugin}` is no longer what was shown; nothing was accepted");
    let hint = Some(format!("look at it again: conductorctl plugin accept {plugin}"));
    Refusal { hint, ..Refusal::new(RefusalCause::NotAsShown, message) }
}
