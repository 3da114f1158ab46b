//! The broker: the single place where a capability is exercised.
//!
//! Every operation goes the same way, and each step can only refuse: rate, size, whether the capability is granted at
//! all, the request's own rules, the scope, the deed, the size of the answer. A refusal is an answer to the plugin,
//! never a trap.

mod denials;
mod resources;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use conductor_abi::{Capability, Op, Risk, Status};
use conductor_call::{Answer, Caller, DataQuota, HostCalls, HostSession, Limit, Limits, Refusal};
use conductor_policy::grant::{Decision, Deed, DeedNumber, Grants, Once, SessionGrants, Taken};
use conductor_policy::secret::HeldSecrets;
use conductor_sounding::Player;

use crate::audit::{
    Asked, AuditSink, HIGH_RISK_RECORDS_AT_ONCE, HIGH_RISK_RECORDS_PER_MINUTE, PluginAudit, Ticket,
    Unrecordable,
};
use crate::capability::continuation::{Close, Continued};
use crate::capability::listing::Listed;
#[cfg(target_os = "linux")]
use crate::capability::subprocess;
use crate::capability::system_control::Desktop;
#[cfg(target_os = "linux")]
use crate::capability::waiting::Places;
use crate::capability::{Call, Operation, audio, granted, midi, network, system_control};
use crate::devices::{Devices, Pausable, Sounding};
use crate::grant_changes::GrantChanges;
use crate::handles::Handles;
use crate::held_secrets::SecretsNow;
use crate::rate::Window;
use crate::recorder::Recorder;

use denials::Denials;

/// Fuel of every operation beside that of its bytes: decoding, checking and recording it.
const OPERATION_FUEL: u64 = 2_000;

/// Fuel of each byte of request and answer, which the host copies and inspects at least once.
const BYTE_FUEL: u64 = 1;

/// Carries out what plugins ask for, for all plugins of one host.
pub struct Broker {
    services: Arc<Services>,
    audit: Option<Arc<dyn AuditSink>>,
    session_grants: SessionGrants,
}

/// What sessions share.
struct Services {
    devices: Devices,
    sounding: Sounding,
    http: network::Service,
}

impl Broker {
    /// A broker over the given devices.
    #[must_use]
    pub fn new(devices: Devices) -> Self {
        let sounding = devices.sounding.clone().unwrap_or_else(|| Sounding::new(&devices.midi));
        Self {
            services: Arc::new(Services { devices, sounding, http: network::Service::default() }),
            audit: None,
            session_grants: SessionGrants::default(),
        }
    }

    /// Records in `sink` what the sessions do that are made from now on.
    pub fn record_in(&mut self, sink: Arc<dyn AuditSink>) {
        self.audit = Some(sink);
    }

    /// Where records go.
    #[must_use]
    pub const fn audit(&self) -> Option<&Arc<dyn AuditSink>> {
        self.audit.as_ref()
    }

    /// Grants that end with the host.
    #[must_use]
    pub const fn session_grants(&self) -> &SessionGrants {
        &self.session_grants
    }

    /// Goes on with the decisions of another host that end with it.
    pub fn share_session_grants(&mut self, grants: &SessionGrants) {
        self.session_grants = grants.clone();
    }

