//! Plugins in the words of the control protocol.

use std::collections::BTreeMap;
use std::time::Instant;

use conductor_abi::Manifest;
use conductor_core::grant::{JudgeError, Vouched};
use conductor_core::{Decision, Denial, Limits, Permission, ProcessWall, Walls, WorkerFault};
use conductor_signing::{Developer, PublicKey, Signer, TrustLevel, VerifyError};
use conductor_surface::config::MAX_NAME_BYTES;
use conductor_surface::nearest::nearest;

use super::binding;
use super::excerpt::excerpt;
use super::message::{
    ActionStatus, ActivityStatus, LimitStatus, PluginCounts, PluginState, PluginStatus, PublisherStatus,
    Refusal, RefusalCause, TrustWord,
};
use crate::dispatch::{Loaded, Phase, Readiness, Roster, Sample, Snapshot};
use crate::words::trust;

/// Why a plugin does not run that is not disabled.
pub(super) const SAFE_MODE: &str = "the daemon is in safe mode, in which no plugin is loaded";

/// What to do about it.
pub(super) const LEAVE_SAFE_MODE: &str = "to load the plugins again: conductorctl safe off";

/// Most actions in an answer. A manifest has room for more than a person reads.
const MAX_ACTIONS: usize = 200;

pub(super) fn not_loaded(alias: &str, phase: &Phase) -> Refusal {
    let (message, hint) = match phase {
        Phase::Refused { why, hint, .. } => {
            (format!("`{alias}` was not loaded: {}", excerpt(why)), hint.as_deref().map(excerpt))
        }
        Phase::Waiting { change } => (
            excerpt(&change.to_string()),
            Some(format!("to look at it and decide: conductorctl plugin accept {alias}")),
        ),
        Phase::Disabled { in_safe_mode: true } => {
            (format!("`{alias}` is not loaded: {SAFE_MODE}"), Some(LEAVE_SAFE_MODE.to_owned()))
        }
        Phase::Disabled { in_safe_mode: false } => (
            format!("`{alias}` is disabled"),
            Some(format!("to let it run: conductorctl plugin enable {alias}")),
        ),
        Phase::Loading | Phase::Loaded(_) => (format!("`{alias}` is still loading"), None),
    };
    Refusal { hint, ..Refusal::new(RefusalCause::NotLoaded, message) }
}

/// The refusal that says that there is no plugin of this name.
pub(super) fn unknown(alias: &str, roster: &Roster) -> Refusal {
    let plugins = roster.all();
    let known: Vec<&str> = plugins.iter().map(|plugin| plugin.alias()).collect();
    // The comparison takes longer the longer the name is. Aliases are short, so a long name is like none of them.
    let near = if alias.len() <= MAX_NAME_BYTES { nearest(alias, &known) } else { None };
    let hint = near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    let message = format!("there is no plugin `{}`{hint}", excerpt(alias));
    Refusal::new(RefusalCause::UnknownPlugin, message)
}

/// The system calls that the processes for plugins may make at each stage.
pub(super) fn stages() -> BTreeMap<String, BTreeMap<String, String>> {
    #[cfg(target_os = "linux")]
    return conductor_core::stages().into_iter().map(|stage| (stage.stage, stage.calls)).collect();
    #[cfg(not(target_os = "linux"))]
    BTreeMap::new()
}

/// The system calls that a confined program of a plugin is refused.
pub(super) fn refused_to_programs() -> BTreeMap<String, String> {
    #[cfg(target_os = "linux")]
    return conductor_core::refused_to_programs();
    #[cfg(not(target_os = "linux"))]
    BTreeMap::new()
}

pub(super) fn names(walls: Walls) -> Vec<String> {
    walls.standing().iter().map(|name| (*name).to_owned()).collect()
}

pub(super) fn state(phase: &Phase, now: Instant) -> PluginState {
    match phase {
        Phase::Loading => PluginState::Loading,
        Phase::Disabled { .. } => PluginState::Disabled,
        Phase::Refused { .. } => PluginState::Refused,
        Phase::Waiting { .. } => PluginState::Waiting,
        Phase::Loaded(loaded) if loaded.withdrawn.is_none() && loaded.permission.ending_pid().is_some() => {
            PluginState::Ending
        }
        Phase::Loaded(loaded) => loaded.readiness_at(now).into(),
    }
}

impl From<Readiness> for PluginState {
    fn from(readiness: Readiness) -> Self {
        match readiness {
            Readiness::Running => Self::Running,
            Readiness::BackingOff { .. } => Self::BackingOff,
            Readiness::Quarantined { .. } => Self::Quarantined,
            Readiness::Withdrawn => Self::Withdrawn,
        }
    }
}

