//! What plugins ask for and what the user decides about it, in the words of the control protocol.

use std::collections::BTreeMap;

use conductor_abi::Capability;
use conductor_core::grant::store::StoredGrant;
use conductor_core::grant::{ApprovalError, Approved, Earlier, GrantDuration, GrantSpec, Requested};
use conductor_core::scope::Scope;
use conductor_core::{CapabilityDecision, Decision, Permission};

use super::excerpt::excerpt;
use super::message::{EarlierStatus, GrantStatus, Lasts, Refusal, RefusalCause, RequestStatus};
use super::shown::{self, Asking};
use crate::dispatch::Loaded;

/// Most entries of one list in an answer. A manifest has room for more than a person reads.
const MAX_ENTRIES: usize = 100;

/// What a plugin asks for.
pub(super) fn requests(loaded: &Loaded) -> Vec<RequestStatus> {
    let (asking, decisions) = (Asking::of(loaded), loaded.permission.capabilities());
    let requested = loaded.permission.requested().into_iter().take(MAX_ENTRIES);
    requested.map(|requested| decided(&asking, requested, &decisions)).collect()
}

/// What the user granted to the plugin.
pub(super) fn grants(permission: &Permission) -> Vec<GrantStatus> {
    permission.approved().into_iter().take(MAX_ENTRIES).map(grant).collect()
}

/// Grants what the text says, if `shown` are the ids of the plugin's current requests for that capability.
pub(super) fn approve(
    alias: &str,
    loaded: &Loaded,
    text: &str,
    shown: &[String],
    lasts: &Lasts,
    typed_name: Option<&str>,
) -> Result<Approved, Refusal> {
    let spec: GrantSpec = text.parse().map_err(|error: conductor_core::grant::GrantError| {
        Refusal::new(RefusalCause::NotGrantable, error.to_string())
    })?;
    let duration = match lasts {
        Lasts::Once => GrantDuration::Once,
        Lasts::Session => GrantDuration::Session,
        Lasts::Always => GrantDuration::Always,
        Lasts::Until(until) => GrantDuration::Until(until.parse().map_err(|error| {
            let message = format!("`{until}` is no date: {error}");
            Refusal::new(RefusalCause::NotGrantable, message)
        })?),
    };
    let scope = decided_scope(alias, loaded, &spec, shown)?;
    loaded.permission.approve(spec.capability(), scope.as_ref(), &duration, typed_name).map_err(not_grantable)
}

/// The scope that is granted. None if everything is granted that the plugin declares of the capability; the user was
/// shown all of it.
fn decided_scope(
    alias: &str,
    loaded: &Loaded,
    spec: &GrantSpec,
    shown: &[String],
) -> Result<Option<Scope>, Refusal> {
    let (asking, capability) = (Asking::of(loaded), spec.capability());
    let requested = loaded.permission.requested().into_iter();
    let of_it = requested.filter(|requested| requested.capability() == capability);
    let declared: BTreeMap<String, Scope> =
        of_it.map(|requested| (asking.request(&requested), requested.scope)).collect();
    if declared.is_empty() {
        return Err(not_grantable(ApprovalError::NotDeclared { capability }));
    }
    let look =
        || format!("look at what it asks for now, and decide about that: conductorctl plugin show {alias}");
    if shown.is_empty() || !shown.iter().all(|id| declared.contains_key(id)) {
        let message = format!(
            "what `{alias}` asks for of {capability} is no longer what was shown, so nothing was granted"
        );
        return Err(shown::is_other(message, look()));
    }
    if let Some(scope) = spec.scope() {
        return Ok(Some(scope.clone()));
    }
    let is_shown = |id: &String| shown.contains(id);
    let mut granted = declared.iter().filter(|(id, _)| is_shown(id));
    if declared.keys().all(is_shown) {
        return Ok(None);
    }
    match (granted.next(), granted.next()) {
        (Some((_, scope)), None) => Ok(Some(scope.clone())),
        (_, _) => {
            let message = format!(
                "`{alias}` asks for more of {capability} than was shown, so nothing was granted; \
                 name what is to be granted as {capability}=SCOPE"
            );
            Err(shown::is_other(message, look()))
        }
    }
}

/// The capability of this name. A scope is refused, because a capability is taken away as a whole.
pub(super) fn capability(name: &str) -> Result<Capability, Refusal> {
    let spec: GrantSpec = name.parse().map_err(|error: conductor_core::grant::GrantError| {
        Refusal::new(RefusalCause::NotGrantable, error.to_string())
    })?;
    match spec.scope() {
        None => Ok(spec.capability()),
        Some(_) => {
            let message = "a capability is revoked as a whole: write its name alone".to_owned();
            Err(Refusal::new(RefusalCause::NotGrantable, message))
        }
    }
}

pub(super) fn not_grantable(error: ApprovalError) -> Refusal {
    Refusal { cause: RefusalCause::NotGrantable, message: error.to_string(), hint: error.hint() }
}

/// The requests of a plugin that need the user's approval.
pub(super) fn pending(loaded: &Loaded) -> Vec<RequestStatus> {
    let (asking, decisions) = (Asking::of(loaded), loaded.permission.capabilities());
    loaded.permission.pending().into_iter().map(|requested| decided(&asking, requested, &decisions)).collect()
}

/// A request, with what was decided about its capability.
fn decided(asking: &Asking, requested: Requested, decisions: &[CapabilityDecision]) -> RequestStatus {
    let id = asking.request(&requested);
    let found = decisions.iter().find(|decided| decided.capability == requested.capability());
    let granted = found.and_then(|decided| match &decided.decision {
        Decision::Granted(grant) => {
            let scopes = grant.allowed().iter().take(MAX_ENTRIES).map(|allowed| allowed.scope().to_string());
            Some(scopes.collect::<Vec<_>>().join("; "))
        }
        Decision::NotDeclared
        | Decision::NotGranted { .. }
        | Decision::Denied
        | Decision::AboveCeiling { .. }
        | Decision::NothingToGrant => None,
    });
    let decision = found.map(|decided| excerpt(&decided.to_string()));
    RequestStatus { id, granted, decision, ..request(requested) }
}

fn request(requested: Requested) -> RequestStatus {
    let Requested { scope, risk, reason, is_pending, earlier } = requested;
    RequestStatus {
        id: String::new(),
        capability: scope.capability().to_string(),
        scope: scope.to_string(),
        risk: risk.to_string(),
        reason,
        pending: is_pending,
        earlier: earlier.map(|Earlier { granted, declared, version, at }| EarlierStatus {
            granted: texts(&granted),
            declared: texts(&declared),
            version,
            at: at.to_string(),
        }),
        granted: None,
        decision: None,
    }
}

fn grant(stored: StoredGrant) -> GrantStatus {
    GrantStatus {
        grant: stored.grant.to_string(),
        granted_at: stored.granted_at.to_string(),
        until: stored.until.map(|until| until.to_string()),
    }
}

pub(super) fn texts(specs: &[GrantSpec]) -> Vec<String> {
    specs.iter().take(MAX_ENTRIES).map(GrantSpec::to_string).collect()
}
