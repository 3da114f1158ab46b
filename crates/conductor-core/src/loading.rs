//! From a verified plugin to a running plugin: shape, declared capabilities, grants, surroundings, start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_abi::{CapabilityRequest, Manifest, SettingValues};
use conductor_broker::audit::{AuditEvent, AuditText};
use conductor_broker::capability::filesystem::{DataAccess, data_quota};
use conductor_broker::{Broker, Session};
use conductor_call::{
    CallReport, DataQuota, Flavour, HostSession, Limits, Outcome, Suspension, Walls, WorkerFault,
};
use conductor_engine::{
    Access, Files, Metadata, Prepared, Running, Runtime, SetupError, Surroundings, Switch,
};
use conductor_policy::grant::{ApprovalError, Approvals, Grants, Judge, JudgeError};
use conductor_policy::secret::Declared;
use conductor_signing::keeper::Keeper;
use conductor_signing::{PluginName, Statement, VerificationPolicy, VerifiedPlugin};

use crate::config::WasmConfig;
use crate::error::LoadError;
use crate::health::{Health, PluginState};
use crate::permission::{Parts, Permission};
use crate::plugin::{Plugin, PluginInfo, PluginOptions, declared_settings};
use crate::settings::fit_settings;

/// The path at which a plugin sees its own data directory.
const DATA_MOUNT: &str = "/";

/// Most names that are read from the answer of `capabilities()`: there are six capabilities, and comparing thousands of
/// names would cost the host time that no plugin is charged for.
const MAX_NAMES: usize = 64;

/// The parts of a host that loading needs.
pub(crate) struct Loading<'l> {
    pub(crate) runtime: &'l dyn Runtime,
    pub(crate) broker: &'l Broker,
    pub(crate) config: &'l WasmConfig,
    pub(crate) options: &'l PluginOptions,
    /// Called with the permission of the plugin.
    pub(crate) register: &'l dyn Fn(&Permission),
}

impl Loading<'_> {
    /// Loads a plugin that was verified under `policy`. The permission is registered before anything about the plugin
    /// is decided finally, so that everything that is taken away from then on reaches the plugin, however far its
    /// loading has come.
    pub(crate) fn load(
        &self,
        verified: VerifiedPlugin,
        policy: VerificationPolicy,
    ) -> Result<Box<dyn Plugin>, LoadError> {
        let Self { runtime, broker, config, options, register } = self;
        let limits = options.limits.unwrap_or_else(|| config.limits());
        let session = broker.session(verified.name().as_str(), Grants::none(), &limits);
        let switch = Arc::new(Switch::default());
        let permission = Permission::new(Parts {
            limits,
            session: Arc::clone(&session),
            switch: Arc::clone(&switch),
            approvals: approvals(broker, config, &verified, policy, options),
        });
        register(&permission);
        permission.check_anew()?;

        let settings = settings(verified.manifest(), options)?;
        let secrets = verified.manifest().map_or(&[][..], |manifest| &manifest.secrets);
        let secrets = Declared::read(secrets).map_err(|source| LoadError::SecretHost { source })?;
        let checked = runtime.check(verified).map_err(|source| LoadError::Compile { source })?;
        let flavour = checked.flavour().ok_or(LoadError::NotAPlugin)?;
        let prepared = runtime.prepare(checked, &limits)?;
        let start = Start {
            prepared: prepared.as_ref(),
            session: &session,
            switch: &switch,
            permission: &permission,
        };
        let plugin = prepared.plugin().plugin();
        let manifest = match (plugin.manifest(), flavour) {
            (Some(manifest), _) => Some(manifest.clone()),
            (None, Flavour::Command) => None,
            (None, Flavour::Reactor) => start.ask(limits)?,
        };
        let requests = manifest.as_ref().map_or(&[][..], |manifest| &manifest.capabilities);
        let version = manifest.as_ref().map(|manifest| manifest.version.clone());
        let grants = permission.declares(requests.to_vec(), version.clone()).map_err(not_decided)?;
        permission.declares_secrets(secrets);
        let plan = Plan {
            name: plugin.name().clone(),
            data_dir: config.data_dir.clone(),
            limits,
            options: (*options).clone(),
            files: runtime.files(),
        };
        let info = PluginInfo {
            name: plugin.name().clone(),
            version,
            flavour,
            digest: plugin.digest(),
            trust: plugin.trust().clone(),
            signer: plugin.signer().cloned(),
            capabilities: grants.decisions().to_vec(),
            settings,
            has_manifest_section: plugin.manifest().is_some(),
            manifest,
        };
        if let Some(recorder) = &options.recorder {
            session.write_down(recorder);
        }
        if let Some(parent) = &config.data_dir {
            session.keeps_files_in(parent.join(plugin.name().as_str()));
        }
        let running = start.as_granted(&plan)?;
        if permission.has_grants_for_once() {
            session.change_files(false);
        }
        Ok(Box::new(Loaded { info, running, health: Health::default(), session, permission, plan }))
    }
}

