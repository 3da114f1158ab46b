//! Where plugins' code runs: one trait, of which this process and worker processes are the two implementations.

use std::sync::Arc;
use std::time::Instant;

use conductor_signing::VerifiedPlugin;

use crate::broker::Session;
use crate::config::Limits;
use crate::engine::{CheckedPlugin, CompileError};
use crate::host::LoadError;
use crate::instance::Metadata;
use crate::local::Surroundings;
use crate::outcome::CallReport;
use crate::walls::Walls;

/// A place for plugins' code.
pub(crate) trait Runtime: Send + Sync {
    /// Checks the shape of a plugin's module.
    fn check(&self, plugin: VerifiedPlugin) -> Result<CheckedPlugin, CompileError>;

    /// Makes a plugin ready to be started, as often as wanted.
    fn prepare(&self, plugin: CheckedPlugin, limits: &Limits) -> Result<Box<dyn Prepared>, LoadError>;
}

/// A plugin that can be started.
pub(crate) trait Prepared: Send {
    /// The plugin.
    fn plugin(&self) -> &CheckedPlugin;

    /// Starts the plugin in these surroundings; what it asks for goes to `session`.
    fn start(
        &self,
        surroundings: Surroundings,
        session: Arc<Session>,
    ) -> Result<(Box<dyn Running>, Metadata), LoadError>;
}

/// A plugin that runs.
pub(crate) trait Running: Send {
    /// Executes one request that came when it `started`.
    fn execute(&mut self, request: &[u8], started: Instant) -> CallReport;

    /// Which walls stand around it.
    fn walls(&self) -> Walls;

    /// Gives up what it holds between calls; the next call, if one comes, starts anew.
    fn rest(&mut self);

    /// As [`Running::rest`], with other surroundings from then on.
    fn restart_with(&mut self, surroundings: Surroundings);

    /// What is seen and done from elsewhere while it is called.
    fn interrupt(&self) -> Arc<dyn Interrupt>;
}

/// Ends the call of a plugin that is under way, for another thread than the one that calls it.
pub(crate) trait Interrupt: Send + Sync {
    /// Ends the call that is under way, and every later one at once.
    fn interrupt(&self);

    /// Lets later calls in again.
    fn allow(&self);

    /// Process identifier of the plugin's worker, while it has one.
    fn worker_pid(&self) -> Option<u32>;
}
