//! Which plugins there are now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use super::{Counters, KnownPlugin, Tally};

/// What is known about each plugin. A reload changes it.
#[derive(Default)]
pub(crate) struct Roster {
    plugins: RwLock<Plugins>,
    /// By alias, also of plugins that are gone: what was counted stays counted.
    counters: Mutex<HashMap<Arc<str>, Arc<Counters>>>,
}

#[derive(Default)]
struct Plugins {
    /// By alias.
    now: Vec<Arc<KnownPlugin>>,
    /// Those that are being loaded for a change that is not made yet, and those that were replaced, which may still work off
    /// what they have.
    others: Vec<Weak<KnownPlugin>>,
}

impl Roster {
    /// The plugins, by alias.
    pub(crate) fn all(&self) -> Vec<Arc<KnownPlugin>> {
        self.plugins.read().unwrap_or_else(PoisonError::into_inner).now.clone()
    }

    /// The plugins, those that are being loaded to take their place, and those that were replaced and have not ended yet:
    /// whoever takes a permission away takes it from these as well.
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

    /// This one is about to be loaded, whether it comes to take its place or not.
    pub(crate) fn expect(&self, plugin: &Arc<KnownPlugin>) {
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        plugins.others.retain(|plugin| plugin.strong_count() > 0);
        plugins.others.push(Arc::downgrade(plugin));
    }

    /// The plugin that the user calls so.
    pub(crate) fn find(&self, alias: &str) -> Option<Arc<KnownPlugin>> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        plugins.now.iter().find(|plugin| plugin.alias() == alias).cloned()
    }

    /// From now on there are these.
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

    /// The counters of the plugin that the user calls so; those from before a reload, if there are any.
    pub(crate) fn counters_of(&self, alias: &Arc<str>) -> Arc<Counters> {
        Arc::clone(self.counters().entry(Arc::clone(alias)).or_default())
    }

    /// Calls of all plugins since the daemon started, and events that led to none.
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
