//! What the daemon answers, whichever way a request came.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use conductor_abi::Context;
use conductor_core::{AuditLog, CallReport, Permission, ProcessWall, Walls};
use conductor_signing::escape::terminal;
use serde_json::Value as Json;

use super::approval;
use super::message::{
    AuditStatus, DaemonStatus, EventCounts, Granted, Lasts, PendingStatus, PluginCounts, PluginDetails,
    PluginState, PluginStatus, Refusal, RefusalCause, Request, Response, Resumed, Revoked, Triggered,
    WallStatus,
};
use crate::actions;
use crate::calls::{Call, CallLog};
use crate::config::MAX_NAME_BYTES;
use crate::daemon::{Change, Order, Places};
use crate::dispatch::{Cause, Job, Loaded, Phase, Published, Roster, Router, Snapshot, Standing};
use crate::event::{Body, Event};
use crate::nearest::nearest;
use crate::trust;

/// What stands for the input of a call by hand.
const BY_HAND: &str = "conductorctl";

/// Longest text of a plugin's making in an answer, in characters; a manifest has room for much longer ones, and there
/// may be hundreds of plugins.
const MAX_WORDS: usize = 1000;

/// Most waiting requests in an answer; a plugin could declare thousands.
const MAX_PENDING: usize = 500;

/// Answers requests.
pub(crate) struct Interface {
    started: Instant,
    places: Places,
    /// What the host puts around plugins on this machine; unknown until there is a host.
    probed: OnceLock<Walls>,
    audit: Arc<AuditLog>,
    roster: Arc<Roster>,
    router: Arc<Router>,
    calls: CallLog,
    orders: Sender<Order>,
}

/// An answer, or where it comes from.
pub(crate) enum Answer {
    /// It is there.
    Now(Box<Response>),
    /// It comes when something was done.
    Later(Later),
    /// It goes on until nobody reads it.
    Following(Receiver<Call>),
}

/// Where an answer comes from.
pub(crate) enum Later {
    /// A change of the configuration.
    Change(Receiver<Response>),
    /// A call.
    Call(Receiver<CallReport>),
}

impl Later {
    /// The answer, if it is there.
    pub(crate) fn look(&self) -> Option<Response> {
        let looked = match self {
            Self::Change(changed) => changed.try_recv(),
            Self::Call(report) => report.try_recv().map(|report| triggered(&report)),
        };
        match looked {
            Ok(response) => Some(response),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                let message = match self {
                    Self::Change(_) => "the daemon is ending",
                    Self::Call(_) => {
                        "the plugin was not called: it does not run, rests, or is being replaced"
                    }
                };
                Some(Response::Refused(Refusal::new(RefusalCause::NotCalled, message.to_owned())))
            }
        }
    }

    /// What is said when it has taken too long.
    pub(crate) fn took_too_long(&self) -> Response {
        let message = match self {
            Self::Change(_) => "the change takes long; it goes on, and its end is in the log",
            Self::Call(_) => "the call takes long; it goes on, and its end is in the log",
        };
        Response::Refused(Refusal::new(RefusalCause::TookTooLong, message.to_owned()))
    }
}

impl Interface {
    /// An interface to a daemon that starts now.
    pub(crate) fn new(
        places: &Places,
        audit: &Arc<AuditLog>,
        roster: &Arc<Roster>,
        router: &Arc<Router>,
        calls: &CallLog,
        orders: Sender<Order>,
    ) -> Self {
        Self {
            started: Instant::now(),
            places: places.clone(),
            probed: OnceLock::new(),
            audit: Arc::clone(audit),
            roster: Arc::clone(roster),
            router: Arc::clone(router),
            calls: calls.clone(),
            orders,
        }
    }

    /// Takes note of what the host puts around plugins on this machine.
    pub(crate) fn probed(&self, walls: Walls) {
        // There is one host in one run.
        let _ = self.probed.set(walls);
    }

