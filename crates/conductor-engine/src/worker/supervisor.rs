//! The host's side of workers: starts them, calls them, and believes nothing that they send.

mod code;
mod worker;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use conductor_call::{
    CallReport, Flavour, HostSession, Limit, Limits, Outcome, ProcessWall, Suspension, Walls, WorkerFault,
};
use conductor_confine::measuring::{Allowance, Measurer};
use conductor_signing::{Digest, VerifiedPlugin};

use super::asking::{AskedElsewhere, Askers};
use super::channel::Channel;
use super::child::Children;
use super::frame::{self, FromWorker, ToWorker};
use super::handle::Handle;
use super::order::Order;
use super::overdue::Overdue;
use super::spawner::{Spawner, Started, Wanted, WorkerProgram};
use super::watch::Watch;
use crate::checked::CheckedPlugin;
use crate::clock::Clock;
use crate::code_cache::CodeCache;
use crate::engine::{CompileError, check_stack};
use crate::files::Files;
use crate::guest::SetupError;
use crate::instance::Metadata;
use crate::local::Surroundings;
use crate::run_error::RunError;
use crate::runtime::{Endable, Mortal, Prepared, Running, Runtime, Switch};
use crate::sealed::SealedFile;
use code::Codes;
use worker::{Received, Worker, end_of_call, unanswered};

/// Time by which the start of a plugin may exceed its time limit. The worker itself enforces the limit; after this time
/// it counts as hung.
const START_GRACE: Duration = Duration::from_secs(1);

/// Time beyond a call's own time in which another worker may be started for the call. Stops a worker that does not
/// start from keeping the caller for as long as a start without a waiting caller may take.
const RESTART_GRACE: Duration = Duration::from_secs(2);

/// Longest time from the start of a worker until it is locked, on a busy machine.
const MAX_LOCK_TIME: Duration = Duration::from_secs(30);

/// How many times its processor time a compilation may take in wall clock time, because the machine may be busy. Stops
/// a compiler that was taken over from waiting forever.
const COMPILE_PATIENCE: u32 = 15;

/// Runs each plugin in a process of its own.
pub struct Workers {
    shared: Arc<Shared>,
    probed: ProcessWall,
}

struct Shared {
    clock: Arc<dyn Clock>,
    children: Arc<Children>,
    spawner: Arc<Spawner>,
    askers: Askers,
    measurer: Measurer,
    watch: Watch,
    overdue: Arc<Overdue>,
    codes: Codes,
    allow_weak_isolation: bool,
}

impl Workers {
    /// Starts the supervising threads, and one worker to learn which walls this system provides.
    ///
    /// # Errors
    ///
    /// Fails if a supervising thread cannot be started, or if the first worker does not come as far as being locked in.
    pub fn start(
        program: WorkerProgram,
        cache: Option<CodeCache>,
        allow_weak_isolation: bool,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WorkerFault> {
        let failed = |error: io::Error| WorkerFault::NotStarted { cause: error.to_string() };
        let children = Arc::new(Children::share().map_err(failed)?);
        let spawner = Arc::new(Spawner::start(program, Arc::clone(&children)).map_err(failed)?);
        let askers = Askers::new(Arc::clone(&spawner));
        let measurer = Measurer::shared_and_asked_by(askers.asking());
        let watch = Watch::start(Arc::clone(&clock), measurer.clone()).map_err(failed)?;
        let overdue = Overdue::start(Arc::clone(&clock)).map_err(failed)?;
        let codes = Codes::new(cache);
        let shared = Shared {
            clock,
            children,
            spawner,
            askers,
            measurer,
            watch,
            overdue,
            codes,
            allow_weak_isolation: true,
        };
        let probe = Locking {
            name: "probe",
            flavour: Flavour::Command,
            code: &SealedFile::of("conductor-code", &[]).map_err(failed)?,
            surroundings: &Surroundings::bare(Limits::default()),
            switch: &Switch::default(),
            by: None,
        };
        let probed = shared.lock(&probe)?.wall;
        Ok(Self { shared: Arc::new(Shared { allow_weak_isolation, ..shared }), probed })
    }

    /// The wall that workers have on this system.
    #[must_use]
    pub const fn wall(&self) -> ProcessWall {
        self.probed
    }
}

impl Runtime for Workers {
    fn files(&self) -> Arc<dyn Files> {
        Arc::new(AskedElsewhere::new(self.shared.askers.asking()))
    }

