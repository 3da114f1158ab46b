//! How many connections there are: those of a plugin, and those of all plugins together.

use std::sync::Arc;
use std::time::Duration;

use conductor_abi::Status;
use conductor_call::{Limit, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a connection waits for one that is being ended to be gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// Descriptors of this process that the network leaves alone, in parts of all that it may open: for control, for workers, and
/// for whatever else keeps the host going.
const RESERVED_SHARE: u64 = 2;

/// Places for the connections of one plugin.
#[derive(Clone)]
pub(super) struct Seats {
    own: Arc<Semaphore>,
    max: usize,
    all: Arc<Semaphore>,
}

/// A place, until it is dropped with its connection.
pub(super) struct Seat {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSeat {
    /// The plugin has as many connections as it may.
    Own(usize),
    /// All plugins together do.
    All,
}

/// Places for the connections of all plugins, by how many descriptors this process may have.
pub(super) fn for_all() -> Arc<Semaphore> {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let seats = descriptors.unwrap_or(u64::MAX) / RESERVED_SHARE;
    Arc::new(Semaphore::new(usize::try_from(seats).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)))
}

impl Seats {
    pub(super) fn new(max: u32, all: &Arc<Semaphore>) -> Self {
        let max = max as usize;
        Self { own: Arc::new(Semaphore::new(max)), max, all: Arc::clone(all) }
    }

    /// Takes a place, if there is one now.
    pub(super) fn try_take(&self) -> Result<Seat, NoSeat> {
        let own = Arc::clone(&self.own).try_acquire_owned().map_err(|_| NoSeat::Own(self.max))?;
        let all = Arc::clone(&self.all).try_acquire_owned().map_err(|_| NoSeat::All)?;
        Ok(Seat { _own: own, _all: all })
    }

    /// Takes a place, of a connection that ends just now if need be.
    pub(super) async fn take(&self) -> Result<Seat, NoSeat> {
        let own = timeout(PATIENCE, Arc::clone(&self.own).acquire_owned()).await;
        let own = own.ok().and_then(Result::ok).ok_or(NoSeat::Own(self.max))?;
        let all = timeout(PATIENCE, Arc::clone(&self.all).acquire_owned()).await;
        let all = all.ok().and_then(Result::ok).ok_or(NoSeat::All)?;
        Ok(Seat { _own: own, _all: all })
    }
}

impl From<NoSeat> for Refusal {
    fn from(none: NoSeat) -> Self {
        let reason = match none {
            NoSeat::Own(max) => format!("{max} connections are open; close one"),
            NoSeat::All => {
                "the plugins of this host together have as many connections as it may open".to_owned()
            }
        };
        Self::by(Limit::NetworkConnections, Status::RateLimited, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_has_its_places_and_all_together_theirs() {
        let all = Arc::new(Semaphore::new(3));
        let (one, other) = (Seats::new(2, &all), Seats::new(2, &all));
        let first = one.try_take().expect("a place");
        let _second = one.try_take().expect("a place");
        assert_eq!(one.try_take().err(), Some(NoSeat::Own(2)));
        let _third = other.try_take().expect("a place");
        assert_eq!(other.try_take().err(), Some(NoSeat::All));
        drop(first);
        assert!(other.try_take().is_ok());
        assert!(one.try_take().is_ok());
        for none in [NoSeat::Own(2), NoSeat::All] {
            assert_eq!(Refusal::from(none).limit, Some(Limit::NetworkConnections));
        }
    }
}