    /// Answers a request. It waits for nobody.
    pub(crate) fn answer(&self, request: Request) -> Answer {
        let response = match request {
            Request::Status => Response::Status(Box::new(self.status())),
            Request::PluginList => {
                let now = Instant::now();
                let plugins = self.roster.all().into_iter();
                let plugins = plugins.map(|plugin| describe(plugin.alias(), plugin.snapshot(), now));
                Response::PluginList { plugins: plugins.collect() }
            }
            Request::PluginResume { plugin } => refusable(self.resume(&plugin), Response::PluginResume),
            Request::PluginShow { plugin } => {
                refusable(self.show(&plugin), |details| Response::PluginShow(Box::new(details)))
            }
            Request::PluginPending => Response::PluginPending { pending: self.pending() },
            Request::PluginGrant { plugin, grant, lasts, typed_name } => {
                refusable(self.grant(&plugin, &grant, &lasts, typed_name.as_deref()), Response::PluginGrant)
            }
            Request::PluginRevoke { plugin, capability } => {
                refusable(self.revoke(&plugin, &capability), Response::PluginRevoke)
            }
            Request::Reload => return self.order(Change::Reload),
            Request::PluginEnable { plugin } => return self.switch(plugin, true),
            Request::PluginDisable { plugin } => return self.switch(plugin, false),
            Request::PluginInstall { plugin, path } => return self.order(Change::Install { plugin, path }),
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
            Request::Events => return Answer::Following(self.calls.follow()),
        };
        Answer::Now(Box::new(response))
    }

    fn switch(&self, plugin: String, enabled: bool) -> Answer {
        match self.plugin(&plugin) {
            Ok(_) => self.order(Change::Switch { plugin, enabled }),
            Err(refusal) => Answer::Now(Box::new(Response::Refused(refusal))),
        }
    }

    fn order(&self, change: Change) -> Answer {
        let (reply, changed) = channel();
        // Where nobody takes it, nobody answers, which says that the daemon is ending.
        let _ = self.orders.send(Order { change, reply });
        Answer::Later(Later::Change(changed))
    }

