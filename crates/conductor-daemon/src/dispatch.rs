//! From events to calls: a queue and a thread for every plugin, so that none of them waits for another.

mod counters;
mod known_plugin;
mod panic;
mod plugin_log;
mod queue;
mod roster;
mod runner;
mod samples;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use conductor_surface::event::Event;
use conductor_surface::input::InputState;
use tracing::Level;

use crate::mapping::{Effect, Mappings};
pub(crate) use counters::Counters;
pub use counters::Tally;
pub(crate) use known_plugin::{KnownPlugin, Loaded, Phase, Readiness, Snapshot};
pub(crate) use panic::{Panic, Silenced, WHY_PAUSED, record_later};
pub(crate) use queue::{Cause, Job, Next, Queue};
pub(crate) use roster::Roster;
pub use runner::PluginTotals;
pub(crate) use runner::{Runner, StartedPlugin, unfit_mappings};
pub(crate) use samples::Sample;

/// Hands each event to the plugins that are mapped to it. Inputs call the router from their own threads; the router
/// never waits for a plugin.
pub(crate) struct Router {
    routes: RwLock<Arc<Routes>>,
    panic: Arc<Panic>,
}

/// Where events go.
#[derive(Clone)]
struct Routes {
    mappings: Arc<Mappings>,
    /// The queue of each mapping that calls a plugin, by the mapping's index.
    queues: Arc<[Option<Arc<Queue>>]>,
    mode: Arc<str>,
}

impl Routes {
    fn new(mappings: Mappings, plugins: &HashMap<Arc<str>, Arc<Queue>>) -> Self {
        let queues = mappings.all().iter().map(|mapping| match &mapping.effect {
            Effect::Call { plugin, .. } => plugins.get(plugin).cloned(),
            Effect::SwitchMode(_) | Effect::Panic => None,
        });
        let (queues, mode) = (queues.collect(), Arc::clone(mappings.initial_mode()));
        Self { mappings: Arc::new(mappings), queues, mode }
    }

    /// Whether a mapping is for this mode alone.
    fn knows(&self, mode: &str) -> bool {
        self.mappings.all().iter().any(|mapping| mapping.mode.as_deref() == Some(mode))
    }
}

impl Router {
    pub(crate) fn new(
        mappings: Mappings,
        plugins: &HashMap<Arc<str>, Arc<Queue>>,
        panic: Arc<Panic>,
    ) -> Self {
        Self { routes: RwLock::new(Arc::new(Routes::new(mappings, plugins))), panic }
    }

    /// Replaces mappings and queues. The mode stays, unless no mapping knows that mode any more.
    pub(crate) fn replace(&self, mappings: Mappings, plugins: &HashMap<Arc<str>, Arc<Queue>>) {
        let mut routes = Routes::new(mappings, plugins);
        let mut held = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        if routes.knows(&held.mode) {
            routes.mode = Arc::clone(&held.mode);
        }
        *held = Arc::new(routes);
    }

    /// The mode that mappings are in.
    pub(crate) fn mode(&self) -> Arc<str> {
        Arc::clone(&self.routes().mode)
    }

    /// The index of a mode, by which plugins for Conductor 1.0 know it.
    pub(crate) fn mode_index(&self, mode: &str) -> Option<u32> {
        self.routes().mappings.mode_index(mode)
    }

    /// Queues every call that `event` of an input triggers. All mappings see the mode of the moment in which the event
    /// came. After a panic, no call is queued.
    pub(crate) fn dispatch(&self, event: Event, input: &InputState) {
        let routes = self.routes();
        let event = Arc::new(event);
        for index in routes.mappings.triggered(&event, &routes.mode) {
            if let Some(Some(queue)) = routes.queues.get(index) {
                if self.panic.is_on() {
                    queue.turn_away();
                    continue;
                }
                let cause = Cause::Mapping { mappings: Arc::clone(&routes.mappings), index };
                queue.push(Job { cause, event: Arc::clone(&event), mode: Arc::clone(&routes.mode) });
            }
            match routes.mappings.all().get(index).map(|mapping| &mapping.effect) {
                Some(Effect::SwitchMode(next)) => self.switch(next, &routes, input),
                Some(Effect::Panic) => self.panic.by_mapping(input.name()),
                Some(Effect::Call { .. }) | None => {}
            }
        }
    }

    /// Switches to a mode that the mappings of `routes` name. Does nothing if that mode is on already.
    fn switch(&self, mode: &Arc<str>, routes: &Arc<Routes>, input: &InputState) {
        if self.routes().mode == *mode {
            return;
        }
        let mut held = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        // A reload may have replaced the mappings since. A mode that only the earlier mappings name is not switched to.
        let is_known = Arc::ptr_eq(&held.mappings, &routes.mappings) || held.knows(mode);
        if held.mode == *mode || !is_known {
            return;
        }
        *held = Arc::new(Routes { mode: Arc::clone(mode), ..Routes::clone(&held) });
        drop(held);
        input.log(Level::INFO, format_args!("switched to mode {mode}"));
    }

    fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use conductor_surface::event::Body;

    use super::*;
    use crate::mapping::{Mapping, Trigger};

    /// Mappings that name these modes and start in `default`.
    fn mappings(modes: &[&str]) -> Mappings {
        let mapping = |mode: Option<&str>, effect: &str| Mapping {
            line: 1,
            trigger: Trigger::default(),
            mode: mode.map(Into::into),
            effect: Effect::SwitchMode(effect.into()),
        };
        let known = modes.iter().map(|mode| mapping(Some(mode), "default"));
        Mappings::new("default", std::iter::once(mapping(Some("default"), "edit")).chain(known).collect())
    }

    #[test]
    fn a_switch_that_a_reload_overtook_sets_no_mode_that_is_not_known() {
        let input = InputState::new("desk".into());
        for (after, mode) in [(&["edit"][..], "edit"), (&["other"], "default")] {
            let router = Router::new(mappings(&["edit"]), &HashMap::new(), Panic::of_nothing());
            let before = router.routes();
            router.replace(mappings(after), &HashMap::new());
            router.switch(&"edit".into(), &before, &input);
            assert_eq!(&*router.mode(), mode, "{after:?}");
        }
    }

    #[test]
    fn the_mode_that_is_on_is_not_switched_to() {
        let input = InputState::new("desk".into());
        let router = Router::new(mappings(&["edit"]), &HashMap::new(), Panic::of_nothing());
        let tick = || Event::now("desk".into(), Body::Tick { count: 0 });
        router.dispatch(tick(), &input);
        assert_eq!(&*router.mode(), "edit");
        let routes = router.routes();
        router.switch(&"edit".into(), &routes, &input);
        assert!(Arc::ptr_eq(&routes, &router.routes()), "nothing was put in its place");
        router.dispatch(tick(), &input);
        assert_eq!(&*router.mode(), "default");
    }
}
