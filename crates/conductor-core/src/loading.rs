//! From a verified plugin to a running one: shape, what it declares, what it is granted, its surroundings, its start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_abi::{CapabilityRequest, Manifest};
use conductor_signing::{Statement, VerificationPolicy, VerifiedPlugin};

use crate::audit::{AuditEvent, AuditText};
use crate::broker::{Broker, Session};
use crate::capability::filesystem::{DataAccess, DataQuota};
use crate::config::{Limits, WasmConfig};
use crate::engine::{CheckedPlugin, CompileError};
use crate::grant::{Ceilings, Grants};
use crate::health::{Health, PluginState};
use crate::host::{Flavour, LoadError, Plugin, PluginInfo, PluginOptions};
use crate::instance::Metadata;
use crate::local::Surroundings;
use crate::outcome::{CallReport, Outcome, Suspension};
use crate::runtime::{Prepared, Running, Runtime};
use crate::walls::Walls;
use crate::wasi::{Access, SetupError, data_directory};
use crate::withdrawal::Permission;

/// Where a plugin sees its own data directory.
const DATA_MOUNT: &str = "/";

/// Most names that `capabilities()` is read for: there are six, and comparing thousands costs the host time that nobody
/// is charged for.
const MAX_NAMES: usize = 64;

pub(crate) fn load(
    runtime: &dyn Runtime,
    broker: &Broker,
    config: &WasmConfig,
    verified: VerifiedPlugin,
    policy: VerificationPolicy,
    options: &PluginOptions,
) -> Result<Box<dyn Plugin>, LoadError> {
    let limits = options.limits.unwrap_or_else(|| config.limits());
    let checked = CheckedPlugin::check(verified)
        .map_err(|source| LoadError::Compile { source: CompileError::Shape { source } })?;
    let flavour = checked.flavour().ok_or(LoadError::NotAPlugin)?;
    let prepared = runtime.prepare(checked, &limits)?;
    let plugin = prepared.plugin().plugin();
    let manifest = match (plugin.manifest(), flavour) {
        (Some(manifest), _) => Some(manifest.clone()),
        (None, Flavour::Command) => None,
        (None, Flavour::Reactor) => ask(prepared.as_ref(), broker, limits)?,
    };
    let requests = manifest.as_ref().map_or(&[][..], |manifest| &manifest.capabilities);
    let grants = decide(config, plugin, requests, options)?;
    let surroundings = surroundings(config, plugin, limits, &grants, options)?;
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
    let session = broker.session(info.name.as_str(), grants, &limits);
    let file = plugin.file().clone();
    let (running, _) = prepared.start(surroundings, Arc::clone(&session))?;
    let (name, trust_dir) = (info.name.clone(), config.trust_dir.clone());
    let permission =
        Permission::new(name, file, policy, trust_dir, Arc::clone(&session), running.interrupt());
    Ok(Box::new(Loaded { info, running, health: Health::default(), session, permission }))
}

/// A running plugin with what is known about it, and how often it failed.
struct Loaded {
    info: PluginInfo,
    running: Box<dyn Running>,
    health: Health,
    session: Arc<Session>,
    permission: Permission,
}

impl Plugin for Loaded {
    fn info(&self) -> &PluginInfo {
        &self.info
    }

    fn execute(&mut self, request: &[u8]) -> CallReport {
        let admitted = match self.permission.withdrawn_for() {
            Some(_) => Err(Suspension::Withdrawn),
            None => self.health.admit(Instant::now()),
        };
        if let Err(suspension) = admitted {
            return CallReport::without_call(Outcome::Suspended { suspension }, Duration::ZERO);
        }
        let report = self.running.execute(request);
        if !report.outcome.keeps_instance() {
            self.session.handles().end_all();
        }
        if self.permission.withdrawn_for().is_some() {
            self.running.rest();
            let suspension = Suspension::Withdrawn;
            return CallReport { outcome: Outcome::Suspended { suspension }, ..report };
        }
        self.health.record(&report.outcome, Instant::now());
        self.session.audit().call_ended(&report.outcome);
        if let PluginState::Quarantined { failures, last } = self.state() {
            self.running.rest();
            self.session
                .audit()
                .rare(|| AuditEvent::PluginQuarantined { failures, last: AuditText::of(&last) });
        }
        report
    }