    fn check(&self, plugin: VerifiedPlugin) -> Result<CheckedPlugin, CompileError> {
        let checked = match self.shared.codes.cache() {
            Some(cache) => CheckedPlugin::check_once(plugin, cache),
            None => CheckedPlugin::check(plugin),
        };
        checked.map_err(|source| CompileError::Shape { source })
    }

    fn prepare(&self, plugin: CheckedPlugin, limits: &Limits) -> Result<Box<dyn Prepared>, RunError> {
        check_stack(limits.max_stack_bytes).map_err(|source| RunError::Engine { source })?;
        let flavour = plugin.flavour().ok_or(RunError::NotAPlugin)?;
        let shared = Arc::clone(&self.shared);
        let spec = Spec { shared, plugin, flavour, code: Mutex::default() };
        Ok(Box::new(Ready { spec: Arc::new(spec) }))
    }
}

/// A plugin whose workers can be started.
struct Ready {
    spec: Arc<Spec>,
}

impl Prepared for Ready {
    fn plugin(&self) -> &CheckedPlugin {
        &self.spec.plugin
    }

    fn start(
        &self,
        surroundings: Surroundings,
        session: Arc<dyn HostSession>,
        switch: Arc<Switch>,
    ) -> Result<(Box<dyn Running>, Metadata), RunError> {
        let started = self.spec.start(&surroundings, &*session, &switch, None);
        let (worker, metadata) = started.map_err(|error| {
            if let RunError::Compile { source } = error {
                RunError::Compile { source: self.spec.plugin.explain(source) }
            } else {
                error
            }
        })?;
        let walls = Walls::with_process(worker.wall);
        let (spec, worker, between_calls) = (Arc::clone(&self.spec), Some(worker), None);
        Ok((
            Box::new(Supervised { spec, surroundings, session, switch, walls, worker, between_calls }),
            metadata,
        ))
    }
}

/// A plugin in a worker, and everything needed to start another worker.
struct Supervised {
    spec: Arc<Spec>,
    surroundings: Surroundings,
    session: Arc<dyn HostSession>,
    switch: Arc<Switch>,
    walls: Walls,
    worker: Option<Worker>,
    /// The fault of a worker between two calls, because of which another worker had to be started.
    between_calls: Option<WorkerFault>,
}

impl Running for Supervised {
    fn execute(&mut self, request: &[u8], started: Instant) -> CallReport {
        let result = self.worker_for_call().and_then(|mut worker| {
            let report = worker.execute(request, &*self.session, &self.surroundings.limits, started);
            let report = report.map_err(over)?;
            self.worker = Some(worker);
            Ok(report)
        });
        result.unwrap_or_else(|outcome| {
            // The handles that the worker knew, such as a sound that plays, belong to nobody any more.
            self.session.end_handles();
            CallReport::without_call(outcome, started.elapsed())
        })
    }

    fn walls(&self) -> Walls {
        self.walls
    }

    fn rest(&mut self) {
        self.worker = None;
    }

    fn restart_with(&mut self, surroundings: Surroundings) {
        self.surroundings = surroundings;
        self.rest();
    }

    fn take_fault_between_calls(&mut self) -> Option<WorkerFault> {
        self.between_calls.take()
    }
}

/// The outcome of a call that the worker did not finish.
fn over(fault: WorkerFault) -> Outcome {
    match fault {
        // For the supervisor, the call took too long, whatever the worker would have reported.
        WorkerFault::Hung => Outcome::Limit { limit: Limit::WallClock },
        // An earlier worker that does not die is not a failure of this call.
        WorkerFault::Ending { pid } => Outcome::Suspended { suspension: Suspension::Ending { pid } },
        WorkerFault::Ended { .. }
        | WorkerFault::FrameTooLarge { .. }
        | WorkerFault::Garbage { .. }
        | WorkerFault::TakenAway
        | WorkerFault::Busy
        | WorkerFault::OverQuota
        | WorkerFault::Unmeasured
        | WorkerFault::NotStarted { .. } => Outcome::Crashed { fault },
    }
}

impl Supervised {
    /// Whether the plugin's directory is within its quota.
    fn has_room(&self) -> Result<bool, WorkerFault> {
        let own = own_allowance(&self.surroundings);
        own.map_or(Ok(true), |own| self.spec.shared.measurer.has_room(&own))
    }