    /// Has a plugin called, after what waits for it already.
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
            phase @ (Phase::Loading | Phase::Disabled | Phase::Refused { .. }) => {
                return Err(not_loaded(alias, &phase));
            }
        };
        if !loaded.info.accepts(&action) {
            let message = format!("`{alias}` has no action `{}`", bounded(&action));
            let hint = actions::hint(&action, loaded.info.manifest.as_ref());
            return Err(Refusal { hint, ..Refusal::new(RefusalCause::UnknownAction, message) });
        }
        let (event, mode) = (Event::now(BY_HAND.into(), Body::ByHand), self.router.mode());
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
        let (reply, report) = channel();
        let cause = Cause::Hand { request: Arc::new(request), reply };
        if plugin.push(Job { cause, event: Arc::new(event), mode }) {
            return Ok(Later::Call(report));
        }
        let message = format!("`{alias}` takes no more calls now: too much waits for it already");
        Err(Refusal::new(RefusalCause::NotCalled, message))
    }

    /// Walls that stand around every plugin that runs now; where none runs, those that the host would put there.
    fn common_walls(&self, snapshots: &[Snapshot]) -> Walls {
        let walls = snapshots.iter().filter_map(|snapshot| match &snapshot.phase {
            Phase::Loaded(loaded) => Some(loaded.walls),
            Phase::Loading | Phase::Disabled | Phase::Refused { .. } => None,
        });
        walls.reduce(weaker).unwrap_or_else(|| self.probed.get().copied().unwrap_or(Walls::in_process()))
    }

    fn status(&self) -> DaemonStatus {
        let now = Instant::now();
        let snapshots: Vec<Snapshot> = self.roster.all().iter().map(|plugin| plugin.snapshot()).collect();
        let mut plugins = PluginCounts::default();
        let mut events = EventCounts::default();
        for snapshot in &snapshots {
            count(&mut plugins, state(&snapshot.phase, now));
            events.dispatched += snapshot.calls;
            events.refused += snapshot.tally.refused;
            events.coalesced += snapshot.tally.coalesced;
        }
        let walls = self.common_walls(&snapshots);
        let audit = self.audit.head();
        let waiting = snapshots.iter().filter_map(|snapshot| match &snapshot.phase {
            Phase::Loaded(loaded) => Some(loaded.permission.pending().len() as u64),
            Phase::Loading | Phase::Disabled | Phase::Refused { .. } => None,
        });
        DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
            config_file: self.places.config_file.clone(),
            socket: self.places.control_socket.clone(),
            walls: names(walls),
            process_wall: walls.process.map(WallStatus::from).unwrap_or_default(),
            probed: self.probed.get().and_then(|walls| walls.process).map(WallStatus::from),
            plugins,
            pending: waiting.sum(),
            events,
            audit: AuditStatus {
                file: self.audit.path().to_owned(),
                records: self.audit.records(),
                failures: self.audit.failures(),
                sequence: audit.sequence,
                chain: audit.chain.to_string(),
            },
        }
    }

    /// The plugin that the user calls so.
    fn plugin(&self, alias: &str) -> Result<Arc<Published>, Refusal> {
        if let Some(plugin) = self.roster.find(alias) {
            return Ok(plugin);
        }
        let plugins = self.roster.all();
        let known: Vec<&str> = plugins.iter().map(|plugin| plugin.alias()).collect();
        // The effort grows with the length, and a name of the user's choice is short.
        let near = if alias.len() <= MAX_NAME_BYTES { nearest(alias, &known) } else { None };
        let hint = near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        let message = format!("there is no plugin `{}`{hint}", bounded(alias));
        Err(Refusal::new(RefusalCause::UnknownPlugin, message))
    }

    /// What decides about the plugin that the user calls so, if it is loaded.
    fn permission(&self, alias: &str) -> Result<Permission, Refusal> {
        let plugin = self.plugin(alias)?;
        match plugin.snapshot().phase {
            Phase::Loaded(loaded) => Ok(loaded.permission),
            phase @ (Phase::Loading | Phase::Disabled | Phase::Refused { .. }) => {
                Err(not_loaded(alias, &phase))
            }
        }
    }

    fn resume(&self, alias: &str) -> Result<Resumed, Refusal> {
        let plugin = self.plugin(alias)?;
        match plugin.ask_to_resume() {
            Ok(Some(standing)) => Ok(Resumed { plugin: alias.to_owned(), was: standing.into() }),
            Ok(None) => Err(not_loaded(alias, &plugin.snapshot().phase)),
            Err(error) => {
                let message = format!("`{alias}` would be refused: {}", bounded(&error.to_string()));
                Err(Refusal::new(RefusalCause::NotPermitted, message))
            }
        }
    }

    fn show(&self, alias: &str) -> Result<PluginDetails, Refusal> {
        let snapshot = self.plugin(alias)?.snapshot();
        let permission = match &snapshot.phase {
            Phase::Loaded(loaded) => Some(loaded.permission.clone()),
            Phase::Loading | Phase::Disabled | Phase::Refused { .. } => None,
        };
        Ok(PluginDetails {
            status: describe(alias, snapshot, Instant::now()),
            bound_to: permission.as_ref().map(|permission| permission.holder().to_string()),
            requested: permission.as_ref().map(approval::requests).unwrap_or_default(),
            grants: permission.as_ref().map(approval::grants).unwrap_or_default(),
        })
    }

    fn pending(&self) -> Vec<PendingStatus> {
        let mut pending = Vec::new();
        for plugin in self.roster.all() {
            let Phase::Loaded(loaded) = plugin.snapshot().phase else { continue };
            let (alias, name) = (plugin.alias().to_owned(), loaded.info.name.as_str().to_owned());
            let trust = bounded(&trust::in_words(&loaded.info.trust));
            let waits = loaded.permission.pending().into_iter().map(|requested| PendingStatus {
                plugin: alias.clone(),
                name: name.clone(),
                trust: trust.clone(),
                request: approval::request(requested),
            });
            pending.extend(waits.take(MAX_PENDING.saturating_sub(pending.len())));
        }
        pending
    }

    fn grant(
        &self,
        alias: &str,
        grant: &str,
        lasts: &Lasts,
        typed_name: Option<&str>,
    ) -> Result<Granted, Refusal> {
        let approved = approval::approve(&self.permission(alias)?, grant, lasts, typed_name)?;
        let (grants, risk) = (approval::texts(&approved.granted), approved.risk.to_string());
        tracing::info!(plugin = alias, "granted: {}", terminal(&grants.join(", ")));
        Ok(Granted { plugin: alias.to_owned(), grants, risk })
    }

    fn revoke(&self, alias: &str, capability: &str) -> Result<Revoked, Refusal> {
        let capability = approval::deny(&self.permission(alias)?, capability)?;
        tracing::info!(plugin = alias, "revoked: {capability}");
        Ok(Revoked { plugin: alias.to_owned(), capability })
    }
}

/// What is told of a call by hand.
fn triggered(report: &CallReport) -> Response {
    let outcome = &report.outcome;
    let reply = report.reply.as_deref().map(|reply| {
        serde_json::from_slice(reply).unwrap_or_else(|_| Json::String(String::from_utf8_lossy(reply).into()))
    });
    Response::Trigger(Box::new(Triggered {
        outcome: outcome.kind().to_owned(),
        error: report.error().map(|error| bounded(&error)),
        reply,
        limits_refused: report.limits_refused.iter().map(|limit| limit.key().to_owned()).collect(),
        fuel_used: report.fuel_used,
        micros: u64::try_from(report.elapsed.as_micros()).unwrap_or(u64::MAX),
    }))
}

fn refusable<T>(result: Result<T, Refusal>, response: impl FnOnce(T) -> Response) -> Response {
    result.map_or_else(Response::Refused, response)
}

