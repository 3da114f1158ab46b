//! What the daemon answers, whichever way a request came.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use conductor_abi::Context;
use conductor_core::grant::Denials;
use conductor_core::{AuditLog, AuditSink as _, CallReport, Outcome, ProcessWall, Walls};
use conductor_signing::escape::terminal;
use conductor_surface::event::{Body, Event};
use conductor_surface::input::InputStates;
use serde_json::Value as Json;

use super::change::{Change, ChangeOrder, Turns};
use super::describe::{
    actions, describe, lacking, names, not_loaded, refused_to_programs, stages, state, trust_in_words,
    unknown,
};
use super::excerpt::excerpt;
use super::message::{
    AuditStatus, DaemonStatus, EventCounts, Granted, InputStatus, Lasts, LimitStatus, PageAddress,
    PendingStatus, PluginCounts, PluginDetails, PluginState, PluginStatus, ProgramsStatus, Refusal,
    RefusalCause, Request, Response, Resumed, Triggered, WallStatus,
};
use super::revocation::Revocation;
use super::{Asker, approval, keys, log, safety};
use crate::calls::{CallLog, Follower};
use crate::dispatch::{Cause, Job, KnownPlugin, Loaded, Phase, Roster, Router, Snapshot, Tally};
use crate::paths::Places;
use crate::trust_watch::check_everyone;
use crate::words;

/// What stands for the input of a call by hand.
const BY_HAND: &str = "conductorctl";

/// Most waiting requests in an answer; a plugin could declare thousands.
const MAX_PENDING: usize = 500;

/// Answers requests.
pub(crate) struct Interface {
    started: Instant,
    places: Places,
    /// What the host puts around plugins on this machine; unknown until there is a host.
    probed: OnceLock<Walls>,
    /// Whether programs can be run for plugins; unknown until that was tried.
    programs: OnceLock<ProgramsStatus>,
    /// Denials by the names of plugins; unknown until there is a host.
    denials: Arc<OnceLock<Denials>>,
    watched: Watched,
    orders: Sender<ChangeOrder>,
    turns: Turns,
    /// Makes addresses that open the page, if it is served.
    page: OnceLock<Invite>,
}

/// What is known about the parts of the daemon, by whom it is asked of.
pub(crate) struct Watched {
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) router: Arc<Router>,
    pub(crate) inputs: Arc<InputStates>,
    pub(crate) calls: CallLog,
}

/// Makes an address that opens the page once, soon. It fails if the system has no random numbers.
pub(crate) type Invite = Box<dyn Fn() -> Result<String, getrandom::Error> + Send + Sync>;

/// An answer, or where it comes from.
pub(crate) enum Answer {
    /// It is there.
    Now(Box<Response>),
    /// It comes when something was done.
    Later(Later),
    /// It goes on until nobody reads it.
    Following(Follower),
}

/// Where an answer comes from.
pub(crate) enum Later {
    /// A change of the configuration.
    Change(Receiver<Response>),
    /// A call.
    Call {
        /// The plugin.
        plugin: Arc<KnownPlugin>,
        /// What comes of it.
        report: Receiver<CallReport>,
    },
    /// A capability that is taken from a plugin that is being read.
    Revocation(Revocation),
}

