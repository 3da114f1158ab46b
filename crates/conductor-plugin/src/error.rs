//! The error of every call to the host.

use std::fmt;

use conductor_abi::Status;

/// A call to the host that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError {
    status: Status,
    message: String,
}

impl HostError {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// Which kind of failure it is, such as [`Status::Denied`] for a capability that was not granted.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Why, in the host's words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HostError {}
