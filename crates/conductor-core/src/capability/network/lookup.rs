//! Look-ups of host names. The client connects to nothing but the addresses that come from here, and they were
//! checked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::sync::Semaphore;
use url::Host;

use crate::devices::NameResolver;
use crate::scope::{AddressKind, literal};

use super::{Reach, kind_here, may_connect};

/// Most look-ups of one plugin at the same time. The system's resolver cannot be interrupted; without this a plugin
/// could keep all threads for look-ups busy with names whose servers never answer.
const MAX_LOOKUPS: usize = 4;

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Why a name has no address to connect to.
#[derive(Debug, Error)]
pub(super) enum LookupError {
    /// The resolver failed, or knows no address.
    #[error("{0}")]
    Resolver(io::Error),
    /// The name has addresses, and none of them may be connected to.
    #[error("the host's address is {0}")]
    Refused(AddressKind),
    /// Earlier look-ups of the plugin are still under way.
    #[error("{MAX_LOOKUPS} look-ups are under way")]
    Busy,
}

/// The look-ups that one plugin has under way.
#[derive(Clone)]
pub(super) struct Lookups(Arc<Semaphore>);

impl Default for Lookups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS)))
    }
}

/// A resolver that returns only addresses within reach.
#[derive(Clone)]
pub(super) struct CheckingResolver {
    pub(super) names: Arc<dyn NameResolver>,
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
        within_reach(addresses, port, self.reach)
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let slot = Arc::clone(&self.lookups.0).try_acquire_owned().map_err(|_| LookupError::Busy)?;
        let name = name.trim_end_matches('.').to_owned();
        if is_localhost(&name) {
            return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        }
        let names = Arc::clone(&self.names);
        let lookup = move || {
            let addresses = names.resolve(&name);
            drop(slot);
            addresses
        };
        let addresses = tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other);
        addresses.and_then(|addresses| addresses).map_err(LookupError::Resolver)
    }
}

impl Resolve for CheckingResolver {
    /// Port 0 stands for the port of the URL.
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.look_up(name.as_str()).await?;
            let addresses: Addrs = Box::new(within_reach(addresses, 0, resolver.reach)?.into_iter());
            Ok(addresses)
        })
    }
}

/// `localhost` and names below it are this machine, whatever a name server says (RFC 6761, section 6.3).
fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Keeps the addresses that may be connected to.
fn within_reach(addresses: Vec<IpAddr>, port: u16, reach: Reach) -> Result<Vec<SocketAddr>, LookupError> {
    let mut refused = None;
    let mut kept = Vec::new();
    for address in addresses.into_iter().take(MAX_ADDRESSES) {
        let kind = kind_here(address);
        if may_connect(kind, reach == Reach::Inside) {
            kept.push(SocketAddr::new(address, port));
        } else {
            refused = Some(kind);
        }
    }
    match (kept.is_empty(), refused) {
        (false, _) => Ok(kept),
        (true, Some(kind)) => Err(LookupError::Refused(kind)),
        (true, None) => Err(LookupError::Resolver(io::Error::from(io::ErrorKind::NotFound))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(addresses: &[&str], reach: Reach) -> Result<Vec<String>, LookupError> {
        let addresses = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        let kept = within_reach(addresses, 80, reach)?;
        Ok(kept.iter().map(|address| address.ip().to_string()).collect())
    }

    #[test]
    fn only_checked_addresses_are_connected_to() {
        assert_eq!(kept(&["1.1.1.1", "10.0.0.1"], Reach::Public).expect("some"), ["1.1.1.1"]);
        assert_eq!(kept(&["10.0.0.1", "::1"], Reach::Inside).expect("all"), ["10.0.0.1", "::1"]);
        assert!(matches!(
            kept(&["10.0.0.1"], Reach::Public),
            Err(LookupError::Refused(AddressKind::Private))
        ));
        assert!(matches!(kept(&["0.0.0.0", "ff02::1"], Reach::Inside), Err(LookupError::Refused(_))));
        assert!(matches!(kept(&[], Reach::Public), Err(LookupError::Resolver(_))));
    }
}
