//! What is known about one plugin while it runs. The plugin's own thread writes it, and any thread may read it.
//!
//! Each plugin has its own record, so that plugins share no lock. A call that went well touches counters only.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, SettingValues};
use conductor_core::binding::BindingChange;
use conductor_core::{
    CallReport, Denial, Limits, LoadError, Outcome, Permission, Plugin, PluginInfo, PluginState,
    RestoreError, Walls,
};
use conductor_signing::{TrustStore, VerifyError};

use super::{Counters, Job, Queue, Sample, Tally};
use crate::words::load_error;

/// What a plugin is doing, as of its last call.
pub(crate) struct KnownPlugin {
    alias: Arc<str>,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    /// What a call may use.
    limits: Option<Limits>,
    /// Process identifier of the worker that the last call left; 0 where it left none.
    worker: AtomicU32,
    /// Whether `phase` says that the plugin is not simply running.
    in_trouble: AtomicBool,
    resume_asked: AtomicBool,
    /// Whether the plugin's files were read.
    is_read: AtomicBool,
    /// The permission of the plugin, set before the plugin is compiled.
    permission: OnceLock<Permission>,
    /// The settings that the next call gets; none for a plugin that declares none.
    settings: RwLock<Option<SettingValues>>,
    /// The names of those that the user set.
    given_settings: RwLock<Vec<String>>,
    phase: Mutex<Phase>,
}

/// How far a plugin has come.
#[derive(Clone)]
pub(crate) enum Phase {
    /// The plugin is being read, verified, compiled and started.
    Loading,
    /// The user does not want it to run.
    Disabled {
        /// Whether only safe mode keeps it from running.
        in_safe_mode: bool,
    },
    /// The plugin never ran, or its thread is gone.
    Refused {
        /// The reason.
        why: String,
        /// What to do about it.
        hint: Option<String>,
        /// The verdict of the policy, if the policy refused the plugin.
        verdict: Option<Box<VerifyError>>,
    },
    /// The plugin never ran: its alias is bound to another plugin, and the change needs the user's approval.
    Waiting {
        /// The change that the user is to decide about.
        change: Arc<BindingChange>,
    },
    /// The plugin is loaded. It may be called, unless failures suspended it.
    Loaded(Loaded),
}

/// A plugin that was loaded.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) info: Arc<PluginInfo>,
    pub(crate) walls: Walls,
    pub(crate) readiness: Readiness,
    pub(crate) last_failure: Option<LastFailure>,
    /// Why the plugin may not go on, if it may not.
    pub(crate) withdrawn: Option<Box<VerifyError>>,
    pub(crate) permission: Permission,
}

/// The last call that did not end with [`Outcome::Ok`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastFailure {
    /// The reason, in the plugin's own words where it gave any.
    pub(crate) why: String,
    /// What the plugin was denied in the call.
    pub(crate) denied: Vec<Denial>,
}

/// Whether a loaded plugin is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Running,
    BackingOff { until: Instant },
    Quarantined { failures: u32 },
    Withdrawn,
}

/// What is known about a plugin at one moment.
pub(crate) struct Snapshot {
    pub(crate) phase: Phase,
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) tally: Tally,
    pub(crate) worker_pid: Option<u32>,
    pub(crate) fuel: u64,
    pub(crate) memory: u64,
    pub(crate) limits: Option<Limits>,
    /// The latest samples, the oldest first.
    pub(crate) activity: Vec<Sample>,
}

impl KnownPlugin {
    /// A plugin that is about to be loaded.
    pub(crate) fn new(alias: Arc<str>, queue: Arc<Queue>, counters: Arc<Counters>) -> Self {
        Self {
            alias,
            queue,
            counters,
            limits: None,
            worker: AtomicU32::new(0),
            in_trouble: AtomicBool::new(false),
            resume_asked: AtomicBool::new(false),
            is_read: AtomicBool::new(false),
            permission: OnceLock::new(),
            settings: RwLock::default(),
            given_settings: RwLock::default(),
            phase: Mutex::new(Phase::Loading),
        }
    }

