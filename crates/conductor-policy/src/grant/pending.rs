//! What a plugin asks for, and whether it is decided.

use conductor_abi::{Capability, CapabilityRequest, Risk};
use conductor_signing::UtcTime;

use super::store::StoredGrant;
use super::{Decision, GrantError, GrantSource, GrantSpec, Grants, declared_scope};
use crate::scope::Scope;

/// Something that a plugin asks for. A request without a decision waits for ever: nothing is granted because time has
/// passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// The scope that is asked for.
    pub scope: Scope,
    /// The risk of granting it.
    pub risk: Risk,
    /// Why the plugin needs it, in its own words.
    pub reason: Option<String>,
    /// Whether the request needs the user's approval.
    pub is_pending: bool,
    /// What the user decided about this capability before, perhaps when the plugin asked for less or for something
    /// else.
    pub earlier: Option<Earlier>,
}

/// An earlier decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// What was granted.
    pub granted: Vec<GrantSpec>,
    /// What the plugin declared at that time.
    pub declared: Vec<GrantSpec>,
    /// The plugin's version at that time, if it had one.
    pub version: Option<String>,
    /// When the user decided.
    pub at: UtcTime,
}

impl Requested {
    /// The capability.
    #[must_use]
    pub const fn capability(&self) -> Capability {
        self.scope.capability()
    }
}

/// Everything that is asked for, each with whether it is pending: neither a rule nor a decision of the user has settled
/// it.
///
/// # Errors
///
/// Names a requested capability that does not exist, or a requested scope that is not understood.
pub(super) fn requested(
    requests: &[CapabilityRequest],
    grants: &Grants,
    stored: &[StoredGrant],
) -> Result<Vec<Requested>, GrantError> {
    let mut requested: Vec<Requested> = Vec::new();
    for request in requests {
        let scope = declared_scope(request)?;
        if requested.iter().any(|earlier| earlier.scope == scope) {
            continue;
        }
        let of_it: Vec<_> =
            stored.iter().filter(|stored| stored.grant.capability() == scope.capability()).collect();
        let earlier = of_it.last().map(|last| Earlier {
            granted: of_it.iter().map(|stored| stored.grant.clone()).collect(),
            declared: last.declared.clone(),
            version: last.version.clone(),
            at: last.granted_at.clone(),
        });
        requested.push(Requested {
            risk: scope.risk(),
            reason: request.reason.clone(),
            is_pending: !is_settled(&scope, grants.decision(scope.capability()), &of_it),
            scope,
            earlier,
        });
    }
    Ok(requested)
}

fn is_settled(scope: &Scope, decision: &Decision, stored: &[&StoredGrant]) -> bool {
    let decided_then = || {
        let asked = GrantSpec::of(scope.clone());
        stored.iter().any(|stored| stored.declared.contains(&asked))
    };
    match decision {
        Decision::Granted(grant) => {
            let covers = |source: GrantSource, allowed: &Scope| match source {
                GrantSource::Automatic => scope.risk() == Risk::Low,
                GrantSource::Named => true,
                GrantSource::AsDeclared | GrantSource::Approved => *allowed == scope.clone().granted(),
            };
            grant.allowed().iter().any(|allowance| covers(allowance.source(), allowance.scope()))
                || decided_then()
        }
        Decision::NotGranted { .. } | Decision::NothingToGrant => decided_then(),
        // A decision of the user about this plugin's request would change nothing here.
        Decision::NotDeclared | Decision::Denied | Decision::AboveCeiling { .. } => true,
    }
}
