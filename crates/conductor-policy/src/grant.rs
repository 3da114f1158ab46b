//! Grants: what a plugin asks for ∩ what it is allowed, decided before anything is handed out.

mod approvals;
mod choices;
mod decision;
mod error;
mod judge;
mod once;
mod pending;
mod session;
mod spec;
pub mod store;
mod taken;
mod unkept;

use std::sync::Arc;

use conductor_abi::{Capability, CapabilityRequest, Risk};
use conductor_signing::TrustLevel;
use thiserror::Error;

use crate::scope::{Excerpt, Scope, ScopeError};

pub use approvals::{Approval, Approvals, Approved, Before, Decided, Duration as GrantDuration};
pub use choices::Choices;
use choices::Chosen;
pub use decision::{Allowance, CapabilityDecision, Decision, Grant, GrantSource, Outside};
pub use error::ApprovalError;
pub use judge::{Judge, JudgeError, Vouched};
pub use once::{Deed, DeedNumber, Once};
pub use pending::{Earlier, Requested};
pub use session::{SessionGrants, UnkeptDenial};
pub use spec::GrantSpec;
pub use taken::Taken;

/// Most grants that last no longer than the host runs; stops a program that grants in a loop from filling the memory.
const MAX_SESSION_GRANTS: usize = 4096;

/// The highest risk that may be granted, by how far a plugin is vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// For plugins without a valid signature.
    pub unsigned: Risk,
    /// For plugins whose signer is not trusted.
    pub self_signed: Risk,
    /// For plugins whose signer is trusted; `None` if the user set no ceiling for the key.
    pub trusted: Option<Risk>,
}

impl Ceilings {
    /// The ceiling of a plugin; `None` if it has no ceiling.
    #[must_use]
    pub const fn of(self, trust: &TrustLevel) -> Option<Risk> {
        match trust {
            TrustLevel::Unsigned => Some(self.unsigned),
            TrustLevel::SelfSigned => Some(self.self_signed),
            TrustLevel::Trusted { .. } => self.trusted,
        }
    }
}

/// What was decided about every capability of one plugin.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    decisions: Vec<CapabilityDecision>,
}

impl Grants {
    /// No capability at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Decides about every capability that the plugin requests or the user names.
    ///
    /// A capability that the plugin does not request is never granted, and a denial outranks every grant. Without an
    /// entry in `configured` or `approved`, requests of low risk are granted; with entries, exactly what they say.
    /// Nothing above the ceiling of the plugin's trust is granted, unless the user granted it and `lift_ceiling` is
    /// set.
    ///
    /// # Errors
    ///
    /// Names a requested capability that does not exist, or a requested scope that is not understood.
    pub fn resolve(
        requests: &[CapabilityRequest],
        choices: &Choices,
        trust: &TrustLevel,
        ceilings: Ceilings,
    ) -> Result<Self, GrantError> {
        Self::resolve_below(requests, choices, ceilings.of(trust))
    }

    /// The same decision, below a ceiling that is known already.
    pub(crate) fn resolve_below(
        requests: &[CapabilityRequest],
        choices: &Choices,
        ceiling: Option<Risk>,
    ) -> Result<Self, GrantError> {
        let requested = requests.iter().map(declared_scope).collect::<Result<Vec<_>, _>>()?;
        let mut grants = Self::none();
        for capability in Capability::ALL {
            let declared: Vec<_> =
                requested.iter().filter(|scope| scope.capability() == capability).cloned().collect();
            let chosen = choices.about(capability);
            let denied = choices.denied.contains(&capability);
            if declared.is_empty() && !chosen.is_any() && !denied {
                continue;
            }
            let decision = if declared.is_empty() {
                Decision::NotDeclared
            } else if denied {
                Decision::Denied
            } else {
                below_ceiling(capability, declared, &chosen, ceiling, choices.lift_ceiling)
            };
            grants.decisions.push(CapabilityDecision { capability, decision });
        }
        Ok(grants)
    }

    /// What was decided about each capability that the plugin requests or the user named.
    #[must_use]
    pub fn decisions(&self) -> &[CapabilityDecision] {
        &self.decisions
    }

    /// What was decided about a capability.
    #[must_use]
    pub fn decision(&self, capability: Capability) -> &Decision {
        let decided = self.decisions.iter().find(|decided| decided.capability == capability);
        decided.map_or(&Decision::NotDeclared, |decided| &decided.decision)
    }

    /// The grants that a deed may rely on. Grants for once that another deed has used are left out.
    pub fn open_to(self: &Arc<Self>, deed: Deed) -> Arc<Self> {
        self.keeping(|once| once.is_open_to(deed))
    }

