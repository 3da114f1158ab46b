//! Which plugins there are now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use super::{Published, Record, Tally};

/// What is known about each plugin. A reload changes it.
#[derive(Default)]
pub(crate) struct Roster {
    plugins: RwLock<Plugins>,
    /// By alias, also of plugins that are gone: what was counted stays counted.
    records: Mutex<HashMap<Arc<str>, Arc<Record>>>,
}

#[derive(Default)]
struct Plugins {
    /// By alias.
    now: Vec<Arc<Published>>,
    /// Those that are being loaded for a change that is not made yet, and those that were replaced, which may still work off
    /// what they have.
    others: Vec<Weak<Published>>,
}

impl Roster {
    /// The plugins, by alias.
    pub(crate) fn all(&self) -> Vec<Arc<Published>> {
        self.plugins.read().unwrap_or_else(PoisonError::into_inner).now.clone()
    }

    /// The plugins, those that are being loaded to take their place, and those that were replaced and have not ended yet:
    /// whoever takes a permission away takes it from these as well.
    pub(crate) fn everyone(&self) -> Vec<Arc<Published>> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        let mut everyone = plugins.now.clone();
        for other in plugins.others.iter().filter_map(Weak::upgrade) {
            if !everyone.iter().any(|plugin| Arc::ptr_eq(plugin, &other)) {
                everyone.push(other);
            }
        }
        everyone
    }

    /// This one is about to be loaded, whether it comes to take its place or not.
    pub(crate) fn expect(&self, plugin: &Arc<Published>) {
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        plugins.others.retain(|plugin| plugin.strong_count() > 0);
        plugins.others.push(Arc::downgrade(plugin));
    }

    /// The plugin that the user calls so.
    pub(crate) fn find(&self, alias: &str) -> Option<Arc<Published>> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        plugins.now.iter().find(|plugin| plugin.alias() == alias).cloned()
    }

    /// From now on there are these.
    pub(crate) fn set(&self, mut now: Vec<Arc<Published>>) {
        now.sort_by(|a, b| a.alias().cmp(b.alias()));
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut plugins.now, now);
        let replaced: Vec<_> = old
            .iter()
            .filter(|old| !plugins.now.iter().any(|plugin| Arc::ptr_eq(plugin, old)))
            .map(Arc::downgrade)
            .collect();
        plugins.others.retain(|plugin| plugin.strong_count() > 0);
        plugins.others.extend(replaced);
    }

    /// The counters of the plugin that the user calls so; those from before a reload, if there are any.
    pub(crate) fn record(&self, alias: &Arc<str>) -> Arc<Record> {
        Arc::clone(self.records().entry(Arc::clone(alias)).or_default())
    }

    /// Calls of all plugins since the daemon started, and events that led to none.
    pub(crate) fn totals(&self) -> (u64, Tally) {
        let mut totals = (0, Tally::default());
        for record in self.records().values() {
            let Tally { coalesced, refused } = record.tally();
            totals.0 += record.calls();
            totals.1.coalesced += coalesced;
            totals.1.refused += refused;
        }
        totals
    }

    fn records(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Record>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
