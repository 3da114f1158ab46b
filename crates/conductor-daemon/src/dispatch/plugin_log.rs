//! What one plugin writes to the daemon's log, and what the daemon writes there about the plugin's calls.

use std::sync::Arc;
use std::time::Instant;

use conductor_abi::LogLevel;
use conductor_core::{CallReport, Limit, LogSource};
use conductor_signing::escape::terminal;
use conductor_surface::log_budget::Budget;
use tracing::Level;

use crate::log_writer::PLUGIN_TARGET;

/// One plugin's share of the log: a number of bytes a minute. What was dropped is said once a minute.
pub(super) struct PluginLog {
    plugin: Arc<str>,
    budget: Budget,
    /// Limits that were named since the daemon started.
    named: Vec<Limit>,
}

impl PluginLog {
    /// The log of the plugin with this alias, which may write `max_bytes_per_minute` bytes a minute.
    pub(super) fn new(plugin: Arc<str>, max_bytes_per_minute: u64) -> Self {
        Self { plugin, budget: Budget::new(max_bytes_per_minute, Instant::now()), named: Vec::new() }
    }

    /// Writes what the plugin logged and printed in a call, and which limits refused it something.
    pub(super) fn pass_on(&mut self, report: &CallReport) {
        self.advance();
        for limit in &report.limits_refused {
            self.name(*limit);
        }
        for line in &report.log {
            let level = level(line.source);
            if is_enabled(level) {
                self.write(level, &terminal(&line.text).to_string());
            }
        }
        self.budget.drop_bytes(report.dropped_log_bytes);
        self.announce();
    }

    /// Says that calls fail, and what the plugin was denied: at the first failure, and whenever the number of failures
    /// in a row has doubled.
    pub(super) fn complain(&mut self, report: &CallReport, failures_in_a_row: u64) {
        if failures_in_a_row.is_power_of_two() {
            self.advance();
            let denied = report.denied.iter().map(|denial| format!("; {}", denial.reason));
            let text = denied.fold(report.outcome.to_string(), |text, denial| text + &denial);
            let text = terminal(&text).to_string();
            if self.budget.admit(text.len()) {
                tracing::warn!(plugin = &*self.plugin, failures_in_a_row, "call ended: {text}");
            }
            self.announce();
        }
    }

    /// Says what the last minute dropped.
    pub(super) fn finish(&self) {
        if let Some(dropped) = self.budget.dropped() {
            self.say_dropped(dropped);
        }
    }

    /// Names a limit the first time that it refuses something; the report of each call names all limits. The limit on
    /// log bytes is named with the number of dropped bytes instead.
    fn name(&mut self, limit: Limit) {
        if limit != Limit::LogBytes && !self.named.contains(&limit) {
            self.named.push(limit);
            tracing::warn!(
                plugin = &*self.plugin,
                limit = limit.key(),
                "a call of the plugin met a limit: {limit}"
            );
        }
    }

    fn write(&mut self, level: Level, text: &str) {
        let plugin = &*self.plugin;
        if !self.budget.admit(text.len()) {
            return;
        }
        match level {
            Level::ERROR => tracing::error!(target: PLUGIN_TARGET, plugin, "{text}"),
            Level::WARN => tracing::warn!(target: PLUGIN_TARGET, plugin, "{text}"),
            Level::INFO => tracing::info!(target: PLUGIN_TARGET, plugin, "{text}"),
            Level::DEBUG | Level::TRACE => tracing::debug!(target: PLUGIN_TARGET, plugin, "{text}"),
        }
    }

    fn advance(&mut self) {
        if let Some(dropped) = self.budget.advance_to(Instant::now()) {
            self.say_dropped(dropped);
        }
    }

    fn announce(&mut self) {
        if self.budget.announce() {
            let limit = if self.budget.is_used_up() { Limit::LogRate } else { Limit::LogBytes };
            tracing::warn!(
                plugin = &*self.plugin,
                limit = limit.key(),
                "the plugin logs too much, and what is too much is dropped"
            );
        }
    }

    fn say_dropped(&self, dropped: u64) {
        tracing::warn!(
            plugin = &*self.plugin,
            "{dropped} bytes of the plugin's log were dropped in a minute"
        );
    }
}

const fn level(source: LogSource) -> Level {
    match source {
        LogSource::Host(LogLevel::Error) => Level::ERROR,
        LogSource::Host(LogLevel::Warn) => Level::WARN,
        LogSource::Host(LogLevel::Info) | LogSource::Stdout | LogSource::Stderr => Level::INFO,
        LogSource::Host(LogLevel::Debug) => Level::DEBUG,
    }
}

/// Whether plugins' lines of `level` are written. A line that is not written costs the plugin nothing.
fn is_enabled(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(target: PLUGIN_TARGET, Level::ERROR),
        Level::WARN => tracing::enabled!(target: PLUGIN_TARGET, Level::WARN),
        Level::INFO => tracing::enabled!(target: PLUGIN_TARGET, Level::INFO),
        Level::DEBUG | Level::TRACE => tracing::enabled!(target: PLUGIN_TARGET, Level::DEBUG),
    }
}
