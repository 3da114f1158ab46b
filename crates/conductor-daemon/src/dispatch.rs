//! From events to calls: a queue and a thread for every plugin, so that none of them waits for another.

mod plugin_log;
mod published;
mod queue;
mod runner;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::event::Event;
use crate::mapping::{Effect, Mappings};
pub(crate) use published::{Loaded, Phase, Published, Snapshot, Standing};
pub use queue::Tally;
pub(crate) use queue::{Job, Next, Queue};
pub use runner::PluginTotals;
pub(crate) use runner::{Runner, StartedPlugin};

/// Hands events to the plugins that they are mapped to. Inputs call it from their own threads; it never waits for a
/// plugin.
pub struct Router {
    mappings: Mappings,
    /// The queue of each mapping that calls a plugin, by the mapping's index.
    queues: Vec<Option<Arc<Queue>>>,
    mode: RwLock<Arc<str>>,
}

impl Router {
    pub(crate) fn new(mappings: Mappings, plugins: &HashMap<Arc<str>, Arc<Queue>>) -> Self {
        let queues = mappings.all().iter().map(|mapping| match &mapping.effect {
            Effect::Call { plugin, .. } => plugins.get(plugin).cloned(),
            Effect::SwitchMode(_) => None,
        });
        let queues = queues.collect();
        let mode = RwLock::new(Arc::clone(mappings.initial_mode()));
        Self { mappings, queues, mode }
    }

    /// Queues every call that `event` triggers. All mappings see the mode in which the event came.
    pub fn dispatch(&self, event: Event) {
        let mode = Arc::clone(&self.mode.read().unwrap_or_else(PoisonError::into_inner));
        let event = Arc::new(event);
        for index in self.mappings.triggered(&event, &mode) {
            if let Some(Some(queue)) = self.queues.get(index) {
                queue.push(Job { mapping: index, event: Arc::clone(&event), mode: Arc::clone(&mode) });
            }
            if let Some(Effect::SwitchMode(next)) =
                self.mappings.all().get(index).map(|mapping| &mapping.effect)
            {
                tracing::info!(mode = &**next, "switched");
                *self.mode.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(next);
            }
        }
    }
}