    /// A session for one plugin. Of its limits, those of host calls and of the network are kept here.
    #[must_use]
    pub fn session(&self, plugin: &str, grants: Grants, limits: &Limits) -> Arc<Session> {
        let session = Arc::new(Session {
            audit: Arc::new(PluginAudit::new(plugin.to_owned(), self.audit.clone())),
            services: Arc::clone(&self.services),
            has_files_for_once: AtomicBool::new(has_files_for_once(&grants)),
            grants: RwLock::new(Arc::new(grants)),
            max_message_bytes: limits.max_message_bytes as usize,
            rate: Window::new(limits.max_calls_per_second, Duration::from_secs(1)),
            denials: Denials::default(),
            changes: GrantChanges::default(),
            handles: Handles::default(),
            secrets: SecretsNow::default(),
            connections: network::Connections::new(limits, &self.services.http),
            once: Mutex::default(),
            has_used_once: AtomicBool::new(false),
            files: AtomicU8::new(FILES_AS_GRANTED),
            data_dir: OnceLock::new(),
            max_data: DataQuota::most(limits),
            desktop: system_control::Uses::default(),
            #[cfg(target_os = "linux")]
            programs: subprocess::places(),
            studio: audio::Studio::default(),
            recorder: OnceLock::new(),
            is_withdrawn: AtomicBool::new(false),
            player: self.services.sounding.ledger().player(),
        });
        let known = Arc::downgrade(&session);
        self.services.sounding.add(known);
        session
    }
}

/// Whether files are granted for once.
fn has_files_for_once(grants: &Grants) -> bool {
    if let Decision::Granted(grant) = grants.decision(Capability::Filesystem) {
        grant.onces().next().is_some()
    } else {
        false
    }
}

/// The plugin sees the files that it is granted.
const FILES_AS_GRANTED: u8 = 0;

/// It is to see others from the next call on.
const FILES_CHANGED: u8 = 1;

/// It may not see those any longer: the call that is under way is to end.
const FILES_REVOKED: u8 = 2;

/// What one plugin may do, and doing it.
pub struct Session {
    audit: Arc<PluginAudit>,
    services: Arc<Services>,
    grants: RwLock<Arc<Grants>>,
    /// Whether files are granted for once; changed under the lock of the grants, and read without it before each call.
    has_files_for_once: AtomicBool,
    max_message_bytes: usize,
    rate: Window,
    denials: Denials,
    changes: GrantChanges,
    handles: Handles,
    secrets: SecretsNow,
    connections: network::Connections,
    /// The grants for once that the call under way has used.
    once: Mutex<Vec<Once>>,
    /// Whether there are any; changed under their lock, and looked at without it before and after each call.
    has_used_once: AtomicBool,
    /// What is to become of the plugin's view of its files.
    files: AtomicU8,
    /// The plugin's own directory, if it has one.
    data_dir: OnceLock<PathBuf>,
    /// The most that may be in it, whatever is granted.
    max_data: DataQuota,
    desktop: system_control::Uses,
    #[cfg(target_os = "linux")]
    programs: Places,
    studio: audio::Studio,
    /// Writes down what the plugin asks for, if that is wanted.
    recorder: OnceLock<Arc<Recorder>>,
    is_withdrawn: AtomicBool,
    /// Plays on the MIDI outputs. What it leaves sounding ends with the session.
    player: Player,
}

/// What an operation ends with at the latest.
#[derive(Clone, Copy)]
struct Within<'a> {
    deadline: Instant,
    caller: &'a dyn Caller,
}

impl HostCalls for Session {
    fn call(&self, op: u32, request: &[u8], deadline: Instant) -> Answer {
        Self::call(self, op, request, deadline)
    }

    fn has_ended_it(&self) -> bool {
        self.is_withdrawn() || self.files_were_revoked()
    }
}

impl HostSession for Session {
    fn call_for(&self, caller: &dyn Caller, op: u32, request: &[u8], deadline: Instant) -> Answer {
        self.answer(caller, op, request, deadline)
    }

    fn end_handles(&self) {
        self.handles.end_all();
        self.player.end();
    }

    fn when_gone(&self) -> Box<dyn Fn() + Send + Sync> {
        let life = self.player.life();
        Box::new(move || life.end())
    }
}

/// The plugin's code in this process.
impl Caller for Session {
    fn is_gone(&self) -> bool {
        self.has_ended_it()
    }
}

impl Pausable for Session {
    fn is_paused_now(&self) {
        self.grants_changed();
    }
}

