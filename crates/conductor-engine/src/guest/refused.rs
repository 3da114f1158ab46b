//! The limits that refused a plugin something without ending its call.

use conductor_call::Limit;

/// Which limits refused something, each once, in the order in which they first did. At most one entry for each limit,
/// however often a plugin runs into it.
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

    /// What was noted since the last time.
    pub(super) fn take(&mut self) -> Vec<Limit> {
        std::mem::take(&mut self.limits)
    }
}
