//! A host, which loads plugins.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conductor_broker::Broker;
use conductor_broker::audit::{AuditEvent, AuditRecord, AuditSink};
use conductor_broker::devices::Devices;
use conductor_call::Walls;
#[cfg(target_os = "linux")]
use conductor_engine::CodeCache;
#[cfg(target_os = "linux")]
use conductor_engine::clock::Clock;
#[cfg(target_os = "linux")]
use conductor_engine::worker::{WorkerProgram, Workers};
use conductor_engine::{FileState, InProcess, Runtime, check_stack};
use conductor_policy::binding::BindingChange;
use conductor_policy::grant::UnkeptDenial;
use conductor_policy::grant::store::{GrantStore, GrantStoreError};
use conductor_signing::keeper::Keeper;
use conductor_signing::{ReadError, SignaturePolicy, TrustStore, UnverifiedPlugin, VerificationPolicy};

use crate::admission::{Admission, NotAdmitted};
use crate::config::WasmConfig;
use crate::denials::Denials;
use crate::error::{HostError, LoadError};
use crate::loading::Loading;
use crate::permission::Permission;
use crate::plugin::{Plugin, PluginOptions};
use crate::recorded;

/// Loads plugins under one configuration. Plugins share its engine and its broker and nothing else.
///
/// ```
/// use conductor_core::{Host, Outcome, PluginOptions, WasmConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("my_plugin.wasm");
/// # std::fs::write(&path, wat::parse_str(
/// #     r#"(module
/// #         (memory (export "memory") 1)
/// #         (func (export "alloc") (param i32) (result i32) (i32.const 1024))
/// #         (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))"#,
/// # )?)?;
/// let mut config = WasmConfig::default();
/// config.require_signature = false; // For development; with `true`, `trust_dir` says where the trusted keys are.
/// config.max_fuel = 200_000_000;
/// config.max_memory_bytes = 256 * 1024 * 1024;
/// let host = Host::new(config)?;
///
/// let mut plugin = host.load(&path, &PluginOptions::default())?;
/// let report = plugin.execute(br#"{"action": "play", "context": {"timestamp": 0}, "parameters": null}"#);
/// assert_eq!(report.outcome, Outcome::Ok);
/// # Ok(())
/// # }
/// ```
pub struct Host {
    config: WasmConfig,
    runtime: Box<dyn Runtime>,
    broker: Broker,
    walls: Walls,
}

impl Host {
    /// A host without devices: plugins have Network and Filesystem at most.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot run the engine or the broker.
    pub fn new(config: WasmConfig) -> Result<Self, HostError> {
        Self::with_devices(config, Devices::default())
    }

    /// A host whose plugins reach the given devices, as far as they are granted.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot run the engine or the broker.
    pub fn with_devices(config: WasmConfig, devices: Devices) -> Result<Self, HostError> {
        let runtime =
            InProcess::new(config.max_stack_bytes).map_err(|source| HostError::Engine { source })?;
        Ok(Self::in_process(config, devices, runtime))
    }

    /// As [`Host::with_devices`], and compiled code is kept between runs.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot run the engine or the broker.
    #[cfg(target_os = "linux")]
    pub fn with_code_cache(
        config: WasmConfig,
        devices: Devices,
        cache: CodeCache,
    ) -> Result<Self, HostError> {
        let runtime =
            InProcess::new(config.max_stack_bytes).map_err(|source| HostError::Engine { source })?;
        Ok(Self::in_process(config, devices, runtime.keeping_code_in(cache)))
    }

    fn in_process(config: WasmConfig, devices: Devices, runtime: InProcess) -> Self {
        let (broker, walls) = (Broker::new(devices), Walls::in_process());
        Self { config, runtime: Box::new(runtime), broker, walls }
    }

    /// A host that runs each plugin in a worker process which the operating system confines.
    ///
    /// # Errors
    ///
    /// Fails if workers cannot be started, or if this system cannot confine them and the options do not allow that.
    #[cfg(target_os = "linux")]
    pub fn with_workers(
        config: WasmConfig,
        devices: Devices,
        options: WorkerOptions,
    ) -> Result<Self, HostError> {
        check_stack(config.max_stack_bytes).map_err(|source| HostError::Engine { source })?;
        let WorkerOptions { program, cache, allow_weak_isolation, clock } = options;
        let workers = Workers::start(program, cache, allow_weak_isolation, clock)
            .map_err(|source| HostError::Workers { source })?;
        let wall = workers.wall();
        if !wall.stands() && !allow_weak_isolation {
            return Err(HostError::WeakIsolation { wall });
        }
        let walls = Walls::with_process(wall);
        Ok(Self { config, runtime: Box::new(workers), broker: Broker::new(devices), walls })
    }