    /// The same plugin, with limits for its calls.
    pub(crate) fn with_limits(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// The user's name for the plugin.
    pub(crate) fn alias(&self) -> &str {
        &self.alias
    }

    /// What is known now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let phase = self.phase().clone();
        let worker_pid = match &phase {
            Phase::Loaded(loaded) => loaded.permission.worker_pid(),
            Phase::Loading | Phase::Disabled { .. } | Phase::Refused { .. } | Phase::Waiting { .. } => None,
        };
        Snapshot {
            phase,
            calls: self.counters.calls(),
            failures: self.counters.failures(),
            tally: self.counters.tally(),
            worker_pid,
            fuel: self.counters.fuel(),
            memory: self.counters.memory(),
            limits: self.limits,
            activity: self.counters.samples(),
        }
    }

    /// Takes a sample of what the plugin does.
    pub(crate) fn sample(&self) {
        self.counters.sample();
    }

    /// Asks the plugin's thread to start the plugin again. The plugin counts as running from now on, and later events
    /// do not find it suspended. Returns its state before, or `None` if the plugin is not loaded.
    ///
    /// # Errors
    ///
    /// Fails if the plugin would be refused now.
    pub(crate) fn ask_to_resume(&self) -> Result<Option<Readiness>, RestoreError> {
        let mut phase = self.phase();
        let Phase::Loaded(loaded) = &mut *phase else { return Ok(None) };
        let before = loaded.readiness_at(Instant::now());
        loaded.permission.restore()?;
        loaded.readiness = Readiness::Running;
        loaded.withdrawn = None;
        self.resume_asked.store(true, Ordering::Release);
        drop(phase);
        self.queue.wake();
        Ok(Some(before))
    }

