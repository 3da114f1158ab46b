//! One grant in the form in which the user writes it: `CAP` or `CAP=SCOPE`.

use std::fmt;
use std::str::FromStr;

use conductor_abi::Capability;

use super::GrantError;
use crate::scope::Scope;

/// A capability that the user grants, with the scope that the user names, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantSpec {
    capability: Capability,
    scope: Option<Scope>,
}

impl GrantSpec {
    /// A grant of the scope that the plugin declares.
    #[must_use]
    pub const fn bare(capability: Capability) -> Self {
        Self { capability, scope: None }
    }

    /// A grant of one scope.
    #[must_use]
    pub const fn of(scope: Scope) -> Self {
        Self { capability: scope.capability(), scope: Some(scope) }
    }

    /// The capability.
    #[must_use]
    pub const fn capability(&self) -> Capability {
        self.capability
    }

    /// The scope that the user names; `None` for the scope that the plugin declares.
    #[must_use]
    pub const fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }
}

impl FromStr for GrantSpec {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, scope) = match text.split_once('=') {
            Some((name, scope)) => (name.trim(), Some(scope)),
            None => (text.trim(), None),
        };
        let capability = super::capability(name)?;
        let scope = scope.map(|scope| Scope::parse(capability, scope)).transpose()?;
        Ok(Self { capability, scope })
    }
}

impl fmt::Display for GrantSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.capability.fmt(f)?;
        match self.scope.as_ref().map(Scope::to_string) {
            Some(scope) if !scope.is_empty() => write!(f, "={scope}"),
            Some(_) | None => Ok(()),
        }
    }
}