impl Later {
    /// The answer, if it is there.
    pub(crate) fn look(&self) -> Option<Response> {
        let looked = match self {
            Self::Revocation(revocation) => return revocation.look(),
            Self::Change(changed) => changed.try_recv(),
            Self::Call { plugin, report } => report.try_recv().map(|report| triggered(&report, plugin)),
        };
        match looked {
            Ok(response) => Some(response),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                let message = match self {
                    Self::Change(_) | Self::Revocation(_) => "the daemon is ending",
                    Self::Call { .. } => {
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
            Self::Call { .. } => "the call takes long; it goes on, and its end is in the log",
            Self::Revocation(revocation) => return revocation.took_too_long(),
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
            page: OnceLock::new(),
        }
    }

    /// Takes note that the page is served, and how an address is made that opens it.
    pub(crate) fn serve_page(&self, invite: Invite) {
        // There is one page in one run.
        let _ = self.page.set(invite);
    }

    /// Takes note of what the host puts around plugins on this machine, and of how capabilities are denied by the names of plugins.
    pub(crate) fn begun(&self, walls: Walls, denials: Denials) {
        // There is one host in one run, and those in its place go on with its decisions.
        let _ = self.probed.set(walls);
        let _ = self.denials.set(denials);
    }

    /// Takes note of whether programs can be run for plugins.
    pub(crate) fn programs_are(&self, checked: Result<(), String>) {
        // They are tried once in one run.
        let _ = self.programs.set(checked.into());
    }

    /// Answers a request. It waits for nobody. Who asked for a decision is on record before it is made.
    pub(crate) fn answer(&self, request: Request, asker: &Asker) -> Answer {
        if let Some(record) = asker.record_of(&request) {
            // While nothing can be recorded, whatever gives is refused below; taking away always works.
            let _ = self.watched.audit.record(&record);
        }
        let response = match request {
            Request::Status => Response::Status(Box::new(self.status())),
            Request::PluginList => {
                let now = Instant::now();
                let plugins = self.watched.roster.all().into_iter();
                let plugins = plugins.map(|plugin| describe(plugin.alias(), plugin.snapshot(), now));
                Response::PluginList { plugins: plugins.collect() }
            }
            Request::PluginResume { plugin } => refusable(self.resume(&plugin), Response::PluginResume),
            Request::PluginShow { plugin } => {
                refusable(self.show(&plugin), |details| Response::PluginShow(Box::new(details)))
            }
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
            Request::PluginAccept { plugin, shown } => match self.plugin(&plugin) {
                Ok(_) => return self.order(Change::Accept { plugin, shown }),
                Err(refusal) => Response::Refused(refusal),
            },
            Request::Reload => return self.order(Change::Reload),
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
                    // The watch over the files says so, and what to do about it.
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

    /// What everything that is to be read comes to, but for what counts up: another number means that something has changed.
    pub(crate) fn fingerprint(&self) -> u64 {
        let now = Instant::now();
        let mut hasher = DefaultHasher::new();
        for plugin in self.watched.roster.all() {
            let snapshot = plugin.snapshot();
            if let Phase::Loaded(loaded) = &snapshot.phase {
                for grant in approval::grants(&loaded.permission) {
                    (grant.grant, grant.granted_at, grant.until).hash(&mut hasher);
                }
            }
            let PluginStatus {
                alias, version, state, why, hint, trust, pending, capabilities, change, ..
            } = describe(plugin.alias(), snapshot, now);
            (alias, version, state.name(), why, hint, trust, pending, capabilities).hash(&mut hasher);
            change.map(|change| change.shown).hash(&mut hasher);
        }
        keys::state(self.trust_dir()).hash(&mut hasher);
        hasher.finish()
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
            let message = "too many changes wait already; try again in a moment".to_owned();
            let refusal = Refusal::new(RefusalCause::NotCalled, message);
            return Answer::Now(Box::new(Response::Refused(refusal)));
        };
        let (reply, changed) = channel();
        // Where nobody takes it, nobody answers, which says that the daemon is ending.
        let _ = self.orders.send(ChangeOrder { change, reply, turn });
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
            phase @ (Phase::Loading | Phase::Disabled | Phase::Refused { .. } | Phase::Waiting { .. }) => {
                return Err(not_loaded(alias, &phase));
            }
        };
        if !loaded.info.accepts(&action) {
            let message = format!("`{alias}` has no action `{}`", excerpt(&action));
            let hint = words::actions::hint(&action, loaded.info.manifest.as_ref());
            return Err(Refusal { hint, ..Refusal::new(RefusalCause::UnknownAction, message) });
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

    /// Walls that stand around every plugin that runs now; where none runs, those that the host would put there.
    fn common_walls(&self, snapshots: &[Snapshot]) -> Walls {
        let walls = snapshots.iter().filter_map(|snapshot| match &snapshot.phase {
            Phase::Loaded(loaded) => Some(loaded.walls),
            Phase::Loading | Phase::Disabled | Phase::Refused { .. } | Phase::Waiting { .. } => None,
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
            Phase::Loading | Phase::Disabled | Phase::Refused { .. } | Phase::Waiting { .. } => None,
        });
        let unkept = self.denials.get().map(Denials::unkept).unwrap_or_default();
        DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
            config_file: self.places.config_file.clone(),
            socket: self.places.control_socket.clone(),
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

    /// The plugin that the user calls so.
    fn plugin(&self, alias: &str) -> Result<Arc<KnownPlugin>, Refusal> {
        self.watched.roster.find(alias).ok_or_else(|| unknown(alias, &self.watched.roster))
    }

    /// The plugin that the user calls so, if it is loaded.
    fn loaded(&self, alias: &str) -> Result<Loaded, Refusal> {
        let plugin = self.plugin(alias)?;
        match plugin.snapshot().phase {
            Phase::Loaded(loaded) => Ok(loaded),
            phase @ (Phase::Loading | Phase::Disabled | Phase::Refused { .. } | Phase::Waiting { .. }) => {
                Err(not_loaded(alias, &phase))
            }
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

    fn show(&self, alias: &str) -> Result<PluginDetails, Refusal> {
        let snapshot = self.plugin(alias)?.snapshot();
        let (limits, memory, phase) = (snapshot.limits, snapshot.memory, snapshot.phase.clone());
        let status = describe(alias, snapshot, Instant::now());
        let details = PluginDetails {
            status,
            bound_to: None,
            requested: Vec::new(),
            grants: Vec::new(),
            description: None,
            author: None,
            license: None,
            digest: None,
            actions: None,
            limits: limits.as_ref().map(LimitStatus::from),
            memory_bytes: (memory > 0).then_some(memory),
            safety: None,
        };
        let loaded = match phase {
            Phase::Loaded(loaded) => loaded,
            Phase::Loading | Phase::Disabled | Phase::Refused { .. } | Phase::Waiting { .. } => {
                return Ok(details);
            }
        };
        let manifest = loaded.info.manifest.as_ref();
        let text = |text: Option<&String>| text.map(|text| excerpt(text));
        Ok(PluginDetails {
            bound_to: Some(loaded.permission.holder().to_string()),
            requested: approval::requests(&loaded),
            grants: approval::grants(&loaded.permission),
            description: text(manifest.and_then(|manifest| manifest.description.as_ref())),
            author: text(manifest.and_then(|manifest| manifest.author.as_ref())),
            license: text(manifest.and_then(|manifest| manifest.license.as_ref())),
            digest: Some(loaded.info.digest.to_string()),
            actions: actions(manifest),
            safety: Some(safety::score(&loaded, details.status.state)),
            ..details
        })
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

/// What is told of a call by hand.
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

fn refusable<T>(result: Result<T, Refusal>, response: impl FnOnce(T) -> Response) -> Response {
    result.map_or_else(Response::Refused, response)
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

fn count(counts: &mut PluginCounts, state: PluginState) {
    counts.total += 1;
    *match state {
        PluginState::Loading => &mut counts.loading,
        PluginState::Running => &mut counts.running,
        PluginState::BackingOff => &mut counts.backing_off,
        PluginState::Quarantined => &mut counts.quarantined,
        PluginState::Ending => &mut counts.ending,
        PluginState::Withdrawn => &mut counts.withdrawn,
        PluginState::Disabled => &mut counts.disabled,
        PluginState::Waiting => &mut counts.waiting,
        PluginState::Refused => &mut counts.refused,
    } += 1;
}
