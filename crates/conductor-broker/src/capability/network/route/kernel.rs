//! A socket to the kernel's routing tables. Reading them needs no privilege.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv, send, socket_with,
};

use super::message::{Message, Question, Received, messages};

/// Bytes of one datagram; the kernel sends no larger ones (`NETLINK_DUMP` pages of 32 KiB).
const DATAGRAM_BYTES: usize = 64 * 1024;

/// Most messages of one list; a table of routes as long as that is the internet's, which no desktop has, and reading it for
/// every connection would hold up all of them.
const MAX_MESSAGES: usize = 100_000;

/// How often a list is read again that changed while it was read.
const MAX_READINGS: usize = 4;

/// Longest wait for the kernel.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the kernel knows of interfaces and routers at one moment.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// Flags of each interface, by its number.
    pub(super) links: Vec<(u32, u32)>,
    /// Addresses of interfaces with the length of their prefix: their own and, on a line with two ends, the other one's.
    pub(super) addresses: Vec<(IpAddr, u8)>,
    pub(super) gateways: Vec<IpAddr>,
}

/// The way that a connection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// None.
    Nowhere,
    Route {
        /// Kind of the route (`RTN_…`).
        kind: u8,
        interface: Option<u32>,
        has_gateway: bool,
        /// The address that the connection comes from.
        source: Option<IpAddr>,
    },
}

/// A connection to the kernel.
pub(super) struct Kernel {
    socket: OwnedFd,
    sequence: u32,
}

impl Kernel {
    pub(super) fn open() -> io::Result<Self> {
        // Of the protocols of netlink, the first one is that of routes (`NETLINK_ROUTE`).
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        let kernel = SocketAddrNetlink::new(0, 0);
        bind(&socket, &kernel)?;
        // From now on nobody but the kernel is heard.
        connect(&socket, &kernel)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Reads what there is.
    pub(super) fn surroundings(&mut self) -> io::Result<Surroundings> {
        let mut found = Surroundings::default();
        let Surroundings { links, addresses, gateways } = &mut found;
        self.list(Question::Links, links, |links, message| {
            if let Message::Link { index, flags } = message {
                links.push((index, flags));
            }
        })?;
        self.list(Question::Addresses, addresses, |addresses, message| {
            if let Message::Address { address, local, length } = message {
                addresses.extend(address.map(|address| (address, length)));
                let own = local.map(|local| (local, if local.is_ipv4() { 32 } else { 128 }));
                addresses.extend(own);
            }
        })?;
        for ipv4 in [true, false] {
            let mut routers = Vec::new();
            self.list(Question::Routes { ipv4 }, &mut routers, |gateways, message| {
                if let Message::Route(route) = message {
                    gateways.extend(route.gateways());
                }
            })?;
            gateways.append(&mut routers);
        }
        let mut shared = Vec::new();
        let read = self.list(Question::NextHops, &mut shared, |gateways, message| {
            if let Message::NextHop { gateway } = message {
                gateways.extend(gateway);
            }
        });
        match read.map_err(|error| error.raw_os_error()) {
            // Kernels before Linux 5.3 have none.
            Ok(()) | Err(Some(libc::EOPNOTSUPP)) => {}
            Err(Some(error)) => return Err(io::Error::from_raw_os_error(error)),
            Err(None) => return Err(malformed("a list of next hops")),
        }
        gateways.append(&mut shared);
        gateways.sort_unstable();
        gateways.dedup();
        Ok(found)
    }

    /// Asks which way a connection over TCP takes.
    pub(super) fn way(&mut self, to: IpAddr, from: Option<IpAddr>, port: u16) -> io::Result<Way> {
        let mut way = None;
        let asked = self.ask(Question::Way { to, from, port }, |message| match message {
            Message::Route(route) => {
                // Of several paths it is not known which one the connection takes.
                let has_gateway = route.has_gateway() && !route.has_paths();
                let (kind, interface, source) = (route.kind, route.interface, route.source);
                way = Some(Way::Route { kind, interface, has_gateway, source });
                true
            }
            Message::End { .. } => true,
            Message::Link { .. } | Message::Address { .. } | Message::NextHop { .. } | Message::Other => {
                false
            }
        });
        match asked.map_err(|error| (error.raw_os_error(), error)) {
            Ok(_) => way.ok_or_else(|| malformed("no route")),
            // No route, or one that refuses: unreachable, prohibited, a black hole.
            Err((
                Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EPERM | libc::EINVAL),
                _,
            )) => Ok(Way::Nowhere),
            Err((_, error)) => Err(error),
        }
    }

    /// Reads a list, again if it changed meanwhile.
    fn list<T>(
        &mut self,
        question: Question,
        found: &mut Vec<T>,
        mut keep: impl FnMut(&mut Vec<T>, Message<'_>),
    ) -> io::Result<()> {
        for _ in 0..MAX_READINGS {
            found.clear();
            let is_whole = self.ask(question, |message| {
                let is_end = matches!(message, Message::End { .. });
                keep(found, message);
                is_end
            })?;
            if is_whole {
                return Ok(());
            }
        }
        Err(io::Error::other("the routing tables change faster than they can be read"))
    }

    /// Asks, and hands every message of the answer to `take` until it says that it was the last. Says whether the answer is
    /// of one moment.
    fn ask(&mut self, question: Question, mut take: impl FnMut(Message<'_>) -> bool) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        send(&self.socket, &question.encode(self.sequence), SendFlags::empty())?;
        let mut buffer = vec![0; DATAGRAM_BYTES];
        let (mut count, mut is_whole) = (0, true);
        loop {
            let (_, length) = recv(&self.socket, &mut buffer[..], RecvFlags::TRUNC)?;
            let datagram = buffer.get(..length).filter(|datagram| !datagram.is_empty());
            for received in messages(datagram.ok_or_else(|| malformed("a datagram"))?) {
                let Received { sequence, is_interrupted, message } =
                    received.ok_or_else(|| malformed("a message"))?;
                if sequence != self.sequence {
                    continue;
                }
                is_whole &= !is_interrupted;
                if let Message::End { error } = message
                    && error != 0
                {
                    return Err(io::Error::from_raw_os_error(error));
                }
                if take(message) {
                    return Ok(is_whole);
                }
                count += 1;
                if count > MAX_MESSAGES {
                    return Err(io::Error::other(format!(
                        "the routing tables have more than {MAX_MESSAGES} entries"
                    )));
                }
            }
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel answered with {what} that cannot be read"))
}