    /// The host, recording in `sink` what becomes of plugins and what they do. Everything it refuses or ends is recorded
    /// before the caller learns of it.
    #[must_use]
    pub fn audited(mut self, sink: Arc<dyn AuditSink>) -> Self {
        let (host_version, walls) = (env!("CARGO_PKG_VERSION"), self.walls.standing());
        // The sink tells of records that it lost.
        let _ = sink.record(&AuditRecord::now(
            None,
            AuditEvent::HostStarted { pid: std::process::id(), host_version, walls },
        ));
        self.broker.record_in(sink);
        self
    }

    /// The host, in the place of another one: decisions that end with that one go on.
    #[must_use]
    pub fn in_place_of(mut self, other: &Self) -> Self {
        self.broker.share_session_grants(other.broker.session_grants());
        self
    }

    /// Which walls the host puts around its plugins on this system.
    #[must_use]
    pub const fn walls(&self) -> Walls {
        self.walls
    }

    /// Denials by the names of plugins, also of those that are not loaded.
    #[must_use]
    pub fn denials(&self) -> Denials {
        let keeper = self.config.trust_dir.as_deref().map(Keeper::of);
        Denials { session: self.broker.session_grants().clone(), keeper, audit: self.broker.audit().cloned() }
    }

    /// Notes such denials in these directories, which may be on other disks, and holds those that an earlier host noted there;
    /// returns these. For the beginning, before a plugin is loaded.
    #[must_use]
    pub fn recall_denials(&self, directories: &[PathBuf]) -> Vec<UnkeptDenial> {
        self.broker.session_grants().recall(directories)
    }

    /// Whether every such denial is noted for the next host.
    #[must_use]
    pub fn notes_denials(&self) -> bool {
        self.broker.session_grants().note()
    }

    /// Takes the room for denials on the disk, so that a full one cannot refuse them later, and puts those into the file of
    /// decisions that were made while it was full.
    ///
    /// # Errors
    ///
    /// Fails if there is no room, or if decisions cannot be read or written.
    pub fn prepare_denials(&self) -> Result<(), GrantStoreError> {
        match &self.config.trust_dir {
            Some(directory) => {
                TrustStore::remove_leftovers(directory.as_path());
                GrantStore::prepare(&Keeper::of(directory))
            }
            None => Ok(()),
        }
    }

    /// What the host was configured with.
    #[must_use]
    pub const fn config(&self) -> &WasmConfig {
        &self.config
    }

    /// Reads a plugin and its signature once, verifies, compiles and starts it.
    ///
    /// # Errors
    ///
    /// Each variant of [`LoadError`] is one step that refused.
    pub fn load(&self, path: &Path, options: &PluginOptions) -> Result<Box<dyn Plugin>, LoadError> {
        self.load_registered(path, options, &|_| ())
    }

    /// As [`Host::load`]; `register` is given the plugin's permission as soon as it is known whose plugin it is, before
    /// anything of it is compiled or runs. Whoever keeps it there can take away what the plugin may do, and that it may run,
    /// while it is loaded; a plugin that lost its permission is not.
    ///
    /// # Errors
    ///
    /// Each variant of [`LoadError`] is one step that refused.
    pub fn load_registered(
        &self,
        path: &Path,
        options: &PluginOptions,
        register: &dyn Fn(&Permission),
    ) -> Result<Box<dyn Plugin>, LoadError> {
        self.load_read(path, self.read(path, options), options, register)
    }

    /// Reads a plugin and its signature once, as [`Host::load`] does. It takes as long as the file system does, also where that
    /// never answers; a host with workers can go away meanwhile.
    ///
    /// # Errors
    ///
    /// Fails if one of the files cannot be read or the plugin is too large.
    pub fn read(&self, path: &Path, options: &PluginOptions) -> Result<UnverifiedPlugin, ReadError> {
        let max = options.limits.unwrap_or_else(|| self.config.limits()).max_module_bytes;
        self.runtime.files().read(path, max)
    }

    /// As [`Host::load_registered`], for what was [read](Host::read) at `path`.
    ///
    /// # Errors
    ///
    /// Each variant of [`LoadError`] is one step that refused.
    pub fn load_read(
        &self,
        path: &Path,
        read: Result<UnverifiedPlugin, ReadError>,
        options: &PluginOptions,
        register: &dyn Fn(&Permission),
    ) -> Result<Box<dyn Plugin>, LoadError> {
        let plugin = read.map_err(|source| LoadError::Read { source });
        let loaded = plugin.and_then(|plugin| self.verify_and_start(plugin, options, register));
        self.record_load(&path.display(), options, &loaded);
        loaded
    }