    /// The worker that waits for calls; a new worker if there is none or it ended between calls.
    fn worker_for_call(&mut self) -> Result<Worker, Outcome> {
        if let Some(mut worker) = self.worker.take() {
            match worker.check_idle() {
                // A worker that was started with a full directory may never write there, so once there is room, another
                // worker takes its place.
                Ok(()) if worker.is_full && self.has_room().map_err(over)? => {}
                Ok(()) => return Ok(worker),
                Err(fault) => {
                    self.between_calls = Some(fault.clone());
                    if !matches!(fault, WorkerFault::Ended { .. }) {
                        return Err(over(fault));
                    }
                    tracing::warn!(
                        plugin = self.spec.name(),
                        "{fault}, between two calls; starting another one"
                    );
                }
            }
        }
        self.session.end_handles();
        let by = end_of_call(&self.surroundings.limits, self.spec.shared.clock.now()) + RESTART_GRACE;
        match self.spec.start(&self.surroundings, &*self.session, &self.switch, Some(by)) {
            Ok((worker, _)) => {
                self.walls = Walls::with_process(worker.wall);
                Ok(worker)
            }
            Err(RunError::Start { outcome }) => Err(outcome),
            Err(RunError::Worker { fault }) => Err(over(fault)),
            Err(error) => {
                Err(Outcome::Crashed { fault: WorkerFault::NotStarted { cause: error.to_string() } })
            }
        }
    }
}

/// What all workers of one plugin have in common.
struct Spec {
    shared: Arc<Shared>,
    plugin: CheckedPlugin,
    flavour: Flavour,
    /// The code, kept for as long as the plugin, and shared with plugins of the same bytes.
    code: Mutex<Option<Arc<SealedFile>>>,
}

/// The input for starting a worker up to the point where it is locked in.
struct Locking<'l> {
    name: &'l str,
    flavour: Flavour,
    code: &'l SealedFile,
    surroundings: &'l Surroundings,
    /// Whoever holds the switch can end the worker from its first moment on.
    switch: &'l Switch,
    by: Option<Instant>,
}

impl Spec {
    fn name(&self) -> &str {
        self.plugin.plugin().name().as_str()
    }

    fn digest(&self) -> Digest {
        self.plugin.plugin().digest()
    }

    /// Starts a worker up to the point where it waits for calls. If a call waits for the worker, the start must end at
    /// `by`.
    fn start(
        &self,
        surroundings: &Surroundings,
        session: &dyn HostSession,
        switch: &Switch,
        by: Option<Instant>,
    ) -> Result<(Worker, Metadata), RunError> {
        match self.start_with_code(surroundings, session, switch, by) {
            // If a worker cannot use the code, because its file is outdated or a compiler that was taken over made it,
            // the plugin is compiled anew, once.
            Err(RunError::Compile { source: CompileError::NotLoaded { .. } }) => {
                self.forget_code(&surroundings.limits);
                self.start_with_code(surroundings, session, switch, by)
            }
            started => started,
        }
    }

    fn start_with_code(
        &self,
        surroundings: &Surroundings,
        session: &dyn HostSession,
        switch: &Switch,
        by: Option<Instant>,
    ) -> Result<(Worker, Metadata), RunError> {
        let faulty = |fault| RunError::Worker { fault };
        let limits = &surroundings.limits;
        let code = self.code(limits, switch, by)?;
        let (name, flavour) = (self.name(), self.flavour);
        let locking = Locking { name, flavour, code: &code, surroundings, switch, by };
        let mut worker = self.shared.lock(&locking).map_err(faulty)?;
        let handle = Arc::clone(&worker.handle);
        handle.child().when_ended(session.when_gone());
        if !worker.wall.stands() && !self.shared.allow_weak_isolation {
            return Err(RunError::WeakIsolation { wall: worker.wall });
        }
        let end = end_of_call(limits, self.shared.clock.now());
        let deadline = no_later(end + START_GRACE, by);
        let _waiting = handle.due().wait_until(deadline);
        await_loaded(&mut worker, deadline)?;
        worker.send(&ToWorker::Start, &[]).map_err(faulty)?;
        let expected = "start of the plugin";
        loop {
            match worker
                .receive(expected, deadline, |op, request| session.call_for(&*handle, op, request, end))
            {
                Ok(Received::Frame(FromWorker::Started(metadata), _)) => {
                    handle.has_started();
                    return Ok((worker, metadata));
                }
                Ok(Received::Frame(FromWorker::NotStarted(end), _)) => {
                    return Err(RunError::Start { outcome: end.outcome() });
                }
                Ok(Received::Frame(FromWorker::NotSetUp { cause }, _)) => {
                    return Err(RunError::Setup {
                        source: SetupError::InWorker { cause: frame::cut(&cause) },
                    });
                }
                Ok(Received::Frame(_, _)) => return Err(faulty(worker.ended_for_garbage(expected))),
                Ok(Received::Answered) => {}
                Err(fault) => return Err(faulty(fault)),
            }
        }
    }
}

