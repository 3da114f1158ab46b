//! The words of rtnetlink (RFC 3549; `linux/rtnetlink.h`), as far as they are needed to ask where an address leads.
//!
//! A message is a header and a fixed structure, both in the machine's byte order, followed by attributes: length, type,
//! value. A value that is shorter than it should be reads as none, and whoever needs it then refuses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a message's header.
const HEADER_BYTES: usize = 16;

/// Bytes of the fixed structure of a route (`rtmsg`).
const ROUTE_BYTES: usize = 12;

/// Bytes of the fixed structure of a link (`ifinfomsg`).
const LINK_BYTES: usize = 16;

/// Bytes of the fixed structure of an address (`ifaddrmsg`).
const ADDRESS_BYTES: usize = 8;

/// Bytes of the fixed structure of a next hop (`nhmsg`).
const NEXT_HOP_BYTES: usize = 8;

/// Bytes of the structure before the attributes of one path of several (`rtnexthop`).
const PATH_BYTES: usize = 8;

/// Numbers of `linux/rtnetlink.h` and `linux/nexthop.h` that the C library lacks.
const ATTRIBUTE_PROTOCOL: u16 = 27;
const ATTRIBUTE_PORT: u16 = 29;
const GET_NEXT_HOP: u16 = 106;
const NEW_NEXT_HOP: u16 = 104;
const NEXT_HOP_GATEWAY: u16 = 6;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// All links.
    Links,
    /// The addresses of all interfaces.
    Addresses,
    /// The routes of one family, in all tables.
    Routes { ipv4: bool },
    /// Next hops that routes share.
    NextHops,
    /// Which way a connection to an address takes.
    Way { to: IpAddr, from: Option<IpAddr>, port: u16 },
}

/// One message of an answer.
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// The end of a list, or that a question was refused with this error number, which is none for a mere receipt.
    End {
        error: i32,
    },
    Link {
        index: u32,
        flags: u32,
    },
    Address {
        address: Option<IpAddr>,
        local: Option<IpAddr>,
        length: u8,
    },
    Route(Route<'a>),
    NextHop {
        gateway: Option<IpAddr>,
    },
    /// Something that was not asked for.
    Other,
}

/// A route, or the way that a connection takes.
#[derive(Debug)]
pub(super) struct Route<'a> {
    pub(super) kind: u8,
    pub(super) interface: Option<u32>,
    pub(super) source: Option<IpAddr>,
    gateway: Option<IpAddr>,
    has_gateway: bool,
    paths: &'a [u8],
}

/// A message, and whether the list that it belongs to changed while it was read.
pub(super) struct Received<'a> {
    pub(super) sequence: u32,
    pub(super) is_interrupted: bool,
    pub(super) message: Message<'a>,
}

impl Question {
    pub(super) fn encode(self, sequence: u32) -> Vec<u8> {
        const DUMP: i32 = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
        let (kind, flags, body) = match self {
            Self::Links => (libc::RTM_GETLINK, DUMP, vec![0; LINK_BYTES]),
            Self::Addresses => (libc::RTM_GETADDR, DUMP, vec![0; ADDRESS_BYTES]),
            Self::NextHops => (GET_NEXT_HOP, DUMP, vec![0; NEXT_HOP_BYTES]),
            Self::Routes { ipv4 } => {
                let mut body = vec![0; ROUTE_BYTES];
                body[0] = if ipv4 { libc::AF_INET } else { libc::AF_INET6 } as u8;
                (libc::RTM_GETROUTE, DUMP, body)
            }
            Self::Way { to, from, port } => (libc::RTM_GETROUTE, libc::NLM_F_REQUEST, way(to, from, port)),
        };
        let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
        message.extend(((HEADER_BYTES + body.len()) as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend((flags as u16).to_ne_bytes());
        message.extend(sequence.to_ne_bytes());
        message.extend([0; 4]);
        message.extend(body);
        message
    }
}

/// The structure and attributes of a question for the way to an address, over TCP.
fn way(to: IpAddr, from: Option<IpAddr>, port: u16) -> Vec<u8> {
    let (family, bits) = if to.is_ipv4() { (libc::AF_INET, 32) } else { (libc::AF_INET6, 128) };
    let mut body = vec![0; ROUTE_BYTES];
    body[0] = family as u8;
    body[1] = bits;
    body[2] = if from.is_some() { bits } else { 0 };
    attribute(&mut body, libc::RTA_DST, &octets(to));
    if let Some(from) = from {
        attribute(&mut body, libc::RTA_SRC, &octets(from));
    }
    // Rules may look at these; kernels before Linux 4.19 have neither the rules nor the attributes.
    attribute(&mut body, ATTRIBUTE_PROTOCOL, &[libc::IPPROTO_TCP as u8]);
    if port != 0 {
        attribute(&mut body, ATTRIBUTE_PORT, &port.to_be_bytes());
    }
    body
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The messages of one datagram; `None` in place of one that is malformed, which is the last then.
pub(super) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Option<Received<'_>>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let message = u32_at(datagram, 0)
            .map(|length| length as usize)
            .filter(|length| *length >= HEADER_BYTES)
            .and_then(|length| Some((length, datagram.get(..length)?)));
        let Some((length, message)) = message else {
            datagram = &[];
            return Some(None);
        };
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(received(message))
    })
}

