//! Where an address leads: to the internet, or to the user's own machine and network.
//!
//! What an address is reserved for says only part of it. A neighbour on the link may have an address of the internet, and
//! behind a tunnel all of the internet has no router in front. So the kernel is asked which way a connection would take
//! (`RTM_GETROUTE`), for each address, when a name was looked up and again right before the connection is made.

#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod message;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use conductor_policy::scope::{AddressKind, NetworkPrefix};

use crate::devices::Networks;

#[cfg(target_os = "linux")]
use kernel::{Kernel, Surroundings, Way};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To the internet.
    Outside,
    /// To the user's own machine or network.
    Inside(Inside),
    /// To no single host: a group, a broadcast, the unspecified address. No grant names these.
    NoHost(AddressKind),
    /// There is no way to it.
    Nowhere,
}

/// Why an address counts as inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// By what it is reserved for.
    Reserved(AddressKind),
    /// It is this machine's.
    Own,
    /// No router is on the way to it, on a link that is shared.
    OnLink,
    /// It is a router's.
    Gateway,
    /// It begins as an address of one of this machine's interfaces does.
    Prefix,
    /// The configuration says so.
    Configured,
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved(kind) => kind.fmt(f),
            Self::Own => f.write_str("an address of this machine"),
            Self::OnLink => f.write_str("an address on this machine's link, without a router on the way"),
            Self::Gateway => f.write_str("the address of a router of this network"),
            Self::Prefix => f.write_str("an address of a network that this machine is in"),
            Self::Configured => f.write_str("an address that the configuration counts as inside"),
        }
    }
}

/// One look at where addresses lead. It is made anew for each look-up and each connection.
pub(super) struct Look<'n> {
    networks: &'n Networks,
    #[cfg(target_os = "linux")]
    asked: Option<(Kernel, Surroundings)>,
}

impl<'n> Look<'n> {
    pub(super) const fn new(networks: &'n Networks) -> Self {
        Self {
            networks,
            #[cfg(target_os = "linux")]
            asked: None,
        }
    }

    /// Where a connection to this address and port leads.
    ///
    /// # Errors
    ///
    /// Fails if the kernel cannot be asked; the address is to count as inside then.
    pub(super) fn at(&mut self, address: IpAddr, port: u16) -> io::Result<Place> {
        let on_the_wire = address.to_canonical();
        let reserved = reserved(on_the_wire);
        if reserved != Place::Outside {
            return Ok(reserved);
        }
        let place = self.route(on_the_wire, port)?;
        match (place, translated(on_the_wire)) {
            // A translator takes it on to the address inside; where that leads nowhere from here, it does from there.
            (Place::Outside, Some(inner)) => match self.at(inner, port)? {
                Place::Nowhere => Ok(Place::Outside),
                place @ (Place::Outside | Place::Inside(_) | Place::NoHost(_)) => Ok(place),
            },
            (place, _) => Ok(place),
        }
    }
}

/// Where an address leads by what it is reserved for.
fn reserved(address: IpAddr) -> Place {
    match AddressKind::of(address) {
        AddressKind::Public => Place::Outside,
        kind @ (AddressKind::Loopback
        | AddressKind::Private
        | AddressKind::LinkLocal
        | AddressKind::Shared
        | AddressKind::Documentation
        | AddressKind::Tunnel
        | AddressKind::Reserved
        | AddressKind::Multicast
        | AddressKind::Unspecified) => {
            if kind.can_be_named() {
                Place::Inside(Inside::Reserved(kind))
            } else {
                Place::NoHost(kind)
            }
        }
    }
}

/// The IPv4 address that a translator makes of an IPv6 one (RFC 6052, section 2.1).
fn translated(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
    let inner = address.to_bits() as u32;
    (address == Ipv6Addr::from_bits((0x64_ff9b << 96) | u128::from(inner))).then(|| IpAddr::V4(inner.into()))
}

/// What the configuration says about an address: the longest prefix counts, and of equal ones that which says inside.
fn configured(networks: &Networks, address: IpAddr) -> Option<Place> {
    let longest = |prefixes: &[NetworkPrefix]| {
        let of_it = prefixes.iter().filter(|prefix| prefix.contains(address));
        of_it.map(NetworkPrefix::length).max()
    };
    match (longest(&networks.inside), longest(&networks.outside)) {
        (None, None) => None,
        (inside, outside) if inside >= outside => Some(Place::Inside(Inside::Configured)),
        _ => Some(Place::Outside),
    }
}

