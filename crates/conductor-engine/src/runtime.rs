//! The trait for running plugins' code, with two implementations: this process, and worker processes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use conductor_call::{CallReport, HostSession, Limits, Walls, WorkerFault};
use conductor_signing::VerifiedPlugin;

use crate::checked::CheckedPlugin;
use crate::engine::CompileError;
use crate::files::Files;
use crate::instance::Metadata;
use crate::local::Surroundings;
use crate::run_error::RunError;

/// A place where plugins' code runs.
pub trait Runtime: Send + Sync {
    /// Access to the file systems that plugins' paths are on.
    fn files(&self) -> Arc<dyn Files>;

    /// Checks the shape of a plugin's module.
    ///
    /// # Errors
    ///
    /// Names the first rule that the module breaks.
    fn check(&self, plugin: VerifiedPlugin) -> Result<CheckedPlugin, CompileError>;

    /// Makes a plugin ready to be started any number of times.
    ///
    /// # Errors
    ///
    /// Fails if the module is not a plugin, or cannot be compiled within these limits.
    fn prepare(&self, plugin: CheckedPlugin, limits: &Limits) -> Result<Box<dyn Prepared>, RunError>;
}

/// A plugin that can be started.
pub trait Prepared: Send {
    /// The plugin.
    fn plugin(&self) -> &CheckedPlugin;

    /// Starts the plugin in these surroundings. Its host calls go to `session`, and `switch` can end it.
    ///
    /// # Errors
    ///
    /// Names the step of the start that failed.
    fn start(
        &self,
        surroundings: Surroundings,
        session: Arc<dyn HostSession>,
        switch: Arc<Switch>,
    ) -> Result<(Box<dyn Running>, Metadata), RunError>;
}

/// A plugin that runs.
pub trait Running: Send {
    /// Executes one request that arrived at `started`.
    fn execute(&mut self, request: &[u8], started: Instant) -> CallReport;

    /// The walls that stand around the plugin.
    fn walls(&self) -> Walls;

    /// Drops everything that the plugin holds between calls; the next call starts the plugin anew.
    fn rest(&mut self);

    /// As [`Running::rest`], and changes the surroundings.
    fn restart_with(&mut self, surroundings: Surroundings);

    /// The fault between the last two calls, if the last call had to start the plugin again because of it. Asked once
    /// after each call.
    fn take_fault_between_calls(&mut self) -> Option<WorkerFault> {
        None
    }
}

/// Whether a plugin's processes may run, and the process that runs. The process is known from its start on, so that
/// taking something away from the plugin ends it, whatever it is doing. Code in this process looks at its session
/// instead.
#[derive(Default)]
pub struct Switch(Mutex<Switched>);

#[derive(Default)]
struct Switched {
    is_off: bool,
    process: Option<Weak<dyn Endable>>,
    /// The same process, until somebody has waited for its end.
    remains: Option<Weak<dyn Mortal>>,
}

/// A process that can be ended from any thread.
pub(crate) trait Endable: Send + Sync {
    /// Ends the process, without waiting.
    fn end(&self);

    /// Identifier of the process, unless it has ended.
    fn pid(&self) -> Option<u32>;
}

/// A process that may not die although it was told to end.
pub(crate) trait Mortal: Send + Sync {
    /// Identifier of the process, if it was told to end and has not died within the usual time.
    fn ending(&self) -> Option<u32>;
}

impl Switch {
    /// Records the process that runs from now on, and ends it at once if no process may run.
    pub(crate) fn is_now(&self, process: Weak<dyn Endable>, remains: Weak<dyn Mortal>) {
        let mut switched = self.lock();
        (switched.process, switched.remains) = (Some(process), Some(remains));
        let is_off = switched.is_off;
        drop(switched);
        if is_off {
            self.end();
        }
    }

    /// Ends the process that runs, and every process that is started later.
    pub fn turn_off(&self) {
        self.lock().is_off = true;
        self.end();
    }

    /// Allows processes to run again.
    pub fn turn_on(&self) {
        self.lock().is_off = false;
    }

    pub(crate) fn is_off(&self) -> bool {
        self.lock().is_off
    }

    /// Identifier of the process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process()?.pid()
    }

    /// Identifier of the process, if it was told to end and does not die.
    #[must_use]
    pub fn ending(&self) -> Option<u32> {
        let remains = self.lock().remains.as_ref()?.upgrade()?;
        remains.ending()
    }

    fn end(&self) {
        if let Some(process) = self.process() {
            process.end();
        }
    }

    fn process(&self) -> Option<Arc<dyn Endable>> {
        self.lock().process.as_ref()?.upgrade()
    }

    fn lock(&self) -> MutexGuard<'_, Switched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