impl Session {
    /// Carries out one operation, or says why not. It returns by `deadline`, whatever the operation waits for.
    pub fn call(&self, op: u32, request: &[u8], deadline: Instant) -> Answer {
        self.answer(self, op, request, deadline)
    }

    /// As [`Session::call`]; what is done for the call also ends with who asked for it.
    fn answer(&self, caller: &dyn Caller, op: u32, request: &[u8], deadline: Instant) -> Answer {
        let within = Within { deadline, caller };
        let result = self.within_limits(request).and_then(|()| self.dispatch(op, request, within));
        let result = result.and_then(|bytes| self.short_enough("answer", &bytes).map(|()| bytes));
        let (status, bytes, refused_by) = match result {
            Ok(bytes) => (Status::Ok, bytes, None),
            Err(refusal) => {
                let limit = refusal.limit;
                let (status, reason) = refusal.into_told();
                (status, reason.into_bytes(), limit)
            }
        };
        let size = (request.len() as u64).saturating_add(bytes.len() as u64);
        let fuel = OPERATION_FUEL.saturating_add(BYTE_FUEL.saturating_mul(size));
        Answer { status, bytes, fuel, refused_by }
    }

    /// What the plugin may do now. What is granted for once and in use is among it.
    #[must_use]
    pub fn grants(&self) -> Arc<Grants> {
        Arc::clone(&self.grants.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the plugin may do now; nothing while everything is paused.
    fn grants_in_force(&self) -> Arc<Grants> {
        if self.services.sounding.is_paused() { Arc::new(Grants::none()) } else { self.grants() }
    }

    /// Changes what the plugin may do, from its next operation on and for operations under way.
    pub fn set_grants(&self, grants: Grants) {
        let used = self.once().clone();
        // What others have used is none of its own.
        let number = DeedNumber::next();
        let grants =
            Arc::new(grants).keeping(|once| once.is_open_to(Deed::Beginning(number)) || used.contains(once));
        {
            let mut held = self.grants.write().unwrap_or_else(PoisonError::into_inner);
            self.has_files_for_once.store(has_files_for_once(&grants), Ordering::Release);
            *held = grants;
        }
        self.grants_changed();
    }

    /// Takes a capability away, from the next operation on and from operations under way.
    pub fn revoke(&self, capability: Capability) {
        {
            let mut held = self.grants.write().unwrap_or_else(PoisonError::into_inner);
            Arc::make_mut(&mut held).revoke(capability);
        }
        self.grants_changed();
    }

    fn grants_changed(&self) {
        self.changes.announce();
        let grants = self.grants_in_force();
        self.handles.keep_covered(&grants);
        self.player.end_where(|port| !midi::may_send_to(&grants, port));
    }

    /// Changes which of the user's secrets the plugin may have used, from its next operation on and for operations under
    /// way: what carries a secret that was taken away is ended.
    pub fn set_secrets(&self, secrets: HeldSecrets) {
        self.secrets.set(secrets);
        self.grants_changed();
    }

    /// The secrets that the plugin may have used now.
    #[must_use]
    pub fn secrets(&self) -> Arc<HeldSecrets> {
        self.secrets.get()
    }

    /// Takes everything away, and has a plugin in this process ended.
    pub fn withdraw(&self) {
        self.is_withdrawn.store(true, Ordering::Release);
        self.set_grants(Grants::none());
    }

    /// Takes [`Session::withdraw`] back.
    pub fn restore(&self, grants: Grants) {
        self.set_grants(grants);
        self.is_withdrawn.store(false, Ordering::Release);
    }

    /// Whether everything was taken away.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.is_withdrawn.load(Ordering::Acquire)
    }

    /// Takes note that the plugin is to see other files, from its next call on or, where some are taken away, at once.
    pub fn change_files(&self, revoked: bool) {
        self.files.fetch_max(if revoked { FILES_REVOKED } else { FILES_CHANGED }, Ordering::AcqRel);
    }

    /// Whether files were taken away that the call under way still sees.
    #[must_use]
    pub fn files_were_revoked(&self) -> bool {
        self.files.load(Ordering::Acquire) == FILES_REVOKED
    }

    /// Whether the plugin is to see other files than it did, since this was last called.
    pub fn take_changed_files(&self) -> bool {
        self.files.load(Ordering::Relaxed) != FILES_AS_GRANTED
            && self.files.swap(FILES_AS_GRANTED, Ordering::AcqRel) != FILES_AS_GRANTED
    }

    /// Takes the files that are granted for once for the call that is about to begin; `false` if a call of another plugin
    /// took them first.
    #[must_use]
    pub fn take_files_for_call(&self) -> bool {
        if !self.has_files_for_once.load(Ordering::Acquire) {
            return true;
        }
        let taken =
            match self.grants.read().unwrap_or_else(PoisonError::into_inner).decision(Capability::Filesystem)
            {
                Decision::Granted(grant) => Taken::from(grant, DeedNumber::next()),
                Decision::NotDeclared
                | Decision::NotGranted { .. }
                | Decision::Denied
                | Decision::AboveCeiling { .. }
                | Decision::NothingToGrant => return true,
            };
        let Some(taken) = taken else { return false };
        if self.keep_used(taken) {
            // A view that was made before, when the grant was new and nobody's yet, is without them.
            self.change_files(false);
        }
        true
    }

    /// What the plugin may do with files in the call that is under way.
    #[must_use]
    pub fn file_grants(&self) -> Arc<Grants> {
        let used = self.once();
        self.grants().keeping(|once| used.contains(once))
    }

    /// Ends the grants for once that were used, with the call that used them; says whether there are any.
    pub fn end_deeds(&self) -> bool {
        if !self.has_used_once.load(Ordering::Acquire) {
            return false;
        }
        let mut once = self.once();
        self.has_used_once.store(false, Ordering::Release);
        let used = std::mem::take(&mut *once);
        drop(once);
        used.iter().for_each(Once::end);
        !used.is_empty()
    }

    /// Ends what the plugin keeps open and what it leaves sounding, but for what comes to its end by itself, such as a sound
    /// that is played once: its instance ended as it should, and no later one knows the numbers or the notes.
    pub fn end_abandoned_handles(&self) {
        self.handles.end_all_but_ending();
        self.player.end();
    }

    /// Keeps what a deed that has begun has used, until the call ends; says whether there is any.
    fn keep_used(&self, taken: Taken) -> bool {
        let used = taken.keep();
        if used.is_empty() {
            return false;
        }
        let mut once = self.once();
        once.extend(used);
        self.has_used_once.store(true, Ordering::Release);
        true
    }

    fn once(&self) -> MutexGuard<'_, Vec<Once>> {
        self.once.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is recorded about the plugin.
    #[must_use]
    pub const fn audit(&self) -> &Arc<PluginAudit> {
        &self.audit
    }

    /// Says where the plugin's own directory is.
    pub fn keeps_files_in(&self, directory: PathBuf) {
        // It is where it is for as long as the plugin is loaded.
        let _ = self.data_dir.set(directory);
    }

    /// Has it written down what the plugin asks for.
    pub fn write_down(&self, recorder: &Arc<Recorder>) {
        // A session has one recorder.
        let _ = self.recorder.set(Arc::clone(recorder));
    }

    /// Whether something is still being played to its end that the plugin began.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.handles.are_ending()
    }

