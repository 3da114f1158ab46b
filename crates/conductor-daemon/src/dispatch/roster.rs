//! Which plugins there are now.

use std::sync::{Arc, PoisonError, RwLock};

use super::Published;

/// What is known about each plugin, by alias. A reload changes it.
#[derive(Default)]
pub(crate) struct Roster(RwLock<Vec<Arc<Published>>>);

impl Roster {
    /// The plugins, by alias.
    pub(crate) fn all(&self) -> Vec<Arc<Published>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The plugin that the user calls so.
    pub(crate) fn find(&self, alias: &str) -> Option<Arc<Published>> {
        let plugins = self.0.read().unwrap_or_else(PoisonError::into_inner);
        plugins.iter().find(|plugin| plugin.alias() == alias).cloned()
    }

    /// From now on there are these.
    pub(crate) fn set(&self, mut plugins: Vec<Arc<Published>>) {
        plugins.sort_by(|a, b| a.alias().cmp(b.alias()));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = plugins;
    }
}
