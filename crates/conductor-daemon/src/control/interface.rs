//! What the daemon answers, whichever transport a request came over.

mod about;
mod work;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use conductor_abi::Context;
use conductor_core::grant::Denials;
use conductor_core::{AuditLog, AuditSink as _, CallReport, Outcome, Walls};
use conductor_secrets::Vault;
use conductor_signing::escape::terminal;
use conductor_surface::event::{Body, Event};
use conductor_surface::input::InputStates;
use serde_json::Value as Json;

use super::change::{Change, ChangeOrder, Turns};
use super::describe::{
    count, describe, lacking, names, not_loaded, refused_to_programs, stages, state, trust_in_words, unknown,
    weaker,
};
use super::details::details;
use super::excerpt::excerpt;
use super::message::{
    AuditStatus, DaemonStatus, EventCounts, Granted, Hidden, InputStatus, Lasts, PageAddress, PendingStatus,
    PluginCounts, PluginStatus, ProgramsStatus, Refusal, RefusalCause, Request, Response, Resumed, Silenced,
    Triggered, WallStatus,
};
use super::revocation::Revocation;
use super::unloaded::{Asked, Installed};
use super::{Asker, approval, keys, log, secrets, settings};
use crate::calls::{CallLog, Follower};
use crate::dispatch::{
    self, Cause, Job, KnownPlugin, Loaded, Panic, Phase, Roster, Router, Snapshot, Tally, WHY_PAUSED,
};
use crate::paths::Places;
use crate::trust_watch::check_everyone;
use crate::words;
use work::{AtWork, Work};

/// The input name of a call by hand.
const BY_HAND: &str = "conductorctl";

/// Most pending requests in an answer. A plugin could declare thousands.
const MAX_PENDING: usize = 500;

/// Answers requests, for all transports.
pub(crate) struct Interface {
    started: Instant,
    places: Places,
    /// The walls that the host puts around plugins on this machine; not set until there is a host.
    probed: OnceLock<Walls>,
    /// Whether this machine can run programs for plugins; not set until that was tried.
    programs: OnceLock<ProgramsStatus>,
    /// Denials by the plugins' own names; not set until there is a host.
    denials: Arc<OnceLock<Denials>>,
    watched: Watched,
    orders: Sender<ChangeOrder>,
    turns: Turns,
    at_work: AtWork,
    /// Keeps the secrets that the user enters for plugins.
    vault: Arc<Vault>,
    /// Makes addresses that open the page, if the page is served.
    page: OnceLock<Invite>,
}

/// The parts of the daemon that the interface asks.
pub(crate) struct Watched {
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) router: Arc<Router>,
    pub(crate) inputs: Arc<InputStates>,
    pub(crate) panic: Arc<Panic>,
    /// Whether the daemon is in safe mode.
    pub(crate) is_safe: Arc<AtomicBool>,
    /// Where plugins are that are not loaded.
    pub(crate) installed: Arc<Installed>,
    pub(crate) calls: CallLog,
}

/// Makes an address that opens the page once, if it is used soon. Fails if the system has no random numbers.
pub(crate) type Invite = Box<dyn Fn() -> Result<String, getrandom::Error> + Send + Sync>;

/// An answer, or the source of an answer.
pub(crate) enum Answer {
    /// An answer that is ready.
    Now(Box<Response>),
    /// An answer that comes when something is done.
    Later(Later),
    /// Answers that go on until nobody reads them.
    Following(Follower),
}

/// The source of an answer that comes later.
pub(crate) enum Later {
    /// A change of the configuration.
    Change(Receiver<Response>),
    /// A call.
    Call {
        /// The plugin.
        plugin: Arc<KnownPlugin>,
        /// Receives the report of the call.
        report: Receiver<CallReport>,
    },
    /// A revocation, which waits while the plugin is being read.
    Revocation(Revocation),
    /// A panic: plugins are paused already, and outputs are being silenced.
    Panic(Receiver<dispatch::Silenced>),
    /// Anything that a thread works on.
    Work(Work),
}

