//! Which plugins there are now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use super::{Counters, KnownPlugin, Tally};

/// What is known about each plugin. A reload changes it.
#[derive(Default)]
pub(crate) struct Roster {
    plugins: RwLock<Plugins>,
    /// By alias. Counters stay when the plugin is gone.
    counters: Mutex<HashMap<Arc<str>, Arc<Counters>>>,
}

#[derive(Default)]
struct Plugins {
    /// By alias.
    now: Vec<Arc<KnownPlugin>>,
    /// Plugins that are being loaded for a change that is not in place yet, and replaced plugins, which may still work
    /// off their queues.
    others: Vec<Weak<KnownPlugin>>,
}

impl Roster {
    /// The plugins, by alias.
    pub(crate) fn all(&self) -> Vec<Arc<KnownPlugin>> {
        self.plugins.read().unwrap_or_else(PoisonError::into_inner).now.clone()
    }

    /// The plugins, those that are being loaded in their place, and replaced ones that have not ended yet. Whoever
    /// takes a permission away takes it from all of these.
    pub(crate) fn everyone(&self) -> Vec<Arc<KnownPlugin>> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        let mut everyone = plugins.now.clone();
        for other in plugins.others.iter().filter_map(Weak::upgrade) {
            if !everyone.iter().any(|plugin| Arc::ptr_eq(plugin, &other)) {
                everyone.push(other);
            }
        }
        everyone
    }

    /// Notes a plugin that is about to be loaded, whether or not it will be put in place.
    pub(crate) fn expect(&self, plugin: &Arc<KnownPlugin>) {
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        plugins.others.retain(|plugin| plugin.strong_count() > 0);
        plugins.others.push(Arc::downgrade(plugin));
    }

    /// The plugin with this alias.
    pub(crate) fn find(&self, alias: &str) -> Option<Arc<KnownPlugin>> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        plugins.now.iter().find(|plugin| plugin.alias() == alias).cloned()
    }

    /// Replaces all plugins.
    pub(crate) fn set(&self, mut now: Vec<Arc<KnownPlugin>>) {
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

    /// The counters of an alias. They go on from before a reload.
    pub(crate) fn counters_of(&self, alias: &Arc<str>) -> Arc<Counters> {
        Arc::clone(self.counters().entry(Arc::clone(alias)).or_default())
    }

    /// The calls of all plugins since the daemon started, and the events that led to no call.
    pub(crate) fn totals(&self) -> (u64, Tally) {
        let mut totals = (0, Tally::default());
        for counters in self.counters().values() {
            let Tally { coalesced, refused } = counters.tally();
            totals.0 += counters.calls();
            totals.1.coalesced += coalesced;
            totals.1.refused += refused;
        }
        totals
    }

    fn counters(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Counters>>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
