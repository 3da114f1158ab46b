//! What the server knows about a connection while it lasts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longest that the head of a request may take; stops a slow client from keeping its place.
const HEAD_WAIT: Duration = Duration::from_secs(5);

/// What the server knows about a connection while it lasts.
pub(super) struct Ticket {
    client_port: u16,
    deadline: Mutex<Instant>,
    admitted: AtomicBool,
}

impl Ticket {
    /// The ticket of a connection that was accepted now, from this port of the loopback interface.
    pub(super) fn new(client_port: u16) -> Self {
        let deadline = Mutex::new(Instant::now() + HEAD_WAIT);
        Self { client_port, deadline, admitted: AtomicBool::new(false) }
    }

    /// The client's port.
    pub(super) const fn client_port(&self) -> u16 {
        self.client_port
    }

    /// Lets the connection last for `wait` from now on.
    pub(super) fn extend(&self, wait: Duration) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + wait;
    }

    /// Notes that the request carries the token of a session.
    pub(super) fn admit(&self) {
        self.admitted.store(true, Ordering::Relaxed);
    }

    /// Whether the request carries the token of a session.
    pub(super) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Relaxed)
    }

    /// When the connection ends, even if it is still at work.
    pub(super) fn deadline(&self) -> Instant {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