impl Later {
    /// The answer, if it is ready.
    pub(crate) fn look(&self) -> Option<Response> {
        let looked = match self {
            Self::Revocation(revocation) => return revocation.look(),
            Self::Work(work) => return work.look(),
            Self::Change(changed) => changed.try_recv(),
            Self::Panic(silenced) => silenced.try_recv().map(|silenced| {
                let dispatch::Silenced { outputs, unreached } = silenced;
                Response::Panic(Silenced { outputs, unreached })
            }),
            Self::Call { plugin, report } => report.try_recv().map(|report| triggered(&report, plugin)),
        };
        match looked {
            Ok(response) => Some(response),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                let message = match self {
                    Self::Change(_) | Self::Revocation(_) | Self::Panic(_) | Self::Work(_) => {
                        "the daemon is ending"
                    }
                    Self::Call { .. } => {
                        "the plugin was not called: it does not run, rests, or is being replaced"
                    }
                };
                Some(Response::Refused(Refusal::new(RefusalCause::NotCalled, message.to_owned())))
            }
        }
    }

    /// The answer when the work has taken too long.
    pub(crate) fn took_too_long(&self) -> Response {
        let message = match self {
            Self::Change(_) => "the change takes long; it goes on, and its end is in the log",
            Self::Call { .. } => "the call takes long; it goes on, and its end is in the log",
            Self::Revocation(revocation) => return revocation.took_too_long(),
            Self::Work(work) => return work.took_too_long(),
            Self::Panic(_) => "plugins are paused, but an output takes long; it is still being silenced",
        };
        Response::Refused(Refusal::new(RefusalCause::TookTooLong, message.to_owned()))
    }
}

impl Interface {
    /// An interface to a daemon that starts now.
    pub(crate) fn new(places: &Places, watched: Watched, orders: Sender<ChangeOrder>) -> Self {
        Self {
            started: Instant::now(),
            places: places.clone(),
            probed: OnceLock::new(),
            programs: OnceLock::new(),
            denials: Arc::default(),
            watched,
            orders,
            turns: Turns::default(),
            at_work: AtWork::default(),
            vault: Arc::new(Vault::new(places.paths.secrets_file())),
            page: OnceLock::new(),
        }
    }

    /// Notes that the page is served, and how to make an address that opens it.
    pub(crate) fn serve_page(&self, invite: Invite) {
        // A run has one page.
        let _ = self.page.set(invite);
    }

    /// Notes the walls that the host puts around plugins on this machine, and the denials by the names of plugins.
    pub(crate) fn begun(&self, walls: Walls, denials: Denials) {
        // These come from the first host of a run; hosts that replace it use the same decisions.
        let _ = self.probed.set(walls);
        let _ = self.denials.set(denials);
    }

    /// Notes whether this machine can run programs for plugins.
    pub(crate) fn programs_are(&self, checked: Result<(), String>) {
        // This is tried once in a run.
        let _ = self.programs.set(checked.into());
    }

