//! `[network]`: which addresses are the user's own network, where the routing table does not say so.

use conductor_core::Networks;
use conductor_core::scope::{AddressKind, NetworkPrefix};
use conductor_surface::config::reader::Table;

use super::plugins::list;

/// Most networks of a list. Each network is compared with every address that a plugin connects to.
const MAX_NETWORKS: usize = 256;

pub(super) fn read(root: &Table<'_, '_>) -> Networks {
    let Some(table) = root.table("network") else { return Networks::default() };
    let mut inside =
        list(&table, "inside", |text| text.parse::<NetworkPrefix>().map_err(|error| error.to_string()));
    let mut outside = list(&table, "outside", outer);
    for (key, networks) in [("inside", &mut inside), ("outside", &mut outside)] {
        if networks.len() > MAX_NETWORKS {
            table.fault(table.place(), format!("`{key}` has more than {MAX_NETWORKS} networks"), None);
            networks.clear();
        }
    }
    table.finish();
    Networks { inside, outside }
}

/// Reads a network that the user calls outside. A network that is reserved for inner networks is refused; a host in
/// such a network can be granted by its name.
fn outer(text: &str) -> Result<NetworkPrefix, String> {
    let network: NetworkPrefix =
        text.parse().map_err(|error: conductor_core::scope::PrefixError| error.to_string())?;
    match AddressKind::of(network.address()) {
        AddressKind::Public => Ok(network),
        kind @ (AddressKind::Loopback
        | AddressKind::Private
        | AddressKind::LinkLocal
        | AddressKind::Shared
        | AddressKind::Documentation
        | AddressKind::Tunnel
        | AddressKind::Reserved
        | AddressKind::Multicast
        | AddressKind::Unspecified) => Err(format!(
            "its first address is {kind}, which stays inside; grant a plugin its host by name instead"
        )),
    }
}
