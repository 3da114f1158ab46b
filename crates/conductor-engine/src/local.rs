//! A plugin's code in this address space: the host's own, or a worker's.

use std::sync::Arc;
use std::time::Instant;

use conductor_call::{CallReport, DataQuota, Flavour, HostCalls, Isolation, Limits, Outcome};
use serde::{Deserialize, Serialize};

use crate::engine::{Activity, Code, Engine};
use crate::guest::{Access, Disk, Setup, SetupError};
use crate::instance::{Instance, Metadata, Told};

/// Everything around a plugin that is decided before its code runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Surroundings {
    /// The limits of the plugin.
    pub limits: Limits,
    /// Directories that the plugin sees.
    pub directories: Vec<Access>,
    /// The quota of the plugin's own directory, if the plugin may write there.
    pub quota: Option<DataQuota>,
    /// Arguments of a command; the first is its name.
    pub arguments: Vec<String>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
}

impl Surroundings {
    /// Surroundings without any capability: only the limits.
    #[must_use]
    pub const fn bare(limits: Limits) -> Self {
        Self { limits, directories: Vec::new(), quota: None, arguments: Vec::new(), environment: Vec::new() }
    }

    /// Measures the plugin's own directory, which is the first, against its quota. Further directories exist for
    /// development only.
    fn measure(&self) -> Option<Disk> {
        let own = self.directories.first().map(|access| access.host.clone());
        own.zip(self.quota).map(|(directory, quota)| Disk::measure(directory, quota))
    }
}

/// Code with its surroundings, and the instance that lives across calls.
pub(crate) struct Local {
    engine: Engine,
    activity: Arc<Activity>,
    code: Arc<Code>,
    flavour: Flavour,
    surroundings: Surroundings,
    disk: Option<Disk>,
    host_calls: Arc<dyn HostCalls>,
    /// Lives across calls, unless a call ended badly, every call has a fresh instance, or the plugin is a command.
    instance: Option<Instance>,
}

impl Local {
    pub(crate) fn new(
        engine: Engine,
        code: Arc<Code>,
        flavour: Flavour,
        surroundings: Surroundings,
        host_calls: Arc<dyn HostCalls>,
    ) -> Self {
        let disk = surroundings.measure();
        let activity = Arc::new(engine.activity());
        Self { engine, activity, code, flavour, surroundings, disk, host_calls, instance: None }
    }

    /// Starts a reactor, and returns its answers about itself. A command starts with each call.
    pub(crate) fn start(&mut self) -> Result<Metadata, StartError> {
        if self.flavour == Flavour::Command {
            return Ok(Metadata::default());
        }
        let setup = self.setup(None).map_err(StartError::Setup)?;
        let (instance, metadata) = self.instantiate(setup, Told::Now).map_err(StartError::Outcome)?;
        self.instance = (self.surroundings.limits.isolation == Isolation::Persistent).then_some(instance);
        Ok(metadata)
    }

    /// Executes one request that arrived at `started`.
    pub(crate) fn execute(&mut self, request: &[u8], started: Instant) -> CallReport {
        let lived_on = self.instance.is_some();
        let (outcome, cost) = match self.instance_for(request) {
            Ok(mut instance) => {
                // Making an instance has a budget of its own.
                let now = if lived_on { started } else { Instant::now() };
                let outcome = instance.execute(request, now);
                let cost = instance.take_cost();
                if self.lives_on(&outcome) && !instance.has_exited() {
                    self.instance = Some(instance);
                }
                (outcome, cost)
            }
            Err(outcome) => (outcome, Default::default()),
        };
        CallReport {
            outcome,
            reply: cost.reply,
            fuel_used: cost.fuel_used,
            peak_memory_bytes: cost.peak_memory_bytes,
            elapsed: started.elapsed(),
            log: cost.log,
            dropped_log_bytes: cost.dropped_log_bytes,
            limits_refused: cost.limits_refused,
            denied: Vec::new(),
            instance_ended: self.instance.is_none(),
        }
    }

    /// Drops the instance that lives across calls.
    pub(crate) fn rest(&mut self) {
        self.instance = None;
    }

    /// As [`Local::rest`], and changes the surroundings.
    pub(crate) fn restart_with(&mut self, surroundings: Surroundings) {
        self.disk = surroundings.measure();
        self.surroundings = surroundings;
        self.rest();
    }

    fn setup(&self, input: Option<&[u8]>) -> Result<Setup, SetupError> {
        let Surroundings { limits, directories, arguments, environment, .. } = &self.surroundings;
        let setup = Setup::new(limits, directories, arguments, environment, input)?;
        Ok(Setup { disk: self.disk.clone(), ..setup })
    }

    fn instantiate(&self, setup: Setup, told: Told) -> Result<(Instance, Metadata), Outcome> {
        let limits = self.surroundings.limits;
        Instance::start(
            &self.engine,
            &self.activity,
            &self.code,
            limits,
            Arc::clone(&self.host_calls),
            setup,
            told,
        )
    }

    /// The instance for the next call: the living one, or a new one.
    fn instance_for(&mut self, request: &[u8]) -> Result<Instance, Outcome> {
        if let Some(instance) = self.instance.take() {
            return Ok(instance);
        }
        let input = (self.flavour == Flavour::Command).then_some(request);
        let setup = self.setup(input).map_err(|error| Outcome::Protocol { reason: error.to_string() })?;
        self.instantiate(setup, Told::Before).map(|(instance, _)| instance)
    }

    fn lives_on(&self, outcome: &Outcome) -> bool {
        self.flavour == Flavour::Reactor
            && self.surroundings.limits.isolation == Isolation::Persistent
            && outcome.keeps_instance()
    }
}

/// Why a plugin did not start.
pub(crate) enum StartError {
    /// The plugin's surroundings cannot be set up.
    Setup(SetupError),
    /// The start of the plugin's code failed.
    Outcome(Outcome),
}