    fn walls(&self) -> Walls {
        self.running.walls()
    }

    fn state(&self) -> PluginState {
        match self.permission.withdrawn_for() {
            Some(cause) => PluginState::Withdrawn { cause: Box::new(cause) },
            None => self.health.state(Instant::now()),
        }
    }

    fn resume(&mut self) {
        match self.state() {
            PluginState::Ready | PluginState::Withdrawn { .. } => {}
            PluginState::BackingOff { .. } | PluginState::Quarantined { .. } => {
                self.session.audit().rare(|| AuditEvent::PluginResumed);
            }
        }
        self.health.reset();
    }

    fn permission(&self) -> Permission {
        self.permission.clone()
    }

    fn worker_pid(&self) -> Option<u32> {
        self.permission.worker_pid()
    }
}

/// Asks a plugin without a manifest what it is, in an instance that has no capability at all.
fn ask(prepared: &dyn Prepared, broker: &Broker, limits: Limits) -> Result<Option<Manifest>, LoadError> {
    let plugin = prepared.plugin().plugin();
    let name = plugin.name().as_str();
    let session = broker.session(name, Grants::none(), &limits);
    let (_, metadata) = prepared.start(Surroundings::bare(limits), session)?;
    let manifest = declared(name, metadata)?;
    if let (Some(manifest), Some(statement)) = (&manifest, plugin.statement()) {
        check_statement(manifest, statement)?;
    }
    let declared = manifest.as_ref().map_or(&[][..], |manifest| &manifest.capabilities);
    plugin.check_declared(declared).map_err(|source| LoadError::Verify { source })?;
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
    plugin: &VerifiedPlugin,
    requests: &[CapabilityRequest],
    options: &PluginOptions,
) -> Result<Grants, LoadError> {
    let ceilings = Ceilings {
        unsigned: config.unsigned_max_risk,
        self_signed: config.self_signed_max_risk,
        trusted: plugin.max_risk(),
    };
    Grants::resolve(
        requests,
        &options.granted,
        &options.denied,
        plugin.trust(),
        ceilings,
        options.accept_unsigned,
    )
    .map_err(|source| LoadError::Grant { source })
}

/// What the plugin will see; makes its own directory if it is granted one.
fn surroundings(
    config: &WasmConfig,
    plugin: &VerifiedPlugin,
    limits: Limits,
    grants: &Grants,
    options: &PluginOptions,
) -> Result<Surroundings, LoadError> {
    let mut surroundings = Surroundings::bare(limits);
    let access = DataAccess::of(grants);
    if access != DataAccess::None
        && let Some(parent) = &config.data_dir
    {
        let host =
            data_directory(parent, plugin.name().as_str()).map_err(|source| LoadError::Setup { source })?;
        let writable = access == DataAccess::ReadWrite;
        surroundings.quota = writable.then(|| DataQuota::of(grants, &limits));
        surroundings.directories.push(Access { host, guest: DATA_MOUNT.to_owned(), writable });
    }
    for (host, guest) in &options.directories {
        // Resolved here: a worker follows no link to what it opens.
        let host = host.canonicalize().map_err(|source| LoadError::Setup {
            source: SetupError::Directory { path: host.clone(), source },
        })?;
        surroundings.directories.push(Access { host, guest: guest.clone(), writable: true });
    }
    surroundings.arguments.push(plugin.name().as_str().to_owned());
    surroundings.arguments.extend(options.arguments.iter().cloned());
    surroundings.environment.clone_from(&options.environment);
    Ok(surroundings)
}
