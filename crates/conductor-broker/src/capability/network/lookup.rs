//! Look-ups of host names. Nothing is connected to but the addresses that come from here, and they were checked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use conductor_policy::scope::literal;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Host;

use crate::devices::{NameResolver, Networks};

use super::Reach;
use super::route::{Look, Place};

/// Look-ups of all plugins that are under way beside the first of each. The system's resolver cannot be interrupted; without
/// this, plugins that ask for names whose servers never answer could use up the threads for look-ups.
const MAX_MORE_LOOKUPS: usize = 64;

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Why there is no address to connect to.
#[derive(Debug, Error)]
pub(super) enum LookupError {
    /// The resolver failed, or knows no address.
    #[error("{0}")]
    Resolver(io::Error),
    /// There are addresses, and none of them may be connected to.
    #[error("leads to {}", place(.0))]
    Refused(Place),
    /// It cannot be found out where the addresses lead, so none of them may be connected to.
    #[error("the kernel cannot be asked where it leads: {0}")]
    Unknown(io::Error),
    /// Earlier look-ups of the plugin are still under way.
    #[error("{0} look-ups are under way")]
    Busy(usize),
    /// Earlier look-ups of all plugins together are.
    #[error("the plugins of this host have too many look-ups under way")]
    AllBusy,
}

/// Where an address leads that may not be connected to, in words.
pub(super) fn place(place: &Place) -> String {
    match place {
        Place::Outside => "the internet".to_owned(),
        Place::Inside(inside) => inside.to_string(),
        Place::NoHost(kind) => kind.to_string(),
        Place::Nowhere => "no address that there is a way to".to_owned(),
    }
}

/// The look-ups that one plugin has under way.
#[derive(Clone)]
pub(super) struct Lookups {
    under_way: Arc<AtomicUsize>,
    max: usize,
    more: Arc<Semaphore>,
}

/// A look-up under way, until it is dropped.
struct UnderWay {
    own: Arc<AtomicUsize>,
    _more: Option<OwnedSemaphorePermit>,
}

/// What plugins share beside their first look-ups.
pub(super) fn more_for_all() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_MORE_LOOKUPS))
}

impl Lookups {
    pub(super) fn new(max: u32, more: &Arc<Semaphore>) -> Self {
        Self { under_way: Arc::default(), max: max as usize, more: Arc::clone(more) }
    }