    /// Answers a request, as [`Interface::begin`] has it done. A request for a decision is recorded before the decision is
    /// made.
    fn answer(&self, request: Request, asker: &Asker) -> Answer {
        if let Some(record) = asker.record_of(&request) {
            // While the audit log cannot be written, requests that give something are refused below. Requests that take
            // something away always work.
            let _ = self.watched.audit.record(&record);
        }
        let response = match request {
            Request::Status => Response::Status(Box::new(self.status())),
            Request::PluginList => {
                let now = Instant::now();
                let plugins = self.watched.roster.all().into_iter();
                let plugins = plugins.map(|plugin| describe(plugin.alias(), plugin.snapshot(), now));
                let (paused, safe) = self.standstill();
                Response::PluginList { plugins: plugins.collect(), paused, safe }
            }
            Request::PluginResume { plugin } => refusable(self.resume(&plugin), Response::PluginResume),
            Request::PluginShow { plugin } => refusable(self.plugin(&plugin), |known| {
                Response::PluginShow(Box::new(details(&plugin, &known)))
            }),
            Request::PluginPending => Response::PluginPending { pending: self.pending() },
            Request::PluginGrant { plugin, grant, shown, lasts, typed_name } => {
                let granted = self.grant(&plugin, &grant, &shown, &lasts, typed_name.as_deref());
                refusable(granted, Response::PluginGrant)
            }
            Request::PluginRevoke { plugin, capability } => {
                let revocation = Revocation {
                    roster: Arc::clone(&self.watched.roster),
                    denials: Arc::clone(&self.denials),
                    config_dir: self.trust_dir().to_owned(),
                    plugin,
                    capability,
                    by_name: OnceLock::new(),
                };
                match revocation.look() {
                    Some(response) => response,
                    None => return Answer::Later(Later::Revocation(revocation)),
                }
            }
            Request::PluginSet { plugin, setting, value } => match self.plugin(&plugin) {
                Ok(_) => {
                    let value = value.map(Hidden::into_text);
                    return self.order(Change::Set { plugin, setting, value });
                }
                Err(refusal) => Response::Refused(refusal),
            },
            Request::PluginSecretList { plugin } => return self.about(&plugin, Asked::List),
            Request::PluginSecretSet { plugin, secret, shown, value } => {
                return self.about(&plugin, Asked::Set { secret, shown, value: value.into_text() });
            }
            Request::PluginSecretConfirm { plugin, secret, shown } => {
                return self.about(&plugin, Asked::Confirm { secret, shown });
            }
            Request::PluginSecretRemove { plugin, secret } => {
                return self.about(&plugin, Asked::Remove { secret });
            }
            Request::PluginAccept { plugin, shown } => match self.plugin(&plugin) {
                Ok(_) => return self.order(Change::Accept { plugin, shown }),
                Err(refusal) => Response::Refused(refusal),
            },
            Request::Reload => return self.order(Change::Reload),
            Request::Panic => return Answer::Later(Later::Panic(self.watched.panic.now())),
            Request::Resume => Response::Resume { was_paused: self.watched.panic.resume() },
            Request::Safe { on } => return self.order(Change::Safe { on }),
            Request::PluginEnable { plugin } => return self.switch(plugin, true),
            Request::PluginDisable { plugin } => return self.switch(plugin, false),
            Request::PluginInstall { plugin, path, shown } => {
                return self.order(Change::Install { plugin, path, shown });
            }
            Request::PluginRemove { plugin, with_data } => match self.plugin(&plugin) {
                Ok(_) => return self.order(Change::Remove { plugin, with_data }),
                Err(refusal) => Response::Refused(refusal),
            },
            Request::Trigger { plugin, action, parameters, context } => {
                match self.trigger(&plugin, action, parameters, context) {
                    Ok(call) => return Answer::Later(call),
                    Err(refusal) => Response::Refused(refusal),
                }
            }
            Request::Events => return Answer::Following(self.watched.calls.follow()),
            Request::PluginPreview { plugin, path } => return self.order(Change::Preview { plugin, path }),
            Request::TrustList => {
                refusable(keys::list(self.trust_dir()), |keys| Response::TrustList { keys })
            }
            Request::TrustAdd { name, public_key, fingerprint, expires_at } => {
                let new = keys::New { name, public_key, fingerprint, expires_at };
                refusable(keys::add(self.trust_dir(), new, &self.watched.audit), Response::TrustAdd)
            }
            Request::TrustRevoke { public_key, reason, kind } => {
                let Watched { audit, roster, .. } = &self.watched;
                let revoked =
                    keys::revoke(self.trust_dir(), &public_key, reason.as_deref(), kind, audit, roster);
                if revoked.is_ok()
                    && let Err(error) = check_everyone(self.trust_dir(), &self.watched.roster)
                {
                    // The watch over the files logs the cause, and what the user can do.
                    tracing::error!("trust cannot be checked: {}", terminal(&error.to_string()));
                }
                refusable(revoked, Response::TrustRevoke)
            }
            Request::Audit { last } => {
                refusable(log::last(self.watched.audit.path(), last), |records| Response::Audit { records })
            }
            Request::Ui => refusable(self.invite(), Response::Ui),
        };
        Answer::Now(Box::new(response))
    }

