//! What was decided about a capability, and the grant that an operation is held against.

use std::fmt;

use conductor_abi::{Capability, Risk};

use super::Once;
use crate::scope::Scope;

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

/// Whether a capability is granted, and if not, why. Written so that it follows "Network is".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Granted, as far as the grant says.
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
    /// Riskier than the plugin's trust allows.
    AboveCeiling {
        /// Risk of what was to be granted.
        risk: Risk,
        /// Highest risk allowed.
        ceiling: Risk,
    },
    /// Granted by a bare name where the plugin declares nothing to grant.
    NothingToGrant,
}

impl Decision {
    /// The grants for once that it rests on.
    pub(super) fn onces(&self) -> impl Iterator<Item = &Once> {
        let grant = if let Self::Granted(grant) = self { Some(grant) } else { None };
        grant.into_iter().flat_map(Grant::onces)
    }

    /// What of it was granted before.
    pub(super) fn within(&self, before: &Self) -> Self {
        let (Self::Granted(now), Self::Granted(before)) = (self, before) else {
            return Self::NotGranted { risk: Risk::High };
        };
        let was = |allowance: &&Allowance| before.allowed.iter().any(|known| known.scope == allowance.scope);
        let allowed: Vec<_> = now.allowed.iter().filter(was).cloned().collect();
        if allowed.is_empty() {
            return Self::NotGranted { risk: Risk::High };
        }
        Self::Granted(Grant { declared: now.declared.clone(), allowed })
    }

    /// What is left of it without grants for once that are not among those.
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

/// A granted capability. An operation is allowed if both what was declared and what was granted cover it.
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

    /// The grants for once among what was granted, each as often as it has scopes.
    pub fn onces(&self) -> impl Iterator<Item = &Once> {
        self.allowed.iter().filter_map(|allowance| allowance.once.as_ref())
    }

    /// The granted scopes that cover something, if a declared one covers it too. `covers` answers for one scope. A declared
    /// scope that names nothing of a high risk leaves it to the user to name it; a granted one grants nothing.
    ///
    /// # Errors
    ///
    /// Says on which side nothing covers it.
    pub fn covering(&self, covers: impl Fn(&Scope) -> bool) -> Result<Vec<&Allowance>, Outside> {
        if !self.declared.iter().any(|scope| scope.is_nothing() || covers(scope)) {
            return Err(Outside::Declared);
        }
        let covers = |scope: &Scope| !scope.is_nothing() && covers(scope);
        let covering: Vec<_> = self.allowed.iter().filter(|allowance| covers(&allowance.scope)).collect();
        if covering.is_empty() { Err(Outside::Granted) } else { Ok(covering) }
    }
}

/// Which of the two scopes does not cover an operation. Written so that it follows "host `a.example` is".
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
    /// Whether it was used, if it is for one deed.
    once: Option<Once>,
}

impl Allowance {
    /// A grant of this scope, as far as it grants anything that it does not name.
    pub(super) fn new(scope: Scope, source: GrantSource) -> Self {
        Self { scope: scope.granted(), source, once: None }
    }

    /// What the user was shown and approved for one deed.
    pub(super) fn for_once(scope: Scope, once: Once) -> Self {
        Self { scope: scope.granted(), source: GrantSource::Approved, once: Some(once) }
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
    /// Whether the user said so.
    #[must_use]
    pub const fn is_explicit(self) -> bool {
        match self {
            Self::Automatic => false,
            Self::AsDeclared | Self::Named | Self::Approved => true,
        }
    }

    /// Whether the user saw the very scope: that alone opens the user's own machine and network.
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
