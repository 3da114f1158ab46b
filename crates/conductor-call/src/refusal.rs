//! Why something that a plugin asked its host for was not done.

use conductor_abi::Status;

use crate::limits::Limit;

/// Why an operation was not done: a status for the plugin's code and a reason for its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How the operation ended, for the code of the plugin that asked.
    pub status: Status,
    /// Why the operation was not done, for the plugin's author and the user.
    pub reason: String,
    /// The configured limit by which the operation was refused, if it was refused by a limit.
    pub limit: Option<Limit>,
    /// What the plugin is told instead of status and reason, where the reason is for the user alone.
    told: Option<(Status, String)>,
}

impl Refusal {
    /// A refusal by a rule.
    #[must_use]
    pub fn new(status: Status, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), limit: None, told: None }
    }

    /// A refusal by a limit that the user can raise.
    #[must_use]
    pub fn by(limit: Limit, status: Status, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), limit: Some(limit), told: None }
    }

    /// The same refusal, but the plugin is told this status and this reason.
    #[must_use]
    pub fn told_as(mut self, status: Status, reason: impl Into<String>) -> Self {
        self.told = Some((status, reason.into()));
        self
    }

    /// The same refusal, with a reason that begins with what was done before, such as a redirect.
    #[must_use]
    pub fn after(mut self, what: &str) -> Self {
        self.reason = format!("after {what}: {}", self.reason);
        self.told = self.told.map(|(status, reason)| (status, format!("after {what}: {reason}")));
        self
    }

    /// What the plugin is told.
    #[must_use]
    pub fn into_told(self) -> (Status, String) {
        self.told.unwrap_or((self.status, self.reason))
    }

    /// A refusal of something that is not granted.
    #[must_use]
    pub fn denied(reason: impl Into<String>) -> Self {
        Self::new(Status::Denied, reason)
    }

    /// A refusal of a request that breaks a rule of its operation.
    #[must_use]
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self::new(Status::Invalid, reason)
    }

    /// A refusal of a request or an answer that has too many bytes.
    #[must_use]
    pub fn too_large(reason: impl Into<String>) -> Self {
        Self::new(Status::TooLarge, reason)
    }

    /// A refusal of an operation that was permitted and then failed.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::new(Status::Failed, reason)
    }

    /// A refusal of an operation that was permitted and did not end in time.
    #[must_use]
    pub fn timed_out(reason: impl Into<String>) -> Self {
        Self::new(Status::TimedOut, reason)
    }
}