    /// A hash over what clients can read, except for counters. A different hash means that something has changed.
    pub(crate) fn fingerprint(&self) -> u64 {
        let now = Instant::now();
        let mut hasher = DefaultHasher::new();
        for plugin in self.watched.roster.all() {
            let snapshot = plugin.snapshot();
            if let Phase::Loaded(loaded) = &snapshot.phase {
                for grant in approval::grants(&loaded.permission) {
                    (grant.grant, grant.granted_at, grant.until).hash(&mut hasher);
                }
                for secret in secrets::of(loaded) {
                    (secret.id, secret.confirmed, secret.kept_in, secret.set_at).hash(&mut hasher);
                }
                for setting in settings::of(&plugin) {
                    (setting.name, setting.is_set, setting.value.map(|value| value.to_string()))
                        .hash(&mut hasher);
                }
            }
            let PluginStatus {
                alias, version, state, why, hint, trust, pending, capabilities, change, ..
            } = describe(plugin.alias(), snapshot, now);
            (alias, version, state.name(), why, hint, trust, pending, capabilities).hash(&mut hasher);
            change.map(|change| change.shown).hash(&mut hasher);
        }
        self.standstill().hash(&mut hasher);
        keys::state(self.trust_dir()).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether plugins are paused by a panic, and whether safe mode is on.
    fn standstill(&self) -> (bool, bool) {
        (self.watched.panic.is_on(), self.watched.is_safe.load(Ordering::SeqCst))
    }

    fn trust_dir(&self) -> &Path {
        self.places.paths.config_dir()
    }

    /// An address that opens the page.
    fn invite(&self) -> Result<PageAddress, Refusal> {
        let Some(invite) = self.page.get() else {
            let hint =
                "set `enabled = true` in `[ui]` of the configuration, and start the daemon again".to_owned();
            let message = "this daemon does not serve the Plugin Manager".to_owned();
            return Err(Refusal { hint: Some(hint), ..Refusal::new(RefusalCause::NoPage, message) });
        };
        let url = invite().map_err(|error| {
            Refusal::new(RefusalCause::NoPage, format!("there are no random numbers: {error}"))
        })?;
        Ok(PageAddress { url })
    }

    fn switch(&self, plugin: String, enabled: bool) -> Answer {
        match self.plugin(&plugin) {
            Ok(_) => self.order(Change::Switch { plugin, enabled }),
            Err(refusal) => Answer::Now(Box::new(Response::Refused(refusal))),
        }
    }

    fn order(&self, change: Change) -> Answer {
        let Some(turn) = self.turns.take() else {
            return Answer::Now(Box::new(Response::Refused(too_many())));
        };
        let (reply, changed) = channel();
        // If nobody takes the order, nobody answers, which tells the client that the daemon is ending.
        let _ = self.orders.send(ChangeOrder { change, reply, turn });
        Answer::Later(Later::Change(changed))
    }

    /// Queues a call by hand, after the jobs that wait for the plugin already.
    fn trigger(
        &self,
        alias: &str,
        action: String,
        parameters: Json,
        context: Option<Context>,
    ) -> Result<Later, Refusal> {
        let plugin = self.plugin(alias)?;
        let loaded = match plugin.snapshot().phase {
            Phase::Loaded(loaded) => loaded,
            phase @ (Phase::Loading
            | Phase::Disabled { .. }
            | Phase::Refused { .. }
            | Phase::Waiting { .. }) => {
                return Err(not_loaded(alias, &phase));
            }
        };
        if !loaded.info.accepts(&action) {
            let message = format!("`{alias}` has no action `{}`", excerpt(&action));
            let hint = words::actions::hint(&action, loaded.info.manifest.as_ref());
            return Err(Refusal { hint, ..Refusal::new(RefusalCause::UnknownAction, message) });
        }
        if self.watched.panic.is_on() {
            let hint = Some("to go on: conductorctl resume".to_owned());
            return Err(Refusal { hint, ..Refusal::new(RefusalCause::NotCalled, WHY_PAUSED.to_owned()) });
        }
        let (event, mode) = (Event::now(BY_HAND.into(), Body::ByHand), self.watched.router.mode());
        let usual = event.context(&mode);
        let context = match context {
            Some(context) => Context {
                timestamp: if context.timestamp == 0 { usual.timestamp } else { context.timestamp },
                current_mode: context.current_mode.or(usual.current_mode),
                metadata: if context.metadata.is_empty() { usual.metadata } else { context.metadata },
                ..context
            },
            None => usual,
        };
        let request = conductor_abi::Request { action, context, parameters };
        let named = request.context.current_mode.as_deref();
        let mode_index = named.and_then(|mode| self.watched.router.mode_index(mode));
        let (reply, report) = channel();
        let cause = Cause::Hand { request: Arc::new(request), mode: mode_index, reply };
        if plugin.push(Job { cause, event: Arc::new(event), mode }) {
            return Ok(Later::Call { plugin, report });
        }
        let message = format!("`{alias}` takes no more calls now: too much waits for it already");
        Err(Refusal::new(RefusalCause::NotCalled, message))
    }

    /// The walls that stand around every running plugin. If no plugin runs, the walls that the host would put up.
    fn common_walls(&self, snapshots: &[Snapshot]) -> Walls {
        let walls = snapshots.iter().filter_map(|snapshot| match &snapshot.phase {
            Phase::Loaded(loaded) => Some(loaded.walls),
            Phase::Loading | Phase::Disabled { .. } | Phase::Refused { .. } | Phase::Waiting { .. } => None,
        });
        walls.reduce(weaker).unwrap_or_else(|| self.probed.get().copied().unwrap_or(Walls::in_process()))
    }

    fn status(&self) -> DaemonStatus {
        let now = Instant::now();
        let snapshots: Vec<Snapshot> =
            self.watched.roster.all().iter().map(|plugin| plugin.snapshot()).collect();
        let mut plugins = PluginCounts::default();
        for snapshot in &snapshots {
            count(&mut plugins, state(&snapshot.phase, now));
        }
        let (dispatched, Tally { coalesced, refused }) = self.watched.roster.totals();
        let walls = self.common_walls(&snapshots);
        let audit = self.watched.audit.head();
        let waiting = snapshots.iter().filter_map(|snapshot| match &snapshot.phase {
            Phase::Loaded(loaded) => Some(loaded.permission.pending().len() as u64),
            Phase::Loading | Phase::Disabled { .. } | Phase::Refused { .. } | Phase::Waiting { .. } => None,
        });
        let unkept = self.denials.get().map(Denials::unkept).unwrap_or_default();
        let (paused, safe) = self.standstill();
        DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
            config_file: self.places.config_file.clone(),
            socket: self.places.control_socket.clone(),
            paused,
            safe,
            walls: names(walls),
            process_wall: walls.process.map(WallStatus::from).unwrap_or_default(),
            probed: self.probed.get().and_then(|walls| walls.process).map(WallStatus::from),
            programs: self.programs.get().cloned(),
            stages: stages(),
            refused_to_programs: refused_to_programs(),
            plugins,
            pending: waiting.sum(),
            inputs: self.watched.inputs.all().iter().map(|input| InputStatus::from(&**input)).collect(),
            events: EventCounts { dispatched, refused, coalesced },
            secrets: secrets::places(self.trust_dir(), &self.vault),
            unkept_denials: unkept.iter().map(ToString::to_string).collect(),
            audit: AuditStatus {
                file: self.watched.audit.path().to_owned(),
                records: self.watched.audit.records(),
                failures: self.watched.audit.failures(),
                sequence: audit.sequence,
                chain: audit.chain.to_string(),
            },
        }
    }

