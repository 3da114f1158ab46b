//! The thread of one plugin: loads it, then makes the calls that wait in its queue, one after the other.

use std::sync::Arc;
use std::time::Duration;

use conductor_core::{
    CallReport, Host, Limit, Limits, LoadError, Outcome, Permission, Plugin, PluginInfo, PluginOptions,
    PluginState,
};
use conductor_signing::Digest;
use conductor_signing::escape::terminal;

use super::plugin_log::PluginLog;
use super::{Cause, Job, KnownPlugin, Next, Panic, Queue, Tally};
use crate::calls::{Call, CallLog};
use crate::config::PluginConfig;
use crate::mapping::{Effect, Mappings};
use crate::words::actions;

/// What a plugin did in one run of the daemon.
#[derive(Clone, Debug)]
pub struct PluginTotals {
    /// The user's name for the plugin.
    pub alias: Arc<str>,
    /// Calls made.
    pub calls: u64,
    /// Calls that did not end with [`Outcome::Ok`].
    pub failures: u64,
    /// Time spent in calls.
    pub busy: Duration,
    /// Events that were not handed to the plugin.
    pub tally: Tally,
    /// Whether the plugin was refused, and so never ran.
    pub was_refused: bool,
    /// Mappings that name an action which the plugin lacks.
    pub unfit_mappings: u64,
}

/// A plugin that was loaded, or the reason why it was not.
pub(crate) struct StartedPlugin {
    pub(crate) alias: Arc<str>,
    pub(crate) loaded: Result<PluginInfo, LoadError>,
}

/// Everything that the plugin's thread needs.
pub(crate) struct Runner {
    pub(crate) host: Arc<Host>,
    pub(crate) config: PluginConfig,
    pub(crate) mappings: Mappings,
    pub(crate) queue: Arc<Queue>,
    pub(crate) known: Arc<KnownPlugin>,
    pub(crate) calls: CallLog,
    pub(crate) panic: Arc<Panic>,
    /// The digest of the change behind the alias that the user has accepted.
    pub(crate) accepted: Option<Digest>,
}

impl Runner {
    /// Loads the plugin, tells `started` about it, and makes its calls until the queue is closed and empty. Events that
    /// the queue itself dropped are not in the totals yet.
    pub(crate) fn run(self, started: impl Fn(StartedPlugin)) -> PluginTotals {
        // However this thread ends, nobody may wait for its queue any longer.
        let _abandon = Abandon(&self);
        let alias = Arc::clone(&self.config.alias);
        let mut totals = PluginTotals {
            alias: Arc::clone(&alias),
            calls: 0,
            failures: 0,
            busy: Duration::ZERO,
            tally: Tally::default(),
            was_refused: false,
            unfit_mappings: 0,
        };
        let say = |loaded| {
            started(StartedPlugin { alias: Arc::clone(&alias), loaded });
        };
        let limits = self.config.limits.apply(self.host.config().limits());
        let options = PluginOptions { accepted_change: self.accepted, ..self.config.options(limits) };
        let register = |permission: &Permission| self.known.registered(permission);
        let read = self.host.read(&self.config.path, &options);
        self.known.read();
        match self.host.load_read(&self.config.path, read, &options, &register) {
            Ok(mut plugin) => {
                let given = self.config.settings.keys().cloned().collect();
                self.known.set_settings(plugin.info().settings.clone(), given);
                self.known.loaded(plugin.as_ref());
                self.say_what_waits(plugin.as_ref());
                say(Ok(plugin.info().clone()));
                totals.unfit_mappings = unfit_mappings(&self.mappings, &alias, plugin.info());
                self.work(plugin.as_mut(), &limits, &mut totals);
            }
            Err(error) => {
                self.known.refused(&error);
                say(Err(error));
                self.queue.abandon();
                totals.was_refused = true;
            }
        }
        totals
    }

    /// Says which requests of the plugin wait for the user's decision.
    fn say_what_waits(&self, plugin: &dyn Plugin) {
        let alias = &*self.config.alias;
        for secret in plugin.permission().secrets() {
            let name = terminal(&secret.declared.name).to_string();
            if secret.entered.is_none() {
                tracing::info!(
                    plugin = alias,
                    "asks for a secret; to enter it: conductorctl plugin secret set {alias} {name}"
                );
            } else if !secret.waiting().is_empty() {
                tracing::warn!(
                    plugin = alias,
                    "would send a secret to further hosts; to decide: conductorctl plugin secret confirm {alias} {name}"
                );
            }
        }
        for waiting in plugin.permission().pending() {
            let (capability, risk) = (waiting.capability(), waiting.risk);
            let scope = terminal(&waiting.scope.to_string()).to_string();
            tracing::warn!(
                plugin = alias,
                scope,
                "needs your approval: {capability}, of {risk} risk; to decide: conductorctl plugin grant {alias} \
                 {capability}"
            );
        }
    }

