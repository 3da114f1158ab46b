//! Plugins in the host's own address space: wall one only.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use conductor_abi::{CapabilityRequest, Manifest};
use conductor_signing::{Statement, VerifiedPlugin};

use crate::broker::{Broker, Session};
use crate::capability::filesystem::{DataAccess, DataQuota};
use crate::config::{Isolation, Limits, WasmConfig};
use crate::engine::{CompiledPlugin, Engine};
use crate::grant::{Ceilings, Grants};
use crate::health::PluginState;
use crate::host::{Flavour, LoadError, Plugin, PluginInfo, PluginOptions};
use crate::instance::{Instance, Metadata};
use crate::outcome::{CallReport, Outcome};
use crate::walls::Walls;
use crate::wasi::{Access, Disk, Setup, SetupError, data_directory};

/// Where a plugin sees its own data directory.
const DATA_MOUNT: &str = "/";

pub(crate) fn load(
    engine: &Engine,
    broker: &Broker,
    config: &WasmConfig,
    verified: VerifiedPlugin,
    options: &PluginOptions,
) -> Result<Box<dyn Plugin>, LoadError> {
    let limits = options.limits.unwrap_or_else(|| config.limits());
    let compiled =
        CompiledPlugin::compile(engine, verified).map_err(|source| LoadError::Compile { source })?;
    let flavour = compiled.flavour().ok_or(LoadError::NotAPlugin)?;
    let manifest = match (compiled.plugin().manifest(), flavour) {
        (Some(manifest), _) => Some(manifest.clone()),
        (None, Flavour::Command) => None,
        (None, Flavour::Reactor) => ask(engine, broker, &compiled, limits)?,
    };
    let requests = manifest.as_ref().map_or(&[][..], |manifest| &manifest.capabilities);
    let grants = decide(config, &compiled, requests, options)?;

    let mut directories = Vec::new();
    let mut disk = None;
    let access = DataAccess::of(&grants);
    if access != DataAccess::None
        && let Some(parent) = &config.data_dir
    {
        let host = data_directory(parent, compiled.plugin().name().as_str())
            .map_err(|source| LoadError::Setup { source })?;
        let writable = access == DataAccess::ReadWrite;
        disk = writable.then(|| Disk::measure(host.clone(), DataQuota::of(&grants, &limits)));
        directories.push(Access { host, guest: DATA_MOUNT.to_owned(), writable });
    }
    directories.extend(options.directories.iter().map(|(host, guest): &(PathBuf, String)| Access {
        host: host.clone(),
        guest: guest.clone(),
        writable: true,
    }));

    let plugin = compiled.plugin();
    let info = PluginInfo {
        name: plugin.name().clone(),
        version: manifest.as_ref().map(|manifest| manifest.version.clone()),
        flavour,
        digest: plugin.digest(),
        trust: plugin.trust().clone(),
        signer: plugin.signer().cloned(),
        capabilities: grants.decisions().to_vec(),
        manifest,
    };
    let mut arguments = vec![info.name.as_str().to_owned()];
    arguments.extend(options.arguments.iter().cloned());
    let session = broker.session(info.name.as_str(), grants, &limits);
    let mut plugin = InProcess {
        engine: engine.clone(),
        compiled,
        limits,
        session,
        directories,
        disk,
        arguments,
        environment: options.environment.clone(),
        info,
        instance: None,
    };
    if flavour == Flavour::Reactor {
        plugin.instance = Some(plugin.start()?);
    }
    Ok(Box::new(plugin))
}

/// Most names that `capabilities()` is read for: there are six, and comparing thousands costs the host time that nobody
/// is charged for.
const MAX_NAMES: usize = 64;

/// Asks a plugin without a manifest what it is, in an instance that has no capability at all.
fn ask(
    engine: &Engine,
    broker: &Broker,
    compiled: &CompiledPlugin,
    limits: Limits,
) -> Result<Option<Manifest>, LoadError> {
    let name = compiled.plugin().name().as_str();
    let session = broker.session(name, Grants::none(), &limits);
    let setup = Setup::new(&limits, &[], &[], &[], None).map_err(|source| LoadError::Setup { source })?;
    let (_, metadata) = Instance::start(engine, compiled, limits, session, setup)
        .map_err(|outcome| LoadError::Start { outcome })?;
    let manifest = declared(name, metadata)?;
    if let (Some(manifest), Some(statement)) = (&manifest, compiled.plugin().statement()) {
        check_statement(manifest, statement)?;
    }
    Ok(manifest)
}