    /// The plugin with this alias.
    fn plugin(&self, alias: &str) -> Result<Arc<KnownPlugin>, Refusal> {
        self.watched.roster.find(alias).ok_or_else(|| unknown(alias, &self.watched.roster))
    }

    /// The plugin with this alias, if it is loaded.
    fn loaded(&self, alias: &str) -> Result<Loaded, Refusal> {
        let plugin = self.plugin(alias)?;
        match plugin.snapshot().phase {
            Phase::Loaded(loaded) => Ok(loaded),
            phase @ (Phase::Loading
            | Phase::Disabled { .. }
            | Phase::Refused { .. }
            | Phase::Waiting { .. }) => Err(not_loaded(alias, &phase)),
        }
    }

    fn resume(&self, alias: &str) -> Result<Resumed, Refusal> {
        let plugin = self.plugin(alias)?;
        match plugin.ask_to_resume() {
            Ok(Some(readiness)) => Ok(Resumed { plugin: alias.to_owned(), was: readiness.into() }),
            Ok(None) => Err(not_loaded(alias, &plugin.snapshot().phase)),
            Err(error) => {
                let message = format!("`{alias}` would be refused: {}", excerpt(&error.to_string()));
                Err(Refusal::new(RefusalCause::NotPermitted, message))
            }
        }
    }

