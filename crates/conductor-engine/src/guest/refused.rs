//! The limits that refused a plugin something without ending its call.

use conductor_call::Limit;

/// The limits that refused something, in the order of their first refusal. Each limit has at most one entry, however
/// often the plugin reaches it.
pub(crate) struct Refused {
    limits: Vec<Limit>,
}

impl Refused {
    pub(super) const fn new() -> Self {
        Self { limits: Vec::new() }
    }

    pub(crate) fn note(&mut self, limit: Limit) {
        if !self.limits.contains(&limit) {
            self.limits.push(limit);
        }
    }

    /// The limits since the last call of this function.
    pub(super) fn take(&mut self) -> Vec<Limit> {
        std::mem::take(&mut self.limits)
    }
}
