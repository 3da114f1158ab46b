//! The user's decisions about a plugin's capabilities, from all places where they are written.

use conductor_abi::Capability;

use super::{GrantSpec, Once};
use crate::scope::Scope;

/// The user's decisions about one plugin.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// Grants in the configuration or on the command line. A bare name stands for what the plugin declares.
    pub configured: Vec<GrantSpec>,
    /// What a bare name in `configured` stands for, if that was stored before.
    pub first_declared: Vec<Scope>,
    /// Scopes that the user was shown and approved.
    pub approved: Vec<Scope>,
    /// Scopes that the user was shown and approved for one deed.
    pub once: Vec<(Scope, Once)>,
    /// Capabilities that the user granted for a time that is over. When a narrower grant ends, the wider automatic one
    /// does not come back.
    pub ended: Vec<Capability>,
    /// Capabilities that are denied, whatever the other fields say.
    pub denied: Vec<Capability>,
    /// Whether what the user granted may exceed the ceiling of the plugin's trust.
    pub lift_ceiling: bool,
}

/// The user's grants of one capability.
pub(super) struct Chosen<'c> {
    pub(super) configured: Vec<&'c GrantSpec>,
    pub(super) first_declared: Vec<Scope>,
    pub(super) approved: Vec<&'c Scope>,
    pub(super) once: Vec<&'c (Scope, Once)>,
    pub(super) has_ended: bool,
}

impl Choices {
    pub(super) fn about(&self, capability: Capability) -> Chosen<'_> {
        let of = |scope: &&Scope| scope.capability() == capability;
        Chosen {
            configured: self.configured.iter().filter(|spec| spec.capability() == capability).collect(),
            first_declared: self.first_declared.iter().filter(of).cloned().collect(),
            approved: self.approved.iter().filter(of).collect(),
            once: self.once.iter().filter(|(scope, _)| scope.capability() == capability).collect(),
            has_ended: self.ended.contains(&capability),
        }
    }
}

impl Chosen<'_> {
    /// Whether the user granted anything.
    pub(super) const fn is_any(&self) -> bool {
        !self.configured.is_empty() || !self.approved.is_empty() || !self.once.is_empty()
    }
}