    fn work(&self, plugin: &mut dyn Plugin, limits: &Limits, totals: &mut PluginTotals) {
        let mut log = PluginLog::new(Arc::clone(&self.config.alias), limits.max_log_bytes_per_minute);
        let mut refusals_to_say: u64 = 1;
        let mut failures_in_a_row: u64 = 0;
        let mut is_quarantined = false;
        loop {
            let next = self.queue.next();
            if self.known.take_resume() {
                self.resume(plugin);
                failures_in_a_row = 0;
                is_quarantined = false;
            }
            let job = match next {
                Next::Call(job) => job,
                Next::Look => continue,
                Next::End => break,
            };
            // An event that came just before a panic may have been queued just after it.
            if self.panic.is_on() {
                totals.tally.refused += 1;
                self.known.event_refused();
                continue;
            }
            let refused = self.queue.tally().refused;
            if refused >= refusals_to_say {
                // The number is said again when it has doubled.
                refusals_to_say = refused.saturating_mul(2);
                let plugin = &*self.config.alias;
                let limit = self.queue.limit().unwrap_or(Limit::QueuedEvents).key();
                tracing::warn!(plugin, limit, refused, "the plugin does not keep up with its events");
            }
            let Some(report) = self.call(plugin, &job) else {
                totals.tally.refused += 1;
                self.known.event_refused();
                continue;
            };
            log.pass_on(&report);
            self.known.measured(&report);
            self.known.called(&report, plugin);
            if let Outcome::Suspended { .. } = report.outcome {
                totals.tally.refused += 1;
                continue;
            }
            totals.calls += 1;
            totals.busy += report.elapsed;
            if report.outcome == Outcome::Ok {
                failures_in_a_row = 0;
            } else {
                totals.failures += 1;
                failures_in_a_row += 1;
                log.complain(&report, failures_in_a_row);
                if let (PluginState::Quarantined { failures, .. }, false) = (plugin.state(), is_quarantined) {
                    is_quarantined = true;
                    tracing::error!(
                        plugin = &*self.config.alias,
                        failures,
                        "quarantined: it failed too often and is called no more; to let it back in: \
                         conductorctl plugin resume {}",
                        self.config.alias
                    );
                }
            }
        }
        log.finish();
    }

    fn resume(&self, plugin: &mut dyn Plugin) {
        plugin.resume();
        self.known.changed(None, plugin);
        tracing::info!(plugin = &*self.config.alias, "started again");
    }

    fn call(&self, plugin: &mut dyn Plugin, job: &Job) -> Option<CallReport> {
        let mut request = job.request()?;
        request.context.settings = self.known.settings();
        if !plugin.info().accepts(&request.action) {
            return None;
        }
        let json = match plugin.info().json(&request, job.mode_index()) {
            Ok(json) => json,
            Err(error) => {
                tracing::error!(plugin = &*self.config.alias, %error, "the request cannot be written as JSON");
                return None;
            }
        };
        let report = plugin.execute(&json);
        if self.calls.is_read() {
            self.calls.record(Call {
                event: &job.event,
                plugin: &self.config.alias,
                action: &request.action,
                outcome: &report.outcome,
                error: report.error(),
                limits_refused: &report.limits_refused,
                fuel_used: report.fuel_used,
                elapsed: report.elapsed,
            });
        }
        if let Cause::Hand { reply, .. } = &job.cause {
            // The user may have stopped waiting for the report.
            let _ = reply.send(report.clone());
        }
        Some(report)
    }
}

/// Logs each mapping to a plugin that names an action which the plugin does not have, and returns the number of such
/// mappings. Their events are refused.
pub(crate) fn unfit_mappings(mappings: &Mappings, alias: &str, info: &PluginInfo) -> u64 {
    let mut unfit = 0;
    for mapping in mappings.all() {
        if let Effect::Call { plugin, action, .. } = &mapping.effect
            && **plugin == *alias
            && !info.accepts(action)
        {
            unfit += 1;
            let hint = actions::hint(action, info.manifest.as_ref());
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            tracing::error!(
                plugin = &**plugin,
                "the mapping at line {} of the configuration names the action `{}`, which the plugin lacks{hint}",
                mapping.line,
                terminal(action)
            );
        }
    }
    unfit
}

struct Abandon<'r>(&'r Runner);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
        if std::thread::panicking() {
            self.0.known.gone("its thread ended with a bug in this program".to_owned());
        }
    }
}
