//! Plugins in the host's own address space: wall one only.

use std::sync::Arc;

use crate::broker::Session;
use crate::engine::{CheckedPlugin, CompiledPlugin, Engine};
use crate::host::{Flavour, LoadError};
use crate::instance::Metadata;
use crate::local::{Local, StartError, Surroundings};
use crate::outcome::CallReport;
use crate::runtime::{Prepared, Running, Runtime};
use crate::walls::Walls;

/// Runs plugins with an engine in this process.
pub(crate) struct InProcess {
    engine: Engine,
}

impl InProcess {
    pub(crate) const fn new(engine: Engine) -> Self {
        Self { engine }
    }
}

impl Runtime for InProcess {
    fn prepare(&self, plugin: CheckedPlugin) -> Result<Box<dyn Prepared>, LoadError> {
        let flavour = plugin.flavour().ok_or(LoadError::NotAPlugin)?;
        let compiled = CompiledPlugin::compile_checked(&self.engine, plugin)
            .map_err(|source| LoadError::Compile { source })?;
        Ok(Box::new(Ready { engine: self.engine.clone(), compiled, flavour }))
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

    fn worker_pid(&self) -> Option<u32> {
        None
    }

    fn rest(&mut self) {
        Self::rest(self);
    }
}