/// Turns the answers of `init()` and `capabilities()` into a manifest. The name is the one that the plugin was verified
/// under; fields that Conductor 1.0 had and this version does not are left out; capabilities are those of both answers.
fn declared(name: &str, metadata: Metadata) -> Result<Option<Manifest>, LoadError> {
    const FIELDS: [&str; 7] =
        ["version", "description", "author", "license", "actions", "capabilities", "abi"];
    let Metadata { init, capabilities } = metadata;
    if init.is_none() && capabilities.is_none() {
        return Ok(None);
    }
    let json = |error: serde_json::Error| LoadError::Metadata {
        source: conductor_abi::ManifestError::Json { cause: error.to_string() },
    };
    let mut fields: serde_json::Map<String, serde_json::Value> = match init {
        Some(init) => serde_json::from_slice(&init).map_err(json)?,
        None => serde_json::Map::new(),
    };
    fields.retain(|field, value| FIELDS.contains(&field.as_str()) && !value.is_null());
    fields.insert("name".to_owned(), name.into());
    fields.entry("version").or_insert_with(|| "0.0.0".into());
    let mut manifest = Manifest::from_json(&serde_json::to_vec(&fields).map_err(json)?)
        .map_err(|source| LoadError::Metadata { source })?;
    if let Some(capabilities) = capabilities {
        let names: Vec<String> = serde_json::from_slice(&capabilities).map_err(json)?;
        for name in names.into_iter().take(MAX_NAMES) {
            if !manifest.capabilities.iter().any(|request| request.name == name) {
                manifest.capabilities.push(CapabilityRequest { name, scope: None, reason: None });
            }
        }
        manifest.check().map_err(|source| LoadError::Metadata { source })?;
    }
    Ok(Some(manifest))
}

/// Holds what the plugin says about itself against what its signer states; what the signer left open is not compared.
fn check_statement(manifest: &Manifest, statement: &Statement) -> Result<(), LoadError> {
    let version = statement.plugin_version.as_ref();
    let capabilities = statement.capabilities.as_ref();
    let field = if version.is_some_and(|version| *version != manifest.version) {
        "plugin_version"
    } else if capabilities.is_some_and(|capabilities| *capabilities != manifest.capabilities) {
        "capabilities"
    } else {
        return Ok(());
    };
    Err(LoadError::StatementDisagrees { field })
}

fn decide(
    config: &WasmConfig,
    compiled: &CompiledPlugin,
    requests: &[CapabilityRequest],
    options: &PluginOptions,
) -> Result<Grants, LoadError> {
    let ceilings = Ceilings {
        unsigned: config.unsigned_max_risk,
        self_signed: config.self_signed_max_risk,
        trusted: compiled.plugin().max_risk(),
    };
    Grants::resolve(
        requests,
        &options.granted,
        &options.denied,
        compiled.plugin().trust(),
        ceilings,
        options.accept_unsigned,
    )
    .map_err(|source| LoadError::Grant { source })
}

struct InProcess {
    engine: Engine,
    compiled: CompiledPlugin,
    limits: Limits,
    session: Arc<Session>,
    directories: Vec<Access>,
    disk: Option<Disk>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    info: PluginInfo,
    /// Lives across calls unless a call ended badly, isolation is fresh or the flavour is command.
    instance: Option<Instance>,
}

impl InProcess {
    fn start(&self) -> Result<Instance, LoadError> {
        let setup = self.setup(None).map_err(|source| LoadError::Setup { source })?;
        let (instance, _) =
            Instance::start(&self.engine, &self.compiled, self.limits, Arc::clone(&self.session), setup)
                .map_err(|outcome| LoadError::Start { outcome })?;
        Ok(instance)
    }

    fn setup(&self, input: Option<&[u8]>) -> Result<Setup, SetupError> {
        let setup = Setup::new(&self.limits, &self.directories, &self.arguments, &self.environment, input)?;
        Ok(Setup { disk: self.disk.clone(), ..setup })
    }

    /// The instance for the next call: the one that lived on, or a new one.
    fn instance_for(&mut self, request: &[u8]) -> Result<Instance, Outcome> {
        if let Some(instance) = self.instance.take() {
            return Ok(instance);
        }
        let input = (self.info.flavour == Flavour::Command).then_some(request);
        let setup = self.setup(input).map_err(|error| Outcome::Protocol { reason: error.to_string() })?;
        Instance::start(&self.engine, &self.compiled, self.limits, Arc::clone(&self.session), setup)
            .map(|(instance, _)| instance)
    }

    fn lives_on(&self, outcome: &Outcome) -> bool {
        self.info.flavour == Flavour::Reactor
            && self.limits.isolation == Isolation::Persistent
            && outcome.keeps_instance()
    }
}

impl Plugin for InProcess {
    fn info(&self) -> &PluginInfo {
        &self.info
    }

    fn walls(&self) -> Walls {
        Walls::in_process()
    }

    fn state(&self) -> PluginState {
        PluginState::Ready
    }

    fn resume(&mut self) {}

    fn worker_pid(&self) -> Option<u32> {
        None
    }

    fn execute(&mut self, request: &[u8]) -> CallReport {
        let started = Instant::now();
        let (outcome, cost) = match self.instance_for(request) {
            Ok(mut instance) => {
                let outcome = instance.execute(request);
                let cost = instance.take_cost();
                if self.lives_on(&outcome) {
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
        }
    }
}