/// What a plugin lacked when it was denied something, and how to grant it. Capabilities that were granted since are
/// left out.
pub(super) fn lacking(alias: &str, denied: &[Denial], permission: &Permission) -> Option<String> {
    let decided = permission.capabilities();
    let lacks = denied.iter().filter_map(|denial| {
        let capability = denial.capability;
        let decided = decided.iter().find(|decided| decided.capability == capability)?;
        let next = match &decided.decision {
            Decision::Granted(_) if denial.of_everything => return None,
            Decision::Granted(_) => format!("; to see what is granted: conductorctl plugin show {alias}"),
            Decision::NotGranted { .. } | Decision::Denied | Decision::NothingToGrant => {
                format!("; to grant it: conductorctl plugin grant {alias} {capability}")
            }
            Decision::NotDeclared | Decision::AboveCeiling { .. } => String::new(),
        };
        Some(excerpt(&denial.reason) + &next)
    });
    lacks.reduce(|lacks, more| format!("{lacks}; {more}"))
}

/// What a plugin is and does, as of `now`.
pub(super) fn describe(alias: &str, snapshot: Snapshot, now: Instant) -> PluginStatus {
    let Snapshot { phase, calls, failures, tally, worker_pid, fuel, memory: _, limits: _, activity } =
        snapshot;
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
        trust_level: None,
        publisher: None,
        pending: 0,
        change: None,
        fuel_used: fuel,
        activity: activity.into_iter().map(ActivityStatus::from).collect(),
    };
    match phase {
        Phase::Loading => status,
        Phase::Disabled { in_safe_mode: true } => {
            PluginStatus { why: Some(SAFE_MODE.to_owned()), hint: Some(LEAVE_SAFE_MODE.to_owned()), ..status }
        }
        Phase::Disabled { in_safe_mode: false } => {
            let hint = Some(format!("to let it run: conductorctl plugin enable {alias}"));
            PluginStatus { hint, ..status }
        }
        Phase::Refused { why, hint, verdict } => PluginStatus {
            why: Some(excerpt(&why)),
            hint: hint.as_deref().map(excerpt),
            trust_level: verdict.as_deref().and_then(word_of_verdict),
            ..status
        },
        Phase::Waiting { change } => PluginStatus {
            name: Some(change.now.name.to_string()),
            version: change.now.version.as_deref().map(excerpt),
            why: Some(excerpt(&change.to_string())),
            hint: Some(format!("to look at it and decide: conductorctl plugin accept {alias}")),
            trust: Some(excerpt(&trust::in_words(&change.trust))),
            change: Some(binding::change(&change)),
            ..status
        },
        Phase::Loaded(loaded) => describe_loaded(status, &loaded, now),
    }
}

fn describe_loaded(status: PluginStatus, loaded: &Loaded, now: Instant) -> PluginStatus {
    let info = &loaded.info;
    let readiness = loaded.readiness_at(now);
    let judged = loaded.permission.vouched();
    let milliseconds = |left: std::time::Duration| u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let resume = || Some(format!("to let it back in: conductorctl plugin resume {}", status.alias));
    let last_failure = || loaded.last_failure.as_ref().map(|failure| excerpt(&failure.why));
    let lacked = || {
        let failure = loaded.last_failure.as_ref()?;
        lacking(&status.alias, &failure.denied, &loaded.permission)
    };
    let (why, hint) = match (&loaded.withdrawn, readiness) {
        (Some(cause), _) => (Some(excerpt(&cause.to_string())), cause.hint()),
        (None, Readiness::Quarantined { .. }) => (
            last_failure(),
            lacked().into_iter().chain(resume()).reduce(|lacked, resume| format!("{lacked}; {resume}")),
        ),
        (None, Readiness::Running | Readiness::BackingOff { .. } | Readiness::Withdrawn) => {
            (last_failure(), lacked())
        }
    };
    let (why, hint) = match loaded.permission.ending_pid() {
        Some(pid) if loaded.withdrawn.is_none() => {
            let hint = "see what it waits for in the kernel, such as a file system that does not answer";
            (Some(WorkerFault::Ending { pid }.to_string()), Some(hint.to_owned()))
        }
        Some(_) | None => (why, hint),
    };
    PluginStatus {
        name: Some(info.name.as_str().to_owned()),
        version: info.version.as_deref().map(excerpt),
        retry_in_ms: readiness.retry_in(now).map(milliseconds),
        why,
        hint,
        trust: Some(excerpt(&judged_in_words(&judged))),
        walls: names(loaded.walls),
        capabilities: loaded.permission.capabilities().iter().map(|d| excerpt(&d.to_string())).collect(),
        trust_level: Some(word_of_judgement(&judged)),
        publisher: info.signer.as_ref().map(publisher_of),
        pending: loaded.permission.pending().len() as u64,
        ..status
    }
}