/// The start of a plugin that may lose its permission or its files meanwhile.
struct Start<'s> {
    prepared: &'s dyn Prepared,
    session: &'s Arc<Session>,
    switch: &'s Arc<Switch>,
    permission: &'s Permission,
}

impl Start<'_> {
    /// Starts the plugin, and starts it again if its files were taken away meanwhile.
    fn as_granted(&self, plan: &Plan) -> Result<Box<dyn Running>, LoadError> {
        loop {
            self.session.take_changed_files();
            let surroundings = plan.surroundings(&self.session.grants());
            let surroundings = surroundings.map_err(|source| LoadError::Setup { source })?;
            if !self.permission.files_are_as_granted() || self.session.files_were_revoked() {
                // The surroundings were decided before something was taken away, so they are decided again.
                self.permission.still_stands()?;
                continue;
            }
            match self.start(surroundings) {
                Ok((running, _)) => {
                    self.permission.still_stands()?;
                    return Ok(running);
                }
                Err(error) => {
                    self.permission.still_stands()?;
                    if !self.session.files_were_revoked() {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Asks a plugin without a manifest for its answers about itself, in an instance that has no capability at all.
    fn ask(&self, limits: Limits) -> Result<Option<Manifest>, LoadError> {
        let plugin = self.prepared.plugin().plugin();
        let started = self.start(Surroundings::bare(limits));
        self.permission.still_stands()?;
        let manifest = declared(plugin.name().as_str(), started?.1)?;
        if let (Some(manifest), Some(statement)) = (&manifest, plugin.statement()) {
            check_statement(manifest, statement)?;
        }
        let declared = manifest.as_ref().map_or(&[][..], |manifest| &manifest.capabilities);
        plugin.check_declared(declared).map_err(|source| LoadError::Verify { source })?;
        Ok(manifest)
    }

    fn start(&self, surroundings: Surroundings) -> Result<(Box<dyn Running>, Metadata), LoadError> {
        let session = Arc::clone(self.session) as Arc<dyn HostSession>;
        Ok(self.prepared.start(surroundings, session, Arc::clone(self.switch))?)
    }
}

/// A running plugin, with the facts about it and the count of its failures.
struct Loaded {
    info: PluginInfo,
    running: Box<dyn Running>,
    health: Health,
    session: Arc<Session>,
    permission: Permission,
    plan: Plan,
}

impl Plugin for Loaded {
    fn info(&self) -> &PluginInfo {
        &self.info
    }

    fn execute(&mut self, request: &[u8]) -> CallReport {
        let started = Instant::now();
        let admitted =
            if self.session.is_withdrawn() { Err(Suspension::Withdrawn) } else { self.health.admit(started) };
        if let Err(suspension) = admitted {
            return CallReport::without_call(Outcome::Suspended { suspension }, Duration::ZERO);
        }
        self.permission.call_begins();
        if let Err(outcome) = self.see_granted_files() {
            return CallReport::without_call(outcome, Duration::ZERO);
        }
        // Drops denials from between the calls, which are in the audit already.
        self.session.take_denied();
        let mut report = self.running.execute(request, started);
        report.denied = self.session.take_denied();
        if let Outcome::Failed { .. } = report.outcome {
            report.denied.extend(self.session.denied_files());
        }
        if let Some(fault) = self.running.take_fault_between_calls() {
            self.health.record_between_calls(fault, Instant::now());
        }
        self.session.audit().sum_up();
        if !report.outcome.keeps_instance() {
            self.session.end_handles();
        } else if report.instance_ended {
            self.session.end_abandoned_handles();
        }
        if self.session.is_withdrawn() {
            self.running.rest();
            let suspension = Suspension::Withdrawn;
            return CallReport { outcome: Outcome::Suspended { suspension }, ..report };
        }
        if let Outcome::Suspended { .. } = report.outcome {
            return report;
        }
        self.permission.call_ended();
        let was_ended = report.outcome == Outcome::Crashed { fault: WorkerFault::TakenAway };
        if was_ended || (self.session.files_were_revoked() && !report.outcome.keeps_instance()) {
            let suspension = Suspension::FilesRevoked;
            return CallReport { outcome: Outcome::Suspended { suspension }, ..report };
        }
        self.health.record(&report.outcome);
        self.session.audit().call_ended(&report.outcome);
        if !report.outcome.keeps_instance()
            && let PluginState::Quarantined { failures, last } = self.state()
        {
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

    fn is_heard(&self) -> bool {
        self.session.is_heard()
    }
}

/// Others may still hold the session, for instance to show what the plugin may do.
impl Drop for Loaded {
    fn drop(&mut self) {
        self.session.end_handles();
    }
}

/// Turns the answers of `init()` and `capabilities()` into a manifest. The name is the name that the plugin was
/// verified under; fields of Conductor 1.0 that this version does not have are left out; the capabilities of both
/// answers are joined.
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

/// The settings of a plugin with this manifest section; `None` if it declares none.
fn settings(
    manifest: Option<&Manifest>,
    options: &PluginOptions,
) -> Result<Option<SettingValues>, LoadError> {
    let declared = declared_settings(manifest);
    let values = fit_settings(declared, &options.settings);
    let values = values.map_err(|misfits| LoadError::Settings { misfits })?;
    Ok(Some(values).filter(|_| !declared.is_empty()))
}

/// Compares the plugin's answers about itself with its signer's statement; members that the signer left out are not
/// compared.
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

fn not_decided(error: ApprovalError) -> LoadError {
    if let ApprovalError::Grant(source) = error {
        LoadError::Grant { source }
    } else if let ApprovalError::Judge(JudgeError::Refused(source)) = error {
        LoadError::Verify { source }
    } else if let ApprovalError::Judge(JudgeError::Trust(source)) = error {
        LoadError::Trust { source }
    } else {
        LoadError::Approval { source: error }
    }
}

/// The approvals of a plugin that has declared nothing yet.
fn approvals(
    broker: &Broker,
    config: &WasmConfig,
    plugin: &VerifiedPlugin,
    policy: VerificationPolicy,
    options: &PluginOptions,
) -> Approvals {
    let judge = Judge {
        file: plugin.file().clone(),
        policy,
        directory: config.trust_dir.clone(),
        unsigned: config.unsigned_max_risk,
        self_signed: config.self_signed_max_risk,
    };
    Approvals {
        name: plugin.name().clone(),
        digest: plugin.digest(),
        judge: Arc::new(judge),
        version: None,
        requests: Vec::new(),
        configured: options.granted.clone(),
        denied: options.denied.clone(),
        standing: options.standing_grants,
        lift_ceiling: options.accept_unsigned,
        keeper: config.trust_dir.as_deref().map(Keeper::of),
        session: broker.session_grants().clone(),
        known: Arc::default(),
    }
}

/// The input for the plugin's surroundings, for every change of its grants.
struct Plan {
    name: PluginName,
    data_dir: Option<PathBuf>,
    limits: Limits,
    options: PluginOptions,
    files: Arc<dyn Files>,
}

impl Plan {
    /// The surroundings of the plugin under these grants; creates the plugin's own directory if one is granted.
    fn surroundings(&self, grants: &Grants) -> Result<Surroundings, SetupError> {
        let mut surroundings = Surroundings::bare(self.limits);
        let access = DataAccess::of(grants);
        if access != DataAccess::None
            && let Some(parent) = &self.data_dir
        {
            let host = self.files.data_directory(parent, self.name.as_str())?;
            let writable = access == DataAccess::ReadWrite;
            surroundings.quota = writable.then(|| data_quota(grants, DataQuota::most(&self.limits)));
            surroundings.directories.push(Access { host, guest: DATA_MOUNT.to_owned(), writable });
        }
        for (host, guest) in &self.options.directories {
            // The path is resolved here, because a worker follows no link to a directory that it opens.
            let host = self.files.canonical(host)?;
            surroundings.directories.push(Access { host, guest: guest.clone(), writable: true });
        }
        surroundings.arguments.push(self.name.as_str().to_owned());
        surroundings.arguments.extend(self.options.arguments.iter().cloned());
        surroundings.environment.clone_from(&self.options.environment);
        Ok(surroundings)
    }
}

impl Loaded {
    /// Sets up the plugin's surroundings again if the grants of files changed since its last call.
    fn see_granted_files(&mut self) -> Result<(), Outcome> {
        while self.session.take_changed_files() {
            let surroundings = self.plan.surroundings(&self.session.file_grants());
            self.running.restart_with(surroundings.map_err(|error| {
                // Keeps the change pending, because the plugin must not go on with the files that it saw before.
                self.session.change_files(true);
                Outcome::Protocol { reason: error.to_string() }
            })?);
            // The loop sees what was taken away before this line; what is taken away after it ends the call.
            if !self.permission.files_are_as_granted() {
                return Err(Outcome::Suspended { suspension: Suspension::Withdrawn });
            }
        }
        Ok(())
    }
}
