//! Accepting that another plugin is behind an alias than the one that it was bound to.

use conductor_core::AuditSink as _;
use conductor_signing::escape::terminal;

use super::Daemon;
use super::order::Changed;
use super::plugins::{Anew, Surroundings};
use crate::control::{Accepted, Refusal, RefusalCause, Response};

impl Daemon<'_> {
    /// Loads a plugin that waits, if it is still what was shown. Everything else goes on, also what has changed on disk.
    pub(super) fn accept(&mut self, plugin: &str, shown: &str) -> Changed {
        let waits = self.roster.find(plugin).and_then(|published| published.waits_for());
        let Some(change) = waits else {
            let message = format!("`{plugin}` does not wait for your word about what it is");
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
            stop: self.stop,
        };
        let anew = Anew::Accepted { alias: plugin, change: change.shown() };
        let renewal = self.plugins.renew(&self.config, around, anew).map_err(|refusals| {
            let message = format!("not accepted: {}", refusals.join("; "));
            Refusal::new(RefusalCause::NotChanged, message)
        })?;
        self.router.replace(self.config.mappings.clone(), &renewal.queues(&self.plugins));
        let renewed = self.plugins.put_in_place(renewal);
        self.roster.set(self.plugins.published());
        if !renewed.waiting.is_empty() {
            return Err(no_longer_shown(plugin));
        }
        tracing::info!(plugin, "accepted: {}", terminal(&change.now.to_string()));
        let name = change.now.name.to_string();
        Ok(Response::PluginAccept(Accepted { plugin: plugin.to_owned(), name }))
    }
}

fn no_longer_shown(plugin: &str) -> Refusal {
    let message = format!("what is behind `{plugin}` is no longer what was shown; nothing was accepted");
    let hint = Some(format!("look at it again: conductorctl plugin accept {plugin}"));
    Refusal { hint, ..Refusal::new(RefusalCause::NotAsShown, message) }
}
