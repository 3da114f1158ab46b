//! Why something that a plugin asked its host for was not done.

use conductor_abi::Status;

use crate::limits::Limit;

/// Why an operation was not done: a status for the plugin's code and a reason for its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How it ended, for the code of whoever asked.
    pub status: Status,
    /// Why, for its author and the user.
    pub reason: String,
    /// The configured limit that refused, if one did.
    pub limit: Option<Limit>,
    /// What the plugin is told instead, where the reason is the user's alone.
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

    /// The same refusal, of which the plugin is told something else.
    #[must_use]
    pub fn told_as(mut self, status: Status, reason: impl Into<String>) -> Self {
        self.told = Some((status, reason.into()));
        self
    }

    /// The same refusal, of something that came after another thing.
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

    /// What was asked for is not granted.
    #[must_use]
    pub fn denied(reason: impl Into<String>) -> Self {
        Self::new(Status::Denied, reason)
    }

    /// The request breaks a rule of its operation.
    #[must_use]
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self::new(Status::Invalid, reason)
    }

    /// The request or its answer has too many bytes.
    #[must_use]
    pub fn too_large(reason: impl Into<String>) -> Self {
        Self::new(Status::TooLarge, reason)
    }

    /// What was permitted did not work.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::new(Status::Failed, reason)
    }

    /// What was permitted did not end in time.
    #[must_use]
    pub fn timed_out(reason: impl Into<String>) -> Self {
        Self::new(Status::TimedOut, reason)
    }
}
