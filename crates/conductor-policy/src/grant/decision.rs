//! What was decided about a capability, and the grant that operations are compared with.

use std::fmt;

use conductor_abi::{Capability, Risk};

use super::Once;
use crate::scope::{NetworkScope, Scope};

/// What was decided about one capability of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityDecision {
    /// The capability.
    pub capability: Capability,
    /// What was decided.
    pub decision: Decision,
}

impl fmt::Display for CapabilityDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.capability, self.decision)
    }
}

/// Whether a capability is granted and, if not, why. Its text continues the words "Network is".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Granted within the scopes of the grant.
    Granted(Grant),
    /// The plugin does not declare the capability.
    NotDeclared,
    /// Declared, but nobody approved it.
    NotGranted {
        /// Risk of what is declared.
        risk: Risk,
    },
    /// The user denied it.
    Denied,
    /// What was granted is riskier than the plugin's trust allows.
    AboveCeiling {
        /// Lowest risk of what was granted.
        risk: Risk,
        /// Highest risk allowed.
        ceiling: Risk,
    },
    /// Granted by a bare name, but the plugin declares no scope that could be granted.
    NothingToGrant,
}

impl Decision {
    /// The scopes that the decision grants.
    pub(super) fn allowed(&self) -> &[Allowance] {
        if let Self::Granted(grant) = self { grant.allowed() } else { &[] }
    }

    /// The grants for once that the decision rests on.
    pub(super) fn onces(&self) -> impl Iterator<Item = &Once> {
        let grant = if let Self::Granted(grant) = self { Some(grant) } else { None };
        grant.into_iter().flat_map(Grant::onces)
    }

    /// The decision limited to scopes that `before` granted too.
    pub(super) fn within(&self, before: &Self) -> Self {
        let (Self::Granted(now), Self::Granted(before)) = (self, before) else {
            return Self::NotGranted { risk: Risk::High };
        };
        let was = |allowance: &&Allowance| allowance.is_within(&before.allowed);
        let allowed: Vec<_> = now.allowed.iter().filter(was).cloned().collect();
        if allowed.is_empty() {
            return Self::NotGranted { risk: Risk::High };
        }
        Self::Granted(Grant { declared: now.declared.clone(), allowed })
    }

    /// The decision without those grants for once for which `is_kept` is false.
    pub(super) fn keeping(&self, is_kept: impl Fn(&Once) -> bool) -> Self {
        let Self::Granted(Grant { declared, allowed }) = self else { return self.clone() };
        let allowed = allowed.iter().filter(|allowance| allowance.once.as_ref().is_none_or(&is_kept));
        let (declared, allowed) = (declared.clone(), allowed.cloned().collect::<Vec<_>>());
        if allowed.is_empty() {
            Self::NotGranted { risk: declared.iter().map(Scope::risk).max().unwrap_or(Risk::High) }
        } else {
            Self::Granted(Grant { declared, allowed })
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted(grant) => {
                f.write_str("granted ")?;
                for (index, allowance) in grant.allowed.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", and " };
                    write!(f, "{separator}{allowance}")?;
                }
                Ok(())
            }
            Self::NotDeclared => f.write_str("not declared by the plugin"),
            Self::NotGranted { risk } => write!(f, "not granted; at {risk} risk it needs approval"),
            Self::Denied => f.write_str("denied by the user"),
            Self::AboveCeiling { risk, ceiling } => write!(
                f,
                "not granted; its {risk} risk is above {ceiling}, the highest that the trust in its signature allows"
            ),
            Self::NothingToGrant => {
                f.write_str("not granted; the plugin declares no scope, so the grant must name one")
            }
        }
    }
}

/// A granted capability. An operation is allowed if both a declared scope and a granted scope cover it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    declared: Vec<Scope>,
    allowed: Vec<Allowance>,
}

impl Grant {
    pub(super) const fn new(declared: Vec<Scope>, allowed: Vec<Allowance>) -> Self {
        Self { declared, allowed }
    }

    /// Scopes that the plugin declares.
    #[must_use]
    pub fn declared(&self) -> &[Scope] {
        &self.declared
    }