    fn pending(&self) -> Vec<PendingStatus> {
        let mut pending = Vec::new();
        for plugin in self.watched.roster.all() {
            let Phase::Loaded(loaded) = plugin.snapshot().phase else { continue };
            let (alias, name) = (plugin.alias().to_owned(), loaded.info.name.as_str().to_owned());
            let trust = excerpt(&trust_in_words(&loaded));
            let waits = approval::pending(&loaded).into_iter().map(|request| PendingStatus {
                plugin: alias.clone(),
                name: name.clone(),
                trust: trust.clone(),
                request,
            });
            pending.extend(waits.take(MAX_PENDING.saturating_sub(pending.len())));
        }
        pending
    }

    fn grant(
        &self,
        alias: &str,
        grant: &str,
        shown: &[String],
        lasts: &Lasts,
        typed_name: Option<&str>,
    ) -> Result<Granted, Refusal> {
        let approved = approval::approve(alias, &self.loaded(alias)?, grant, shown, lasts, typed_name)?;
        let (grants, risk) = (approval::texts(&approved.granted), approved.risk.to_string());
        tracing::info!(plugin = alias, "granted: {}", terminal(&grants.join(", ")));
        Ok(Granted { plugin: alias.to_owned(), grants, risk })
    }
}

/// The answer to a call by hand.
fn triggered(report: &CallReport, plugin: &KnownPlugin) -> Response {
    let outcome = &report.outcome;
    let reply = report.reply.as_deref().map(|reply| {
        serde_json::from_slice(reply).unwrap_or_else(|_| Json::String(String::from_utf8_lossy(reply).into()))
    });
    let hint =
        plugin.permission().and_then(|permission| lacking(plugin.alias(), &report.denied, &permission));
    Response::Trigger(Box::new(Triggered {
        outcome: outcome.kind().to_owned(),
        error: report.error().map(|error| excerpt(&error)),
        hint: hint.filter(|_| *outcome != Outcome::Ok),
        reply,
        limits_refused: report.limits_refused.iter().map(|limit| limit.key().to_owned()).collect(),
        fuel_used: report.fuel_used,
        micros: u64::try_from(report.elapsed.as_micros()).unwrap_or(u64::MAX),
    }))
}

fn later(answer: Receiver<Response>) -> Answer {
    Answer::Later(Later::Change(answer))
}

fn too_many() -> Refusal {
    let message = "too many changes wait already; try again in a moment".to_owned();
    Refusal::new(RefusalCause::NotCalled, message)
}

fn refusable<T>(result: Result<T, Refusal>, response: impl FnOnce(T) -> Response) -> Response {
    result.map_or_else(Response::Refused, response)
}
