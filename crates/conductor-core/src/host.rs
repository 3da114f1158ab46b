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
use conductor_signing::{
    ReadError, SignaturePolicy, TrustStore, UnverifiedPlugin, VerificationPolicy, VerifiedPlugin,
};

use crate::admission::{Admission, NotAdmitted};
use crate::config::WasmConfig;
use crate::denials::Denials;
use crate::error::{HostError, LoadError};
use crate::loading::Loading;
use crate::permission::Permission;
use crate::plugin::{Plugin, PluginOptions};
use crate::recorded;
use crate::unloaded::UnloadedSecrets;

/// Loads plugins under one configuration. The plugins share the host's engine and broker, and nothing else.
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
    /// A host without devices: its plugins can have only Network and Filesystem.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot run the engine or the broker.
    pub fn new(config: WasmConfig) -> Result<Self, HostError> {
        Self::with_devices(config, Devices::default())
    }

    /// A host whose plugins can reach the given devices, as far as they are granted.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot run the engine or the broker.
    pub fn with_devices(config: WasmConfig, devices: Devices) -> Result<Self, HostError> {
        let runtime =
            InProcess::new(config.max_stack_bytes).map_err(|source| HostError::Engine { source })?;
        Ok(Self::in_process(config, devices, runtime))
    }

    /// As [`Host::with_devices`], and keeps compiled code between runs.
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
    /// Fails if workers cannot be started, or if this system cannot confine them and the options do not allow weak
    /// isolation.
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

    /// The host, which records in `sink` what happens to plugins and what they do. Everything that the host refuses or
    /// ends is recorded before the caller learns of it.
    #[must_use]
    pub fn audited(mut self, sink: Arc<dyn AuditSink>) -> Self {
        let (host_version, walls) = (env!("CARGO_PKG_VERSION"), self.walls.standing());
        // If a record is lost, the sink reports it.
        let _ = sink.record(&AuditRecord::now(
            None,
            AuditEvent::HostStarted { pid: std::process::id(), host_version, walls },
        ));
        self.broker.record_in(sink);
        self
    }

    /// The host, taking the place of `other`: decisions that last as long as the host go on in this host.
    #[must_use]
    pub fn in_place_of(mut self, other: &Self) -> Self {
        self.broker.share_session_grants(other.broker.session_grants());
        self
    }

    /// The walls that the host puts around its plugins on this system.
    #[must_use]
    pub const fn walls(&self) -> Walls {
        self.walls
    }

    /// The denials of this host by plugin name, also for plugins that are not loaded.
    #[must_use]
    pub fn denials(&self) -> Denials {
        let keeper = self.config.trust_dir.as_deref().map(Keeper::of);
        Denials { session: self.broker.session_grants().clone(), keeper, audit: self.broker.audit().cloned() }
    }

    /// Sets the directories, which may be on other disks, for notes of denials that could not be kept. Applies the
    /// denials that an earlier host noted there, and returns them. To be called before any plugin is loaded.
    #[must_use]
    pub fn recall_denials(&self, directories: &[PathBuf]) -> Vec<UnkeptDenial> {
        self.broker.session_grants().recall(directories)
    }

    /// Notes every denial that could not be kept, for the next host; returns whether that succeeded.
    #[must_use]
    pub fn notes_denials(&self) -> bool {
        self.broker.session_grants().note()
    }

    /// Reserves room for denials on the disk, so that a full disk cannot refuse them later, and moves denials that were
    /// made while the disk was full into the file of decisions.
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

    /// The configuration of the host.
    #[must_use]
    pub const fn config(&self) -> &WasmConfig {
        &self.config
    }

    /// Reads a plugin and its signature once, verifies, compiles and starts it.
    ///
    /// # Errors
    ///
    /// Each variant of [`LoadError`] is one step that can refuse.
    pub fn load(&self, path: &Path, options: &PluginOptions) -> Result<Box<dyn Plugin>, LoadError> {
        self.load_registered(path, options, &|_| ())
    }

    /// As [`Host::load`], and gives the plugin's permission to `register` as soon as the publisher of the plugin is
    /// known, before the plugin is compiled or runs. With the permission, other threads can take away what the plugin
    /// may do, or that it may run at all, while it is being loaded; a plugin whose permission was withdrawn is not
    /// loaded.
    ///
    /// # Errors
    ///
    /// Each variant of [`LoadError`] is one step that can refuse.
    pub fn load_registered(
        &self,
        path: &Path,
        options: &PluginOptions,
        register: &dyn Fn(&Permission),
    ) -> Result<Box<dyn Plugin>, LoadError> {
        self.load_read(path, self.read(path, options), options, register)
    }

    /// Reads a plugin and its signature once, as [`Host::load`] does. Reading takes as long as the file system takes,
    /// even if it never answers; a host with workers can end meanwhile.
    ///
    /// # Errors
    ///
    /// Fails if one of the files cannot be read or the plugin is too large.
    pub fn read(&self, path: &Path, options: &PluginOptions) -> Result<UnverifiedPlugin, ReadError> {
        let max = options.limits.unwrap_or_else(|| self.config.limits()).max_module_bytes;
        self.runtime.files().read(path, max)
    }

    /// As [`Host::load_registered`], for a plugin that was [read](Host::read) from `path`.
    ///
    /// # Errors
    ///
    /// Each variant of [`LoadError`] is one step that can refuse.
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

    /// The present state of the files of each group; `None` for a group whose file system has not answered after
    /// `patience`. A host with workers waits no longer than `patience`; a host that runs plugins in its own process
    /// waits as long as it takes.
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
    /// Each variant of [`LoadError`] is one step that can refuse.
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

    /// The question that the user would be asked before the plugin is loaded with these options, because its alias is
    /// bound to another plugin; `None` if there is no question. The plugin does not run, and nothing is written.
    ///
    /// # Errors
    ///
    /// Each variant of [`LoadError`] is one step that can refuse.
    pub fn question(
        &self,
        plugin: UnverifiedPlugin,
        options: &PluginOptions,
    ) -> Result<Option<BindingChange>, LoadError> {
        Ok(self.admission(&self.policy(options), options).question(plugin)?)
    }

    /// The secrets of the plugin at `path`, which is not loaded, or of the plugin that the alias in `options` is bound to, if
    /// there is no plugin at `path` that would be let in. Nothing runs, and nothing is written. `None` if neither is known,
    /// or if the host keeps no decisions. Reading takes as long as the file system takes.
    ///
    /// # Errors
    ///
    /// Says why the plugin would not be let in, if its alias is not bound to any either.
    pub fn unloaded_secrets(
        &self,
        path: Option<&Path>,
        options: &PluginOptions,
    ) -> Result<Option<UnloadedSecrets>, LoadError> {
        let Some(directory) = &self.config.trust_dir else { return Ok(None) };
        let verified = path.map(|path| -> Result<VerifiedPlugin, LoadError> {
            let read = self.read(path, options).map_err(|source| LoadError::Read { source })?;
            Ok(self.admission(&self.policy(options), options).verified(read)?)
        });
        let audit = self.broker.audit().cloned();
        UnloadedSecrets::of(Keeper::of(directory), audit, options.alias.as_ref(), verified)
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
    /// Cache of compiled code; without it, every start compiles.
    pub cache: Option<CodeCache>,
    /// Continue if the kernel cannot confine workers; the second wall does not stand then.
    pub allow_weak_isolation: bool,
    /// The clock for deadlines and for the watch over workers.
    pub clock: Arc<dyn Clock>,
}