fn received(message: &[u8]) -> Option<Received<'_>> {
    let (kind, flags) = (u16_at(message, 4)?, u16_at(message, 6)?);
    let body = message.get(HEADER_BYTES..)?;
    let message_read = match kind {
        kind if i32::from(kind) == libc::NLMSG_DONE || i32::from(kind) == libc::NLMSG_ERROR => {
            // An error is written as a negative number.
            Message::End { error: u32_at(body, 0).map_or(0, |error| (error as i32).saturating_neg()) }
        }
        libc::RTM_NEWLINK => Message::Link { index: u32_at(body, 4)?, flags: u32_at(body, 8)? },
        libc::RTM_NEWADDR => {
            let attributes = body.get(ADDRESS_BYTES..)?;
            Message::Address {
                address: value(attributes, libc::IFA_ADDRESS).and_then(address),
                local: value(attributes, libc::IFA_LOCAL).and_then(address),
                length: *body.get(1)?,
            }
        }
        libc::RTM_NEWROUTE => Message::Route(Route::read(*body.get(7)?, body.get(ROUTE_BYTES..)?)),
        NEW_NEXT_HOP => {
            let gateway = value(body.get(NEXT_HOP_BYTES..)?, NEXT_HOP_GATEWAY);
            Message::NextHop { gateway: gateway.and_then(address) }
        }
        _ => Message::Other,
    };
    Some(Received {
        sequence: u32_at(message, 8)?,
        is_interrupted: i32::from(flags) & libc::NLM_F_DUMP_INTR != 0,
        message: message_read,
    })
}

impl<'a> Route<'a> {
    fn read(kind: u8, attributes: &'a [u8]) -> Self {
        let (gateway, via) = (value(attributes, libc::RTA_GATEWAY), value(attributes, libc::RTA_VIA));
        Self {
            kind,
            interface: value(attributes, libc::RTA_OIF).and_then(|value| u32_at(value, 0)),
            source: value(attributes, libc::RTA_PREFSRC).and_then(address),
            gateway: gateway_of(attributes),
            has_gateway: gateway.is_some() || via.is_some(),
            paths: value(attributes, libc::RTA_MULTIPATH).unwrap_or_default(),
        }
    }

    /// Whether the way leads through a router.
    pub(super) const fn has_gateway(&self) -> bool {
        self.has_gateway
    }

    /// Whether there are several paths, of which one is taken for each connection.
    pub(super) const fn has_paths(&self) -> bool {
        !self.paths.is_empty()
    }

    /// The routers on it.
    pub(super) fn gateways(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let mut rest = self.paths;
        let of_paths = std::iter::from_fn(move || {
            let length = usize::from(u16_at(rest, 0)?);
            let path = rest.get(..length).filter(|path| path.len() >= PATH_BYTES)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some(path.get(PATH_BYTES..).and_then(gateway_of))
        });
        self.gateway.into_iter().chain(of_paths.flatten())
    }
}

/// The router among a route's attributes; it may be of the other family (RFC 5549).
fn gateway_of(attributes: &[u8]) -> Option<IpAddr> {
    let via = || value(attributes, libc::RTA_VIA).and_then(|via| via.get(2..)).and_then(address);
    value(attributes, libc::RTA_GATEWAY).and_then(address).or_else(via)
}

/// The value of the first attribute of this type.
fn value(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let kind = u16_at(attributes, 2)? & libc::NLA_TYPE_MASK as u16;
        let value = attributes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(place..place + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(place..place + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_asked_for_with_all_that_rules_may_look_at() {
        let to = "203.0.113.9".parse().expect("an address");
        let asked = Question::Way { to, from: Some("192.0.2.1".parse().expect("an address")), port: 443 };
        let message = asked.encode(7);
        assert_eq!(u32_at(&message, 0), Some(message.len() as u32));
        let body = &message[HEADER_BYTES..];
        assert_eq!(&body[..3], [libc::AF_INET as u8, 32, 32]);
        let attributes = &body[ROUTE_BYTES..];
        assert_eq!(value(attributes, libc::RTA_DST).and_then(address), Some(to));
        assert!(value(attributes, libc::RTA_SRC).is_some());
        assert_eq!(value(attributes, ATTRIBUTE_PROTOCOL), Some(&[6][..]));
        assert_eq!(value(attributes, ATTRIBUTE_PORT), Some(&[1, 187][..]));
    }

    #[test]
    fn whatever_comes_is_read_or_refused_and_never_a_panic() {
        let mut message = vec![0; HEADER_BYTES];
        message[4..6].copy_from_slice(&libc::RTM_NEWROUTE.to_ne_bytes());
        message.extend([0; ROUTE_BYTES]);
        message[HEADER_BYTES + 7] = libc::RTN_UNICAST;
        let mut paths = vec![12 + 4, 0, 0, 0, 0, 0, 0, 0];
        attribute(&mut paths, libc::RTA_GATEWAY, &[192, 0, 2, 1]);
        paths[0] = paths.len() as u8;
        attribute(&mut message, libc::RTA_MULTIPATH, &paths);
        attribute(&mut message, libc::RTA_VIA, &[2, 0, 192, 0, 2, 2]);
        let length = message.len() as u32;
        message[..4].copy_from_slice(&length.to_ne_bytes());
        let read = messages(&message).next().flatten().expect("a message");
        let Message::Route(route) = read.message else { panic!("{:?}", read.message) };
        let gateways: Vec<_> = route.gateways().map(|gateway| gateway.to_string()).collect();
        assert_eq!(gateways, ["192.0.2.2", "192.0.2.1"]);
        assert!(route.has_gateway() && route.has_paths());

        for end in 0..message.len() {
            assert!(messages(&message[..end]).all(|message| message.is_none()), "cut at {end}");
        }
        for place in 0..message.len() {
            for byte in [0, 1, 3, 0x7f, 0xff] {
                let mut changed = message.clone();
                changed[place] = byte;
                for read in messages(&changed).flatten() {
                    if let Message::Route(route) = read.message {
                        assert!(route.gateways().count() <= changed.len());
                    }
                }
            }
        }
    }
}
