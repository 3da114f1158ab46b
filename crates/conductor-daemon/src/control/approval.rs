//! What plugins ask for, and what the user says to it, in the words of the control protocol.

use conductor_core::grant::store::StoredGrant;
use conductor_core::grant::{ApprovalError, Approved, Earlier, GrantDuration, GrantSpec, Requested};
use conductor_core::{CapabilityDecision, Decision, Permission};

use super::describe::bounded;
use super::message::{EarlierStatus, GrantStatus, Lasts, Refusal, RefusalCause, RequestStatus};

/// Most entries of one list in an answer; a manifest has room for more, and a person does not read them.
const MAX_ENTRIES: usize = 100;

/// What a plugin asks for.
pub(super) fn requests(permission: &Permission) -> Vec<RequestStatus> {
    let decisions = permission.capabilities();
    let requested = permission.requested().into_iter().take(MAX_ENTRIES);
    requested.map(|requested| decided(requested, &decisions)).collect()
}

/// What the user granted to it.
pub(super) fn grants(permission: &Permission) -> Vec<GrantStatus> {
    permission.approved().into_iter().take(MAX_ENTRIES).map(grant).collect()
}

/// Grants what the text says.
pub(super) fn approve(
    permission: &Permission,
    text: &str,
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
    permission.approve(spec.capability(), spec.scope(), &duration, typed_name).map_err(not_grantable)
}

/// Denies the capability of this name.
pub(super) fn deny(permission: &Permission, capability: &str) -> Result<String, Refusal> {
    let spec: GrantSpec = capability.parse().map_err(|error: conductor_core::grant::GrantError| {
        Refusal::new(RefusalCause::NotGrantable, error.to_string())
    })?;
    if spec.scope().is_some() {
        let message = "a capability is revoked as a whole: write its name alone".to_owned();
        return Err(Refusal::new(RefusalCause::NotGrantable, message));
    }
    permission.deny(spec.capability()).map_err(not_grantable)?;
    Ok(spec.capability().to_string())
}

fn not_grantable(error: ApprovalError) -> Refusal {
    Refusal { cause: RefusalCause::NotGrantable, message: error.to_string(), hint: error.hint() }
}

/// What waits for the user's word, of a plugin.
pub(super) fn pending(permission: &Permission) -> Vec<RequestStatus> {
    let decisions = permission.capabilities();
    permission.pending().into_iter().map(|requested| decided(requested, &decisions)).collect()
}

/// A request with what was decided about its capability.
fn decided(requested: Requested, decisions: &[CapabilityDecision]) -> RequestStatus {
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
    let decision = found.map(|decided| bounded(&decided.to_string()));
    RequestStatus { granted, decision, ..request(requested) }
}

fn request(requested: Requested) -> RequestStatus {
    let Requested { scope, risk, reason, is_pending, earlier } = requested;
    RequestStatus {
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