    /// The grants without those grants for once for which `is_kept` is false.
    pub fn keeping(self: &Arc<Self>, is_kept: impl Fn(&Once) -> bool) -> Arc<Self> {
        let of = |decided: &CapabilityDecision| decided.decision.onces().any(|once| !is_kept(once));
        if !self.decisions.iter().any(of) {
            return Arc::clone(self);
        }
        let decisions = self.decisions.iter().map(|CapabilityDecision { capability, decision }| {
            CapabilityDecision { capability: *capability, decision: decision.keeping(&is_kept) }
        });
        Arc::new(Self { decisions: decisions.collect() })
    }

    /// What `self` grants and `before` did not, by capability.
    pub fn wider_than(&self, before: &Self) -> Vec<(Capability, Vec<GrantSpec>)> {
        let wider = self.decisions.iter().filter_map(|CapabilityDecision { capability, decision }| {
            let known = before.decision(*capability).allowed();
            let new = decision.allowed().iter().filter(|allowance| !allowance.is_within(known));
            let new: Vec<_> = new.map(|allowance| GrantSpec::of(allowance.scope().clone())).collect();
            (!new.is_empty()).then_some((*capability, new))
        });
        wider.collect()
    }

    /// Limits a capability to the scopes that `before` granted too.
    pub fn hold_back(&mut self, capability: Capability, before: &Self) {
        let before = before.decision(capability);
        for decided in self.decisions.iter_mut().filter(|decided| decided.capability == capability) {
            decided.decision = decided.decision.within(before);
        }
    }

    /// Takes a capability away.
    pub fn revoke(&mut self, capability: Capability) {
        for decided in self.decisions.iter_mut().filter(|decided| decided.capability == capability) {
            decided.decision = Decision::Denied;
        }
    }
}

/// Why a grant or a request for one was not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrantError {
    /// A name that is not a capability.
    #[error(
        "unknown capability {name}; known are Network, Audio, Midi, Filesystem, Subprocess and SystemControl"
    )]
    UnknownCapability {
        /// The name as written.
        name: Excerpt,
    },
    /// A scope that is not understood.
    #[error(transparent)]
    Scope(#[from] ScopeError),
}

fn capability(name: &str) -> Result<Capability, GrantError> {
    name.parse().map_err(|_| GrantError::UnknownCapability { name: Excerpt::new(name) })
}

fn declared_scope(request: &CapabilityRequest) -> Result<Scope, GrantError> {
    let capability = capability(&request.name)?;
    Ok(match &request.scope {
        Some(text) => Scope::parse(capability, text)?,
        None => Scope::unnamed(capability),
    })
}

/// Decides about a capability that is declared and not denied.
fn below_ceiling(
    capability: Capability,
    declared: Vec<Scope>,
    chosen: &Chosen<'_>,
    ceiling: Option<Risk>,
    lift_ceiling: bool,
) -> Decision {
    // The user's decision replaces automatic grants, so a narrower grant of the user narrows the capability.
    let has_word = chosen.is_any() || chosen.has_ended;
    let mut allowed = if has_word { explicit(&declared, chosen) } else { automatic(&declared) };
    allowed
        .extend(chosen.approved.iter().map(|scope| Allowance::new((*scope).clone(), GrantSource::Approved)));
    allowed.extend(chosen.once.iter().map(|(scope, once)| Allowance::for_once(scope.clone(), once.clone())));
    let Some(lowest) = allowed.iter().map(|allowance| allowance.scope().risk()).min() else {
        return if chosen.is_any() {
            Decision::NothingToGrant
        } else {
            let risk = declared.iter().map(Scope::risk).max().unwrap_or(capability.risk());
            Decision::NotGranted { risk }
        };
    };
    if let Some(ceiling) = ceiling {
        allowed.retain(|allowance| {
            allowance.scope().risk() <= ceiling || (lift_ceiling && allowance.source().is_explicit())
        });
        if allowed.is_empty() {
            return Decision::AboveCeiling { risk: lowest, ceiling };
        }
    }
    Decision::Granted(Grant::new(declared, allowed))
}

/// Automatic grants: requests of low risk.
fn automatic(declared: &[Scope]) -> Vec<Allowance> {
    let low = declared.iter().filter(|scope| scope.risk() == Risk::Low);
    low.map(|scope| Allowance::new(scope.clone(), GrantSource::Automatic)).collect()
}

/// Grants by the user's own entries.
fn explicit(declared: &[Scope], chosen: &Chosen<'_>) -> Vec<Allowance> {
    let mut allowed = Vec::new();
    let as_declared = if chosen.first_declared.is_empty() { declared } else { &chosen.first_declared };
    for spec in &chosen.configured {
        match spec.scope() {
            Some(scope) => allowed.push(Allowance::new(scope.clone(), GrantSource::Named)),
            None => allowed.extend(
                as_declared.iter().map(|scope| Allowance::new(scope.clone(), GrantSource::AsDeclared)),
            ),
        }
    }
    allowed.retain(|allowance| !allowance.scope().is_nothing());
    allowed
}
