//! Plugins in the host's own address space: wall one only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::broker::Session;
use crate::config::Limits;
use crate::engine::{CheckedPlugin, CompiledPlugin, Engine, EngineError};
use crate::host::{Flavour, LoadError};
use crate::instance::Metadata;
use crate::local::{Local, StartError, Surroundings};
use crate::outcome::CallReport;
use crate::runtime::{Interrupt, Prepared, Running, Runtime};
use crate::walls::Walls;

/// Runs plugins with engines in this process: one for each size of stack, which is the engine's and not the plugin's.
pub(crate) struct InProcess {
    engines: Mutex<BTreeMap<u32, Engine>>,
}

impl InProcess {
    /// Starts with the engine that most plugins will use.
    pub(crate) fn new(max_stack_bytes: u32) -> Result<Self, EngineError> {
        let engines = Mutex::default();
        let runtime = Self { engines };
        runtime.engine(max_stack_bytes).map(|_| runtime)
    }

    fn engine(&self, max_stack_bytes: u32) -> Result<Engine, EngineError> {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(&max_stack_bytes) {
            return Ok(engine.clone());
        }
        let engine = Engine::new(max_stack_bytes)?;
        engines.insert(max_stack_bytes, engine.clone());
        Ok(engine)
    }
}

impl Runtime for InProcess {
    fn prepare(&self, plugin: CheckedPlugin, limits: &Limits) -> Result<Box<dyn Prepared>, LoadError> {
        let flavour = plugin.flavour().ok_or(LoadError::NotAPlugin)?;
        let engine = self.engine(limits.max_stack_bytes).map_err(|source| LoadError::Engine { source })?;
        let compiled = CompiledPlugin::compile_checked(&engine, plugin)
            .map_err(|source| LoadError::Compile { source })?;
        Ok(Box::new(Ready { engine, compiled, flavour }))
    }
}

struct Ready {
    engine: Engine,
    compiled: CompiledPlugin,
    flavour: Flavour,
}

impl Prepared for Ready {
    fn plugin(&self) -> &CheckedPlugin {
        self.compiled.checked()
    }

    fn start(
        &self,
        surroundings: Surroundings,
        session: Arc<Session>,
    ) -> Result<(Box<dyn Running>, Metadata), LoadError> {
        let code = Arc::clone(self.compiled.code());
        let mut local = Local::new(self.engine.clone(), code, self.flavour, surroundings, session);
        let metadata = local.start().map_err(|error| match error {
            StartError::Setup(source) => LoadError::Setup { source },
            StartError::Outcome(outcome) => LoadError::Start { outcome },
        })?;
        Ok((Box::new(local), metadata))
    }
}

impl Running for Local {
    fn execute(&mut self, request: &[u8]) -> CallReport {
        Self::execute(self, request)
    }

    fn walls(&self) -> Walls {
        Walls::in_process()
    }

    fn rest(&mut self) {
        Self::rest(self);
    }

    fn restart_with(&mut self, surroundings: Surroundings) {
        Self::restart_with(self, surroundings);
    }

    fn interrupt(&self) -> Arc<dyn Interrupt> {
        Arc::new(ByTicker)
    }
}

/// Code in this process looks at every tick whether it is to end; see [`crate::broker::HostCalls::has_ended_it`].
struct ByTicker;

impl Interrupt for ByTicker {
    fn interrupt(&self) {}

    fn allow(&self) {}

    fn worker_pid(&self) -> Option<u32> {
        None
    }
}
