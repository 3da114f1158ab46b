//! Where plugins' code runs: one trait, of which this process and worker processes are the two implementations.

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

/// A place for plugins' code.
pub trait Runtime: Send + Sync {
    /// Who asks the file systems that plugins' paths lie on.
    fn files(&self) -> Arc<dyn Files>;

    /// Checks the shape of a plugin's module.
    ///
    /// # Errors
    ///
    /// Names the first rule that it breaks.
    fn check(&self, plugin: VerifiedPlugin) -> Result<CheckedPlugin, CompileError>;

    /// Makes a plugin ready to be started, as often as wanted.
    ///
    /// # Errors
    ///
    /// Fails if it is no plugin, or cannot be compiled within these limits.
    fn prepare(&self, plugin: CheckedPlugin, limits: &Limits) -> Result<Box<dyn Prepared>, RunError>;
}

/// A plugin that can be started.
pub trait Prepared: Send {
    /// The plugin.
    fn plugin(&self) -> &CheckedPlugin;

    /// Starts the plugin in these surroundings; what it asks for goes to `session`, and `switch` ends it.
    ///
    /// # Errors
    ///
    /// Says which step of the start failed.
    fn start(
        &self,
        surroundings: Surroundings,
        session: Arc<dyn HostSession>,
        switch: Arc<Switch>,
    ) -> Result<(Box<dyn Running>, Metadata), RunError>;
}

/// A plugin that runs.
pub trait Running: Send {
    /// Executes one request that came when it `started`.
    fn execute(&mut self, request: &[u8], started: Instant) -> CallReport;

    /// Which walls stand around it.
    fn walls(&self) -> Walls;

    /// Gives up what it holds between calls; the next call, if one comes, starts anew.
    fn rest(&mut self);

    /// As [`Running::rest`], with other surroundings from then on.
    fn restart_with(&mut self, surroundings: Surroundings);

    /// What went wrong between the last two calls, if the last one needed a new start for it. Asked once after each call.
    fn take_fault_between_calls(&mut self) -> Option<WorkerFault> {
        None
    }
}

/// Whether a plugin's processes may run, and the one that does: from its start on, so that whoever takes something away from
/// the plugin reaches it in whatever it does. Code in this process looks at its session instead.
#[derive(Default)]
pub struct Switch(Mutex<Switched>);

#[derive(Default)]
struct Switched {
    is_off: bool,
    process: Option<Weak<dyn Endable>>,
    /// The same process, as long as nobody has waited for its end.
    remains: Option<Weak<dyn Mortal>>,
}

/// A process that can be ended from any thread.
pub(crate) trait Endable: Send + Sync {
    /// Ends it, and waits for nothing.
    fn end(&self);

    /// Its identifier, unless it is over.
    fn pid(&self) -> Option<u32>;
}

/// A process that may be told to end and does not.
pub(crate) trait Mortal: Send + Sync {
    /// Its identifier, if it was told to end and has not for longer than that takes.
    fn ending(&self) -> Option<u32>;
}

impl Switch {
    /// Takes note of the process that runs from now on, and ends it where none may.
    pub(crate) fn is_now(&self, process: Weak<dyn Endable>, remains: Weak<dyn Mortal>) {
        let mut switched = self.lock();
        (switched.process, switched.remains) = (Some(process), Some(remains));
        let is_off = switched.is_off;
        drop(switched);
        if is_off {
            self.end();
        }
    }

    /// Ends the process that runs, and each that is started later.
    pub fn turn_off(&self) {
        self.lock().is_off = true;
        self.end();
    }

    /// Lets processes run again.
    pub fn turn_on(&self) {
        self.lock().is_off = false;
    }

    pub(crate) fn is_off(&self) -> bool {
        self.lock().is_off
    }

    /// Identifier of the process, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process()?.pid()
    }

    /// Identifier of the process that was told to end and does not.
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
