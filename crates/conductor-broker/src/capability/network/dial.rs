//! Making a connection: look-up, TCP, TLS, each for as long as there is time, to checked addresses only.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conductor_policy::scope::literal;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use super::lookup::CheckingResolver;
use super::meter::Meter;
use super::seats::{Seat, Seats};
use super::target::Target;
use super::wire::{Channel, Wire};

/// Longest time for one connection to be made.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an address may take before the next one is tried beside it (RFC 8305, section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Most bytes of TLS that wait to be sent; the library's own default, said here because a server that does not read decides
/// how much that is.
const TLS_BUFFER_BYTES: usize = 64 * 1024;

/// What it takes to connect.
#[derive(Clone)]
pub(super) struct Dialler {
    pub(super) resolver: CheckingResolver,
    pub(super) meter: Arc<Meter>,
    pub(super) seats: Seats,
    pub(super) tls: Arc<ClientConfig>,
}

impl Dialler {
    /// Connects to a target. The seat is for the connection.
    pub(super) async fn dial(&self, target: &Target, seat: Seat) -> Result<Channel, Failure> {
        timeout(CONNECT_TIMEOUT, self.dial_at_leisure(target, seat)).await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn dial_at_leisure(&self, target: &Target, seat: Seat) -> Result<Channel, Failure> {
        let addresses = self.resolver.addresses(target.host(), target.port()).await?;
        let mut wire = self.first_to_answer(&alternating(addresses), seat).await?;
        if !target.is_secure() {
            return Ok(Channel::plain(wire));
        }
        let name = match literal(target.host()) {
            Some(address) => ServerName::from(address),
            None => ServerName::try_from(target.host().to_string()).map_err(io::Error::other)?,
        };
        wire.carries_tls();
        let met = wire.met();
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let connecting =
            connector.connect_with(name, wire, |tls| tls.set_buffer_limit(Some(TLS_BUFFER_BYTES)));
        let stream = connecting.await.map_err(|error| Failure::broken(error, &met))?;
        Ok(Channel::encrypted(stream))
    }

    /// Tries the addresses in order, the next one beside an address that takes long.
    async fn first_to_answer(&self, addresses: &[SocketAddr], seat: Seat) -> Result<Wire, Failure> {
        let mut left = addresses.iter();
        let mut attempts = FuturesUnordered::new();
        let mut failed = Failure::from(io::Error::from(io::ErrorKind::NotFound));
        let mut next_seat = Some(seat);
        loop {
            if !left.as_slice().is_empty()
                && let Some(seat) = next_seat.take()
                && let Some(address) = left.next()
            {
                attempts.push(self.attempt(*address, seat));
            }
            let waits_for = if left.as_slice().is_empty() { CONNECT_TIMEOUT } else { NEXT_ADDRESS_AFTER };
            match timeout(waits_for, attempts.next()).await {
                Ok(Some(Ok(wire))) => return Ok(wire),
                Ok(Some(Err((error, seat)))) => (failed, next_seat) = (error, Some(seat)),
                Ok(None) => return Err(failed),
                // A second attempt needs a place of its own; without one, the first has all the time there is.
                Err(_) => next_seat = self.seats.try_take().ok(),
            }
        }
    }

    /// Connects to one address, if it still leads where it did; the seat comes back where nothing was begun.
    async fn attempt(&self, address: SocketAddr, seat: Seat) -> Result<Wire, (Failure, Seat)> {
        if let Err(error) = self.resolver.still(address).await {
            return Err((error.into(), seat));
        }
        match Wire::connect(address, Arc::clone(&self.meter), seat).await {
            Ok(wire) => Ok(wire),
            Err((error, seat)) => Err((error.into(), seat)),
        }
    }
}

/// The addresses with those of both families in turn (RFC 8305, section 4), so that a family which leads nowhere costs little.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let leads = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == leads);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let turns = std::iter::from_fn(|| match (first.next(), second.next()) {
        (None, None) => None,
        (one, other) => Some(one.into_iter().chain(other)),
    });
    turns.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let order = |texts: &[&str]| {
            let addresses = texts.iter().map(|text| text.parse().expect("an address")).collect();
            alternating(addresses).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let mixed = ["[2a00::1]:1", "[2a00::2]:1", "[2a00::3]:1", "1.1.1.1:1"];
        assert_eq!(order(&mixed), ["[2a00::1]:1", "1.1.1.1:1", "[2a00::2]:1", "[2a00::3]:1"]);
        assert_eq!(order(&["1.1.1.1:1", "[2a00::1]:1"]), ["1.1.1.1:1", "[2a00::1]:1"]);
        assert!(order(&[]).is_empty());
    }
}