    fn within_limits(&self, request: &[u8]) -> Result<(), Refusal> {
        if !self.rate.admit(Instant::now()) {
            let reason = format!("more than {} operations in a second", self.rate.max());
            return Err(Refusal::by(Limit::CallRate, Status::RateLimited, reason));
        }
        self.short_enough("request", request)
    }

    fn short_enough(&self, what: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let (found, max) = (bytes.len(), self.max_message_bytes);
        if found <= max {
            return Ok(());
        }
        let reason = format!("the {what} of {found} bytes is larger than {max} bytes");
        Err(Refusal::by(Limit::MessageBytes, Status::TooLarge, reason))
    }

    /// The list of all operations.
    fn dispatch(&self, op: u32, request: &[u8], within: Within<'_>) -> Result<Vec<u8>, Refusal> {
        match Op::from_number(op) {
            Some(Op::HttpRequest) => self.perform::<network::Http<network::WholeBody>>(request, within),
            Some(Op::HttpOpen) => self.perform::<network::Http<network::PieceByPiece>>(request, within),
            Some(Op::HttpRead) => self.perform::<Continued<network::HttpRead>>(request, within),
            Some(Op::HttpClose) => self.perform::<Continued<Close<network::Body>>>(request, within),
            Some(Op::WebSocketOpen) => self.perform::<network::WebSocketOpen>(request, within),
            Some(Op::WebSocketSend) => self.perform::<Continued<network::WebSocketSend>>(request, within),
            Some(Op::WebSocketReceive) => {
                self.perform::<Continued<network::WebSocketReceive>>(request, within)
            }
            Some(Op::WebSocketClose) => self.perform::<Continued<Close<network::Socket>>>(request, within),
            Some(Op::MidiPorts) => self.perform::<Listed<midi::Ports>>(request, within),
            Some(Op::MidiSend) => self.perform::<midi::Send>(request, within),
            Some(Op::MidiInputs) => self.perform::<Listed<midi::Inputs>>(request, within),
            Some(Op::MidiSubscribe) => self.perform::<midi::Subscribe>(request, within),
            Some(Op::MidiReceive) => self.perform::<Continued<midi::Receive>>(request, within),
            Some(Op::MidiUnsubscribe) => {
                self.perform::<Continued<Close<midi::Subscription>>>(request, within)
            }
            Some(Op::AudioOutputs) => self.perform::<Listed<audio::Outputs>>(request, within),
            Some(Op::AudioOpen) => self.perform::<audio::Open>(request, within),
            Some(Op::AudioWrite) => self.perform::<Continued<audio::Write>>(request, within),
            Some(Op::AudioFinish) => self.perform::<Continued<audio::Finish>>(request, within),
            Some(Op::AudioClose) => self.perform::<Continued<Close<audio::Sound>>>(request, within),
            #[cfg(target_os = "linux")]
            Some(Op::ProgramRun) => self.perform::<subprocess::Run>(request, within),
            Some(Op::Volume) => self.perform::<Desktop<system_control::Volume>>(request, within),
            Some(Op::Mute) => self.perform::<Desktop<system_control::Mute>>(request, within),
            Some(Op::MediaKey) => self.perform::<Desktop<system_control::Media>>(request, within),
            Some(Op::Notify) => self.perform::<Desktop<system_control::Notify>>(request, within),
            Some(Op::LockScreen) => self.perform::<Desktop<system_control::Lock>>(request, within),
            Some(Op::OpenUrl) => self.perform::<Desktop<system_control::OpenUrl>>(request, within),
            Some(_) | None => {
                Err(Refusal::new(Status::UnknownOp, format!("this host has no operation {op:#x}")))
            }
        }
    }