    /// Begins a look-up. Each plugin may always have one; the others are shared out among all.
    fn begin(&self) -> Result<UnderWay, LookupError> {
        let before = self.under_way.fetch_add(1, Ordering::AcqRel);
        let mut begun = UnderWay { own: Arc::clone(&self.under_way), _more: None };
        if before >= self.max {
            return Err(LookupError::Busy(self.max));
        }
        if before > 0 {
            let more = Arc::clone(&self.more).try_acquire_owned().map_err(|_| LookupError::AllBusy)?;
            begun._more = Some(more);
        }
        Ok(begun)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.own.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A resolver that returns only addresses within reach.
#[derive(Clone)]
pub(super) struct CheckingResolver {
    pub(super) names: Arc<dyn NameResolver>,
    pub(super) networks: Arc<Networks>,
    pub(super) lookups: Lookups,
    pub(super) reach: Reach,
}

impl CheckingResolver {
    /// The addresses of a host that may be connected to, with its port.
    pub(super) async fn addresses(
        &self,
        host: &Host<String>,
        port: u16,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        let addresses = match literal(host) {
            Some(address) => vec![address],
            None => self.look_up(&host.to_string()).await?,
        };
        self.within_reach(addresses, port).await
    }

    /// Whether an address may still be connected to.
    pub(super) async fn still(&self, address: SocketAddr) -> Result<(), LookupError> {
        self.within_reach(vec![address.ip()], address.port()).await.map(|_addresses| ())
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let begun = self.lookups.begin()?;
        let name = name.trim_end_matches('.').to_owned();
        if is_localhost(&name) {
            return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        }
        let names = Arc::clone(&self.names);
        let lookup = move || {
            let addresses = names.resolve(&name);
            drop(begun);
            addresses
        };
        let addresses = tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other);
        addresses.and_then(|addresses| addresses).map_err(LookupError::Resolver)
    }

    /// Asks the kernel on a thread that may wait for it.
    async fn within_reach(&self, addresses: Vec<IpAddr>, port: u16) -> Result<Vec<SocketAddr>, LookupError> {
        let (networks, reach) = (Arc::clone(&self.networks), self.reach);
        let check = move || within_reach(&networks, addresses, port, reach);
        tokio::task::spawn_blocking(check)
            .await
            .map_err(|error| LookupError::Unknown(io::Error::other(error)))?
    }
}

/// `localhost` and names below it are this machine, whatever a name server says (RFC 6761, section 6.3).
fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Keeps the addresses that may be connected to.
fn within_reach(
    networks: &Networks,
    addresses: Vec<IpAddr>,
    port: u16,
    reach: Reach,
) -> Result<Vec<SocketAddr>, LookupError> {
    let mut look = Look::new(networks);
    let mut refused = None;
    let mut kept = Vec::new();
    for address in addresses.into_iter().take(MAX_ADDRESSES) {
        let may_connect = match (look.at(address, port), reach) {
            (Ok(Place::Outside), _) | (Ok(Place::Inside(_)), Reach::Inside) => Ok(()),
            (Ok(place @ (Place::Inside(_) | Place::NoHost(_) | Place::Nowhere)), _) => {
                Err(LookupError::Refused(place))
            }
            // Whoever named the host may reach it wherever it is.
            (Err(_), Reach::Inside) => Ok(()),
            (Err(error), Reach::Public) => Err(LookupError::Unknown(error)),
        };
        match may_connect {
            Ok(()) => kept.push(SocketAddr::new(address, port)),
            Err(error) => refused = Some(error),
        }
    }
    match (kept.is_empty(), refused) {
        (false, _) => Ok(kept),
        (true, Some(refused)) => Err(refused),
        (true, None) => Err(LookupError::Resolver(io::Error::from(io::ErrorKind::NotFound))),
    }
}

#[cfg(test)]
mod tests {
    use conductor_policy::scope::AddressKind;

    use super::*;

    fn kept(addresses: &[&str], reach: Reach) -> Result<Vec<String>, LookupError> {
        let addresses = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        let kept = within_reach(&Networks::default(), addresses, 80, reach)?;
        Ok(kept.iter().map(|address| address.ip().to_string()).collect())
    }

    #[test]
    fn only_checked_addresses_are_connected_to() {
        assert_eq!(kept(&["127.0.0.1", "::1"], Reach::Inside).expect("all"), ["127.0.0.1", "::1"]);
        let refused = kept(&["10.0.0.1", "127.0.0.1"], Reach::Public);
        let inside = |kind| Place::Inside(super::super::route::Inside::Reserved(kind));
        assert!(
            matches!(refused, Err(LookupError::Refused(place)) if place == inside(AddressKind::Loopback)),
            "{refused:?}"
        );
        assert!(matches!(kept(&["0.0.0.0", "ff02::1"], Reach::Inside), Err(LookupError::Refused(_))));
        assert!(matches!(kept(&[], Reach::Public), Err(LookupError::Resolver(_))));
    }

    #[test]
    fn a_plugin_always_has_one_look_up_and_the_others_are_shared_out() {
        let more = Arc::new(Semaphore::new(2));
        let (greedy, other) = (Lookups::new(4, &more), Lookups::new(4, &more));
        let mut held: Vec<_> = (0..3).map(|_| greedy.begin().expect("a look-up")).collect();
        assert!(matches!(greedy.begin(), Err(LookupError::AllBusy)));
        let _first = other.begin().expect("its own");
        assert!(matches!(other.begin(), Err(LookupError::AllBusy)));
        held.pop();
        let _second = other.begin().expect("what was given back");
        let few = Lookups::new(1, &more);
        let _only = few.begin().expect("its own");
        assert!(matches!(few.begin(), Err(LookupError::Busy(1))));
    }
}