fn not_loaded(alias: &str, phase: &Phase) -> Refusal {
    let message = match phase {
        Phase::Refused { why, .. } => {
            format!("`{alias}` was refused when the daemon started: {}", bounded(why))
        }
        Phase::Disabled => format!("`{alias}` is disabled"),
        Phase::Loading | Phase::Loaded(_) => format!("`{alias}` is still loading"),
    };
    Refusal::new(RefusalCause::NotLoaded, message)
}

/// What two plugins have in common.
fn weaker(a: Walls, b: Walls) -> Walls {
    let mut walls = Walls::in_process();
    walls.process = a.process.zip(b.process).map(|(a, b)| ProcessWall {
        landlock_abi: a.landlock_abi.min(b.landlock_abi),
        seccomp: a.seccomp && b.seccomp,
        user_namespace: a.user_namespace && b.user_namespace,
        network_namespace: a.network_namespace && b.network_namespace,
        root: a.root && b.root,
    });
    walls
}

fn names(walls: Walls) -> Vec<String> {
    walls.standing().iter().map(|name| (*name).to_owned()).collect()
}

fn count(counts: &mut PluginCounts, state: PluginState) {
    counts.total += 1;
    *match state {
        PluginState::Loading => &mut counts.loading,
        PluginState::Running => &mut counts.running,
        PluginState::BackingOff => &mut counts.backing_off,
        PluginState::Quarantined => &mut counts.quarantined,
        PluginState::Withdrawn => &mut counts.withdrawn,
        PluginState::Disabled => &mut counts.disabled,
        PluginState::Refused => &mut counts.refused,
    } += 1;
}

fn state(phase: &Phase, now: Instant) -> PluginState {
    match phase {
        Phase::Loading => PluginState::Loading,
        Phase::Disabled => PluginState::Disabled,
        Phase::Refused { .. } => PluginState::Refused,
        Phase::Loaded(loaded) => loaded.standing_at(now).into(),
    }
}

impl From<Standing> for PluginState {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Running => Self::Running,
            Standing::BackingOff { .. } => Self::BackingOff,
            Standing::Quarantined { .. } => Self::Quarantined,
            Standing::Withdrawn => Self::Withdrawn,
        }
    }
}

fn describe(alias: &str, snapshot: Snapshot, now: Instant) -> PluginStatus {
    let Snapshot { phase, calls, failures, tally, worker_pid } = snapshot;
    let status = PluginStatus {
        alias: alias.to_owned(),
        name: None,
        version: None,
        state: state(&phase, now),
        retry_in_ms: None,
        why: None,
        hint: None,
        trust: None,
        walls: Vec::new(),
        worker_pid,
        calls,
        failures,
        refused_events: tally.refused,
        coalesced_events: tally.coalesced,
        capabilities: Vec::new(),
    };
    match phase {
        Phase::Loading => status,
        Phase::Disabled => {
            let hint = Some(format!("to let it run: conductorctl plugin enable {alias}"));
            PluginStatus { hint, ..status }
        }
        Phase::Refused { why, hint } => {
            PluginStatus { why: Some(bounded(&why)), hint: hint.as_deref().map(bounded), ..status }
        }
        Phase::Loaded(loaded) => describe_loaded(status, &loaded, now),
    }
}

fn describe_loaded(status: PluginStatus, loaded: &Loaded, now: Instant) -> PluginStatus {
    let info = &loaded.info;
    let standing = loaded.standing_at(now);
    let milliseconds = |left: std::time::Duration| u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let resume = || Some(format!("to let it back in: conductorctl plugin resume {}", status.alias));
    let last_failure = || loaded.last_failure.as_ref().map(|outcome| bounded(&outcome.to_string()));
    let (why, hint) = match (&loaded.withdrawn, standing) {
        (Some(cause), _) => (Some(bounded(&cause.to_string())), cause.hint()),
        (None, Standing::Quarantined { .. }) => (last_failure(), resume()),
        (None, Standing::Running | Standing::BackingOff { .. } | Standing::Withdrawn) => {
            (last_failure(), None)
        }
    };
    PluginStatus {
        name: Some(info.name.as_str().to_owned()),
        version: info.version.as_deref().map(bounded),
        retry_in_ms: standing.retry_in(now).map(milliseconds),
        why,
        hint,
        trust: Some(bounded(&trust::in_words(&info.trust))),
        walls: names(loaded.walls),
        capabilities: loaded.permission.capabilities().iter().map(|d| bounded(&d.to_string())).collect(),
        ..status
    }
}

/// The beginning of a text.
fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_WORDS).and_then(|(index, _)| text.get(..index)) {
        Some(beginning) => format!("{beginning}…"),
        None => text.to_owned(),
    }
}