impl From<Sample> for ActivityStatus {
    fn from(sample: Sample) -> Self {
        let Sample { calls, failures, fuel, micros, memory } = sample;
        let memory = (memory > 0).then_some(memory);
        Self { calls, failures, fuel, micros: micros.checked_div(calls), memory }
    }
}

impl From<&Limits> for LimitStatus {
    fn from(limits: &Limits) -> Self {
        Self {
            max_fuel: limits.max_fuel,
            max_memory_bytes: limits.max_memory_bytes,
            max_execution_time_ms: u64::try_from(limits.max_execution_time.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// How far a loaded plugin is vouched for, judged now.
pub(super) fn trust_word(loaded: &Loaded) -> TrustWord {
    word_of_judgement(&loaded.permission.vouched())
}

/// How far a loaded plugin is vouched for, judged now, in words.
pub(super) fn trust_in_words(loaded: &Loaded) -> String {
    judged_in_words(&loaded.permission.vouched())
}

fn word_of_judgement(judged: &Result<Vouched, JudgeError>) -> TrustWord {
    match judged {
        Ok(Vouched { trust: TrustLevel::Unsigned, .. }) => TrustWord::Unsigned,
        Ok(Vouched { trust: TrustLevel::SelfSigned, .. }) => TrustWord::SelfSigned,
        Ok(Vouched { trust: TrustLevel::Trusted { .. }, .. }) => TrustWord::Trusted,
        Err(JudgeError::Refused(cause)) => word_of_refusal(cause).unwrap_or(match cause.exit_code() {
            // The signature is valid, but its key is not trusted.
            3 => TrustWord::SelfSigned,
            _ => TrustWord::Invalid,
        }),
        Err(_) => TrustWord::Invalid,
    }
}

fn judged_in_words(judged: &Result<Vouched, JudgeError>) -> String {
    match judged {
        Ok(vouched) => trust::in_words(&vouched.trust),
        Err(cause) => cause.to_string(),
    }
}

/// The word for why a plugin is refused, if the reason is a revocation or time.
pub(super) fn word_of_refusal(error: &VerifyError) -> Option<TrustWord> {
    if let VerifyError::DigestRevoked { .. } | VerifyError::KeyRevoked { .. } = error {
        Some(TrustWord::Revoked)
    } else if let VerifyError::Expired { .. } | VerifyError::TrustExpired { .. } = error {
        Some(TrustWord::Expired)
    } else {
        None
    }
}

/// The word for what is known about the signature of a refused plugin; none if it was refused for another reason.
fn word_of_verdict(error: &VerifyError) -> Option<TrustWord> {
    if let VerifyError::NoSignature { .. } = error {
        Some(TrustWord::Unsigned)
    } else if let VerifyError::Untrusted { .. } = error {
        Some(TrustWord::SelfSigned)
    } else if let VerifyError::Document(_)
    | VerifyError::HashMismatch { .. }
    | VerifyError::SizeMismatch { .. }
    | VerifyError::SignatureInvalid { .. }
    | VerifyError::StatementSignatureInvalid { .. } = error
    {
        Some(TrustWord::Invalid)
    } else {
        word_of_refusal(error)
    }
}

/// Who signed a loaded plugin.
pub(super) fn publisher_of(signer: &Signer) -> PublisherStatus {
    publisher(&signer.key, &signer.developer, signer.authenticated)
}

/// The holder of a key, according to a signature.
pub(super) fn publisher(key: &PublicKey, developer: &Developer, authenticated: bool) -> PublisherStatus {
    let fingerprint = key.fingerprint();
    PublisherStatus {
        name: excerpt(developer.name()),
        email: excerpt(developer.email()),
        public_key: key.to_string(),
        fingerprint: fingerprint.to_string(),
        words: fingerprint.words().join(" "),
        authenticated,
    }
}

/// The actions that a manifest lists.
pub(super) fn actions(manifest: Option<&Manifest>) -> Option<Vec<ActionStatus>> {
    let actions = manifest?.actions.as_ref()?.iter().take(MAX_ACTIONS);
    let status = actions.map(|action| ActionStatus {
        name: excerpt(&action.name),
        description: action.description.as_deref().map(excerpt),
    });
    Some(status.collect())
}

/// The walls that `a` and `b` have in common.
pub(super) fn weaker(a: Walls, b: Walls) -> Walls {
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

/// Counts a plugin by its state.
pub(super) fn count(counts: &mut PluginCounts, state: PluginState) {
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
