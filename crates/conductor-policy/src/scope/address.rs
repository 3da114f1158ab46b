//! Which IP addresses are on the public internet, and which are on the user's own machine and network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is reserved for, according to the IANA special-purpose registries (RFC 6890 and its successors).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Reachable on the public internet.
    Public,
    /// This machine: `127.0.0.0/8`, `::1`.
    Loopback,
    /// A private network: `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`, `fc00::/7`, `fec0::/10`.
    Private,
    /// The local link, where cloud machines also find their credentials: `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// A provider's network behind address translation: `100.64.0.0/10` (RFC 6598).
    Shared,
    /// Examples in documentation and benchmarks: `192.0.2.0/24`, `198.18.0.0/15`, `2001:db8::/32` and their like.
    Documentation,
    /// An IPv6 form that carries an IPv4 address through a tunnel: 6to4, Teredo, ISATAP, IPv4-compatible.
    Tunnel,
    /// Reserved for protocols or for the future.
    Reserved,
    /// A group of hosts, or all hosts.
    Multicast,
    /// No host. Systems treat these addresses as this machine: `0.0.0.0/8`, `::`.
    Unspecified,
}

impl AddressKind {
    /// Classifies an address. IPv4-mapped and NAT64 addresses count as the IPv4 address inside them.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// Whether a grant that names the host may lead to such an address. Groups and the unspecified address are never a
    /// host.
    #[must_use]
    pub const fn can_be_named(self) -> bool {
        match self {
            Self::Multicast | Self::Unspecified => false,
            Self::Public
            | Self::Loopback
            | Self::Private
            | Self::LinkLocal
            | Self::Shared
            | Self::Documentation
            | Self::Tunnel
            | Self::Reserved => true,
        }
    }
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Shared => "an address of a provider's inner network",
            Self::Documentation => "an address for documentation or benchmarks",
            Self::Tunnel => "an IPv4 address inside an IPv6 tunnel address",
            Self::Reserved => "a reserved address",
            Self::Multicast => "a multicast or broadcast address",
            Self::Unspecified => "the unspecified address",
        })
    }
}

fn of_v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        [0, ..] => AddressKind::Unspecified,
        [127, ..] => AddressKind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressKind::Private,
        [169, 254, ..] => AddressKind::LinkLocal,
        [100, 64..=127, ..] => AddressKind::Shared,
        [192, 0, 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            AddressKind::Documentation
        }
        [192, 88, 99, _] => AddressKind::Tunnel,
        [224..=239, ..] | [255, 255, 255, 255] => AddressKind::Multicast,
        [192, 0, 0, _] | [240..=255, ..] => AddressKind::Reserved,
        _ => AddressKind::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressKind {
    let [.., a, b, c, d] = address.octets();
    let inner = Ipv4Addr::new(a, b, c, d);
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressKind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        // IPv4-mapped (RFC 4291, section 2.5.5.2) and NAT64 (RFC 6052, section 2.1).
        [0, 0, 0, 0, 0, 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => of_v4(inner),
        // IPv4-compatible (RFC 4291), ISATAP (RFC 5214), 6to4 (RFC 3056) and Teredo (RFC 4380).
        [0, 0, 0, 0, 0, 0, _, _] | [_, _, _, _, 0 | 0x200, 0x5efe, _, _] | [0x2002, ..] | [0x2001, 0, ..] => {
            AddressKind::Tunnel
        }
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => AddressKind::Private,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xff00..=0xffff, ..] => AddressKind::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2001, 2, 0, ..] => AddressKind::Documentation,
        [0x2001, 0..=0x1ff, ..] => AddressKind::Reserved,
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        _ => AddressKind::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> AddressKind {
        AddressKind::of(text.parse().expect("an address"))
    }

    #[test]
    fn ordinary_addresses_are_public() {
        for text in
            ["1.1.1.1", "93.184.215.14", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::5"]
        {
            assert_eq!(kind(text), AddressKind::Public, "{text}");
        }
    }

    #[test]
    fn inner_networks_are_told_apart() {
        let cases = [
            ("127.0.0.1", AddressKind::Loopback),
            ("127.255.255.254", AddressKind::Loopback),
            ("::1", AddressKind::Loopback),
            ("10.0.0.1", AddressKind::Private),
            ("172.16.0.1", AddressKind::Private),
            ("172.31.255.255", AddressKind::Private),
            ("192.168.1.1", AddressKind::Private),
            ("fd00::1", AddressKind::Private),
            ("fec0::1", AddressKind::Private),
            ("169.254.169.254", AddressKind::LinkLocal),
            ("fe80::1", AddressKind::LinkLocal),
            ("100.64.0.1", AddressKind::Shared),
            ("192.0.2.1", AddressKind::Documentation),
            ("198.18.0.1", AddressKind::Documentation),
            ("2001:db8::1", AddressKind::Documentation),
            ("3fff::1", AddressKind::Documentation),
            ("192.0.0.8", AddressKind::Reserved),
            ("240.0.0.1", AddressKind::Reserved),
            ("100::1", AddressKind::Reserved),
            ("64:ff9b:1::a00:1", AddressKind::Reserved),
            ("224.0.0.1", AddressKind::Multicast),
            ("255.255.255.255", AddressKind::Multicast),
            ("ff02::1", AddressKind::Multicast),
            ("0.0.0.0", AddressKind::Unspecified),
            ("0.1.2.3", AddressKind::Unspecified),
            ("::", AddressKind::Unspecified),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_one_is_found() {
        let cases = [
            ("::ffff:127.0.0.1", AddressKind::Loopback),
            ("::ffff:8.8.8.8", AddressKind::Public),
            ("64:ff9b::10.0.0.1", AddressKind::Private),
            ("64:ff9b::8.8.8.8", AddressKind::Public),
            ("::127.0.0.1", AddressKind::Tunnel),
            ("2002:7f00:1::", AddressKind::Tunnel),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", AddressKind::Tunnel),
            ("2a00::5efe:10.0.0.1", AddressKind::Tunnel),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text), expected, "{text}");
        }
    }
}