impl Shared {
    /// Starts a worker up to the point where it is locked in.
    fn lock(&self, locking: &Locking<'_>) -> Result<Worker, WorkerFault> {
        let Locking { name, flavour, code, surroundings, switch, by } = *locking;
        let failed = |error: io::Error| WorkerFault::NotStarted { cause: error.to_string() };
        let limits = &surroundings.limits;
        let writable = surroundings.directories.iter().filter(|access| access.writable);
        let writes_to: Vec<PathBuf> = writable.map(|access| access.host.clone()).collect();
        // No worker is started in a directory that an earlier worker, which was told to end, could still write to.
        let seen = surroundings.directories.iter().map(|access| access.host.as_path());
        self.children.await_end_in(&seen.collect::<Vec<_>>())?;
        let own = own_allowance(surroundings);
        let is_full = match &own {
            Some(own) => !self.measurer.has_room(own)?,
            None => false,
        };
        // A worker with a full directory cannot write, so its directory need not be measured.
        let written = own.filter(|_| !is_full);
        let file = code.descriptor().map_err(failed)?;
        let wanted = Wanted { name: name.to_owned(), file, output: None, writes_to };
        let Started { child, from, to } = self.spawner.spawn(wanted).map_err(failed)?;
        let from = Arc::new(from);
        let handle = Handle::new(Arc::clone(&child), Arc::clone(&from), &self.overdue, written);
        let handle = Arc::new(handle);
        self.watch.add(&handle);
        self.overdue.add(&handle);
        let (known, remains) = (Arc::downgrade(&handle), Arc::downgrade(&child));
        switch.is_now(known as Weak<dyn Endable>, remains as Weak<dyn Mortal>);
        let channel = Channel::to_child(from, to, frame::max_frame_bytes(limits), child).map_err(failed)?;
        let clock = Arc::clone(&self.clock);
        let wall = ProcessWall::default();
        let mut worker = Worker { handle: Arc::clone(&handle), channel, wall, is_full, clock };
        let order = Order {
            flavour,
            surroundings: surroundings.clone(),
            is_full,
            code_bytes: code.bytes(),
            allow_weak_isolation: self.allow_weak_isolation,
        };
        let deadline = no_later(self.clock.now() + MAX_LOCK_TIME, by);
        let _waiting = handle.due().wait_until(deadline);
        worker.send(&ToWorker::Order(Box::new(order)), &[])?;
        let no_calls = |_, _: &[u8]| unanswered();
        match worker.receive("word of its lock", deadline, no_calls)? {
            Received::Frame(FromWorker::Locked(wall), _) => worker.wall = wall,
            Received::Frame(_, _) | Received::Answered => {
                return Err(worker.ended_for_garbage("word of its lock"));
            }
        }
        Ok(worker)
    }
}

/// The deadline, or `by` if that is earlier.
fn no_later(deadline: Instant, by: Option<Instant>) -> Instant {
    by.map_or(deadline, |by| by.min(deadline))
}

/// The quota of the plugin's own directory, if the plugin may write there.
fn own_allowance(surroundings: &Surroundings) -> Option<Allowance> {
    let own = surroundings.quota.zip(surroundings.directories.first());
    own.map(|(quota, own)| Allowance::new(own.host.clone(), quota))
}

/// Waits until the worker has mapped its code.
fn await_loaded(worker: &mut Worker, deadline: Instant) -> Result<(), RunError> {
    let faulty = |fault| RunError::Worker { fault };
    let expected = "word of its code";
    match worker.receive(expected, deadline, |_, _| unanswered()).map_err(faulty)? {
        Received::Frame(FromWorker::Loaded, _) => Ok(()),
        Received::Frame(FromWorker::NotLoaded(fault), _) => {
            Err(RunError::Compile { source: fault.not_loaded() })
        }
        Received::Frame(_, _) | Received::Answered => Err(faulty(worker.ended_for_garbage(expected))),
    }
}