#[cfg(target_os = "linux")]
impl Look<'_> {
    /// Where the kernel leads an address that is reserved for nothing.
    fn route(&mut self, address: IpAddr, port: u16) -> io::Result<Place> {
        let (kernel, surroundings) = match &mut self.asked {
            Some(asked) => asked,
            none => {
                let mut kernel = Kernel::open()?;
                let surroundings = kernel.surroundings()?;
                none.insert((kernel, surroundings))
            }
        };
        let first = kernel.way(address, None, port)?;
        let source = match first {
            Way::Nowhere => None,
            Way::Route { source, .. } => source,
        };
        // The kernel chooses the source address by the first way, and then the way by the source address.
        let second = match source {
            Some(source) => kernel.way(address, Some(source), port)?,
            None => first,
        };
        let by_way = |way| surroundings.place(way);
        let place = match (by_way(first), by_way(second)) {
            (Place::Outside, second) => second,
            (first, _) => first,
        };
        if matches!(place, Place::Inside(Inside::Own) | Place::NoHost(_)) {
            return Ok(place);
        }
        Ok(match configured(self.networks, address) {
            Some(configured) if place != Place::Nowhere => configured,
            _ if place == Place::Outside => surroundings.named(address).map_or(Place::Outside, Place::Inside),
            _ => place,
        })
    }
}

#[cfg(target_os = "linux")]
impl Surroundings {
    /// Where a way leads, by itself.
    fn place(&self, way: Way) -> Place {
        let Way::Route { kind, interface, has_gateway, source: _ } = way else { return Place::Nowhere };
        match kind {
            libc::RTN_LOCAL => return Place::Inside(Inside::Own),
            libc::RTN_UNICAST => {}
            libc::RTN_BROADCAST | libc::RTN_ANYCAST | libc::RTN_MULTICAST => {
                return Place::NoHost(AddressKind::Multicast);
            }
            libc::RTN_BLACKHOLE | libc::RTN_UNREACHABLE | libc::RTN_PROHIBIT | libc::RTN_THROW => {
                return Place::Nowhere;
            }
            // Kinds that are not known lead where nobody can say.
            _ => return Place::Inside(Inside::OnLink),
        }
        const ONE_PEER: i32 = libc::IFF_POINTOPOINT | libc::IFF_NOARP;
        let flags = self.links.iter().find(|(index, _)| Some(*index) == interface).map(|(_, flags)| *flags);
        let has_neighbours = flags.is_none_or(|flags| flags & ONE_PEER as u32 == 0);
        if !has_gateway && has_neighbours { Place::Inside(Inside::OnLink) } else { Place::Outside }
    }

    /// Why an address is inside although the way to it leads out: it is a router's own, or of a network of this machine's.
    fn named(&self, address: IpAddr) -> Option<Inside> {
        if self.gateways.contains(&address) {
            return Some(Inside::Gateway);
        }
        let is_near = self.addresses.iter().any(|(own, length)| {
            NetworkPrefix::of(*own, *length).is_some_and(|prefix| prefix.contains(address))
        });
        is_near.then_some(Inside::Prefix)
    }
}

#[cfg(not(target_os = "linux"))]
impl Look<'_> {
    /// Elsewhere the routing table is not asked: this machine's own addresses are those to which a socket can be bound.
    fn route(&mut self, address: IpAddr, _port: u16) -> io::Result<Place> {
        if std::net::UdpSocket::bind((address, 0)).is_ok() {
            return Ok(Place::Inside(Inside::Own));
        }
        Ok(configured(self.networks, address).unwrap_or(Place::Outside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(texts: &[&str]) -> Vec<NetworkPrefix> {
        texts.iter().map(|text| text.parse().expect("a network")).collect()
    }

    #[test]
    fn the_longest_prefix_of_the_configuration_counts() {
        let networks = Networks {
            inside: prefixes(&["1.0.0.0/8", "1.2.3.0/24", "2a00::/16"]),
            outside: prefixes(&["1.2.0.0/16", "1.2.3.0/24", "1.2.3.4"]),
        };
        let place = |text: &str| configured(&networks, text.parse().expect("an address"));
        assert_eq!(place("1.1.1.1"), Some(Place::Inside(Inside::Configured)));
        assert_eq!(place("1.2.1.1"), Some(Place::Outside));
        assert_eq!(place("1.2.3.1"), Some(Place::Inside(Inside::Configured)), "of equal ones, inside");
        assert_eq!(place("1.2.3.4"), Some(Place::Outside));
        assert_eq!(place("2a00::1"), Some(Place::Inside(Inside::Configured)));
        assert_eq!(place("8.8.8.8"), None);
    }

    #[test]
    fn what_is_reserved_stays_inside_whatever_is_configured() {
        let networks =
            Networks { inside: Vec::new(), outside: prefixes(&["10.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4"]) };
        let place =
            |text: &str| Look::new(&networks).at(text.parse().expect("an address"), 80).expect("asked");
        assert_eq!(place("10.0.0.1"), Place::Inside(Inside::Reserved(AddressKind::Private)));
        assert_eq!(place("::ffff:127.0.0.1"), Place::Inside(Inside::Reserved(AddressKind::Loopback)));
        assert_eq!(place("224.0.0.1"), Place::NoHost(AddressKind::Multicast));
        assert_eq!(place("0.0.0.0"), Place::NoHost(AddressKind::Unspecified));
    }

    #[test]
    fn an_address_behind_a_translator_is_found() {
        let inner = |text: &str| translated(text.parse().expect("an address"));
        assert_eq!(inner("64:ff9b::808:808"), Some(IpAddr::from([8, 8, 8, 8])));
        assert_eq!(inner("2a00::808:808"), None);
    }
}