    fn perform<O: Operation>(&self, bytes: &[u8], within: Within<'_>) -> Result<Vec<u8>, Refusal> {
        if let Some(recorder) = self.recorder.get()
            && let Some(scope) = O::parse(bytes).ok().and_then(|request| O::needs(&request))
        {
            recorder.note(O::CAPABILITY, scope);
        }
        self.not_paused().inspect_err(|refusal| {
            self.refused(&Asked::new(O::CAPABILITY, O::NAME, O::CAPABILITY.risk(), &"", bytes), refusal);
        })?;
        // Who lacks the capability altogether is refused before anybody looks at the request.
        granted(&self.grants(), O::CAPABILITY).inspect_err(|refusal| {
            self.refused(&Asked::new(O::CAPABILITY, O::NAME, O::CAPABILITY.risk(), &"", bytes), refusal);
        })?;
        let request = O::parse(bytes)?;
        let Begun { permit, deed, risk, ticket } = self.begin::<O>(&request, bytes)?;
        let Within { deadline, caller } = within;
        let result = O::act(&request, permit, &Call { session: self, deadline, deed, caller });
        // What a pause has ended is not to look like something that the plugin was not granted.
        let result = result.or_else(|refusal| self.not_paused().and(Err(refusal)));
        if O::RECORDS_USE || result.is_err() {
            let asked = Asked::new(O::CAPABILITY, O::NAME, risk, &request, bytes);
            self.note_denial(O::CAPABILITY, result.as_ref().err());
            self.audit.end(ticket, &asked, result.as_ref().map(Vec::len));
        }
        result
    }