    /// Scopes that were granted.
    #[must_use]
    pub fn allowed(&self) -> &[Allowance] {
        &self.allowed
    }

    /// The grants for once among the granted scopes. A grant with several scopes comes once for each.
    pub fn onces(&self) -> impl Iterator<Item = &Once> {
        self.allowed.iter().filter_map(|allowance| allowance.once.as_ref())
    }

    /// The granted scopes that cover an operation, if a declared scope covers it too. `covers` says whether one scope
    /// covers the operation. A declared scope of a high risk that names nothing leaves the naming to the user, and so
    /// covers everything; a granted scope that names nothing grants nothing.
    ///
    /// # Errors
    ///
    /// Says whether no declared scope or no granted scope covers the operation.
    pub fn covering(&self, covers: impl Fn(&Scope) -> bool) -> Result<Vec<&Allowance>, Outside> {
        if !self.declared.iter().any(|scope| scope.is_nothing() || covers(scope)) {
            return Err(Outside::Declared);
        }
        let covers = |scope: &Scope| !scope.is_nothing() && covers(scope);
        let covering: Vec<_> = self.allowed.iter().filter(|allowance| covers(&allowance.scope)).collect();
        if covering.is_empty() { Err(Outside::Granted) } else { Ok(covering) }
    }
}

/// Which of the two sides does not cover an operation. Its text continues the words "host `a.example` is".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// What the plugin declares.
    Declared,
    /// What was granted.
    Granted,
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Declared => "outside the scope that the plugin declares",
            Self::Granted => "outside the scope that was granted",
        })
    }
}

/// One granted scope and where the grant comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    scope: Scope,
    source: GrantSource,
    /// The state of the grant, if it is for once.
    once: Option<Once>,
}

impl Allowance {
    /// A grant of this scope. A scope of Network without hosts is replaced by what it grants.
    pub(super) fn new(scope: Scope, source: GrantSource) -> Self {
        Self { scope: scope.granted(), source, once: None }
    }

    /// A grant for once of a scope that the user was shown and approved.
    pub(super) fn for_once(scope: Scope, once: Once) -> Self {
        Self { scope: scope.granted(), source: GrantSource::Approved, once: Some(once) }
    }

    /// Whether one of these grants as much: the same scope, its places inside as well where it opens any, and for more
    /// than one deed unless it is for the same one.
    pub(super) fn is_within(&self, known: &[Self]) -> bool {
        known.iter().any(|known| {
            known.scope == self.scope
                && (known.opens_inside() || !self.opens_inside())
                && (known.once.is_none() || known.once == self.once)
        })
    }

    /// Whether it opens places on the user's own machine or network, which takes more than a scope that covers them.
    fn opens_inside(&self) -> bool {
        self.source.names_scope() && self.scope.as_network().is_some_and(NetworkScope::reaches_inside)
    }

    /// What is granted.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Where the grant comes from.
    #[must_use]
    pub const fn source(&self) -> GrantSource {
        self.source
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = self.scope.to_string();
        if scope.is_empty() {
            f.write_str(self.source.name())
        } else {
            write!(f, "{}: {scope}", self.source.name())
        }
    }
}

/// Where a grant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantSource {
    /// Declared by the plugin and of low risk.
    Automatic,
    /// The user granted what the plugin declares.
    AsDeclared,
    /// The user named this scope.
    Named,
    /// The user was shown this scope and approved it.
    Approved,
}

impl GrantSource {
    /// Whether the user made the grant.
    #[must_use]
    pub const fn is_explicit(self) -> bool {
        match self {
            Self::Automatic => false,
            Self::AsDeclared | Self::Named | Self::Approved => true,
        }
    }

    /// Whether the user saw this very scope. Only such a grant opens the user's own machine and network.
    #[must_use]
    pub const fn names_scope(self) -> bool {
        match self {
            Self::Automatic | Self::AsDeclared => false,
            Self::Named | Self::Approved => true,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatically",
            Self::AsDeclared => "as declared",
            Self::Named => "by name",
            Self::Approved => "by approval",
        }
    }
}