    /// Whether the plugin's files were read, or could not be. Once they were, a delay is not the fault of the module's
    /// file system.
    pub(crate) fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Acquire)
    }

    /// Whether the plugin never ran or its thread is gone, so that loading it again may succeed.
    pub(crate) fn has_to_be_tried(&self) -> bool {
        matches!(&*self.phase(), Phase::Refused { .. } | Phase::Waiting { .. })
    }

    /// Whether the plugin was refused, or its thread is gone.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(&*self.phase(), Phase::Refused { .. })
    }

    /// Why the plugin is not loaded, if it is not.
    pub(crate) fn why_not_loaded(&self) -> Option<String> {
        match &*self.phase() {
            Phase::Loaded(_) => None,
            Phase::Loading => Some("it takes too long".to_owned()),
            Phase::Disabled { in_safe_mode: true } => Some("the daemon is in safe mode".to_owned()),
            Phase::Disabled { in_safe_mode: false } => Some("it is disabled".to_owned()),
            Phase::Refused { why, .. } => Some(why.clone()),
            Phase::Waiting { change } => Some(change.to_string()),
        }
    }

    /// The change that the user is to accept before the plugin is loaded, if there is one.
    pub(crate) fn waits_for(&self) -> Option<Arc<BindingChange>> {
        if let Phase::Waiting { change } = &*self.phase() { Some(Arc::clone(change)) } else { None }
    }

    /// Adds a denied capability to what the user is shown about a plugin that waits for approval.
    pub(crate) fn denied(&self, capability: Capability) {
        if let Phase::Waiting { change } = &mut *self.phase() {
            let mut next = BindingChange::clone(change);
            let is_denied = |one: &Capability| *one == capability || change.denied.contains(one);
            next.denied = Capability::ALL.into_iter().filter(is_denied).collect();
            *change = Arc::new(next);
        }
    }

    /// Whether the plugin is still being loaded, so that its outcome is not known.
    pub(crate) fn is_loading(&self) -> bool {
        matches!(&*self.phase(), Phase::Loading)
    }

    /// Notes that the user does not want the plugin to run: its events are refused.
    pub(crate) fn disabled(&self, in_safe_mode: bool) {
        self.queue.close();
        *self.phase() = Phase::Disabled { in_safe_mode };
    }

    /// Queues a call that the user makes by hand, after the jobs that wait already. Returns `false` if nobody will make
    /// the call.
    pub(crate) fn push(&self, job: Job) -> bool {
        self.queue.push(job)
    }

    /// Drops the jobs that wait for the plugin.
    pub(crate) fn drop_waiting(&self) {
        self.queue.drop_waiting();
    }

    /// Withdraws the plugin's permission if it is refused by `trust`, and returns why.
    pub(crate) fn withdraw_if_refused(&self, trust: &TrustStore) -> Option<VerifyError> {
        let cause = self.permission()?.withdraw_if_refused(trust)?;
        if let Phase::Loaded(loaded) = &mut *self.phase() {
            loaded.readiness = Readiness::Withdrawn;
            loaded.withdrawn = Some(Box::new(cause.clone()));
        }
        self.queue.wake();
        Some(cause)
    }

    /// The permission of the plugin, once loading has come so far that the plugin has one.
    pub(crate) fn permission(&self) -> Option<Permission> {
        match &*self.phase() {
            Phase::Loading | Phase::Loaded(_) => self.permission.get().cloned(),
            Phase::Disabled { .. } | Phase::Refused { .. } | Phase::Waiting { .. } => None,
        }
    }

    /// Notes that the plugin's files were read, or cannot be.
    pub(crate) fn read(&self) {
        self.is_read.store(true, Ordering::Release);
    }

    /// Notes the permission of a plugin that is being loaded.
    pub(super) fn registered(&self, permission: &Permission) {
        // A plugin is loaded once.
        let _ = self.permission.set(permission.clone());
    }

    /// Whether a restart of the plugin was asked for since the last call of this function.
    pub(super) fn take_resume(&self) -> bool {
        self.resume_asked.load(Ordering::Relaxed) && self.resume_asked.swap(false, Ordering::Acquire)
    }

    /// The settings that the next call gets.
    pub(crate) fn settings(&self) -> Option<SettingValues> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The names of the settings that the user set.
    pub(crate) fn given_settings(&self) -> Vec<String> {
        self.given_settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the settings that the next call gets, of which the user set `given`.
    pub(crate) fn set_settings(&self, settings: Option<SettingValues>, given: Vec<String>) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        *self.given_settings.write().unwrap_or_else(PoisonError::into_inner) = given;
    }

    /// Notes that the plugin was loaded.
    pub(super) fn loaded(&self, plugin: &dyn Plugin) {
        self.worker.store(plugin.worker_pid().unwrap_or(0), Ordering::Relaxed);
        self.registered(&plugin.permission());
        *self.phase() = Phase::Loaded(Loaded {
            info: Arc::new(plugin.info().clone()),
            walls: plugin.walls(),
            readiness: Readiness::Running,
            last_failure: None,
            withdrawn: None,
            permission: plugin.permission(),
        });
        // The permission may have been withdrawn since the plugin was loaded.
        self.changed(None, plugin);
    }

    /// Notes that the plugin was refused, or waits for the user's approval.
    pub(super) fn refused(&self, error: &LoadError) {
        if let LoadError::Waits { change } = error {
            *self.phase() = Phase::Waiting { change: Arc::new(BindingChange::clone(change)) };
            return;
        }
        let verdict =
            if let LoadError::Verify { source } = error { Some(Box::new(source.clone())) } else { None };
        let (why, hint) = (load_error::describe(error), load_error::hint(error));
        *self.phase() = Phase::Refused { why, hint, verdict };
    }

    /// Notes that the plugin's thread is gone.
    pub(super) fn gone(&self, why: String) {
        *self.phase() = Phase::Refused { why, hint: None, verdict: None };
    }

    /// Notes an event that led to no call.
    pub(super) fn event_refused(&self) {
        self.counters.refused(1);
    }

    /// Notes a call that ended.
    pub(super) fn called(&self, report: &CallReport, plugin: &dyn Plugin) {
        let outcome = &report.outcome;
        let worker = plugin.worker_pid().unwrap_or(0);
        let has_new_worker = self.worker.swap(worker, Ordering::Relaxed) != worker;
        if let Outcome::Suspended { .. } = outcome {
            self.event_refused();
            self.changed(None, plugin);
            return;
        }
        self.counters.called(*outcome == Outcome::Ok);
        if let Some(why) = report.error() {
            self.changed(Some(LastFailure { why, denied: report.denied.clone() }), plugin);
        } else if has_new_worker || self.in_trouble.load(Ordering::Relaxed) {
            self.changed(None, plugin);
        }
    }

    /// Adds what a call used to the counters.
    pub(super) fn measured(&self, report: &CallReport) {
        self.counters.measured(report);
    }

    /// Publishes the plugin's state. `failure` is the call that just failed, if one did.
    pub(super) fn changed(&self, failure: Option<LastFailure>, plugin: &dyn Plugin) {
        let (readiness, withdrawn) = match plugin.state() {
            PluginState::BackingOff { retry_in, .. } => {
                (Readiness::BackingOff { until: Instant::now() + retry_in }, None)
            }
            PluginState::Quarantined { failures, .. } => (Readiness::Quarantined { failures }, None),
            PluginState::Withdrawn { cause } => (Readiness::Withdrawn, Some(cause)),
            // The outcome of the next call shows a state that this program does not know yet.
            PluginState::Ready | _ => (Readiness::Running, None),
        };
        self.in_trouble.store(readiness != Readiness::Running, Ordering::Relaxed);
        if let Phase::Loaded(loaded) = &mut *self.phase() {
            loaded.readiness = readiness;
            loaded.withdrawn = withdrawn;
            loaded.walls = plugin.walls();
            if failure.is_some() {
                loaded.last_failure = failure;
            }
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    /// Whether the plugin is called at `now`: a back-off that is over counts as running.
    pub(crate) fn readiness_at(&self, now: Instant) -> Readiness {
        match self.readiness {
            Readiness::BackingOff { until } if until <= now => Readiness::Running,
            readiness @ (Readiness::Running
            | Readiness::BackingOff { .. }
            | Readiness::Quarantined { .. }
            | Readiness::Withdrawn) => readiness,
        }
    }
}

impl Readiness {
    /// How much of a back-off is left.
    pub(crate) fn retry_in(self, now: Instant) -> Option<Duration> {
        match self {
            Self::BackingOff { until } => Some(until.saturating_duration_since(now)),
            Self::Running | Self::Quarantined { .. } | Self::Withdrawn => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use conductor_core::{Limit, PluginOptions, WasmConfig};

    use super::*;

    /// A plugin whose state the test sets.
    struct Fake {
        info: PluginInfo,
        state: PluginState,
        permission: Permission,
    }

    impl Plugin for Fake {
        fn info(&self) -> &PluginInfo {
            &self.info
        }

        fn execute(&mut self, _request: &[u8]) -> CallReport {
            panic!("nobody calls it")
        }

        fn walls(&self) -> Walls {
            Walls::in_process()
        }

        fn state(&self) -> PluginState {
            self.state.clone()
        }

        fn resume(&mut self) {
            self.state = PluginState::Ready;
        }

        fn worker_pid(&self) -> Option<u32> {
            self.permission.worker_pid()
        }

        fn is_heard(&self) -> bool {
            false
        }

        fn permission(&self) -> Permission {
            self.permission.clone()
        }
    }

    const FUEL: Outcome = Outcome::Limit { limit: Limit::Fuel };

    fn ended(outcome: Outcome) -> CallReport {
        CallReport::without_call(outcome, Duration::ZERO)
    }

    fn fake() -> Fake {
        let host = conductor_core::Host::new(WasmConfig::default()).expect("host");
        let module = r#"(module (memory (export "memory") 1)
            (func (export "alloc") (param i32) (result i32) (i32.const 0))
            (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))"#;
        let module = wat::parse_str(module).expect("module");
        let unverified = conductor_signing::UnverifiedPlugin::from_parts("fake.wasm", module, None);
        let plugin = host.load_unverified(unverified, &PluginOptions::default()).expect("loads");
        Fake { info: plugin.info().clone(), state: PluginState::Ready, permission: plugin.permission() }
    }

    fn known() -> KnownPlugin {
        let counters = Arc::new(Counters::default());
        let queue = Queue::new(&Limits::default(), Arc::clone(&counters));
        KnownPlugin::new("fake".into(), Arc::new(queue), counters)
    }

    fn readiness(known: &KnownPlugin) -> (Readiness, Option<String>) {
        match known.snapshot().phase {
            Phase::Loaded(loaded) => {
                (loaded.readiness_at(Instant::now()), loaded.last_failure.map(|failure| failure.why))
            }
            Phase::Loading | Phase::Disabled { .. } | Phase::Refused { .. } | Phase::Waiting { .. } => {
                panic!("not loaded")
            }
        }
    }

    #[test]
    fn calls_and_failures_are_counted_and_shown() {
        let (known, plugin) = (known(), fake());
        assert!(matches!(known.snapshot().phase, Phase::Loading));
        known.loaded(&plugin);
        known.called(&ended(Outcome::Ok), &plugin);
        known.called(&ended(FUEL), &plugin);
        known.called(&ended(Outcome::Failed { code: 3 }), &plugin);
        known.event_refused();
        let snapshot = known.snapshot();
        assert_eq!((snapshot.calls, snapshot.failures, snapshot.tally.refused), (3, 2, 1));
        assert_eq!(snapshot.worker_pid, None, "it runs in this process");
        assert_eq!(readiness(&known), (Readiness::Running, Some("failed with code 3".to_owned())));
    }

    #[test]
    fn a_rest_that_is_over_is_none() {
        let (known, mut plugin) = (known(), fake());
        known.loaded(&plugin);
        for (retry_in, is_over) in [(Duration::from_secs(60), false), (Duration::ZERO, true)] {
            plugin.state = PluginState::BackingOff { retry_in, failures: 3, last: FUEL };
            known.called(&ended(FUEL), &plugin);
            assert_eq!(readiness(&known).0 == Readiness::Running, is_over);
        }
    }

    #[test]
    fn a_quarantined_plugin_is_let_back_in_at_once() {
        let (known, mut plugin) = (known(), fake());
        assert_eq!(known.ask_to_resume().expect("permitted"), None, "it is still loading");
        known.loaded(&plugin);
        plugin.state = PluginState::Quarantined { failures: 10, last: FUEL };
        known.called(&ended(FUEL), &plugin);
        let quarantined = Readiness::Quarantined { failures: 10 };
        assert_eq!(readiness(&known), (quarantined, Some(FUEL.to_string())));
        known.called(
            &ended(Outcome::Suspended {
                suspension: conductor_core::Suspension::Quarantined { failures: 10 },
            }),
            &plugin,
        );
        assert_eq!(known.snapshot().calls, 1, "a suspended plugin is not called");
        assert_eq!(known.snapshot().tally.refused, 1);

        assert!(!known.take_resume());
        assert_eq!(known.ask_to_resume().expect("permitted"), Some(quarantined));
        assert_eq!(readiness(&known).0, Readiness::Running);
        assert!(known.take_resume() && !known.take_resume());
        plugin.resume();
        known.changed(None, &plugin);
        assert_eq!(readiness(&known), (Readiness::Running, Some(FUEL.to_string())));
    }

    #[test]
    fn a_plugin_that_was_refused_has_nothing_to_be_let_back_into() {
        let known = known();
        known.refused(&LoadError::NotAPlugin);
        assert_eq!(known.ask_to_resume().expect("permitted"), None);
        match known.snapshot().phase {
            Phase::Refused { why, .. } => assert_eq!(why, LoadError::NotAPlugin.to_string()),
            Phase::Loading | Phase::Disabled { .. } | Phase::Loaded(_) | Phase::Waiting { .. } => {
                panic!("it was refused")
            }
        }
    }
}