    /// How the files of each group are now; nothing of a group whose file system has not said so after `patience`. A host with
    /// workers waits no longer than that, and a host that runs plugins in its own process as long as it takes.
    #[must_use]
    pub fn file_states(
        &self,
        groups: &[Vec<PathBuf>],
        patience: Duration,
    ) -> Vec<Option<Vec<Option<FileState>>>> {
        self.runtime.files().states(groups, patience)
    }

    /// As [`Host::load`], for bytes that the caller already has.
    ///
    /// # Errors
    ///
    /// Each variant of [`LoadError`] is one step that refused.
    pub fn load_unverified(
        &self,
        plugin: UnverifiedPlugin,
        options: &PluginOptions,
    ) -> Result<Box<dyn Plugin>, LoadError> {
        let file = plugin.file().file_name().to_owned();
        let loaded = self.verify_and_start(plugin, options, &|_| ());
        self.record_load(&file, options, &loaded);
        loaded
    }

    fn verify_and_start(
        &self,
        plugin: UnverifiedPlugin,
        options: &PluginOptions,
        register: &dyn Fn(&Permission),
    ) -> Result<Box<dyn Plugin>, LoadError> {
        let policy = self.policy(options);
        let Self { runtime, broker, config, .. } = self;
        let (verified, news) = self.admission(&policy, options).admit(plugin)?.into_parts();
        let plugin = Loading { runtime: runtime.as_ref(), broker, config, options, register }
            .load(verified, policy)?;
        if let Some(directory) = &self.config.trust_dir {
            let event = news.event();
            news.record(directory).map_err(|error| {
                if let NotAdmitted::Trust(source) = error { LoadError::Pin { source } } else { error.into() }
            })?;
            if let (Some(event), Some(sink)) = (event, broker.audit()) {
                let _ = sink.record(&AuditRecord::now(Some(plugin.info().name.as_str()), event));
            }
        }
        Ok(plugin)
    }

    /// What the user would be asked about before the plugin is loaded with these options, because its alias is bound to another
    /// one; `None` if nothing. Nothing of it runs, and nothing is written.
    ///
    /// # Errors
    ///
    /// Each variant of [`LoadError`] is one step that refused.
    pub fn question(
        &self,
        plugin: UnverifiedPlugin,
        options: &PluginOptions,
    ) -> Result<Option<BindingChange>, LoadError> {
        Ok(self.admission(&self.policy(options), options).question(plugin)?)
    }

    fn policy(&self, options: &PluginOptions) -> VerificationPolicy {
        let mut policy = self.config.verification_policy();
        if options.accept_unsigned {
            policy.signature = SignaturePolicy::AcceptUnsigned;
            policy.rules = Vec::new();
        }
        policy
    }

    fn admission<'a>(&'a self, policy: &'a VerificationPolicy, options: &'a PluginOptions) -> Admission<'a> {
        Admission {
            config: &self.config,
            policy,
            alias: options.alias.as_ref(),
            granted: &options.granted,
            accepted: options.accepted_change,
            session: self.broker.session_grants(),
            audit: self.broker.audit().map(|sink| &**sink),
        }
    }

    fn record_load(
        &self,
        file: &dyn std::fmt::Display,
        options: &PluginOptions,
        loaded: &Result<Box<dyn Plugin>, LoadError>,
    ) {
        if let Some(sink) = self.broker.audit() {
            let _ = sink.record(&match loaded {
                Ok(plugin) => recorded::loaded(plugin.as_ref(), options.accept_unsigned),
                Err(cause) => recorded::refused(file, cause),
            });
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(sink) = self.broker.audit() {
            let _ = sink.record(&AuditRecord::now(None, AuditEvent::HostStopped { pid: std::process::id() }));
        }
    }
}

/// How a host runs its workers.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct WorkerOptions {
    /// The program that runs as a worker.
    pub program: WorkerProgram,
    /// Where compiled code is kept between runs; without one every start compiles.
    pub cache: Option<CodeCache>,
    /// Go on where the kernel cannot confine workers: wall two does not stand then.
    pub allow_weak_isolation: bool,
    /// What deadlines and the watch over workers go by.
    pub clock: Arc<dyn Clock>,
}