    /// Holds a request against the grants, uses up what is granted for once, and records what is of high risk; without
    /// any of that it is not done.
    fn begin<O: Operation>(&self, request: &O::Request<'_>, bytes: &[u8]) -> Result<Begun<O>, Refusal> {
        let asked = |risk| Asked::new(O::CAPABILITY, O::NAME, risk, request, bytes);
        let number = DeedNumber::next();
        let deed = if O::GOES_ON { Deed::GoingOn } else { Deed::Beginning(number) };
        loop {
            let grants = self.grants().open_to(deed);
            let grant = granted(&grants, O::CAPABILITY);
            let checked = grant.and_then(|grant| Ok((O::check(request, grant)?, grant)));
            let (permit, grant) =
                checked.inspect_err(|refusal| self.refused(&asked(O::risk(request, None)), refusal))?;
            let risk = O::risk(request, Some(&permit));
            let asked = asked(risk);
            let taken = if O::GOES_ON {
                None
            } else {
                // Where another deed was faster, what it has used is not seen at the next look.
                let Some(taken) = Taken::from(grant, number) else { continue };
                Some(taken)
            };
            let ticket = self.audit.begin(&asked).map_err(|why| {
                let refusal = unrecordable(O::CAPABILITY, why);
                self.refused(&asked, &refusal);
                refusal
            })?;
            let deed = match taken {
                Some(taken) => {
                    let _is_for_once = self.keep_used(taken);
                    Deed::Begun(number)
                }
                None => Deed::GoingOn,
            };
            return Ok(Begun { permit, deed, risk, ticket });
        }
    }

    fn not_paused(&self) -> Result<(), Refusal> {
        if self.services.sounding.is_paused() {
            let reason = "everything was silenced by panic, and plugins do nothing until they are resumed";
            return Err(Refusal::new(Status::Unavailable, reason));
        }
        Ok(())
    }

    fn refused(&self, asked: &Asked<'_>, refusal: &Refusal) {
        self.note_denial(asked.capability, Some(refusal));
        self.audit.refused(asked, refusal);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end_deeds();
    }
}

/// Something that a plugin asked for and that is being done.
struct Begun<O: Operation> {
    permit: O::Permit,
    deed: Deed,
    risk: Risk,
    ticket: Ticket,
}

/// Why something of high risk is not done: that it was is to be found in the audit log, or it was not.
fn unrecordable(capability: Capability, why: Unrecordable) -> Refusal {
    match why {
        Unrecordable::TooMany => {
            let reason = format!(
                "{capability} at most {HIGH_RISK_RECORDS_AT_ONCE} times in a row and \
                 {HIGH_RISK_RECORDS_PER_MINUTE} times a minute, because each time is recorded"
            );
            Refusal::new(Status::RateLimited, reason)
        }
        Unrecordable::NotRecorded => {
            let reason = format!("{capability} is not done while the audit log cannot be written");
            Refusal::new(Status::Unavailable, reason)
        }
    }
}
